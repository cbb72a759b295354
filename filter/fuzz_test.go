package filter

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mbox-stack/mbox/wire"
)

// FuzzCompile compiles whatever text. What is refused is refused with a word of
// the text and its column; what is not has a canonical form that compiles to
// the same answers, and those are the slow twin's.
func FuzzCompile(f *testing.F) {
	for text := range strings.Lines(plainExprs) {
		f.Add(strings.TrimSuffix(text, "\n"), uint64(1))
	}
	for _, text := range []string{"vlan 5 and vlan 6", "ether host 1-2-3-4-5-6", `port \`, "host ::", "ip[::", "net 1.2.3.4.5/6", "\xff", "tcp ä"} {
		f.Add(text, uint64(2))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		p, err := Compile(text)
		if err != nil {
			checkError(t, text, err)
			return
		}
		again, err := Compile(p.String())
		if err != nil {
			// Spelling out what is inherited and what binds tighter may
			// take the canonical form past a limit.
			if len(p.String()) <= lengthMax && !strings.Contains(err.Error(), "nested") {
				t.Fatalf("%q is %q: %v", text, p, err)
			}
			return
		}
		if again.String() != p.String() {
			t.Fatalf("%q is %q is %q", text, p, again)
		}
		if (again.FlowOnly() == nil) != (p.FlowOnly() == nil) {
			t.Fatalf("%q: %v; %q: %v", text, p.FlowOnly(), p, again.FlowOnly())
		}
		for _, s := range randomSamples(rand.New(rand.NewPCG(seed, 5)), 20, 0) {
			want := slowFrame{s.data, s.wireLen}.matches(p.root)
			if p.MatchWire(&s.pkt, s.data, s.wireLen) != want || again.MatchWire(&s.pkt, s.data, s.wireLen) != want {
				t.Fatalf("%q is %q: the twin says %v of %x", text, p, want, s.data)
			}
			if p.FlowOnly() == nil {
				p.MatchFlow(&s.pkt.Key, s.pkt.Sender)
			}
		}
	})
}

func checkError(t *testing.T, text string, err error) {
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%q: %T", text, err)
	}
	if e.Reason == "" || e.Column < 1 || e.Column > utf8.RuneCountInString(text)+1 {
		t.Fatalf("%q: %#v", text, e)
	}
	word := strings.TrimSuffix(e.Word, "...")
	if utf8.ValidString(text) && !strings.HasPrefix(string([]rune(text)[e.Column-1:]), word) {
		t.Fatalf("%q: %q does not stand at column %d", text, e.Word, e.Column)
	}
}

// FuzzMatch runs programs of every kind on whatever frame of whatever link
// type, with all the tunnels that the parser knows.
func FuzzMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 6))
	for range 20 {
		f.Add(uint16(wire.LinkEthernet), randomFrame(r, r.IntN(3)))
		f.Add(uint16(wire.LinkRaw), randomIPv4(r))
		f.Add(uint16(wire.LinkSLL), randomFrame(r, 0))
	}
	var programs []*Program
	for _, text := range append(strings.Split(plainExprs, "\n"), "vlan 1", "vlan and vlan and vlan 5", "not vlan") {
		if p, err := Compile(text); err == nil {
			programs = append(programs, p)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		var p wire.Packet
		var parser wire.Parser
		parser.Parse(&p, wire.LinkType(link), data)
		for _, prog := range programs {
			prog.Match(&p, data)
			if prog.FlowOnly() == nil {
				prog.MatchFlow(&p.Key, p.Sender)
			}
		}
		datagram := data[min(len(data), int(p.NetworkOff)):]
		parser.Resume(&p, &p, datagram)
		for _, prog := range programs {
			prog.Match(&p, datagram)
		}
	})
}
