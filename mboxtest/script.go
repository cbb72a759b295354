package mboxtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox"
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
	// showText says that OnNewData shows its octets.
	showText bool
}

// kind is what a line says.
type kind uint8

const (
	kindText    kind = iota // comment, setting or empty
	kindSegment             //
	kindUDP
	kindWait
	kindICMP
	kindEnd
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

// Parse reads a transcript. name is what errors call it; they name the line.
func Parse(name, text string) (*Script, error) {
	s := &Script{name: name}
	p := parser{script: s}
	for i, raw := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		l := line{number: i + 1, cut: -1, after: step}
		l.split(strings.TrimRight(raw, " \t\r"))
		if err := p.read(&l); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, l.number, err)
		}
		s.lines = append(s.lines, l)
	}
	return s, nil
}

// split parts a line at its bars. A bar in a comment or in quotes is none.
func (l *line) split(raw string) {
	l.input = raw
	if strings.HasPrefix(raw, "#") {
		return
	}
	quoted := false
	for i := range len(raw) {
		quoted = quoted != isQuote(raw, i)
		if raw[i] == '|' && !quoted {
			states, events, _ := strings.Cut(raw[i+1:], "|")
			l.input, l.marked = strings.TrimRight(raw[:i], " \t"), true
			l.states, l.events = strings.Join(strings.Fields(states), " "), strings.TrimSpace(events)
			return
		}
	}
}

// isQuote reports whether a quoted part begins or ends at s[i]: there is a
// quotation mark behind an even number of backslashes.
func isQuote(s string, i int) bool {
	before := strings.TrimRight(s[:i], `\`)
	return s[i] == '"' && (i-len(before))%2 == 0
}

// ParseFile reads a transcript from a file.
func ParseFile(path string) (*Script, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, string(b))
}

// parser is what is known between two lines.
type parser struct {
	script *Script
	conn   int     // ordinal of the connection
	open   bool    // it has lines
	sent   [2]bool // by direction: it has packets that an ICMP error can quote
	ended  bool    // nothing may follow
}

// read reads what a line says before its bars.
func (p *parser) read(l *line) error {
	if l.input == "" && p.open {
		p.conn, p.open, p.sent = p.conn+1, false, [2]bool{}
	}
	l.conn = p.conn
	fields := split(l.input)
	switch {
	case len(fields) == 0 || strings.HasPrefix(l.input, "#"):
		if l.marked {
			return fmt.Errorf("nothing happens here that could be expected")
		}
		return nil
	case fields[0] == ":":
		return p.script.setting(fields[1:])
	case p.ended:
		return fmt.Errorf("the source has ended")
	}
	p.open = true
	if err := l.read(fields); err != nil {
		return err
	}
	switch l.kind {
	case kindEnd:
		p.ended = true
	case kindICMP:
		if !p.sent[l.dir] {
			return fmt.Errorf("there is nothing yet that an ICMP error could quote")
		}
	case kindSegment, kindUDP:
		p.sent[l.dir] = true
	}
	return l.check(p.script)
}

// read reads a line that is no comment and no setting.
func (l *line) read(fields []string) error {
	switch {
	case fields[0] == "end" && len(fields) == 1:
		l.kind = kindEnd
		return nil
	case fields[0] == "wait" && len(fields) == 2:
		l.kind = kindWait
		return duration(&l.after, fields[1])
	case fields[0] == "icmp" && len(fields) >= 4:
		l.kind = kindICMP
		return l.readICMP(fields[1:])
	case len(fields) >= 3 && fields[1] == "U":
		l.kind = kindUDP
		return l.readDatagram(fields)
	case len(fields) >= 5:
		l.kind = kindSegment
		return l.readSegment(fields)
	}
	return fmt.Errorf("%q is neither a segment (\"> SA 300 101 0\") nor another line", l.input)
}

// What a packet can have at most: what IP can announce, less headers, and the
// options of TCP.
const (
	textMax    = 65000
	optionsMax = 40
)

// check reports what cannot be made a packet of.
func (l *line) check(s *Script) error {
	if l.kind != kindSegment && l.kind != kindUDP {
		return nil
	}
	if l.data != nil && l.len != len(l.data) {
		return fmt.Errorf("%d octets of text, but data=... has %d", l.len, len(l.data))
	}
	if l.cut >= 0 && l.frag.octets > 0 {
		return fmt.Errorf("what comes in fragments is not cut")
	}
	if l.len > textMax {
		return fmt.Errorf("%d octets of text: at most %d fit", l.len, textMax)
	}
	path := s.path(l)
	if l.kind == kindSegment && len(craft.AppendSegment(nil, &path, &l.tcp, nil)) > 20+optionsMax {
		return fmt.Errorf("more than %d octets of options", optionsMax)
	}
	return nil
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
		quoted = quoted != (i < len(s) && isQuote(s, i))
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
	return l.readText(f[4], f[5:])
}

func (l *line) readDatagram(f []string) error {
	if err := l.direction(f[0]); err != nil {
		return err
	}
	return l.readText(f[2], f[3:])
}

// readText reads the number of octets, or "-" where data=... tells it, and what
// stands behind it.
func (l *line) readText(octets string, options []string) error {
	if octets != "-" {
		if err := number(&l.len, octets); err != nil {
			return err
		}
	}
	if err := l.options(options); err != nil {
		return err
	}
	if octets == "-" {
		if l.data == nil {
			return fmt.Errorf("\"-\" octets of text, but no data=TEXT")
		}
		l.len = len(l.data)
	}
	return nil
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

// waitMax is the longest time between two lines: times are counted in 64 bits of
// nanoseconds, and a transcript has few lines that wait so long.
const waitMax = 366 * 24 * time.Hour

func duration(to *time.Duration, s string) error {
	d, err := time.ParseDuration(strings.TrimPrefix(s, "+"))
	if err != nil {
		return err
	}
	if d < 0 || d > waitMax {
		return fmt.Errorf("time goes forward, by a year at most: not by %s", s)
	}
	*to += d
	return nil
}
