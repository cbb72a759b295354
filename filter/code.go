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
	needs []*layer // what the packet must have for octets to mean what they say
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
		a.need(x.layer)
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

// need adds l to what the packet must have.
func (a *assembler) need(l *layer) {
	if l.load == baseEther {
		return
	}
	for _, have := range a.needs {
		if have == l {
			return
		}
	}
	a.needs = append(a.needs, l)
}

// eval computes and compares.
func (r *relation) eval(f *frame) verdict {
	for _, l := range r.needs {
		if v := f.has(l); v != yes {
			return v
		}
	}
	var stack [stackMax]uint32
	sp := 0 // results on the stack
	for i := range r.steps {
		s := &r.steps[i]
		x := s.num
		if !s.fix && s.op >= arithLoad {
			sp--
			x = stack[sp&(stackMax-1)]
		}
		ok := true
		switch {
		case s.op == arithConst:
		case s.op == arithLen:
			x = f.wireLen
		case s.op == arithLoad:
			x, ok = f.load(s, x)
		case s.op == arithNeg:
			x = -x
		default:
			sp--
			x, ok = compute(s.op, stack[sp&(stackMax-1)], x)
		}
		if !ok {
			return beyond
		}
		stack[sp&(stackMax-1)] = x
		sp++
	}
	if r.fix {
		return truth(compare(r.op, stack[0], r.num))
	}
	return truth(compare(r.op, stack[0], stack[1]))
}

// has reports whether the packet has the header that l's octets are read from.
func (f *frame) has(l *layer) verdict {
	if f.cut {
		return beyond
	}
	switch l.load {
	case baseNet:
		return f.hasNet(l)
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

// hasNet reports whether the network header is that of l.
func (f *frame) hasNet(l *layer) verdict { return truth(f.link == l.ether) }

// load reads the octets at index behind a step's base.
func (f *frame) load(s *step, index uint32) (n uint32, ok bool) {
	var start int
	switch s.base {
	case baseEther:
		if start, ok = f.ether(); !ok {
			return 0, false
		}
	case baseNet:
		start = f.net
	case baseIPv6:
		start = f.net + ipv6Len
	default:
		// As in libpcap, where index and header length are added in 32 bits.
		start = f.net
		index += uint32(f.ipv4HeaderLen())
	}
	if uint64(start)+uint64(index) >= uint64(len(f.data)) {
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
