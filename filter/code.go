package filter

// stackMax bounds the intermediate results of one comparison. libpcap has as
// many registers (BPF_MEMWORDS), and nobody has yet run out of them by hand.
const stackMax = 16

// step is one instruction of a comparison's code: it takes its operands from a
// stack and leaves its result there.
type step struct {
	op   arithOp
	base base   // of arithLoad
	size uint8  // of arithLoad
	fix  bool   // the last operand is num instead: the offset, or the right side
	num  uint32 // of arithConst, and where fix
}

// code computes both sides of a comparison.
type code struct {
	needs []*layer // what the packet must have, or the comparison is false
	steps []step
	fix   bool   // the right side is num
	num   uint32 // valid iff fix
	depth int    // results on the stack at most
}

// assemble returns the code of r, and the word whose result is on top when the
// stack is highest.
func assemble(r *relation) (code, token) {
	var c code
	a := assembler{code: &c}
	a.need(r.a)
	a.need(r.b)
	a.emit(r.a)
	if r.b.op == arithConst {
		c.fix, c.num = true, r.b.num
	} else {
		a.emit(r.b)
	}
	return c, a.deepest
}

// assembler appends steps to code and follows the height of the stack.
type assembler struct {
	*code
	height  int
	deepest token
}

// emit appends the steps that leave the value of x on the stack.
func (a *assembler) emit(x *arith) {
	s := step{op: x.op, num: x.num}
	last := x.b
	if x.op == arithLoad {
		s.base, s.size, last = x.layer.load, x.size, x.a
	} else if x.a != nil {
		a.emit(x.a)
	}
	if last != nil {
		if last.op == arithConst {
			s.fix, s.num = true, last.num
		} else {
			a.emit(last)
		}
	}
	a.steps = append(a.steps, s)
	switch {
	case x.op == arithConst || x.op == arithLen || x.op == arithLoad && s.fix:
		if a.height++; a.height > a.depth {
			a.depth, a.deepest = a.height, x.at
		}
	case x.op >= arithAdd && !s.fix:
		a.height--
	}
}

// need adds what x needs the packet to have. Of a sum that is what its left
// operand needs: libpcap forgets the right one, so that ip[0] + tcp[0] reads
// any IPv4 packet as if it were TCP. It is an oversight, but expressions in
// use rest on it: pcap-filter(7) has one with ip[2:2] - (tcp[12] & 0xf0), for
// which `tcp port 80 and` has made sure of TCP before.
func (a *assembler) need(x *arith) {
	for ; x.op >= arithNeg; x = x.a {
	}
	if x.op != arithLoad {
		return
	}
	a.need(x.a)
	if x.layer.load == baseEther {
		return
	}
	for _, have := range a.needs {
		if have == x.layer {
			return
		}
	}
	a.needs = append(a.needs, x.layer)
}

// eval computes and compares.
func (r *relation) eval(f *frame) verdict {
	for _, l := range r.needs {
		if v := f.has(l); v != yes {
			return v
		}
	}
	var stack [stackMax]uint32
	var x uint32 // the top of the stack; what is below it is in stack
	sp := 0
	for i := range r.steps {
		s, ok := &r.steps[i], true
		switch {
		case s.op <= arithLen || s.op == arithLoad && s.fix:
			if i > 0 {
				stack[sp&(stackMax-1)] = x
				sp++
			}
			x, ok = f.value(s)
		case s.op == arithLoad:
			x, ok = f.load(s, x)
		case s.op == arithNeg:
			x = -x
		case s.fix:
			x, ok = compute(s.op, x, s.num)
		default:
			sp--
			x, ok = compute(s.op, stack[sp&(stackMax-1)], x)
		}
		if !ok {
			return beyond
		}
	}
	if r.fix {
		return truth(compare(r.op, x, r.num))
	}
	return truth(compare(r.op, stack[0], x))
}

// value returns what a step puts on the stack that takes nothing from it.
func (f *frame) value(s *step) (n uint32, ok bool) {
	switch s.op {
	case arithConst:
		return s.num, true
	case arithLen:
		return f.wireLen, true
	}
	return f.load(s, s.num)
}

// has reports whether the packet has the header that l's octets are read from.
func (f *frame) has(l *layer) verdict {
	if f.cut {
		return beyond
	}
	switch l.load {
	case baseNet:
		return truth(f.link == l.ether)
	case baseIPv4:
		if f.link != etherIPv4 {
			return no
		}
		n, ok := f.u8(f.net + ipv4ProtoOff)
		if !ok {
			return beyond
		}
		frag, _ := f.u16(f.net + ipv4FragOff) // lies before the protocol
		return truth(n == uint32(l.proto) && frag&fragOffMask == 0)
	}
	if f.link != etherIPv6 {
		return no
	}
	n, ok := f.u8(f.net + ipv6NextOff)
	if !ok {
		return beyond
	}
	return truth(n == uint32(l.proto))
}

// load reads the octets at index behind a step's base.
func (f *frame) load(s *step, index uint32) (n uint32, ok bool) {
	start := f.net
	switch s.base {
	case baseEther:
		if start, ok = f.ether(); !ok {
			return 0, false
		}
	case baseIPv4:
		// As in libpcap, where index and header length are added in 32 bits.
		first, ok := f.u8(f.net)
		if !ok {
			return 0, false
		}
		index += (first & 0xf) * 4
	case baseIPv6:
		start += ipv6Len
	}
	if start < 0 || uint64(start)+uint64(index) >= uint64(len(f.data)) {
		return 0, false
	}
	off := start + int(index)
	switch s.size {
	case 1:
		return f.u8(off)
	case 2:
		return f.u16(off)
	}
	return f.u32(off)
}
