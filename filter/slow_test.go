package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// slowFrame is the slow twin's view of an Ethernet frame without tags and
// tunnels: octets from the first one on, and nothing that a parser found.
type slowFrame struct {
	data    []byte
	wireLen uint32
}

// outside is the panic of a question about octets that were not captured.
type outside struct{}

// number reads n octets at off, as in ether[off:n].
func (f slowFrame) number(off uint64, n int) uint32 {
	v := uint32(0)
	for i := range uint64(n) {
		if off+i >= uint64(len(f.data)) {
			panic(outside{})
		}
		v = v<<8 | uint32(f.data[off+i])
	}
	return v
}

func (f slowFrame) etherType() uint32 { return f.number(12, 2) }

// matches decides e by pcap-filter(7), one primitive after the other.
func (f slowFrame) matches(e *expr) (is bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(outside); !ok {
				panic(r)
			}
		}
	}()
	return e == nil || f.holds(e)
}

func (f slowFrame) holds(e *expr) bool {
	switch e.shape {
	case shapeNot:
		return !f.holds(e.kids[0])
	case shapeAnd:
		for _, k := range e.kids {
			if !f.holds(k) {
				return false
			}
		}
		return true
	case shapeOr:
		for _, k := range e.kids {
			if f.holds(k) {
				return true
			}
		}
		return false
	}
	return f.primitive(&e.test)
}

func (f slowFrame) primitive(t *test) bool {
	switch t.op {
	case opType:
		return f.etherType() == t.num
	case opLLC:
		return f.etherType() <= 1500 && f.number(14, 1) == t.num
	case opProto:
		return t.families&inIP != 0 && f.etherType() == 0x800 && f.number(23, 1) == uint32(t.proto) ||
			t.families&inIP6 != 0 && f.etherType() == 0x86dd && (f.number(20, 1) == uint32(t.proto) ||
				f.number(20, 1) == 44 && f.number(54, 1) == uint32(t.proto))
	case opHost, opHost6:
		return f.host(t)
	case opEther:
		return f.sides(t.dir, func(src bool) bool {
			off := uint64(0)
			if src {
				off = 6
			}
			mac := uint64(f.number(off, 2))<<32 | uint64(f.number(off+2, 4))
			return fmt.Sprintf("%012x", mac) == fmt.Sprintf("%x", t.mac[:])
		})
	case opPort:
		return f.port(t)
	case opVLAN:
		if t.level == 1 {
			f.etherType() // where the outermost tag would begin
		}
		return false // there are no tags
	}
	return f.relation(t.rel)
}

// sides asks about the source, the destination, or both.
func (f slowFrame) sides(d direction, ask func(src bool) bool) bool {
	switch d {
	case srcOnly:
		return ask(true)
	case dstOnly:
		return ask(false)
	case srcAndDst:
		return ask(true) && ask(false)
	}
	return ask(true) || ask(false)
}

func (f slowFrame) host(t *test) bool {
	for _, where := range []struct {
		family    family
		etherType uint32
		src, dst  uint64
	}{{inIP, 0x800, 26, 30}, {inARP, 0x806, 28, 38}, {inRARP, 0x8035, 28, 38}} {
		if t.op != opHost || t.families&where.family == 0 || f.etherType() != where.etherType {
			continue
		}
		bits, prefix := prefixBits(t.mask)
		return f.sides(t.dir, func(src bool) bool {
			off := where.dst
			if src {
				off = where.src
			}
			if t.mask == 0 {
				return true
			}
			addr := quad(f.number(off, 4))
			if prefix {
				return netip.PrefixFrom(quad(t.num), bits).Contains(addr)
			}
			return f.number(off, 4)&t.mask == t.num
		})
	}
	return t.op == opHost6 && f.etherType() == 0x86dd && f.sides(t.dir, func(src bool) bool {
		off := uint64(38)
		if src {
			off = 22
		}
		for i := range t.addr {
			if t.mask6[i] != 0 && f.number(off+4*uint64(i), 4)&t.mask6[i] != t.addr[i] {
				return false
			}
		}
		return true
	})
}

func (f slowFrame) port(t *test) bool {
	var proto uint32
	var off uint64
	switch f.etherType() {
	case 0x800:
		proto = f.number(23, 1)
		off = 14 + 4*uint64(f.number(14, 1)&15)
	case 0x86dd:
		proto, off = f.number(20, 1), 54
	default:
		return false
	}
	if t.proto != 0 && proto != uint32(t.proto) || proto != 6 && proto != 17 && proto != 132 {
		return false
	}
	if f.etherType() == 0x800 && f.number(20, 2)&0x1fff != 0 {
		return false
	}
	return f.sides(t.dir, func(src bool) bool {
		at := off + 2
		if src {
			at = off
		}
		n := f.number(at, 2)
		return uint32(t.lo) <= n && n <= uint32(t.hi)
	})
}

func (f slowFrame) relation(r *relation) bool {
	if !f.needs(r.a) || !f.needs(r.b) {
		return false
	}
	a, b := f.value(r.a), f.value(r.b)
	return map[relOp]bool{relEQ: a == b, relNE: a != b, relLT: a < b, relLE: a <= b, relGT: a > b, relGE: a >= b}[r.op]
}

// needs reports whether the packet has what a needs: of an operator, what the
// left side needs; of octets, what their offset needs and then their protocol.
func (f slowFrame) needs(a *arith) bool {
	switch a.op {
	case arithConst, arithLen:
		return true
	case arithLoad:
	default:
		return f.needs(a.a)
	}
	if !f.needs(a.a) {
		return false
	}
	switch l := a.layer; l.load {
	case baseNet:
		return f.etherType() == uint32(l.ether)
	case baseIPv4:
		return f.etherType() == 0x800 && f.number(23, 1) == uint32(l.proto) && f.number(20, 2)&0x1fff == 0
	case baseIPv6:
		return f.etherType() == 0x86dd && f.number(20, 1) == uint32(l.proto)
	}
	return true
}

// value computes a by walking its tree.
func (f slowFrame) value(a *arith) uint32 {
	switch a.op {
	case arithConst:
		return a.num
	case arithLen:
		return f.wireLen
	case arithNeg:
		return -f.value(a.a)
	case arithLoad:
		start := map[base]uint64{baseEther: 0, baseNet: 14, baseIPv4: 14, baseIPv6: 54}[a.layer.load]
		index := f.value(a.a)
		if a.layer.load == baseIPv4 {
			index += 4 * (f.number(14, 1) & 15)
		}
		return f.number(start+uint64(index), int(a.size))
	}
	x, y := f.value(a.a), f.value(a.b)
	if y == 0 && (a.op == arithDiv || a.op == arithMod) {
		panic(outside{})
	}
	switch a.op {
	case arithAdd:
		return x + y
	case arithSub:
		return x - y
	case arithMul:
		return x * y
	case arithDiv:
		return x / y
	case arithMod:
		return x - x/y*y
	case arithAnd:
		return x & y
	case arithOr:
		return x | y
	case arithXor:
		return x&^y | y&^x
	}
	if y > 31 {
		return 0
	}
	if a.op == arithShl {
		return uint32(uint64(x) << y)
	}
	return uint32(uint64(x) >> y)
}

// TestSlowTwin compares programs with the twin above on random expressions and
// frames, and the programs of their canonical forms with both.
func TestSlowTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(*seedFlag, 3))
	t.Logf("seed %d", *seedFlag)
	samples := randomSamples(r, 100, 0)
	for range 1500 {
		text := randomExpr(r, 3)
		p, err := Compile(text)
		if err != nil {
			continue // TestTcpdump knows whether it should be one
		}
		again, err := Compile(p.String())
		if err != nil {
			t.Fatalf("%q is %q: %v", text, p, err)
		}
		if again.String() != p.String() {
			t.Fatalf("%q is %q is %q", text, p, again)
		}
		for i := range samples {
			s := &samples[i]
			want := slowFrame{s.data, s.wireLen}.matches(p.root)
			if got := p.MatchWire(&s.pkt, s.data, s.wireLen); got != want {
				t.Fatalf("%q is %s: %v of %x, the twin says %v", text, p, got, s.data, want)
			}
			if got := again.MatchWire(&s.pkt, s.data, s.wireLen); got != want {
				t.Fatalf("%q, from %q: %v of %x, the twin says %v", p, text, got, s.data, want)
			}
		}
	}
}

// TestFlowAgreesWithPacket compares MatchFlow with Match where a flow's key
// says all: whole IP packets whose transport header follows at once.
func TestFlowAgreesWithPacket(t *testing.T) {
	r := rand.New(rand.NewPCG(*seedFlag, 4))
	var samples []sample
	for _, s := range randomSamples(r, 600, 0) {
		k, direct := &s.pkt.Key, false
		switch {
		case s.pkt.Outcome != wire.Whole || s.pkt.Marks&wire.MarkICMPError != 0 || s.data[14]>>4 != k.Version:
		case k.Version == 4 && s.data[12] == 8:
			direct = wire.Proto(s.data[23]) == k.Proto
		case k.Version == 6 && s.data[12] == 0x86:
			direct = wire.Proto(s.data[20]) == k.Proto
		}
		if direct {
			samples = append(samples, s)
		}
	}
	asked := 0
	for range 3000 {
		text := randomExpr(r, 2)
		p, err := Compile(text)
		if err != nil || p.FlowOnly() != nil {
			continue
		}
		asked++
		for i := range samples {
			s := &samples[i]
			want := p.Match(&s.pkt, s.data)
			if got := p.MatchFlow(&s.pkt.Key, s.pkt.Sender); got != want {
				t.Fatalf("%q is %s: flow %v, packet %v of %x", text, p, got, want, s.data)
			}
		}
	}
	if len(samples) < 100 || asked < 300 {
		t.Fatalf("only %d frames and %d expressions to compare", len(samples), asked)
	}
}
