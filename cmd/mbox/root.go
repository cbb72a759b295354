package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is that of the module. It is semantic.
const version = "0.1.0"

// root returns the command that holds all others. args are what it will be asked.
func (p *program) root(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "mbox",
		Short: "Follow the connections of a network capture or interface",
		Long: `mbox follows the connections of a network capture, or of what passes an interface,
from the middle of the path: both TCP states, both streams, every retransmission,
gap and anomaly. The same capture gives the same output, octet for octet, on any
number of CPUs.`,
		Example: `  mbox demo                                    see it work, nothing to set up
  mbox flows -r trace.pcap                     one line per flow
  mbox flows -r trace.pcap tcp port 80         with a tcpdump expression
  mbox flows -i eth0 --stats                   live; mbox interfaces lists what there is
  zcat t.pcap.gz | mbox flows -r - --format jsonl | jq .server
  mbox events -r trace.pcap --on rexmit,anomaly
  mbox streams -r trace.pcap -d out            every stream to a file
  mbox web -r trace.pcap                       web servers by the second; live with -i
  mbox top -r trace.pcap                       all flows with both TCP states
  mbox dump -r trace.pcap host 10.1.0.11       connections as transcripts`,
		Version:       buildVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          noCommand,
		// One letter too many and two that changed places.
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("mbox {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			return noCommand(root, args) // a mistyped command, whose flags are not ours
		}
		return flagError(err)
	})
	root.AddCommand(p.flows(), p.events(), p.streams(), p.web(), p.top(), p.dump(), p.interfaces(), p.bench(), p.demo())
	return root
}

// noCommand answers a command line without a command that we know.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	if isFile(args[0]) {
		return fmt.Errorf("%s is a file: mbox flows -r %s reads it", args[0], args[0])
	}
	text, hint := fmt.Sprintf("unknown command %q", args[0]), ""
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		text += "; did you mean " + strings.Join(s, " or ") + "?"
	}
	if args[0] == "version" {
		hint = "mbox --version says it; "
	}
	return fmt.Errorf("%s (%smbox --help lists the commands)", text, hint)
}

// strict has the commands that come with cobra refuse what they do not know. They
// write to what root writes to by then.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if about, _, err := root.Find(args); err == nil && about == root && len(args) > 0 {
					return noCommand(root, args)
				}
				return nil
			}
		case "completion":
			var shells []string
			for _, shell := range cmd.Commands() {
				shells = append(shells, shell.Name())
			}
			cmd.Args = cobra.ArbitraryArgs
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				if len(args) == 0 {
					return cmd.Help()
				}
				return fmt.Errorf("completion: no such shell %q; there are %s", args[0], strings.Join(shells, ", "))
			}
		}
	}
}

// buildVersion says which mbox this is, and what it was built from and with.
func buildVersion() string {
	rev := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				rev = ", " + s.Value[:min(len(s.Value), 12)]
			}
		}
	}
	return fmt.Sprintf("%s (%s %s/%s%s)", version, runtime.Version(), runtime.GOOS, runtime.GOARCH, rev)
}

// notLive answers -i where nothing captures.
const notLive = "mbox flows, events, streams, dump, web and top capture on an interface by -i IFACE"

// notRead answers -r where nothing is read.
const notRead = "mbox flows, events, streams, dump, web, top and bench read a capture by -r FILE"

// foreign is what users of other tools type, and what is meant here.
var foreign = map[string]string{
	"-i":          notLive,
	"--interface": notLive,
	"-r":          notRead,
	"--read":      notRead,
	"-D":          "mbox interfaces lists them",
	"-p":          "--no-promisc leaves out frames that are for other stations",
	"-B":          "--ring-size SIZE is the memory of each ring",
	"-Z":          "--user NAME, with -i, is who mbox becomes once sockets are open",
	"-G":          "--rotate-every DUR rotates what -o writes; -w writes one file",
	"-W":          "--rotate-keep N keeps so many of the files that -o writes",
	"-s":          "frames are taken as long as the capture has them",
	"-C":          "checksums are only labelled; --checksums off does not look at them",
	"-f":          "a filter is what follows the flags, or --filter EXPR",
	"-v":          "mbox events says what happened, mbox dump shows each segment",
	"-X":          "mbox dump shows each segment, mbox streams -d DIR writes what was said",
	"-x":          "mbox dump shows each segment, mbox streams -d DIR writes what was said",
	"-A":          "mbox streams -d DIR writes what was said",
	"-e":          "link headers are not shown; --format jsonl has the encapsulation",
	"-S":          "mbox dump --absolute shows sequence numbers as they are",
	"-t":          "mbox events prints the time of each event",
	"-l":          "lines are written as the input allows",
	"-z":          "records are printed by mbox flows",
}

// flagError explains a flag that is wrong.
func flagError(err error) error {
	var unknown *pflag.NotExistError
	var number *strconv.NumError
	switch {
	case errors.As(err, &unknown):
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = name[1:]
		}
		if hint := foreign[name]; hint != "" {
			return fmt.Errorf("unknown flag %s: %s", name, hint)
		}
	case errors.As(err, &number):
		// What was wrong with the digits follows behind the flag's name, in words
		// of package strconv.
		must := map[string]string{"ParseBool": "true or false", "ParseInt": "a number", "ParseUint": "a number from 0 on"}[number.Func]
		if errors.Is(err, strconv.ErrRange) {
			must = "a smaller number"
		}
		return fmt.Errorf("%smust be %s", strings.TrimSuffix(err.Error(), number.Error()), must)
	}
	return err
}

// common adds the flags that commands over captures and interfaces share, and
// has the help tell them apart from the command's own.
func (o *options) common(cmd *cobra.Command) {
	onWire := pflag.NewFlagSet("live", pflag.ContinueOnError)
	onWire.SortFlags = false
	o.capture(onWire)
	o.commonOver(cmd, onWire)
	// It fails only for flags that are not there.
	_ = cmd.RegisterFlagCompletionFunc("interface", completeInterfaces)
}

// commonOver is common for a command that captures by the flags of onWire: none
// where it does not.
func (o *options) commonOver(cmd *cobra.Command, onWire *pflag.FlagSet) {
	shared := pflag.NewFlagSet("common", pflag.ContinueOnError)
	shared.SortFlags = false
	o.source(shared)
	o.stack(shared)
	o.running(shared)
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		own := pflag.NewFlagSet("own", pflag.ContinueOnError)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if shared.Lookup(f.Name) == nil && onWire.Lookup(f.Name) == nil {
				own.AddFlag(f)
			}
		})
		text := fmt.Sprintf("Usage:\n  mbox %s\n\nExamples:\n%s\n\nFlags:\n%s\nCommon flags:\n%s",
			cmd.Use, cmd.Example, own.FlagUsagesWrapped(helpColumns), shared.FlagUsagesWrapped(helpColumns))
		if onWire.HasFlags() {
			text += "\nLive capture:\n" + onWire.FlagUsagesWrapped(helpColumns)
		}
		_, err := fmt.Fprint(cmd.OutOrStderr(), text)
		return err
	})
	cmd.Flags().AddFlagSet(shared)
	cmd.Flags().AddFlagSet(onWire)
	cmd.Flags().SortFlags = false
	complete(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if err := o.onlyLive(onWire); err != nil { // ahead of a file that all runs may share
			return err
		}
		if err := noFiles(args); err != nil {
			return err
		}
		if o.file == "" {
			return nil
		}
		return readConfig(cmd, o.file)
	}
}

// complete tells the shell what may stand behind the command's flags; files are
// what it offers of itself. A filter expression is none.
func complete(cmd *cobra.Command) {
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		var offer cobra.CompletionFunc
		switch c, chosen := f.Value.(*choice); {
		case chosen:
			offer = cobra.FixedCompletions(c.of, cobra.ShellCompDirectiveNoFileComp)
		case f.Name == "on":
			offer = completeList(append([]string{"all"}, eventNames()...))
		case f.Name == "key":
			offer = completeList([]string{"vlan", "tunnel"})
		case f.Name == "dir":
			offer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
		case f.Name != "filter" && f.Name != "flow" && strings.HasPrefix(f.Value.Type(), "string"):
			return
		default:
			offer = cobra.NoFileCompletions
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, offer) // fails only for flags that are not there
	})
}

// completeList offers names for the last of a list that commas separate, but
// for those that are in it.
func completeList(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (offers []string, _ cobra.ShellCompDirective) {
		before := typed[:strings.LastIndexByte(typed, ',')+1]
		there := strings.Split(before, ",")
		for _, name := range names {
			if !slices.Contains(there, name) {
				offers = append(offers, before+name)
			}
		}
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// helpColumns is how wide help may be.
const helpColumns = 100
