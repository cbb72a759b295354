package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/privilege"
	"github.com/mbox-stack/mbox/rx"
)

// live is what flags say about capturing on interfaces.
type live struct {
	interfaces []string
	rings      int
	fanout     choice
	group      uint16
	noPromisc  bool
	ringSize   size
	retire     interval
	cpus       cpuList
	user       string
}

// capture adds the flags of commands that read captures or interfaces.
func (o *options) capture(fs *pflag.FlagSet) {
	l := &o.live
	l.fanout = choice{kind: "HOW", value: "hash", of: []string{"hash", "qm", "cpu"}}
	fs.StringArrayVarP(&l.interfaces, "interface", "i", nil, "capture on `IFACE`, any for all of them; repeat it for more; mbox interfaces lists them (Linux)")
	fs.IntVar(&l.rings, "rings", 1, "share an interface's frames out to `N` rings, each with a receive goroutine of its own")
	fs.Var(&l.fanout, "fanout", "how they are shared out: by hash of the flow, qm (ring k has the card's queue k) or cpu (ring k has what CPU k handled); by qm and cpu flows are put in order by timestamps, which takes some ms")
	fs.Uint16Var(&l.group, "fanout-group", 0, "number `N` of the group that the rings are to the kernel (default one that is free)")
	fs.BoolVar(&l.noPromisc, "no-promisc", false, "leave out frames that are for other stations")
	fs.Var(&l.ringSize, "ring-size", "memory of each ring (default 32MiB)")
	fs.Var(&l.retire, "retire", "hand frames over DUR after they came, at the latest (default 10ms)")
	fs.Var(&l.cpus, "cpus", "pin receive goroutines to the CPUs of LIST, such as 2,4-7, in turn; none: do not pin (default one each, from the last)")
	fs.Var(&o.duration, "duration", "stop after DUR, also of reading")
	fs.StringVar(&l.user, "user", "", "as root, become `NAME` once sockets are open; files are written as that user (default: stay root, without its powers)")
}

// onlyLive refuses flags on the command line that would do nothing: of those that
// are for interfaces, a capture heeds --duration alone.
func (o *options) onlyLive(onWire *pflag.FlagSet) (err error) {
	if len(o.read) == 0 || len(o.live.interfaces) > 0 {
		return nil
	}
	onWire.VisitAll(func(f *pflag.Flag) {
		if f.Changed && f.Name != "duration" && err == nil {
			err = fmt.Errorf("--%s: is for -i IFACE, and does nothing to what -r reads", f.Name)
		}
	})
	return err
}

// check says what is wrong about the flags.
func (l *live) check(read []string) error {
	switch {
	case len(l.interfaces) > 0 && len(read) > 0:
		return errors.New("-r and -i: either a capture is read or an interface")
	case len(l.interfaces) == 0 && len(read) == 0:
		return errors.New("nothing to read: -r FILE names a capture, - is standard input; -i IFACE an interface")
	case l.rings < 1 || l.rings > ringsMax:
		return fmt.Errorf("--rings %d: must be between 1 and %d", l.rings, ringsMax)
	case l.ringSize > 0 && (l.ringSize < ringSizeMin || l.ringSize > ringSizeMax):
		return fmt.Errorf("--ring-size: must be between %s and %s", octetsText(ringSizeMin), octetsText(ringSizeMax))
	case l.retire > 0 && (time.Duration(l.retire) < time.Millisecond || time.Duration(l.retire) > retireMax):
		return fmt.Errorf("--retire: must be between 1ms and %v", retireMax)
	}
	for _, cpu := range l.cpus.cpus {
		if !hasCPU(cpu) {
			return fmt.Errorf("--cpus %s: there is no CPU %d", &l.cpus, cpu)
		}
	}
	for i, name := range l.interfaces {
		if name == "" {
			return errors.New("-i: names no interface; mbox interfaces lists them")
		}
		if name == rx.AnyInterface && len(l.interfaces) > 1 {
			return errors.New("-i any: is all interfaces; what another -i names would be counted twice")
		}
		if slices.Contains(l.interfaces[:i], name) {
			return fmt.Errorf("-i %s: is named twice", name)
		}
	}
	return nil
}

// hasCPU reports whether the machine has a CPU, as far as can be told.
func hasCPU(n int) bool {
	const folder = "/sys/devices/system/cpu"
	if _, err := os.Stat(folder); err != nil || n < 0 {
		return true
	}
	_, err := os.Stat(fmt.Sprintf("%s/cpu%d", folder, n))
	return err == nil
}

// The bounds of flags; rx has them, too, and would say so in its own words.
const (
	ringsMax    = 256
	ringSizeMin = 3 * smallBlock
	ringSizeMax = 4<<30 - largeBlock
	retireMax   = 10 * time.Second
	// retireDefault is rx's.
	retireDefault = 10 * time.Millisecond

	// A ring of a few small blocks is better than one of two large ones.
	smallBlock, largeBlock = 64 << 10, 256 << 10
)

// config returns what the flags mean to the rings of one interface.
func (l *live) config(name string, log *slog.Logger) (rx.RingConfig, error) {
	c := rx.RingConfig{Interface: name, Rings: l.rings, FanoutGroup: l.group, Retire: time.Duration(l.retire), NoPromisc: l.noPromisc, CPUs: l.cpus.cpus, Log: log}
	var err error
	if c.Fanout, err = rx.ParseFanout(l.fanout.value); err != nil {
		return c, err
	}
	if l.ringSize > 0 {
		c.BlockOctets = largeBlock
		if l.ringSize < 8*largeBlock {
			c.BlockOctets = smallBlock
		}
		c.Blocks = int(l.ringSize) / c.BlockOctets
	}
	return c, nil
}

// openRings opens the rings of all interfaces, or none.
func (l *live) openRings(log *slog.Logger) (rings []*rx.Ring, err error) {
	for _, name := range l.interfaces {
		c, err := l.config(name, log)
		c.Ahead = len(rings)
		var some []*rx.Ring
		if err == nil {
			some, err = rx.OpenRings(c)
		}
		if err != nil {
			for _, r := range rings {
				r.Close()
			}
			return nil, err
		}
		rings = append(rings, some...)
	}
	return rings, nil
}

// openLive opens what -i names, says what it is, and from there on has it be
// where the session's frames come from.
func (s *session) openLive() error {
	if len(s.opt.live.interfaces) == 0 {
		return nil
	}
	rings, err := s.opt.live.openRings(s.log)
	if err != nil {
		return err
	}
	s.rings = rings
	for _, r := range rings {
		s.from = append(s.from, r)
	}
	return nil
}

// confine gives up what a live capture need not be able to do, once its rings are
// open, and says what is left.
func (s *session) confine() error {
	if len(s.rings) == 0 || !s.confined {
		return nil
	}
	w := privilege.Wish{User: s.opt.live.user, Folders: s.folders, Made: s.made}
	for _, path := range []string{s.opt.write, s.opt.to.path, s.terminal} {
		if path != "" && path != "-" {
			w.Writes(path)
		}
	}
	left, err := privilege.Drop(w)
	if err != nil {
		return err
	}
	s.left = left.String()
	return nil
}

// window is how much later than another one's a ring may bring a frame of the
// same time; 0 where there is one ring.
func (l *live) window() time.Duration {
	if l.rings*len(l.interfaces) < 2 {
		return 0
	}
	return 2 * (l.retiring() + drainSlack)
}

// retiring is how long the kernel keeps frames back.
func (l *live) retiring() time.Duration {
	if l.retire == 0 {
		return retireDefault
	}
	return time.Duration(l.retire)
}

// drainSlack is what the kernel may be late by when it hands a block over.
const drainSlack = 50 * time.Millisecond

// drained returns a context that is done a little after ctx where interfaces are
// captured on: once what had come by then has been handed over.
func (s *session) drained(ctx context.Context) (context.Context, context.CancelFunc) {
	if len(s.rings) == 0 {
		return ctx, func() {}
	}
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(2*s.opt.live.retiring() + drainSlack):
		case <-later.Done():
		}
		cancel()
	})
	return later, func() { stop(); cancel() }
}

// announce says what is captured, and how.
func (s *session) announce() {
	if s.opt.quiet {
		return
	}
	for _, r := range s.rings {
		name, cpu := r.String(), ""
		if n := r.CPU(); n >= 0 {
			cpu = fmt.Sprintf(" by CPU %d", n)
		}
		fmt.Fprintf(s.stderr, "mbox: capturing on %s%s%s\n", name, cpu, strings.TrimPrefix(r.Setup(), name))
	}
	if rx.Ordered(s.from) {
		fmt.Fprintln(s.stderr, "mbox: a connection may come by several of these: frames are put in the order of their timestamps")
	}
	if s.left != "" {
		fmt.Fprintf(s.stderr, "mbox: privileges left: %s\n", s.left)
	}
}

// closeLive closes rings that no run will.
func (s *session) closeLive() {
	for _, r := range s.rings {
		r.Close()
	}
}

// ringStats prints what became of frames before they were received, and on their
// way between rings and to shards that hold too much.
func (s *session) ringStats(w io.Writer, st *mbox.Stats) {
	for i, r := range s.rings {
		c := r.Counters()
		fmt.Fprintf(w, "%-26s %14d\n", "frames in ring: "+r.String(), c.Packets)
		ledger(w, []mbox.Disposition{
			{Name: "dropped: ring was full", Count: c.Drops}, {Name: "times it was full", Count: c.Freezes}, {Name: "blocks with drops", Count: c.Losing},
			{Name: "copies on loopback", Count: c.Loopbacks}, {Name: "cut short", Count: c.Truncated},
			{Name: "link downs", Count: c.LinkDowns}, {Name: "opened anew", Count: c.Reopened}, {Name: "blocks lent", Count: c.BlocksLent},
			{Name: "blocks copied aside", Count: c.BlocksMoved}, {Name: "not read", Count: c.Unread},
		})
		if i < len(st.Sources) { // there are none until the run begins
			ledger(w, passedOn(&st.Sources[i]))
		}
	}
}

// passedOn says of a ring's frames what no ledger does: how many went by another
// ring, and how often a shard was not asked because it held its share of blocks.
func passedOn(c *rx.Counters) []mbox.Disposition {
	var heldBack uint64
	for i := range c.Shards {
		heldBack += c.Shards[i].HeldBack
	}
	return []mbox.Disposition{{Name: "fragments to other rings", Count: c.Forwarded}, {Name: "batches held back", Count: heldBack}}
}

// farewell says in a line how a live capture went: what was lost, above all.
func (s *session) farewell() {
	if len(s.rings) == 0 || s.opt.quiet {
		return
	}
	st := s.stack.Stats()
	frames, _ := st.Received()
	var drops, late uint64
	for _, r := range s.rings {
		drops += r.Counters().Drops
	}
	for i := range st.Sources {
		d := st.Sources[i].Dropped()
		late += d.Frames + d.Datagrams
	}
	fmt.Fprintf(s.stderr, "mbox: %d frames received, %d dropped by full rings, %d by shards that were behind\n", frames, drops, late)
}

// cpuList is a flag that names CPUs. The zero value leaves the choice to rx.
type cpuList struct {
	text string
	cpus []int // -1 alone: none
}

// cpusMax bounds the number of a CPU, and cpuListMax how many are listed.
const (
	cpusMax    = 1024
	cpuListMax = 1024
)

// Set implements pflag.Value.
func (l *cpuList) Set(text string) error {
	if text == "none" {
		*l = cpuList{text, []int{-1}}
		return nil
	}
	bad := errors.New("must be CPUs such as 2,4-7, or none")
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(low, 10, 16)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(high, 10, 16)
		}
		if err != nil || to < from || to >= cpusMax {
			return bad
		}
		for cpu := from; cpu <= to; cpu++ {
			all = append(all, int(cpu))
		}
		if len(all) > cpuListMax {
			return bad
		}
	}
	*l = cpuList{text, all}
	return nil
}

// String implements pflag.Value.
func (l *cpuList) String() string { return l.text }

// Type implements pflag.Value.
func (l *cpuList) Type() string { return "LIST" }

// completeInterfaces is the shell completion of -i.
func completeInterfaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	names := []string{rx.AnyInterface}
	all, err := net.Interfaces()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
