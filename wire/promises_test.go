package wire

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/mbox-stack/mbox/internal/assert"
)

func TestSizes(t *testing.T) {
	for _, test := range []struct {
		name      string
		got, want uintptr
	}{
		{"Segment", unsafe.Sizeof(Segment{}), 32},
		{"FlowKey", unsafe.Sizeof(FlowKey{}), 48},
		{"Packet", unsafe.Sizeof(Packet{}), 128},
	} {
		if test.got != test.want {
			t.Errorf("%s has %d octets, want %d", test.name, test.got, test.want)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	ps := Parser{Scope: ScopeVLAN | ScopeTunnel}
	var p Packet
	n := testing.AllocsPerRun(10, func() {
		for _, f := range allFrames {
			ps.Parse(&p, f.link, f.data)
			VerifyTransport(&p, f.data)
			p.Key.Hash(1)
			for kind := range TCP(p.Transport(f.data)).Options() {
				p.TTL = kind
			}
		}
		ps.Resume(&p, &p, inner4)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestInlining: calls that stand in every comparison of the connection state
// must cost nothing. The compiler says so itself.
func TestInlining(t *testing.T) {
	if assert.Enabled || testing.Short() {
		t.Skip("checked builds and short runs do not ask the compiler")
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Skipf("no compiler here: %v", err)
	}
	inlined := map[string]bool{}
	for _, m := range regexp.MustCompile(`can inline (\S+)`).FindAllStringSubmatch(string(out), -1) {
		inlined[strings.TrimSuffix(m[1], ":")] = true
	}
	for _, f := range []string{
		"Seq.Less", "Seq.LessEq", "Seq.Add", "Seq.Diff", "(*Segment).End", "(*Segment).TextSeq",
		"Dir.Reverse", "Flags.Has", "SlotOf", "(*Packet).Payload", "(*Packet).after", "ipv4HeaderOK", "udpTunnel",
		"untag", "order4", "words4", "xxTail",
	} {
		if !inlined[f] {
			t.Errorf("%s is not inlined", f)
		}
	}
}
