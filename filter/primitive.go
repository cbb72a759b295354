package filter

import "strings"

// primitive parses one primitive with its own qualifiers, and returns what a
// following word inherits: those qualifiers, or nothing.
func (p *parser) primitive() (*expr, qual, *Error) {
	t := p.peek()
	switch t.kind {
	case tokEnd:
		return nil, qual{}, p.errorAt(t, "something is missing here")
	case tokNumber:
		if p.isName() {
			return nil, qual{}, p.errorAt(t, "nothing says what this number is: host, net, port, ...")
		}
		e, err := p.relation()
		return e, qual{}, err
	case tokOp:
		if t.is("(") || t.is("-") {
			e, err := p.relation()
			return e, qual{}, err
		}
		return nil, qual{}, p.unexpected(t)
	case tokWord:
		return p.keyword(t)
	case tokEscaped:
		return nil, qual{}, p.errorAt(t, "nothing says what this name is: proto, port, ...")
	}
	return nil, qual{}, p.errorAt(t, "nothing says what this address is: host, net, src, ...")
}

// keyword parses a primitive that begins with the word t.
func (p *parser) keyword(t token) (*expr, qual, *Error) {
	switch t.text {
	case "src", "dst", "host", "net", "port", "portrange", "proto":
		return p.head(qual{at: t})
	case "less", "greater":
		e, err := p.length()
		return e, qual{}, err
	case "vlan":
		e, err := p.vlan()
		return e, qual{}, err
	case "broadcast", "multicast":
		e, err := p.cast(nil, t)
		return e, qual{}, err
	case "len", "length":
		e, err := p.relation()
		return e, qual{}, err
	case "stp":
		p.next++
		return leaf(test{op: opLLC, num: dsapSTP}, t), qual{}, nil
	}
	if l := layers[t.text]; l != nil {
		return p.layer(l, t)
	}
	if why := refused[t.text]; why != "" {
		return nil, qual{}, p.errorAt(t, "%s", why)
	}
	if keywords[t.text] {
		return nil, qual{}, p.errorAt(t, "no primitive begins with this word")
	}
	return nil, qual{}, p.unknown(t)
}

// unknown returns the Error for a word that is no keyword where one must be.
func (p *parser) unknown(t token) *Error {
	if hint := suggestion(t.text); hint != "" {
		return p.errorAt(t, "unknown word%s", hint)
	}
	if strings.ContainsRune(t.text, '-') {
		return p.errorAt(t, "unknown word; arithmetic needs spaces around -")
	}
	return p.errorAt(t, "unknown word; addresses and names need a qualifier such as host or port")
}

// layer parses a primitive that begins with the protocol l: "tcp", "tcp port
// 80", "tcp[13] = 2", "ip multicast".
func (p *parser) layer(l *layer, t token) (*expr, qual, *Error) {
	after := p.toks[p.next+1]
	switch {
	case after.is("["):
		e, err := p.relation()
		return e, qual{}, err
	case after.is("broadcast"), after.is("multicast"):
		p.next++
		e, err := p.cast(l, t)
		return e, qual{}, err
	case after.is("src"), after.is("dst"), after.is("host"), after.is("net"),
		after.is("port"), after.is("portrange"), after.is("proto"):
		p.next++
		return p.head(qual{layer: l, at: t})
	case after.is("gateway"), after.is("protochain"):
		return nil, qual{}, p.errorAt(after, "%s", refused[after.text])
	}
	if l.families == 0 && l.ether == 0 {
		return nil, qual{}, p.errorAt(t, "must be followed by host, proto, an offset, ...")
	}
	p.next++
	return leaf(layerTest(l), t), qual{}, nil
}

// layerTest returns the test for packets of protocol l.
func layerTest(l *layer) test {
	if l.families == 0 {
		return test{op: opType, num: uint32(l.ether)}
	}
	return test{op: opProto, families: l.families, proto: l.proto}
}

// head parses qualifiers from the direction on, and what they qualify.
func (p *parser) head(q qual) (*expr, qual, *Error) {
	q.set = true
	directed, err := p.direction(&q)
	if err != nil {
		return nil, q, err
	}
	switch t := p.peek(); {
	case t.is("host"), t.is("net"), t.is("port"), t.is("portrange"):
		q.kind = t.text
		p.next++
	case t.is("proto"):
		if directed {
			return nil, q, p.errorAt(t, "a protocol has no direction")
		}
		q.kind = t.text
		p.next++
	case t.kind == tokWord && refused[t.text] != "":
		return nil, q, p.errorAt(t, "%s", refused[t.text])
	}
	if err := p.checkQualifiers(&q); err != nil {
		return nil, q, err
	}
	e, err := p.operand(q)
	return e, q, err
}

// direction parses src, dst, or both of them joined by and or or.
func (p *parser) direction(q *qual) (bool, *Error) {
	t := p.peek()
	var other string
	switch {
	case t.is("src"):
		q.dir, other = srcOnly, "dst"
	case t.is("dst"):
		q.dir, other = dstOnly, "src"
	default:
		return false, nil
	}
	p.next++
	s, joined := p.joint()
	if !joined {
		return true, nil
	}
	if t := p.peek(); !t.is(other) {
		return true, p.errorAt(t, "here only %s can follow", other)
	}
	p.next++
	q.dir = srcOrDst
	if s == shapeAnd {
		q.dir = srcAndDst
	}
	return true, nil
}

// checkQualifiers refuses protocols that do not go with the kind of word.
func (p *parser) checkQualifiers(q *qual) *Error {
	if q.layer == nil {
		return nil
	}
	l, ok := q.layer, false
	switch q.kind {
	case "port", "portrange":
		ok = hasPorts(l)
	case "proto":
		ok = l.name == "ether" || l.name == "ip" || l.name == "ip6"
	case "net":
		ok = l.families == 0 && l.name != "ether"
	default:
		ok = l.families == 0
	}
	if ok {
		return nil
	}
	kind := q.kind
	if kind == "" {
		kind = "host"
	}
	return p.errorAt(q.at, "does not go with %s", kind)
}

// length parses less and greater, which include the number itself.
func (p *parser) length() (*expr, *Error) {
	word, n := p.take(), p.take()
	if n.kind != tokNumber {
		return nil, p.errorAt(n, "%s needs a number", word.text)
	}
	op := relLE
	if word.is("greater") {
		op = relGE
	}
	r := &relation{op: op, a: &arith{op: arithLen, at: word}, b: constant(n.num, n)}
	return p.relate(r, word)
}

// identifierMax is the largest VLAN identifier, and the mask of its bits in a
// tag (IEEE 802.1Q §9.6).
const identifierMax = 4095

// vlan parses vlan and its identifier, if there is one.
func (p *parser) vlan() (*expr, *Error) {
	word := p.take()
	t := test{op: opVLAN}
	i := p.next
	for p.toks[i].is("(") {
		i++
	}
	n := p.toks[i]
	if n.kind != tokNumber {
		return leaf(t, word), nil
	}
	if opened := i - p.next; opened > 0 && p.close[p.next] != i+opened {
		return nil, p.errorAt(n, "here only a number can stand in parentheses")
	}
	if n.num > identifierMax {
		return nil, p.errorAt(n, "VLAN identifiers end at %d", identifierMax)
	}
	p.next = i + 1 + (i - p.next)
	t.num, t.tagged = n.num, true
	return leaf(t, word), nil
}

// cast parses broadcast and multicast behind the protocol l, or behind none,
// which means ether. The primitive began at t.
func (p *parser) cast(l *layer, t token) (*expr, *Error) {
	word := p.take()
	if l == nil {
		l = layers["ether"]
	}
	if word.is("broadcast") {
		if l.name == "ip" {
			return nil, p.errorAt(word, "not supported for ip: the netmask is not known")
		}
		if l.name == "ether" {
			return leaf(test{op: opEther, dir: dstOnly, mac: [6]byte{255, 255, 255, 255, 255, 255}}, t), nil
		}
		return nil, p.errorAt(t, "does not go with broadcast")
	}
	// The definitions are those of pcap-filter(7), in its own language.
	load := func(off uint32) *arith {
		return &arith{op: arithLoad, layer: l, size: 1, a: constant(off, word), at: t}
	}
	switch l.name {
	case "ether": // ether[0] & 1 != 0
		first := &arith{op: arithAnd, a: load(0), b: constant(1, word), at: t}
		return p.relate(&relation{op: relNE, a: first, b: constant(0, word)}, t)
	case "ip": // ip[16] >= 224
		return p.relate(&relation{op: relGE, a: load(16), b: constant(224, word)}, t)
	case "ip6": // ip6[24] = 255
		return p.relate(&relation{op: relEQ, a: load(24), b: constant(255, word)}, t)
	}
	return nil, p.errorAt(t, "does not go with multicast")
}
