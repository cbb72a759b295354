package main

import (
	"errors"
	"fmt"
	"math"
	"os"
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

	live     live
	duration interval // 0: as long as the input lasts

	shards    int
	batch     int
	seed      uint64
	memory    size
	history   size
	checksums choice
	idle      silence
	keys      []string
	policy    choice
	rebalance choice
	pinShards bool
	strict    bool
	pickup    bool

	to      destination // of commands that print records
	stats   bool
	quiet   bool
	numeric bool
	profile choice

	metrics      address
	metricsPprof bool
}

// newOptions returns the options with their defaults.
func newOptions() *options {
	return &options{
		checksums: choice{kind: "MODE", value: "label", of: []string{"label", "auto", "verify", "off"}},
		policy:    choice{kind: "NAME", value: "first", of: policyNames()},
		rebalance: choice{kind: "WHEN", value: "live", of: []string{"live", "always", "never"}},
		profile:   choice{kind: "KIND", of: profileNames()},
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
	fs.StringArrayVarP(&o.read, "read", "r", nil, "read capture `FILE`: pcap or pcapng, or either by gzip; - is standard input; repeat it for more, read one after another")
	fs.StringVar(&o.filter, "filter", "", "look only at packets that the tcpdump expression `EXPR` selects, each by itself: tcp[13]=2 leaves nothing of a flow but its SYN; what stands behind the flags is one, too")
	fs.Uint64VarP(&o.count, "count", "c", 0, "stop after `N` frames of those looked at")
	fs.StringVarP(&o.write, "write", "w", "", "write the frames looked at to `FILE`, as pcapng")
	fs.BoolVarP(&o.numeric, "numeric", "n", false, "for the sake of habit: names are never looked up")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "no progress on standard error, and of a live capture neither how it begins nor how it went")
}

// stack adds the flags that say how flows are followed.
func (o *options) stack(fs *pflag.FlagSet) {
	fs.IntVar(&o.shards, "shards", 0, "follow flows on `N` shards (default one less than CPUs); results do not depend on it")
	fs.BoolVar(&o.pinShards, "pin-shards", false, "each shard stays on a CPU of its own, the first ones; for machines with more CPUs than shards and rings")
	fs.Var(&o.rebalance, "rebalance", "move flows from shards that have too much to do to others: on live interfaces, always, never; results do not depend on it")
	fs.IntVar(&o.batch, "batch", 0, "hand frames over `N` at a time (default 128); results do not depend on it")
	fs.Uint64Var(&o.seed, "seed", 0, "seed `N` of the hash that flows are dealt out by")
	fs.Var(&o.memory, "memory", "what flows, streams and fragments may take, such as 256MiB (default 2GiB)")
	fs.Var(&o.history, "history", "keep so many octets of each stream after their acknowledgement, to compare repeated ones with; with 0, the default, conflicts among delivered octets are unknown (conflicts=?)")
	fs.Var(&o.checksums, "checksums", "wrong transport checksums: label them, verify (take nothing of such segments), off; auto is label here")
	fs.Var(&o.idle, "idle-timeout", "end flows that are silent for so long, such as 90s; 0: no timer ends a flow (default by state)")
	fs.StringSliceVar(&o.keys, "key", nil, "`vlan,tunnel` (or one of them): their identifiers tell flows apart where addresses overlap")
	fs.Var(&o.policy, "policy", "which copy of overlapping octets counts: "+strings.Join(o.policy.of, ", "))
	fs.BoolVar(&o.strict, "strict", false, "take only what an RFC 9293 receiver would take")
	fs.BoolVar(&o.pickup, "pickup", true, "pick connections up in their middle; =false: from their SYN or SYN-ACK only")
}

// running adds the flags that say how the program itself runs.
func (o *options) running(fs *pflag.FlagSet) {
	fs.BoolVar(&o.stats, "stats", false, "say at the end what became of every frame, on standard error")
	fs.Var(&o.profile, "profile", "write a profile to the working directory: "+strings.Join(o.profile.of, ", "))
	fs.Var(&o.metrics, "metrics", "serve Prometheus metrics and /healthz by HTTP at ADDR: a port (of loopback), or address:port")
	fs.BoolVar(&o.metricsPprof, "metrics-pprof", false, "serve /debug/pprof there, too")
	fs.StringVar(&o.file, "config", "", "take flags from `FILE`, 'name: value' a line; the command line goes first")
}

// config returns what the options mean to a stack. args are what stood behind
// the flags: a filter expression.
func (o *options) config(args []string) (mbox.Config, error) {
	c := mbox.Config{
		Shards: o.shards, Batch: o.batch, Seed: o.seed, Memory: uint64(o.memory), History: uint64(o.history),
		Strict: o.strict, NoPickup: !o.pickup, Count: o.count, Timeouts: o.timeouts(), PinShards: o.pinShards,
	}
	c.Checksums = map[string]mbox.Checksums{"verify": mbox.ChecksumsVerify, "off": mbox.ChecksumsOff}[o.checksums.value]
	c.Rebalance = map[string]mbox.Rebalance{"always": mbox.RebalanceAlways, "never": mbox.RebalanceNever}[o.rebalance.value]
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
	if o.write == "-" {
		return c, errors.New("-w -: records go to standard output, and a capture does not; -w FILE writes it to a file")
	}
	var err error
	if c.Policy, err = buffers.ParsePolicy(o.policy.value); err != nil {
		return c, fmt.Errorf("--policy: %w", err)
	}
	c.Filter, err = expression(o.filter, strings.Join(args, " "))
	return c, err
}

// noFiles says what is wrong where a filter should be and files are: -r trace*.pcap
// names all but the first of them so.
func noFiles(args []string) error {
	if _, err := filter.Compile(strings.Join(args, " ")); err == nil {
		return nil
	}
	for _, name := range args {
		if isFile(name) {
			return fmt.Errorf("%s: is a file and no filter: -r stands before each capture that is to be read", name)
		}
	}
	return nil
}

// isFile reports whether there is a regular file of that name.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// memoryMin is the least that a stack needs.
const memoryMin = 32 << 20

// keeping returns what is left of the memory asked for where a command keeps
// something with each flow, as long as a stack can work with it: with all of it
// in the hands of the stack, a flood of flows would have the collector look for
// what is not there. percent is the share of what is kept.
func keeping(memory uint64, percent uint64) uint64 {
	if memory < memoryMin {
		return memory // none was asked for, or too little
	}
	return max(memory/100*(100-percent), memoryMin)
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

// closedLive is how long a connection that is over is kept for late segments on an
// interface, where somebody waits for its record and 25,000 may close a second. A
// minute, which is TIME-WAIT's and a capture's, is there for what has gone astray;
// what is late on a wire is a FIN whose acknowledgement was lost, and that comes
// again within a second. Should it come later, it is a connection of its own, picked
// up in its middle.
const closedLive = 5 * time.Second

// timeouts returns what --idle-timeout means: the time that flows in the middle
// of their life may be silent. What opens or closes gets no more than it has by
// default.
func (o *options) timeouts() (t mbox.Timeouts) {
	d := o.idle.limit
	if o.idle.given && d == 0 {
		return mbox.Timeouts{Embryonic: mbox.Never, Established: mbox.Never, Closing: mbox.Never, Closed: mbox.Never, Datagram: mbox.Never}
	}
	if len(o.live.interfaces) > 0 {
		t.Closed = closedLive
	}
	if !o.idle.given {
		return t
	}
	t = t.Defaults()
	t.Established, t.Datagram = d, d
	t.Embryonic, t.Closing, t.Closed = min(t.Embryonic, d), min(t.Closing, d), min(t.Closed, d)
	return t
}

// silence is a flag that says how long a flow may be silent. The zero value was
// not given.
type silence struct {
	limit time.Duration
	given bool
}

// Set implements pflag.Value.
func (s *silence) Set(text string) error {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("must be a duration such as 90s, 5m or 0")
	}
	*s = silence{d, true}
	return nil
}

// String implements pflag.Value.
func (s *silence) String() string {
	if !s.given {
		return ""
	}
	return s.limit.String()
}

// Type implements pflag.Value.
func (s *silence) Type() string { return "DUR" }

// choice is a flag with a few possible values.
type choice struct {
	kind  string // of what, as help calls it
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
func (c *choice) Type() string { return c.kind }

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
func (s *size) Type() string { return "SIZE" }
