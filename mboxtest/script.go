package mboxtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// Script is a transcript that was read. Make one with Parse; it is not changed
// by playing.
type Script struct {
	name  string
	lines []line
	cfg   mbox.Config
	ipv6  bool
	// noRexmit says that Check puts no handler on OnRexmit.
	noRexmit bool
}

// kind is what a line says.
type kind uint8

const (
	kindText    kind = iota // comment, setting or empty
	kindSegment             //
	kindUDP
	kindWait
	kindICMP
)

// line is one line of a transcript.
type line struct {
	number int    // 1-based
	input  string // what stands before the first bar
	states string // between the bars, single-spaced
	events string // behind the second bar
	marked bool   // the line has bars

	kind  kind
	conn  int // ordinal of the connection
	dir   wire.Dir
	after time.Duration // since the line before
	tcp   craft.TCP
	len   int // octets of text
	data  []byte
	salt  byte // of the usual text
	cut   int  // octets of text that were captured; -1: all
	icmp  craft.ICMP
	frag  fragmentation
	fault craft.Faults
	drop  bool
}

// fragmentation says how a segment is cut.
type fragmentation struct {
	octets int // 0: not at all
	how    string
}

// step is the time between two lines that do not say otherwise.
const step = time.Millisecond

// Parse reads a transcript. name is what errors call it.
func Parse(name, text string) (*Script, error) {
	s := &Script{name: name}
	conn := 0
	open := false
	for i, raw := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		l := line{number: i + 1, cut: -1, after: step}
		var rest string
		l.input, rest, l.marked = strings.Cut(raw, "|")
		states, events, _ := strings.Cut(rest, "|")
		l.states, l.events = strings.Join(strings.Fields(states), " "), strings.TrimSpace(events)
		l.input = strings.TrimRight(l.input, " \t")
		if l.input == "" && open {
			conn, open = conn+1, false
		}
		l.conn = conn
		if err := s.read(&l); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, l.number, err)
		}
		open = open || l.kind != kindText
		s.lines = append(s.lines, l)
	}
	return s, nil
}

// ParseFile reads a transcript from a file.
func ParseFile(path string) (*Script, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(b))
}

// read reads what a line says before its bars.
func (s *Script) read(l *line) error {
	fields := split(l.input)
	switch {
	case len(fields) == 0 || strings.HasPrefix(l.input, "#"):
		return nil
	case fields[0] == ":":
		return s.setting(fields[1:])
	case fields[0] == "wait" && len(fields) == 2:
		l.kind = kindWait
		return duration(&l.after, fields[1])
	case fields[0] == "icmp" && len(fields) >= 4:
		l.kind = kindICMP
		return l.readICMP(fields[1:])
	case len(fields) >= 3 && fields[1] == "U":
		l.kind = kindUDP
		if err := l.direction(fields[0]); err != nil {
			return err
		}
		if err := number(&l.len, fields[2]); err != nil {
			return err
		}
		return l.options(fields[3:])
	case len(fields) >= 5:
		l.kind = kindSegment
		return l.readSegment(fields)
	}
	return fmt.Errorf("%q is neither a segment (\"> SA 300 101 0\") nor another line", l.input)
}

// split returns the fields of a line; a quoted part belongs to one.
func split(s string) (fields []string) {
	quoted, start := false, -1
	for i := 0; i <= len(s); i++ {
		space := i == len(s) || !quoted && (s[i] == ' ' || s[i] == '\t')
		switch {
		case space && start >= 0:
			fields = append(fields, s[start:i])
			start = -1
		case !space && start < 0:
			start = i
		}
		if i < len(s) && s[i] == '"' {
			quoted = !quoted
		}
	}
	return fields
}

func (l *line) direction(arrow string) error {
	switch arrow {
	case ">":
		l.dir = wire.ToServer
	case "<":
		l.dir = wire.ToClient
	default:
		return fmt.Errorf("%q is no direction: > is sent by the client, < by the server", arrow)
	}
	return nil
}

func (l *line) readSegment(f []string) error {
	if err := l.direction(f[0]); err != nil {
		return err
	}
	var err error
	if l.tcp.Flags, err = flags(f[1]); err != nil {
		return err
	}
	l.tcp.Wnd = 0xffff
	var seq, ack uint64
	if seq, err = strconv.ParseUint(f[2], 10, 32); err != nil {
		return fmt.Errorf("SEG.SEQ: %w", err)
	}
	if ack, err = strconv.ParseUint(f[3], 10, 32); err != nil {
		return fmt.Errorf("SEG.ACK: %w", err)
	}
	l.tcp.Seq, l.tcp.Ack = wire.Seq(seq), wire.Seq(ack)
	if f[4] != "-" {
		if err := number(&l.len, f[4]); err != nil {
			return err
		}
	}
	return l.options(f[5:])
}

func (l *line) readICMP(f []string) error {
	if err := l.direction(f[0]); err != nil {
		return err
	}
	var typ, code int
	if err := number(&typ, f[1]); err != nil {
		return err
	}
	if err := number(&code, f[2]); err != nil {
		return err
	}
	l.icmp = craft.ICMP{Type: uint8(typ), Code: uint8(code)}
	return l.options(f[3:])
}

// flags reads control bits in any order.
func flags(s string) (f wire.Flags, err error) {
	if s == "0" {
		return 0, nil
	}
	for _, r := range s {
		i := strings.IndexRune("FSRPAUEWe", r)
		if i < 0 {
			return 0, fmt.Errorf("%q is no TCP flag: they are FSRPAUEWe, or 0 for none", r)
		}
		f |= 1 << i
	}
	return f, nil
}

func number(to *int, s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > 1<<16 {
		return fmt.Errorf("%q is no number of octets", s)
	}
	*to = n
	return nil
}

func duration(to *time.Duration, s string) error {
	d, err := time.ParseDuration(strings.TrimPrefix(s, "+"))
	if err != nil {
		return err
	}
	*to += d
	return nil
}

// setting reads a line that begins with a colon.
func (s *Script) setting(f []string) error {
	if len(f) == 0 {
		return fmt.Errorf("a setting without a name")
	}
	arg := strings.Join(f[1:], " ")
	switch f[0] {
	case "checksums":
		i := map[string]mbox.Checksums{"label": mbox.ChecksumsLabel, "verify": mbox.ChecksumsVerify, "off": mbox.ChecksumsOff}
		mode, ok := i[arg]
		if !ok {
			return fmt.Errorf("checksums are label, verify or off, not %q", arg)
		}
		s.cfg.Checksums = mode
	case "strict":
		s.cfg.Strict = true
	case "no-pickup":
		s.cfg.NoPickup = true
	case "no-rexmit":
		s.noRexmit = true
	case "ipv6":
		s.ipv6 = true
	case "policy":
		p, err := buffers.ParsePolicy(arg)
		s.cfg.Policy = p
		return err
	case "history":
		n, err := strconv.ParseUint(arg, 10, 32)
		s.cfg.History = n
		return err
	default:
		return fmt.Errorf("%q is no setting", f[0])
	}
	return nil
}
