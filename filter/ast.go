package filter

import (
	"github.com/mbox-stack/mbox/wire"
)

// shape tells the nodes of an expression apart.
type shape uint8

const (
	shapeTest shape = iota // a leaf: one primitive
	shapeNot               // kids[0] is negated
	shapeAnd               // all kids, left to right
	shapeOr                // any kid, left to right
)

// expr is a parsed expression: primitives with their qualifiers filled in,
// under and, or and not. The tree is kept with the program, since whatever
// else is made of an expression (its canonical form, a kernel filter that lets
// through a superset) is made by walking it.
type expr struct {
	shape shape
	kids  []*expr // of shapeNot one, of shapeAnd and shapeOr at least two
	test  test    // valid iff shape is shapeTest
	at    token   // the word that the primitive begins with
}

// leaf returns the expression of one primitive, which begins at tok.
func leaf(t test, tok token) *expr { return &expr{test: t, at: tok} }

// negate returns not e.
func negate(e *expr) *expr { return &expr{shape: shapeNot, kids: []*expr{e}} }

// join returns a and b, or a or b. Chains of the same word become one node, so
// that a thousand alternatives are not a tree a thousand deep.
func join(s shape, a, b *expr) *expr {
	if a.shape == s {
		a.kids = append(a.kids, b)
		return a
	}
	return &expr{shape: s, kids: []*expr{a, b}}
}

// walk calls f for each primitive of e in the order of the text, until f
// returns false.
func (e *expr) walk(f func(*expr) bool) bool {
	if e.shape == shapeTest {
		return f(e)
	}
	for _, k := range e.kids {
		if !k.walk(f) {
			return false
		}
	}
	return true
}

// op says what a test looks at. Those before opEther need the EtherType.
type op uint8

const (
	opType   op = iota // the EtherType: num
	opLLC              // an 802.3 frame whose LLC header has the DSAP num
	opProto            // the IP protocol: proto, in families
	opHost             // IPv4 addresses, of IP and ARP headers: num under mask, in families
	opHost6            // IPv6 addresses: addr under mask6
	opPort             // ports of TCP, UDP and SCTP: lo to hi, of proto or, if that is 0, of all
	opEther            // Ethernet addresses: mac
	opVLAN             // the VLAN tag at level, with identifier num if tagged
	opRelate           // a comparison: rel
)

// family is a set of network protocols.
type family uint8

const (
	inIP family = 1 << iota
	inARP
	inRARP
	inIP6
)

// direction says whose address or port is looked at. The zero value is the
// default of the language.
type direction uint8

const (
	srcOrDst direction = iota
	srcAndDst
	srcOnly
	dstOnly
)

// test is one primitive, fully qualified: a leaf of the expression and at the
// same time an instruction of the program. Which fields are valid depends on
// op. The hot ones come first.
type test struct {
	op       op
	dir      direction
	families family
	proto    wire.Proto
	lo, hi   uint16 // ports, lo =< hi
	num      uint32
	mask     uint32
	yes, no  int32 // what the program goes on with: a test, or accept or reject
	level    uint8 // of opVLAN: 1 is the outermost tag, 2 the next one
	tagged   bool  // of opVLAN: num is valid
	mac      [6]byte
	addr     [4]uint32
	mask6    [4]uint32
	rel      *relation
}
