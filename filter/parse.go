package filter

import "github.com/mbox-stack/mbox/wire"

// lengthMax bounds the octets of an expression: room for a block list of five
// hundred networks, and no more than a config file should hold on one line.
// Behind the limit is an error, as everywhere in this package.
const lengthMax = 16 << 10

// nestMax bounds parentheses, brackets and negations within each other. No
// hand writes more than ten; it keeps the recursion of the parser, and of what
// walks its tree, shallow.
const nestMax = 64

// qual are the qualifiers of a primitive. Names and numbers that follow
// without qualifiers of their own inherit them: `port 80 or 443`.
type qual struct {
	layer *layer // nil if none is given
	dir   direction
	kind  string // host, net, port, portrange, proto; "" means host; valid iff set
	set   bool   // there are qualifiers to inherit
	at    token  // the first word of the qualifiers, or of what has none to inherit
}

// parser turns tokens into an expression by the grammar of pcap-filter(7).
type parser struct {
	src   string
	toks  []token
	close []int // index of the bracket that closes the one at this index
	next  int
	depth int // open parentheses, brackets and negations
}

// parse returns the expression that src spells, or nil for an empty one, which
// matches everything.
func parse(src string) (*expr, *Error) {
	if len(src) > lengthMax {
		return nil, errorAt(src, 0, abbreviate(src), "longer than %d octets", lengthMax)
	}
	toks, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{src: src, toks: toks}
	if err := p.pair(); err != nil {
		return nil, err
	}
	if p.peek().kind == tokEnd {
		return nil, nil
	}
	e, err := p.expression(qual{})
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokEnd {
		return nil, p.unexpected(t)
	}
	if err := assignTags(src, e); err != nil {
		return nil, err
	}
	return e, nil
}

// abbreviate returns enough of s to recognise it by.
func abbreviate(s string) string {
	const letters = 20
	if len(s) <= letters {
		return s
	}
	return s[:letters] + "..."
}

// pair finds the partner of every bracket.
func (p *parser) pair() *Error {
	p.close = make([]int, len(p.toks))
	var open []int
	for i, t := range p.toks {
		switch {
		case t.is("("), t.is("["):
			open = append(open, i)
			if len(open) > nestMax {
				return p.errorAt(t, "nested more than %d deep", nestMax)
			}
		case t.is(")"), t.is("]"):
			if len(open) == 0 {
				return p.errorAt(t, "closes nothing")
			}
			o := open[len(open)-1]
			if p.toks[o].is("(") != t.is(")") {
				return p.errorAt(t, "does not close the %s at column %d", p.toks[o].text, p.column(p.toks[o]))
			}
			p.close[o] = i
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return p.errorAt(p.toks[open[len(open)-1]], "is never closed")
	}
	return nil
}

// expression parses primitives joined by and and or, which bind alike and to
// the left. It returns the qualifiers that a following word would inherit.
func (p *parser) expression(q qual) (*expr, *Error) {
	e, q, err := p.term(q)
	for err == nil {
		s, ok := p.joint()
		if !ok {
			return e, nil
		}
		var right *expr
		if right, q, err = p.term(q); err == nil {
			e = join(s, e, right)
		}
	}
	return nil, err
}

// joint takes an and or an or, if one comes next.
func (p *parser) joint() (shape, bool) {
	switch t := p.peek(); {
	case t.is("and"), t.is("&&"):
		p.next++
		return shapeAnd, true
	case t.is("or"), t.is("||"):
		p.next++
		return shapeOr, true
	}
	return 0, false
}

// term parses one operand of and and or: a primitive, a group, or a word that
// inherits q.
func (p *parser) term(q qual) (*expr, qual, *Error) {
	t := p.peek()
	switch {
	case t.is("not"), t.is("!"):
		if err := p.descend(t); err != nil {
			return nil, q, err
		}
		p.next++
		e, q, err := p.term(q)
		p.depth--
		if err != nil {
			return nil, q, err
		}
		return negate(e), q, nil
	case t.is("(") && !p.arithmetic():
		e, err := p.group(q)
		return e, q, err
	case p.isName() && q.set:
		e, err := p.name(q)
		return e, q, err
	}
	return p.primitive()
}

// group parses a parenthesis that holds conditions. If it begins with a word
// that inherits, the whole of it does: `port 80 or (81 or 82)`.
func (p *parser) group(q qual) (*expr, *Error) {
	open := p.peek()
	if err := p.descend(open); err != nil {
		return nil, err
	}
	p.next++
	inherits := q.set && p.startsWithName()
	var e *expr
	var err *Error
	if inherits {
		e, err = p.names(q)
	} else {
		e, err = p.expression(q)
	}
	if err != nil {
		return nil, err
	}
	if t := p.peek(); !t.is(")") {
		return nil, p.unexpected(t)
	}
	p.next++
	p.depth--
	return e, nil
}

// names parses words joined by and and or that all have the qualifiers q.
func (p *parser) names(q qual) (*expr, *Error) {
	e, err := p.operand(q)
	for err == nil {
		s, ok := p.joint()
		if !ok {
			return e, nil
		}
		var right *expr
		if right, err = p.operand(q); err == nil {
			e = join(s, e, right)
		}
	}
	return nil, err
}

// operand parses what may follow qualifiers: a word, its negation, or words in
// parentheses.
func (p *parser) operand(q qual) (*expr, *Error) {
	t := p.peek()
	switch {
	case t.is("not"), t.is("!"):
		if err := p.descend(t); err != nil {
			return nil, err
		}
		p.next++
		e, err := p.operand(q)
		p.depth--
		if err != nil {
			return nil, err
		}
		return negate(e), nil
	case t.is("("):
		if err := p.descend(t); err != nil {
			return nil, err
		}
		p.next++
		e, err := p.names(q)
		if err != nil {
			return nil, err
		}
		if t := p.peek(); !t.is(")") {
			return nil, p.unexpected(t)
		}
		p.next++
		p.depth--
		return e, nil
	}
	return p.name(q)
}

// arithmetic reports whether the parenthesis that comes next belongs to a
// comparison: only there an operator follows its end.
func (p *parser) arithmetic() bool {
	after := p.toks[p.close[p.next]+1]
	return after.kind == tokOp && !after.is(")") && !after.is("&&") && !after.is("||") &&
		!after.is("(") && !after.is("!")
}

// isName reports whether a word that may inherit qualifiers comes next: an
// address, a number or a name, but no keyword and no comparison.
func (p *parser) isName() bool {
	t := p.peek()
	switch t.kind {
	case tokNumber:
		after := p.toks[p.next+1]
		return after.kind != tokOp || after.is(")") || after.is("&&") || after.is("||")
	case tokWord:
		return !keywords[t.text]
	}
	return t.kind == tokEscaped || t.kind == tokDotted || t.kind == tokIPv6 || t.kind == tokMAC
}

// startsWithName reports whether the first word behind parentheses and
// negations is one that inherits.
func (p *parser) startsWithName() bool {
	saved := p.next
	defer func() { p.next = saved }()
	for t := p.peek(); t.is("(") || t.is("not") || t.is("!"); t = p.peek() {
		if t.is("(") && p.arithmetic() {
			return false
		}
		p.next++
	}
	return p.isName()
}

// descend counts a parenthesis, bracket or negation that opens at t.
func (p *parser) descend(t token) *Error {
	if p.depth++; p.depth > nestMax {
		return p.errorAt(t, "nested more than %d deep", nestMax)
	}
	return nil
}

func (p *parser) peek() token { return p.toks[p.next] }

// take returns the next token and moves behind it; the end is never passed.
func (p *parser) take() token {
	t := p.toks[p.next]
	if t.kind != tokEnd {
		p.next++
	}
	return t
}

func (p *parser) column(t token) int { return errorAt(p.src, t.off, t.text, "").Column }

// errorAt returns an Error about t.
func (p *parser) errorAt(t token, format string, args ...any) *Error {
	return errorAt(p.src, t.off, t.text, format, args...)
}

// unexpected returns the Error for a word that cannot stand where t stands.
func (p *parser) unexpected(t token) *Error {
	switch {
	case t.kind == tokEnd:
		return p.errorAt(t, "something is missing here")
	case t.kind == tokWord && refused[t.text] != "":
		return p.errorAt(t, "%s", refused[t.text])
	case t.kind == tokWord && !keywords[t.text] && suggestion(t.text) != "":
		return p.errorAt(t, "unknown word%s", suggestion(t.text))
	}
	return p.errorAt(t, "not expected here; primitives are joined by and, or")
}

// assignTags gives each vlan its tag. A vlan that stands behind another one in
// a chain of ands means the next tag inwards, as in tcpdump; alternatives start
// from the same tag, which tcpdump's do not.
func assignTags(src string, e *expr) *Error {
	_, err := assignTagsFrom(src, e, 0)
	return err
}

// tagLevelMax bounds the VLAN tags that one expression can tell apart: as many
// as the parser remembers.
const tagLevelMax = len(wire.Packet{}.VLANs)

// tagsUnclear is the level behind alternatives that look at different tags.
const tagsUnclear = -1

// assignTagsFrom gives the vlans of e their tags, where level tags have been
// looked at before e, and returns how many have after it.
func assignTagsFrom(src string, e *expr, level int) (int, *Error) {
	switch e.shape {
	case shapeTest:
		if e.test.op != opVLAN {
			return level, nil
		}
		if level == tagsUnclear {
			return 0, errorAt(src, e.at.off, e.at.text, "which tag this is depends on the alternatives before it")
		}
		if level == tagLevelMax {
			return 0, errorAt(src, e.at.off, e.at.text, "more than %d tags", tagLevelMax)
		}
		e.test.level = uint8(level + 1)
		return level + 1, nil
	case shapeNot:
		_, err := assignTagsFrom(src, e.kids[0], level)
		return level, err
	case shapeOr:
		after, err := assignTagsFrom(src, e.kids[0], level)
		for _, k := range e.kids[1:] {
			n, kerr := assignTagsFrom(src, k, level)
			if err == nil {
				err = kerr
			}
			if n != after {
				after = tagsUnclear
			}
		}
		return after, err
	}
	for _, k := range e.kids {
		var err *Error
		if level, err = assignTagsFrom(src, k, level); err != nil {
			return 0, err
		}
	}
	return level, nil
}
