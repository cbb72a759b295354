package filter

import (
	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

// Program is a compiled expression. It is not changed by matching, so any
// number of goroutines may share it. The zero value matches nothing; Compile
// makes programs.
type Program struct {
	tests []test // from 1 on; each goes on with an earlier one, so none can loop
	entry int32  // the first test, or accept or reject
	root  *expr  // nil for the empty expression
	flow  *Error // what FlowOnly returns
}

// Where a test may go on instead of at another test.
const (
	reject int32 = 0
	accept int32 = -1
)

// Compile translates an expression in the language of pcap-filter(7). The empty
// expression matches everything. Its error is an *Error.
func Compile(text string) (*Program, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	p := &Program{tests: make([]test, 1), root: root, entry: accept}
	if root == nil {
		return p, nil
	}
	p.entry = p.emit(root, accept, reject)
	root.walk(func(e *expr) bool {
		if why := e.test.needsPacket(); why != "" {
			p.flow = errorAt(text, e.at.off, e.at.text, "%s", why)
		}
		return p.flow == nil
	})
	return p, nil
}

// emit appends the tests of e, last one first, and returns where e begins: with
// which test, or, for what needs none, what it goes on with.
func (p *Program) emit(e *expr, yes, no int32) int32 {
	switch e.shape {
	case shapeNot:
		return p.emit(e.kids[0], no, yes)
	case shapeAnd:
		for i := len(e.kids) - 1; i >= 0; i-- {
			yes = p.emit(e.kids[i], yes, no)
		}
		return yes
	case shapeOr:
		for i := len(e.kids) - 1; i >= 0; i-- {
			no = p.emit(e.kids[i], yes, no)
		}
		return no
	}
	t := e.test
	t.yes, t.no = yes, no
	p.tests = append(p.tests, t)
	return int32(len(p.tests) - 1)
}

// Match reports whether the packet matches that wire.Parser found in the frame
// data. The length of the frame is that of data; where a frame was captured in
// part, MatchWire knows better.
func (p *Program) Match(pkt *wire.Packet, data []byte) bool {
	return p.MatchWire(pkt, data, uint32(len(data)))
}

// MatchWire is Match for a frame that had wireLen octets on the wire, of which
// data are those captured. Only len, less and greater see the difference.
func (p *Program) MatchWire(pkt *wire.Packet, data []byte, wireLen uint32) bool {
	return p.eval(&frame{pkt: pkt, data: data, wireLen: wireLen}) == yes
}

// eval runs the program.
func (p *Program) eval(f *frame) verdict {
	f.locate()
	pc := p.entry
	for pc > 0 {
		t := &p.tests[pc]
		switch t.eval(f) {
		case yes:
			pc = t.yes
		case no:
			pc = t.no
		default:
			return beyond
		}
	}
	return truth(pc == accept)
}

// FlowOnly returns nil if MatchFlow can decide the expression: if it asks for
// nothing but addresses, ports and protocols. Else it returns an *Error about
// the first word that needs the packet.
func (p *Program) FlowOnly() error {
	if p.flow == nil {
		return nil
	}
	return p.flow
}

// MatchFlow reports whether packets from the client to the server of a flow
// match. The client is endpoint client (0 or 1) of k. It must not be called if
// FlowOnly returns an error.
func (p *Program) MatchFlow(k *wire.FlowKey, client uint8) bool {
	assert.That(p.flow == nil, "a flow is only asked what its key knows")
	pc := p.entry
	for pc > 0 {
		t := &p.tests[pc]
		if t.evalFlow(k, client&1) {
			pc = t.yes
		} else {
			pc = t.no
		}
	}
	return pc == accept
}
