package filter

import (
	"fmt"
	"net/netip"
	"strings"
)

// String returns the expression in a canonical form: all qualifiers written
// out, names as numbers, groups in parentheses. It compiles to the same
// program, here and in tcpdump, unless writing all that out has taken a giant
// past a limit (lengthMax, nestMax).
func (p *Program) String() string {
	if p.root == nil {
		return ""
	}
	var b strings.Builder
	p.root.print(&b, false)
	return b.String()
}

// print writes e, in parentheses if it is joined and stands within another.
func (e *expr) print(b *strings.Builder, within bool) {
	switch e.shape {
	case shapeTest:
		e.test.print(b)
		return
	case shapeNot:
		b.WriteString("not ")
		e.kids[0].print(b, true)
		return
	}
	word := " and "
	if e.shape == shapeOr {
		word = " or "
	}
	if within {
		b.WriteByte('(')
	}
	for i, k := range e.kids {
		if i > 0 {
			b.WriteString(word)
		}
		k.print(b, true)
	}
	if within {
		b.WriteByte(')')
	}
}

// prefix is what a direction is written as before its word.
func (d direction) prefix() string {
	return [...]string{srcOrDst: "", srcAndDst: "src and dst ", srcOnly: "src ", dstOnly: "dst "}[d]
}

// print writes the primitive.
func (t *test) print(b *strings.Builder) {
	switch t.op {
	case opType:
		if name := layerName(func(l *layer) bool { return uint32(l.ether) == t.num }); name != "" {
			b.WriteString(name)
			return
		}
		fmt.Fprintf(b, "ether proto 0x%04x", t.num)
	case opLLC:
		fmt.Fprintf(b, "ether proto %d", t.num)
	case opProto:
		t.printProto(b)
	case opHost:
		t.printHost(b)
	case opHost6:
		t.printHost6(b)
	case opEther:
		m := t.mac
		fmt.Fprintf(b, "ether %shost %02x:%02x:%02x:%02x:%02x:%02x", t.dir.prefix(), m[0], m[1], m[2], m[3], m[4], m[5])
	case opPort:
		t.printPort(b)
	case opVLAN:
		b.WriteString("vlan")
		if t.tagged {
			fmt.Fprintf(b, " %d", t.num)
		}
	case opRelate:
		r := t.rel
		r.a.print(b)
		fmt.Fprintf(b, " %s ", [...]string{"=", "!=", "<", "<=", ">", ">="}[r.op])
		r.b.print(b)
	}
}

// layerName returns the name of the protocol that is the one, or "".
func layerName(is func(*layer) bool) string {
	for _, l := range layers {
		if is(l) {
			return l.name
		}
	}
	return ""
}

func (t *test) printProto(b *strings.Builder) {
	name := layerName(func(l *layer) bool {
		return l.families != 0 && l.families == t.families && l.proto == t.proto
	})
	if name != "" {
		b.WriteString(name)
		return
	}
	switch t.families {
	case inIP:
		b.WriteString("ip ")
	case inIP6:
		b.WriteString("ip6 ")
	}
	fmt.Fprintf(b, "proto %d", uint8(t.proto))
}

func (t *test) printPort(b *strings.Builder) {
	if t.proto != 0 {
		fmt.Fprintf(b, "%s ", t.proto)
	}
	b.WriteString(t.dir.prefix())
	if t.lo == t.hi {
		fmt.Fprintf(b, "port %d", t.lo)
		return
	}
	fmt.Fprintf(b, "portrange %d-%d", t.lo, t.hi)
}

func (t *test) printHost(b *strings.Builder) {
	switch t.families {
	case inIP:
		b.WriteString("ip ")
	case inARP:
		b.WriteString("arp ")
	case inRARP:
		b.WriteString("rarp ")
	}
	b.WriteString(t.dir.prefix())
	addr := quad(t.num)
	switch bits, ok := prefixBits(t.mask); {
	case bits == 32:
		fmt.Fprintf(b, "host %s", addr)
	case ok:
		fmt.Fprintf(b, "net %s/%d", addr, bits)
	default:
		fmt.Fprintf(b, "net %s mask %s", addr, quad(t.mask))
	}
}

// quad returns n as an IPv4 address is written.
func quad(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

func (t *test) printHost6(b *strings.Builder) {
	var octets [16]byte
	bits := 0
	for i, n := range t.addr {
		octets[4*i], octets[4*i+1], octets[4*i+2], octets[4*i+3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
		word, _ := prefixBits(t.mask6[i])
		bits += word
	}
	addr := netip.AddrFrom16(octets)
	b.WriteString(t.dir.prefix())
	if bits == 128 {
		fmt.Fprintf(b, "host %s", addr)
		return
	}
	fmt.Fprintf(b, "net %s/%d", addr, bits)
}

// arithSigns are the operators as they are written.
var arithSigns = [...]string{
	arithAdd: "+", arithSub: "-", arithMul: "*", arithDiv: "/", arithMod: "%",
	arithAnd: "&", arithOr: "|", arithXor: "^", arithShl: "<<", arithShr: ">>",
}

// print writes the number, in parentheses if it is computed.
func (a *arith) print(b *strings.Builder) {
	switch a.op {
	case arithConst:
		fmt.Fprintf(b, "%d", a.num)
	case arithLen:
		b.WriteString("len")
	case arithLoad:
		fmt.Fprintf(b, "%s[", a.layer.name)
		a.a.print(b)
		if a.size != 1 {
			fmt.Fprintf(b, ":%d", a.size)
		}
		b.WriteByte(']')
	case arithNeg:
		b.WriteString("(-")
		a.a.print(b)
		b.WriteByte(')')
	default:
		b.WriteByte('(')
		a.a.print(b)
		fmt.Fprintf(b, " %s ", arithSigns[a.op])
		a.b.print(b)
		b.WriteByte(')')
	}
}
