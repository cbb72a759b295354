package buffers

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

const testSlot wire.Slot = 7

// pair drives a stream in an arena and its slow twin through the same calls and
// compares all that can be seen of either after each.
type pair struct {
	t     testing.TB
	a     *Arena
	s     Stream
	r     Result
	twin  *slowStream
	trace []string
	held  []Range
}

func newPair(t testing.TB, base uint64, size int, p Policy, limit uint64) *pair {
	d := &pair{t: t, a: NewArena(Config{FlowCap: limit}), twin: newSlowStream(base, size, p, limit)}
	d.s.SetPolicy(p)
	d.a.Start(&d.s, testSlot, base)
	return d
}

func (d *pair) failf(format string, args ...any) {
	d.t.Helper()
	for _, line := range d.trace {
		d.t.Log(line)
	}
	d.t.Fatalf("policy %v: "+format, append([]any{d.twin.policy}, args...)...)
}

func (d *pair) note(format string, args ...any) {
	if len(d.trace) > 60 {
		d.trace = d.trace[1:]
	}
	d.trace = append(d.trace, fmt.Sprintf(format, args...))
}

func (d *pair) insert(off uint64, text []byte) {
	d.note("insert [%d,%d) %q", off, off+uint64(len(text)), text)
	d.a.Compare(&d.s, off, text, &d.r)
	compared := d.r.Rexmit
	want := d.twin.insert(off, text)
	d.a.Insert(&d.s, testSlot, off, text, &d.r)
	if compared != want.rexmit {
		d.failf("Compare says %+v, want %+v", compared, want.rexmit)
	}
	d.result(off, text, want)
}

func (d *pair) skip(off uint64) {
	d.note("skip to %d", off)
	want := d.twin.skip(off)
	d.a.SkipTo(&d.s, testSlot, off, &d.r)
	d.result(off, nil, want)
}

// result compares the last Result with what the twin expects.
func (d *pair) result(off uint64, text []byte, want slowResult) {
	r := &d.r
	next := d.twin.next - uint64(len(want.delivered))
	var got []byte
	for _, p := range r.Pieces {
		if p.Off != next+uint64(len(got)) || len(p.Data) == 0 {
			d.failf("piece at %d with %d octets follows %d", p.Off, len(p.Data), next+uint64(len(got)))
		}
		got = append(got, p.Data...)
		if p.Lent && !bytes.Equal(p.Data, text[p.Off-off:][:len(p.Data)]) {
			d.failf("piece at %d says it lies in the text", p.Off)
		}
	}
	if !bytes.Equal(got, want.delivered) {
		d.failf("delivered %q, want %q", got, want.delivered)
	}
	if r.Rexmit != want.rexmit || r.Gap != want.gap || r.Refused != want.refused {
		d.failf("result %+v %v %+v, want %+v %v %+v", r.Rexmit, r.Gap, r.Refused, want.rexmit, want.gap, want.refused)
	}
	if n := int(r.New + r.Rexmit.Octets + r.Refused.Octets); n != len(text) {
		d.failf("new %d + rexmit %d + refused %d = %d of %d octets", r.New, r.Rexmit.Octets, r.Refused.Octets, n, len(text))
	}
	originals := 0
	for _, p := range r.Originals {
		for i, b := range p.Data {
			if v, ok := want.originals[p.Off+uint64(i)]; !ok || v != b {
				d.failf("original octet %d is %q, want %q (held: %v)", p.Off+uint64(i), b, v, ok)
			}
			originals++
		}
	}
	if originals != len(want.originals) {
		d.failf("%d original octets, want %d", originals, len(want.originals))
	}
	d.state(Range{next, d.twin.next})
}

// state compares what either holds; lent is what the last Result lends.
func (d *pair) state(lent Range) {
	if d.s.Next() != d.twin.next {
		d.failf("next is %d, want %d", d.s.Next(), d.twin.next)
	}
	d.held = d.a.Held(&d.s, d.held[:0])
	i, end, holes, pending := 0, d.twin.base, 0, uint64(0)
	for o := d.twin.base; o < d.twin.end(); o++ {
		waits := d.twin.waits(o)
		want := waits || d.twin.at(o).kept || o >= lent.Off && o < lent.End
		for i < len(d.held) && d.held[i].End <= o {
			i++
		}
		if got := i < len(d.held) && d.held[i].Off <= o; got != want {
			d.failf("octet %d held: %v, want %v (%v)", o, got, want, d.held)
		}
		if waits {
			pending++
			if end = max(end, d.twin.next); end != o {
				holes++
			}
			end = o + 1
		}
	}
	if d.a.Pending(&d.s) != pending || d.a.HoleCount(&d.s) != holes {
		d.failf("pending %d in %d holes, want %d in %d", d.a.Pending(&d.s), d.a.HoleCount(&d.s), pending, holes)
	}
	d.readHeld()
	if hole, ok := d.a.FirstHole(&d.s); ok != (pending > 0) || ok && (hole.Off != d.twin.next || !d.twin.waits(hole.End) || d.twin.waits(hole.End-1)) {
		d.failf("first hole %v %v", hole, ok)
	}
	if !d.twin.retaining && d.a.Used(testSlot) != d.twin.memory() {
		d.failf("memory used is %d, want %d", d.a.Used(testSlot), d.twin.memory())
	}
	if used := d.a.Used(testSlot); used > max(d.twin.limit, holdCharge) || used != d.a.Memory(&d.s) {
		d.failf("memory used is %d, of the stream %d, cap %d", used, d.a.Memory(&d.s), d.twin.limit)
	}
}

// readHeld reads all that is held and one octet beyond each range.
func (d *pair) readHeld() {
	for _, h := range d.held {
		p := make([]byte, h.Len()+1)
		n, err := d.a.ReadAt(&d.s, h.Off, p)
		want := ErrHole
		if h.End < d.twin.next {
			want = ErrGone
		}
		if uint64(n) != h.Len() || err != want {
			d.failf("ReadAt(%v) = %d, %v, want %v", h, n, err, want)
		}
		for i, b := range p[:n] {
			if v := d.twin.at(h.Off + uint64(i)).value; v != b {
				d.failf("octet %d reads %q, want %q", h.Off+uint64(i), b, v)
			}
		}
	}
}

// close ends the stream and checks that nothing stays behind.
func (d *pair) close() {
	d.a.Close(&d.s, testSlot)
	d.a.Commit()
	if d.a.Used(testSlot) != 0 || d.a.holds.Len() != 0 || d.a.pieces.Len() != 0 {
		d.failf("closed: %d octets, %d holds, %d pieces stay", d.a.Used(testSlot), d.a.holds.Len(), d.a.pieces.Len())
	}
	d.a.Trim()
	if n := d.a.Bytes(); n != 0 {
		d.failf("closed and trimmed: %d octets stay", n)
	}
}

// TestOverlapTable spells the table of behaviours out: one held segment, one
// new one, and what the receiver reads.
func TestOverlapTable(t *testing.T) {
	type seg struct {
		off  uint64
		text string
	}
	cases := []struct {
		name string
		segs []seg
		want map[Policy]string
	}{
		{"left overlap", []seg{{1, "aaaa"}, {3, "bbbb"}}, map[Policy]string{
			First: "aaaabb", Last: "aabbbb", Linux: "aaaabb", OldLinux: "aaaabb", BSD: "aaaabb", Solaris: "aabbbb"}},
		{"right overlap", []seg{{3, "aaaa"}, {1, "bbbb"}}, map[Policy]string{
			First: "bbaaaa", Last: "bbbbaa", Linux: "bbbbaa", OldLinux: "bbbbaa", BSD: "bbbbaa", Solaris: "bbaaaa"}},
		{"full overlap, starts before and ends beyond", []seg{{2, "aa"}, {1, "bbbb"}}, map[Policy]string{
			First: "baab", Last: "bbbb", Linux: "bbbb", OldLinux: "bbbb", BSD: "bbbb", Solaris: "bbbb"}},
		{"full overlap, starts before, same end", []seg{{2, "aa"}, {1, "bbb"}}, map[Policy]string{
			First: "baa", Last: "bbb", Linux: "bbb", OldLinux: "bbb", BSD: "bbb", Solaris: "bbb"}},
		{"full overlap, same start, ends beyond", []seg{{1, "aa"}, {1, "bbb"}}, map[Policy]string{
			First: "aab", Last: "bbb", Linux: "bbb", OldLinux: "bbb", BSD: "aab", Solaris: "bbb"}},
		{"same start and end, left gap", []seg{{1, "aa"}, {1, "bb"}}, map[Policy]string{
			First: "aa", Last: "bb", Linux: "aa", OldLinux: "bb", BSD: "aa", Solaris: "aa"}},
		{"same start and end, no left gap", []seg{{1, "xx"}, {3, "aa"}, {3, "bb"}}, map[Policy]string{
			First: "xxaa", Last: "xxbb", Linux: "xxaa", OldLinux: "xxbb", BSD: "xxaa", Solaris: "xxbb"}},
		{"same start, ends within", []seg{{1, "aaa"}, {1, "bb"}}, map[Policy]string{
			First: "aaa", Last: "bba", Linux: "aaa", OldLinux: "aaa", BSD: "aaa", Solaris: "aaa"}},
		{"within", []seg{{1, "aaaa"}, {2, "bb"}}, map[Policy]string{
			First: "aaaa", Last: "abba", Linux: "aaaa", OldLinux: "aaaa", BSD: "aaaa", Solaris: "aaaa"}},
		{"within, same end", []seg{{1, "aaaa"}, {3, "bb"}}, map[Policy]string{
			First: "aaaa", Last: "aabb", Linux: "aaaa", OldLinux: "aaaa", BSD: "aaaa", Solaris: "aaaa"}},
		{"covers two, of which the left one reaches before it", []seg{{1, "aaaa"}, {5, "cc"}, {3, "bbbbbb"}}, map[Policy]string{
			First: "aaaaccbb", Last: "aabbbbbb", OldLinux: "aaaabbbb", BSD: "aaaaccbb", Solaris: "aabbbbbb"}},
		{"in order, over what waits", []seg{{2, "aa"}, {0, "bbbbb"}}, map[Policy]string{
			First: "bbaab", Last: "bbbbb", Linux: "bbbbb", OldLinux: "bbbbb", BSD: "bbbbb", Solaris: "bbbbb"}},
		{"in order, into what waits", []seg{{2, "aaa"}, {0, "bbb"}}, map[Policy]string{
			First: "bbaaa", Last: "bbbaa", Linux: "bbbaa", OldLinux: "bbbaa", BSD: "bbbaa", Solaris: "bbaaa"}},
	}
	for _, c := range cases {
		for policy, want := range c.want {
			a := NewArena(Config{})
			s := Stream{policy: policy}
			var r Result
			got := ""
			insert := func(off uint64, text string) {
				a.Insert(&s, testSlot, off, []byte(text), &r)
				for _, p := range r.Pieces {
					got += string(p.Data)
				}
			}
			for _, g := range c.segs {
				insert(g.off, g.text)
			}
			if s.next == 0 {
				insert(0, "-")
				got = got[1:]
			}
			if got != want {
				t.Errorf("%s: %v reads %q, want %q", c.name, policy, got, want)
			}
		}
	}
}

// TestOverlapExhaustive plays every arrangement of up to three segments over a
// few octets beyond a hole, which then fills in two ways or is given up.
func TestOverlapExhaustive(t *testing.T) {
	const octets = 6
	var chunks []Range
	for off := uint64(1); off <= octets; off++ {
		for end := off + 1; end <= octets+1; end++ {
			chunks = append(chunks, Range{off, end})
		}
	}
	chunks = append(chunks, Range{1, 1})
	stride := 1
	if assert.Enabled { // which makes each step dear
		stride = 23
	}
	text := func(i int, r Range) []byte { return bytes.Repeat([]byte{byte('a' + i)}, int(r.Len())) }
	for policy := range policyCount {
		t.Run(policy.String(), func(t *testing.T) {
			t.Parallel()
			d := newPair(t, 0, octets+2, policy, flowCapDefault)
			for i := 0; i < len(chunks)*len(chunks)*len(chunks); i += stride {
				for fill := range 3 {
					d.restart()
					for j, k := 0, i; j < 3; j, k = j+1, k/len(chunks) {
						if r := chunks[k%len(chunks)]; r.Len() > 0 {
							d.insert(r.Off, text(j, r))
						}
					}
					switch fill {
					case 0:
						d.insert(0, []byte("-"))
					case 1:
						d.insert(0, []byte("-------")[:octets])
					}
					for range octets {
						d.skip(d.twin.end())
					}
				}
			}
			d.close()
		})
	}
}

// restart makes both streams new.
func (d *pair) restart() {
	d.trace = d.trace[:0]
	d.a.Close(&d.s, testSlot)
	d.a.Start(&d.s, testSlot, d.twin.base)
	clear(d.twin.octets)
	d.twin.next, d.twin.segs = d.twin.base, d.twin.segs[:0]
}

// script is a source of choices: the octets of a fuzzer's input or of a seed.
type script struct{ data []byte }

// below returns a choice less than n.
func (c *script) below(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	v := int(c.data[0])
	c.data = c.data[1:]
	if n > 256 && len(c.data) > 0 {
		v = v<<8 | int(c.data[0])
		c.data = c.data[1:]
	}
	return v % n
}

// play runs a script: policy, place in the sequence space and budget first, then
// segments of a true stream, some of them forged, gaps and acknowledgements.
func play(t testing.TB, data []byte) {
	const size = 400
	c := &script{data}
	policy := Policy(c.below(int(policyCount)))
	base := []uint64{0, 1<<31 - 100, 1<<32 - 200, math.MaxUint64 - size, 1 << 63}[c.below(5)]
	limit := []uint64{flowCapDefault, 600, 1500, 200, holdCharge}[c.below(5)]
	d := newPair(t, base, size, policy, limit)
	exact := limit == flowCapDefault
	for len(c.data) > 0 {
		switch op := c.below(16); op {
		case 0:
			d.skip(base + uint64(c.below(size)))
		case 1:
			if hole, ok := d.a.FirstHole(&d.s); ok {
				d.skip(hole.End)
			}
		case 2:
			if exact {
				d.retain(c)
			}
		case 3:
			d.acknowledge(base + uint64(c.below(size)))
		default:
			d.segment(c, op)
		}
	}
	d.close()
}

// segment inserts a segment of a script's choice.
func (d *pair) segment(c *script, op int) {
	size := len(d.twin.octets)
	at := int(d.twin.next - d.twin.base)
	n := 1 + c.below(24)
	switch {
	case op < 8: // next in order
	case op < 12: // near it, on either side
		at += c.below(64) - 16
	default:
		at = c.below(size)
	}
	at = max(0, min(at, size-1))
	n = min(n, size-at)
	text := make([]byte, n)
	forged := c.below(4) == 0
	for i := range text {
		text[i] = byte('a' + (at+i)%26)
		if forged && (at+i)%3 == 0 {
			text[i] = byte('A' + c.below(26))
		}
	}
	if n > 0 {
		d.insert(d.twin.base+uint64(at), text)
	}
}

// retain switches retention on or off.
func (d *pair) retain(c *script) {
	n := uint64(c.below(100))
	if n == 0 {
		d.note("forget")
		d.a.Forget(&d.s, testSlot)
		d.twin.retaining, d.twin.acked = false, 0
		for i := range d.twin.octets {
			d.twin.octets[i].kept = false
		}
		return
	}
	d.note("retain %d", n)
	d.a.Retain(&d.s, testSlot, n)
	if !d.twin.retaining {
		d.twin.acked = 0
	}
	d.twin.retaining, d.twin.retain = true, n
	d.twin.expire()
}

func (d *pair) acknowledge(off uint64) {
	d.note("acknowledge %d", off)
	d.a.Acknowledge(&d.s, testSlot, off)
	if d.twin.retaining {
		d.twin.acked = max(d.twin.acked, off)
	}
	d.twin.expire()
}

// TestStreamAgainstTwin plays long random scripts.
func TestStreamAgainstTwin(t *testing.T) {
	seeds := uint64(300)
	if assert.Enabled {
		seeds = 40
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 2))
		data := make([]byte, 1200)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		data[0] = byte(seed)
		play(t, data)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzStream plays scripts against the twin.
func FuzzStream(f *testing.F) {
	for p := range byte(policyCount) {
		f.Add([]byte{p, 0, 0, 15, 0, 9, 4, 1, 14, 0, 7, 8, 0, 4, 0, 0})
		f.Add([]byte{p, 3, 1, 12, 0, 30, 9, 0, 12, 0, 25, 22, 0, 1, 4, 20, 1})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<12 {
			t.Skip("longer scripts find nothing that shorter ones do not")
		}
		play(t, data)
	})
}
