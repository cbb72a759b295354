package filter

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/mbox-stack/mbox/wire"
)

// machine runs a program as a kernel would.
func machine(t *testing.T, program []Instruction) func(frame []byte) bool {
	t.Helper()
	if program == nil {
		return func([]byte) bool { return true }
	}
	var code []bpf.Instruction
	for _, i := range program {
		code = append(code, bpf.RawInstruction{Op: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K}.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatalf("%v\n%v", err, code)
	}
	return func(frame []byte) bool {
		n, err := vm.Run(frame)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

// wrapped returns the frame as it is, or its IP packet inside a tunnel, or as a
// fragment, or what ICMP says of it.
func wrapped(r *rand.Rand, frame []byte) []byte {
	if len(frame) < etherLen {
		return frame
	}
	packet := frame[etherLen:]
	outer := func(proto byte, body ...[]byte) []byte {
		inner := cat(body...)
		return cat(frame[:12], []byte{8, 0}, ipv4Header(proto, 7, 8, len(inner)), inner)
	}
	vxlan := []byte{8, 0, 0, 0, 0, 0, 1, 0}
	switch r.IntN(12) {
	case 0:
		return outer(17, udpHeader(4789, len(frame)+8), vxlan, frame)
	case 1:
		return outer(47, []byte{0, 0}, frame[12:14], packet)
	case 2:
		return outer(4, packet)
	case 3:
		return outer(41, packet)
	case 4:
		return cat(frame[:12], []byte{0x88, 0x47, 0, 1, 0x01, 64}, packet)
	case 5:
		return outer(1, []byte{3, 3, 0, 0, 0, 0, 0, 0}, packet)
	case 6:
		if len(packet) > 20 && packet[0] == 0x45 {
			f := cat(frame)
			binary.BigEndian.PutUint16(f[etherLen+6:], pick(r, []uint16{0x2000, 1, 0x2005, 0x4000}))
			return f
		}
	case 7:
		return packet[:0:0]
	}
	return frame
}

func TestKernelLetsEverythingPassThatMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var parser wire.Parser
	var p wire.Packet
	passed, matched, total := 0, 0, 0
	for range 1500 {
		var wants []Want
		for range 1 + r.IntN(3) {
			text := randomExpr(r, 1)
			if r.IntN(2) == 0 { // one that can be told by plain headers
				text = pick(r, []string{"", "src ", "dst ", "not dst "}) + pick(r, []string{somePorts(r), "host 10.0.0.1", "net 192.168", "host fe80::1"})
			}
			program, err := Compile(text)
			if err == nil {
				wants = append(wants, Want{Program: program, Flow: program.FlowOnly() == nil && r.IntN(2) == 0})
			}
		}
		var only *Program
		if r.IntN(3) == 0 {
			only, _ = Compile(randomExpr(r, 0))
		}
		lets := machine(t, Kernel(wire.LinkEthernet, only, wants))
		for range 60 {
			frame := wrapped(r, randomFrame(r, r.IntN(6)/4))
			parser.Parse(&p, wire.LinkEthernet, frame)
			does, is := lets(frame), wanted(&p, frame, only, wants)
			if is && !does {
				t.Fatalf("held back: % x\n%v, only %v of %v", frame, p.Outcome, wants, only)
			}
			total++
			if does {
				passed++
			}
			if is {
				matched++
			}
		}
	}
	t.Logf("%d frames, %d let pass, %d wanted", total, passed, matched)
	if passed == total || matched == 0 {
		t.Error("the kernel's programs have done nothing")
	}
}

// wanted says what the stack does with a frame that has come.
func wanted(p *wire.Packet, frame []byte, only *Program, wants []Want) bool {
	if p.Outcome == wire.Fragment {
		return true // nobody can tell before the datagram is whole
	}
	if only != nil && !only.Match(p, frame) {
		return false
	}
	for _, w := range wants {
		switch {
		case !w.Flow:
			if w.Program.Match(p, frame) {
				return true
			}
		case p.Outcome == wire.Whole && (w.Program.MatchFlow(&p.Key, 0) || w.Program.MatchFlow(&p.Key, 1)):
			return true
		}
	}
	return false
}

func TestKernelHoldsBackWhatNobodyWants(t *testing.T) {
	frame := func(ip []byte) []byte {
		typ := []byte{8, 0}
		if ip[0]>>4 == 6 {
			typ = []byte{0x86, 0xdd}
		}
		return cat(make([]byte, 12), typ, ip)
	}
	ports := func(proto byte, src, dst uint16) []byte {
		h := make([]byte, 20)
		binary.BigEndian.PutUint16(h, src)
		binary.BigEndian.PutUint16(h[2:], dst)
		return frame(cat(ipv4Header(proto, 1, 2, len(h)), h))
	}
	arp := cat(make([]byte, 12), []byte{8, 6}, make([]byte, 28))
	for _, tc := range []struct {
		expr string
		flow bool
		only string
		pass [][]byte
		hold [][]byte
	}{
		{expr: "tcp dst port 80", flow: true,
			pass: [][]byte{ports(6, 80, 9), ports(6, 9, 80), ports(1, 0, 0), ports(17, 9, 4789), ports(47, 0, 0)},
			hold: [][]byte{ports(6, 9, 443), ports(17, 9, 80), ports(132, 9, 80), arp}},
		{expr: "tcp dst port 80",
			pass: [][]byte{ports(6, 9, 80)},
			hold: [][]byte{ports(6, 80, 9), arp}},
		{expr: "not port 53", pass: [][]byte{ports(6, 9, 80), arp}, hold: [][]byte{ports(17, 53, 9)}},
		{expr: "arp", pass: [][]byte{arp}, hold: [][]byte{ports(6, 9, 80)}},
		{expr: "", flow: true, only: "host 10.0.0.1", hold: [][]byte{frame(cat(ipv4Header(6, 77, 78, 20), make([]byte, 20)))},
			pass: [][]byte{ports(47, 0, 0)}},
		{expr: "ip6", flow: true, hold: [][]byte{ports(6, 1, 2)}},
	} {
		program, err := Compile(tc.expr)
		if err != nil {
			t.Fatal(err)
		}
		only, err := Compile(tc.only)
		if err != nil {
			t.Fatal(err)
		}
		code := Kernel(wire.LinkEthernet, only, []Want{{Program: program, Flow: tc.flow}})
		lets := machine(t, code)
		for i, f := range tc.pass {
			if !lets(f) {
				t.Errorf("%q: frame %d is held back", tc.expr, i)
			}
		}
		for i, f := range tc.hold {
			if lets(f) {
				t.Errorf("%q: frame %d to be held back passes (%d instructions)", tc.expr, i, len(code))
			}
		}
		if tc.expr == "" {
			continue
		}
		for _, f := range tc.pass[:min(2, len(tc.pass))] {
			if f[12] == 8 && f[13] == 0 && !machine(t, Kernel(wire.LinkRaw, only, []Want{{Program: program, Flow: tc.flow}}))(f[etherLen:]) {
				t.Errorf("%q: a bare packet is held back", tc.expr)
			}
		}
	}
}

func TestKernelIsNoneWhereItGainsNothing(t *testing.T) {
	compiled := func(text string) *Program {
		p, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for name, program := range map[string][]Instruction{
		"everything is wanted":   Kernel(wire.LinkEthernet, nil, []Want{{Program: compiled("tcp")}, {}}),
		"all flows are wanted":   Kernel(wire.LinkEthernet, nil, []Want{{Flow: true}}),
		"it cannot be told":      Kernel(wire.LinkEthernet, nil, []Want{{Program: compiled("greater 100")}}),
		"a link without offsets": Kernel(wire.LinkWiFi, nil, []Want{{Program: compiled("tcp")}}),
	} {
		if program != nil {
			t.Errorf("%s, and yet there are %d instructions", name, len(program))
		}
	}
	if p := Kernel(wire.LinkEthernet, nil, nil); len(p) == 0 {
		t.Error("nobody wants anything, and everything passes")
	}
}

func TestKernelReachesFar(t *testing.T) {
	text := "port 1"
	for n := range 150 {
		text += " or port " + strconv.Itoa(1000+n)
	}
	program, err := Compile(text)
	if err != nil {
		t.Fatal(err)
	}
	code := Kernel(wire.LinkEthernet, nil, []Want{{Program: program}})
	if code == nil || len(code) > bpfMax {
		t.Fatalf("%d instructions", len(code))
	}
	f := cat(make([]byte, 12), []byte{8, 0}, ipv4Header(6, 1, 2, 20), []byte{0, 99, 0, 1}, make([]byte, 16))
	lets := machine(t, code)
	if !lets(f) {
		t.Error("the first of many ports is held back")
	}
	f[etherLen+20+3] = 2
	if lets(f) {
		t.Error("none of many ports, and it passes")
	}
}
