package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/filter"
)

// options are what the flags that most commands share say.
type options struct {
	read   []string
	filter string
	count  uint64
	write  string
	file   string // of the flags themselves: --config

	shards    int
	batch     int
	seed      uint64
	memory    size
	history   size
	checksums choice
	idle      time.Duration // negative: not given
	keys      []string
	policy    choice
	strict    bool
	pickup    bool

	stats   bool
	quiet   bool
	numeric bool
	profile choice
}

// newOptions returns the options with their defaults.
func newOptions() *options {
	return &options{
		checksums: choice{value: "label", of: []string{"label", "auto", "verify", "off"}},
		policy:    choice{value: "first", of: policyNames()},
		profile:   choice{of: profileNames()},
		idle:      -1,
		pickup:    true,
	}
}

func policyNames() (names []string) {
	for p := buffers.First; p <= buffers.Solaris; p++ {
		names = append(names, p.String())
	}
	return names
}

// source adds the flags that say what is read, and what of it.
func (o *options) source(fs *pflag.FlagSet) {
	fs.StringArrayVarP(&o.read, "read", "r", nil, "read capture `FILE`, pcap or pcapng, also compressed by gzip; - is standard input; several are read one after another")
	fs.StringVar(&o.filter, "filter", "", "look only at packets that the tcpdump expression `EXPR` selects, as do arguments behind the flags")
	fs.Uint64VarP(&o.count, "count", "c", 0, "stop after `COUNT` frames")
	fs.StringVarP(&o.write, "write", "w", "", "write the frames that were looked at to `FILE`, as pcapng")
	fs.BoolVarP(&o.numeric, "numeric", "n", false, "accepted for the sake of habit: names are never looked up")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "nothing on standard error but errors")
}

// stack adds the flags that say how flows are followed.
func (o *options) stack(fs *pflag.FlagSet) {
	fs.IntVar(&o.shards, "shards", 0, "follow flows on `N` shards (default: one for each CPU but one); the output does not depend on it")
	fs.IntVar(&o.batch, "batch", 0, "hand frames over `N` at a time (default 128)")
	fs.Uint64Var(&o.seed, "seed", 0, "of the flow hash; the order of a few records that end at one time depends on it")
	fs.Var(&o.memory, "memory", "`SIZE` that flows, streams and fragments may take together, such as 256MiB (default 2GiB)")
	fs.Var(&o.history, "history", "keep `SIZE` octets of each stream after they were acknowledged, to compare retransmissions with")
	fs.Var(&o.checksums, "checksums", "wrong transport checksums: `label` the flow, verify (and take nothing from such segments), off; auto is label on captures")
	fs.DurationVar(&o.idle, "idle-timeout", -1, "end flows that are silent for `DUR`, such as 90s; 0: no timer ends a flow (default by state, two hours when established)")
	fs.StringSliceVar(&o.keys, "key", nil, "what else tells flows apart where addresses overlap: `vlan,tunnel`")
	fs.Var(&o.policy, "policy", "which copy of overlapping octets counts: `"+strings.Join(o.policy.of, ", ")+"`")
	fs.BoolVar(&o.strict, "strict", false, "take only what an RFC 9293 receiver would take")
	fs.BoolVar(&o.pickup, "pickup", true, "pick connections up in their middle; =false: only from their SYN or SYN-ACK on")
}

// running adds the flags that say how the program itself runs.
func (o *options) running(fs *pflag.FlagSet) {
	fs.BoolVar(&o.stats, "stats", false, "at the end, say on standard error what became of every frame")
	fs.Var(&o.profile, "profile", "write a profile of the program to the working directory: `"+strings.Join(o.profile.of, ", ")+"`")
	fs.StringVar(&o.file, "config", "", "take flags from `FILE`, one 'name: value' a line; the command line overrides them")
}

// config returns what the options mean to a stack. args are what stood behind
// the flags: a filter expression.
func (o *options) config(args []string) (mbox.Config, error) {
	c := mbox.Config{
		Shards: o.shards, Batch: o.batch, Seed: o.seed, Memory: uint64(o.memory), History: uint64(o.history),
		Strict: o.strict, NoPickup: !o.pickup, Count: o.count, Timeouts: o.timeouts(),
	}
	c.Checksums = map[string]mbox.Checksums{"verify": mbox.ChecksumsVerify, "off": mbox.ChecksumsOff}[o.checksums.value]
	for _, k := range o.keys {
		switch k {
		case "vlan":
			c.ByVLAN = true
		case "tunnel":
			c.ByTunnel = true
		default:
			return c, fmt.Errorf("--key %s: must be vlan, tunnel or both", k)
		}
	}
	var err error
	if c.Policy, err = buffers.ParsePolicy(o.policy.value); err != nil {
		return c, fmt.Errorf("--policy: %w", err)
	}
	c.Filter, err = expression(o.filter, strings.Join(args, " "))
	return c, err
}

// expression joins the two places where a filter may stand.
func expression(flag, args string) (string, error) {
	for _, text := range []string{flag, args} {
		if _, err := filter.Compile(text); err != nil {
			return "", fmt.Errorf("bad filter: %w", err)
		}
	}
	switch {
	case strings.TrimSpace(flag) == "":
		return args, nil
	case strings.TrimSpace(args) == "":
		return flag, nil
	}
	return "(" + flag + ") and (" + args + ")", nil
}

// timeouts returns what --idle-timeout means: the time that flows in the middle
// of their life may be silent. What opens or closes gets no more than it has by
// default.
func (o *options) timeouts() (t mbox.Timeouts) {
	switch {
	case o.idle < 0:
		return t
	case o.idle == 0:
		return mbox.Timeouts{Embryonic: mbox.Never, Established: mbox.Never, Closing: mbox.Never, Closed: mbox.Never, Datagram: mbox.Never}
	}
	t = t.Defaults()
	t.Established, t.Datagram = o.idle, o.idle
	t.Embryonic, t.Closing, t.Closed = min(t.Embryonic, o.idle), min(t.Closing, o.idle), min(t.Closed, o.idle)
	return t
}

// choice is a flag with a few possible values.
type choice struct {
	value string
	of    []string
}

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.of, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.of, ", "))
	}
	c.value = s
	return nil
}

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Type implements pflag.Value.
func (c *choice) Type() string { return "string" }

// size is a flag that counts octets.
type size uint64

// units are the suffixes of sizes. Powers of two only: that is what memory is
// counted in.
var units = []struct {
	suffix string
	octets uint64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToLower(text), strings.ToLower(u.suffix))
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil || n > math.MaxInt64/u.octets {
			break
		}
		*s = size(n * u.octets)
		return nil
	}
	return fmt.Errorf("must be a number of octets such as 4096, 256MiB or 2G")
}

// String implements pflag.Value.
func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return octetsText(uint64(*s))
}

// Type implements pflag.Value.
func (s *size) Type() string { return "size" }
