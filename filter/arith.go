package filter

// arithOp is an operator, or what an operand is.
type arithOp uint8

const (
	arithConst arithOp = iota // num
	arithLen                  // octets of the frame on the wire
	arithLoad                 // size octets of layer from offset a
	arithNeg                  // of a
	arithAdd
	arithSub
	arithMul
	arithDiv
	arithMod
	arithAnd
	arithOr
	arithXor
	arithShl
	arithShr
)

// arith is an arithmetic expression over unsigned numbers of 32 bits.
type arith struct {
	op    arithOp
	size  uint8  // of arithLoad: 1, 2 or 4
	num   uint32 // of arithConst
	layer *layer // of arithLoad
	a, b  *arith
	at    token // the first word
}

// relOp is a comparison of unsigned numbers.
type relOp uint8

const (
	relEQ relOp = iota
	relNE
	relLT
	relLE
	relGT
	relGE
)

// relation compares two numbers. It is false for packets that lack a header
// that they are read from, as far as code.needs goes.
type relation struct {
	op   relOp
	a, b *arith
	code
}

// binaryOps gives operators their strength. In libpcap's grammar % and ^ have
// none: they take everything to their right as their operand, and on their left
// only the last one. It looks like an oversight there; here it is a fact.
var binaryOps = map[string]struct {
	op       arithOp
	strength int
}{
	"|": {arithOr, 1}, "&": {arithAnd, 2}, "<<": {arithShl, 3}, ">>": {arithShr, 3},
	"+": {arithAdd, 4}, "-": {arithSub, 4}, "*": {arithMul, 5}, "/": {arithDiv, 5},
	"%": {arithMod, strengthless}, "^": {arithXor, strengthless},
}

const (
	strengthless  = 0
	strengthUnary = 6
)

var relOps = map[string]relOp{
	"=": relEQ, "==": relEQ, "!=": relNE, "<": relLT, "<=": relLE, ">": relGT, ">=": relGE,
}

// relation parses a comparison.
func (p *parser) relation() (*expr, *Error) {
	first := p.peek()
	a, err := p.arith(strengthless)
	if err != nil {
		return nil, err
	}
	t := p.peek()
	op, ok := relOps[t.text]
	if !ok || t.kind != tokOp {
		return nil, p.errorAt(t, "here a comparison is missing: =, !=, <, <=, > or >=")
	}
	p.next++
	b, err := p.arith(strengthless)
	if err != nil {
		return nil, err
	}
	return p.relate(&relation{op: op, a: a, b: b}, first)
}

// relate makes a test of r, whose text begins at t.
func (p *parser) relate(r *relation, t token) (*expr, *Error) {
	var at token
	if r.code, at = assemble(r); r.depth > stackMax {
		return nil, p.errorAt(at, "needs more than %d intermediate results", stackMax)
	}
	return leaf(test{op: opRelate, rel: r}, t), nil
}

// arith parses operands joined by operators of at least the given strength.
func (p *parser) arith(strength int) (*arith, *Error) {
	a, err := p.number()
	if err != nil {
		return nil, err
	}
	for {
		t := p.peek()
		o, ok := binaryOps[t.text]
		if !ok || t.kind != tokOp || o.strength != strengthless && o.strength < strength {
			return a, nil
		}
		if err := p.descend(t); err != nil {
			return nil, err
		}
		p.next++
		right := o.strength + 1
		if o.strength == strengthless {
			right = strengthless
		}
		b, err := p.arith(right)
		p.depth--
		if err != nil {
			return nil, err
		}
		if a, err = p.combine(o.op, a, b, t); err != nil {
			return nil, err
		}
	}
}

// combine returns a op b, computed at once if both are constants.
func (p *parser) combine(op arithOp, a, b *arith, t token) (*arith, *Error) {
	if b.op == arithConst {
		switch {
		case b.num == 0 && (op == arithDiv || op == arithMod):
			return nil, p.errorAt(t, "division by zero")
		case b.num > 31 && (op == arithShl || op == arithShr):
			return nil, p.errorAt(t, "shifts by more than 31 bits")
		}
	}
	if a.op == arithConst && b.op == arithConst {
		n, _ := compute(op, a.num, b.num)
		return constant(n, a.at), nil
	}
	return &arith{op: op, a: a, b: b, at: a.at}, nil
}

// number parses an operand: a constant, len, octets of the packet, a
// parenthesis, or the negative of one.
func (p *parser) number() (*arith, *Error) {
	t := p.peek()
	switch {
	case t.kind == tokNumber:
		p.next++
		return constant(t.num, t), nil
	case t.is("len"), t.is("length"):
		p.next++
		return &arith{op: arithLen, at: t}, nil
	case t.is("-"), t.is("("):
		return p.nested(t)
	case t.kind == tokWord && layers[t.text] != nil:
		return p.load()
	case t.kind == tokWord && refused[t.text] != "":
		return nil, p.errorAt(t, "%s", refused[t.text])
	case t.kind == tokWord && !keywords[t.text]:
		return nil, p.unknown(t)
	}
	return nil, p.errorAt(t, "here a number is missing, or octets such as ip[0]")
}

// nested parses an operand that begins with a minus or a parenthesis.
func (p *parser) nested(t token) (*arith, *Error) {
	if err := p.descend(t); err != nil {
		return nil, err
	}
	p.next++
	var a *arith
	var err *Error
	if t.is("-") {
		if a, err = p.arith(strengthUnary); err != nil {
			return nil, err
		}
		if a.op == arithConst {
			a = constant(-a.num, t)
		} else {
			a = &arith{op: arithNeg, a: a, at: t}
		}
	} else {
		if a, err = p.arith(strengthless); err != nil {
			return nil, err
		}
		if end := p.take(); !end.is(")") {
			return nil, p.errorAt(end, "an operator or ) is missing before it")
		}
	}
	p.depth--
	return a, nil
}

// load parses octets of the packet: a protocol, an offset and a size in
// brackets.
func (p *parser) load() (*arith, *Error) {
	word := p.take()
	l := layers[word.text]
	open := p.peek()
	if !open.is("[") {
		return nil, p.errorAt(open, "here [ is missing, as in %s[0]", word.text)
	}
	if l.load == baseNone {
		return nil, p.errorAt(word, "its octets cannot be reached")
	}
	if err := p.descend(open); err != nil {
		return nil, err
	}
	p.next++
	index, err := p.arith(strengthless)
	if err != nil {
		return nil, err
	}
	// An offset beyond any packet is a slip; libpcap wraps it around.
	const offsetMax = 0xffff
	if index.op == arithConst && index.num > offsetMax {
		return nil, p.errorAt(index.at, "offsets end at %d", offsetMax)
	}
	a := &arith{op: arithLoad, layer: l, size: 1, a: index, at: word}
	if p.peek().is(":") {
		p.next++
		n := p.take()
		if n.kind != tokNumber || n.num != 1 && n.num != 2 && n.num != 4 {
			return nil, p.errorAt(n, "the size of a field is 1, 2 or 4")
		}
		a.size = uint8(n.num)
	}
	if end := p.take(); !end.is("]") {
		return nil, p.errorAt(end, "an operator or ] is missing before it")
	}
	p.depth--
	return a, nil
}

// constant returns the number n, which t spells.
func constant(n uint32, t token) *arith { return &arith{op: arithConst, num: n, at: t} }

// compute returns a op b; ok is false for a division by zero.
func compute(op arithOp, a, b uint32) (n uint32, ok bool) {
	switch op {
	case arithAdd:
		return a + b, true
	case arithSub:
		return a - b, true
	case arithMul:
		return a * b, true
	case arithDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case arithMod:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case arithAnd:
		return a & b, true
	case arithOr:
		return a | b, true
	case arithXor:
		return a ^ b, true
	case arithShl:
		return a << b, true
	}
	return a >> b, true
}

// compare returns whether the relation op holds between a and b.
func compare(op relOp, a, b uint32) bool {
	switch op {
	case relEQ:
		return a == b
	case relNE:
		return a != b
	case relLT:
		return a < b
	case relLE:
		return a <= b
	case relGT:
		return a > b
	}
	return a >= b
}
