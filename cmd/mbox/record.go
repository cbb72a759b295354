package main

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/netip"
	"strconv"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/uevents"
	"github.com/mbox-stack/mbox/wire"
)

// recording says what records hold.
type recording struct {
	hashed bool     // digests of streams
	active interval // of records of flows that go on; 0: none
}

// record is what is told about a flow when it has ended, or so far.
type record struct {
	how       recording
	flow      mbox.Flow
	community string
	encap     string // of its first packet
	first     uint64 // frame
	began     time.Time
	took      time.Duration
	reason    uevents.EndReason // valid iff not partial
	partial   bool              // the flow goes on
	part      uint32            // number of the flow's record, from 1
	state     [2]mbox.State     // valid iff TCP
	rtt       uevents.RTT
	evidence  mbox.Evidence
	sent      [2]mbox.Counters
	text      *[2]digest // nil where streams are not read
}

func (r *record) tcp() bool { return r.flow.Proto() == wire.ProtoTCP }

// recorder makes records. It keeps with each flow what is known only at its
// beginning, and where streams are read, their digests.
type recorder struct {
	born   mbox.Key[birth]
	how    recording
	chains *mbox.Local[chains]
	spare  *mbox.Local[[]*birth] // of flows that have ended: under a flood nothing is left to collect
}

// birth is what a flow's first packet says that nobody keeps.
type birth struct {
	at        int64 // ns since 1970, as the capture says
	encap     string
	text      *[2]digest // nil until there were octets of a flow
	typ, code uint8      // of ICMP
	sender    uint8      // index in the key
	part      uint32     // records so far
	told      uint64     // packets of both sides, in the latest of them
}

// digest is the hash of a stream's octets from its start to its first gap.
type digest struct {
	octets uint64
	hash   hash.Hash // nil until there were octets of a flow
	over   bool
}

// newRecorder registers on sock what records need.
func newRecorder(stack *mbox.Stack, sock *mbox.Socket, how recording) (*recorder, error) {
	r := &recorder{born: mbox.NewKey[birth](), how: how, chains: mbox.NewLocal(stack, newChains),
		spare: mbox.NewLocal[[]*birth](stack, nil)}
	if err := sock.Handle(mbox.OnConnStart, mbox.PostTCP, r.begin); err != nil || !how.hashed {
		return r, err
	}
	if err := sock.Handle(mbox.OnNewData, mbox.PostTCP, r.data); err != nil {
		return r, err
	}
	return r, sock.Handle(mbox.OnGap, mbox.PostTCP, r.gap)
}

func (r *recorder) begin(c *mbox.Context) {
	p, spare := c.Packet(), r.spare.Of(c)
	b := new(birth)
	if n := len(*spare); n > 0 {
		b, *spare = (*spare)[n-1], (*spare)[:n-1]
	}
	*b = birth{at: c.Timestamp().UnixNano(), encap: r.chains.Of(c).of(p), text: b.text,
		typ: p.ICMPType, code: p.ICMPCode, sender: p.Sender}
	if b.text != nil {
		for side := range b.text {
			b.text[side].reset()
		}
	}
	r.born.Set(c, b)
	r.arm(c)
}

// arm has the flow looked at again, if flows that go on have records.
func (r *recorder) arm(c *mbox.Context) {
	if r.how.active > 0 {
		// It fails for flows with many timers; this one is the only one.
		_, _ = c.Arm(time.Duration(r.how.active))
	}
}

// reset makes the digest that of a stream without octets.
func (d *digest) reset() {
	if d.hash != nil {
		d.hash.Reset()
	}
	d.octets, d.over = 0, false
}

func (r *recorder) data(c *mbox.Context) {
	d := r.digest(c)
	if d.over || c.Offset() != d.octets {
		d.over = true
		return
	}
	if d.hash == nil {
		d.hash = sha256.New()
	}
	d.hash.Write(c.Payload())
	d.octets += uint64(len(c.Payload()))
}

func (r *recorder) gap(c *mbox.Context) { r.digest(c).over = true }

// digest returns that of the stream at hand.
func (r *recorder) digest(c *mbox.Context) *digest {
	b := r.born.Of(c)
	if b.text == nil {
		b.text = new([2]digest)
	}
	return &b.text[c.Side()]
}

// last returns the record of the flow at hand, which ends. It is good until the
// shard's next flow begins.
func (r *recorder) last(c *mbox.Context) record {
	b, spare := r.born.Of(c), r.spare.Of(c)
	*spare = append(*spare, b)
	rec := r.of(c, b)
	rec.reason = c.Reason()
	return rec
}

// partial returns the record of a flow that goes on, unless nothing has come
// since the one before, and has the flow looked at again. A connection that is
// over does not go on: it has its last record when its closing timeout is over.
func (r *recorder) partial(c *mbox.Context) (rec record, news bool) {
	if closed(c) {
		return rec, false
	}
	b := r.born.Of(c)
	packets := c.Counters(mbox.Client).Packets + c.Counters(mbox.Server).Packets
	if packets != b.told {
		b.told = packets
		rec, news = r.of(c, b), true
		rec.partial = true
	}
	r.arm(c)
	return rec, news
}

// of returns what there is to say of the flow at hand.
func (r *recorder) of(c *mbox.Context, b *birth) record {
	b.part++
	f := c.Flow()
	rec := record{
		how: r.how, part: b.part,
		flow: f, encap: b.encap, first: c.FirstFrame(), began: time.Unix(0, b.at), took: c.LastActive().Sub(c.FirstSeen()),
		community: communityID(&f.Key, b.sender, b.typ, b.code),
		rtt:       c.RTT(), evidence: c.Evidence(),
	}
	for _, side := range sides {
		rec.state[side], rec.sent[side] = c.State(side), c.Counters(side)
	}
	if r.how.hashed {
		rec.text = b.text
		if rec.text == nil {
			rec.text = &nothingSaid
		}
	}
	return rec
}

// nothingSaid are the digests of a flow without octets.
var nothingSaid [2]digest

var sides = [...]mbox.Dir{mbox.Client, mbox.Server}

// chains keeps the texts of encapsulations, of which there are few.
type chains map[chain]string

// chain is what an encapsulation's text is made of.
type chain struct {
	stack [12]wire.Layer
	vlans [3]uint16
	depth uint8
}

// chainsMax bounds how many texts are kept: VLAN identifiers alone make
// billions. Further ones are made anew each time.
const chainsMax = 4096

func newChains() chains { return chains{} }

// of returns the text for a packet.
func (cs chains) of(p *wire.Packet) string {
	key := chain{p.Stack, p.VLANs, p.Depth}
	text, ok := cs[key]
	if !ok {
		text = p.Encap()
		if len(cs) < chainsMax {
			cs[key] = text
		}
	}
	return text
}

// field is one field of a record: its name, and what appends its value as JSON.
type field struct {
	name string
	put  func([]byte, *record) []byte
}

// sideField is a field that both directions have.
type sideField struct {
	name string
	put  func([]byte, *record, mbox.Dir) []byte
}

// fields are a record's fields in their order, in which JSON and CSV agree.
var fields = []field{
	{"id", func(b []byte, r *record) []byte { return quote(b, r.flow.ID.String()) }},
	{"community_id", func(b []byte, r *record) []byte { return quote(b, r.community) }},
	{"proto", func(b []byte, r *record) []byte { return quote(b, r.flow.Proto().String()) }},
	{"client", func(b []byte, r *record) []byte { return putEndpoint(b, r.flow.Client()) }},
	{"server", func(b []byte, r *record) []byte { return putEndpoint(b, r.flow.Server()) }},
	{"start", func(b []byte, r *record) []byte { return quote(b, r.flow.Start().String()) }},
	{"end", func(b []byte, r *record) []byte { return quote(b, r.end()) }},
	{"first_frame", func(b []byte, r *record) []byte { return strconv.AppendUint(b, r.first, 10) }},
	{"t0", func(b []byte, r *record) []byte { return strconv.AppendInt(b, r.began.UnixNano(), 10) }},
	{"duration", func(b []byte, r *record) []byte { return appendSeconds(b, r.took) }},
	{"encap", func(b []byte, r *record) []byte { return append(quote(append(b, '['), r.encap), ']') }},
	{"complete", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.evidence.Complete()) }},
	{"one_sided", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.evidence.OneSided) }},
	{"midstream", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.evidence.Midstream) }},
	{"truncated", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.evidence.Truncated) }},
	{"gap", func(b []byte, r *record) []byte { return strconv.AppendUint(b, r.evidence.GapOctets, 10) }},
	{"bad_checksums", func(b []byte, r *record) []byte { return putUint(b, r.evidence.BadChecksums) }},
	{"conflicts", func(b []byte, r *record) []byte { return putUint(b, r.evidence.Conflicts) }},
	{"conflicts_unknown", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.evidence.MatchUnknown) }},
	{"refused", func(b []byte, r *record) []byte { return strconv.AppendUint(b, r.evidence.Refused, 10) }},
}

// fieldsPart are further fields, where flows that go on have records too.
var fieldsPart = []field{
	{"partial", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.partial) }},
	{"part", func(b []byte, r *record) []byte { return putUint(b, r.part) }},
}

// end says why there is a record.
func (r *record) end() string {
	if r.partial {
		return "active-timeout"
	}
	return r.reason.String()
}

// fieldsTCP are further fields, of TCP only.
var fieldsTCP = []field{
	{"syn", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.sent[mbox.Client].SYN > 0) }},
	{"synack", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.sent[mbox.Server].SYNACK > 0) }},
	{"fin_c", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.sent[mbox.Client].FIN > 0) }},
	{"fin_s", func(b []byte, r *record) []byte { return strconv.AppendBool(b, r.sent[mbox.Server].FIN > 0) }},
	{"rst", func(b []byte, r *record) []byte {
		return strconv.AppendBool(b, r.sent[mbox.Client].RST+r.sent[mbox.Server].RST > 0)
	}},
	{"rst_c", func(b []byte, r *record) []byte { return putUint(b, r.sent[mbox.Client].RST) }},
	{"rst_s", func(b []byte, r *record) []byte { return putUint(b, r.sent[mbox.Server].RST) }},
	{"client_state", func(b []byte, r *record) []byte { return quote(b, r.state[mbox.Client].String()) }},
	{"server_state", func(b []byte, r *record) []byte { return quote(b, r.state[mbox.Server].String()) }},
	{"rtt_client", func(b []byte, r *record) []byte { return putSeconds(b, r.rtt.Client) }},
	{"rtt_server", func(b []byte, r *record) []byte { return putSeconds(b, r.rtt.Server) }},
}

// fieldsSide are the fields of one direction, and fieldsText those that it has
// where streams are read.
var (
	fieldsSide = []sideField{
		{"packets", func(b []byte, r *record, d mbox.Dir) []byte { return strconv.AppendUint(b, r.sent[d].Packets, 10) }},
		{"payload_bytes", func(b []byte, r *record, d mbox.Dir) []byte { return strconv.AppendUint(b, r.sent[d].PayloadBytes, 10) }},
		{"rexmits", func(b []byte, r *record, d mbox.Dir) []byte { return strconv.AppendUint(b, r.sent[d].Rexmits, 10) }},
	}
	fieldsText = []sideField{
		{"stream_bytes", func(b []byte, r *record, d mbox.Dir) []byte { return strconv.AppendUint(b, r.text[d].octets, 10) }},
		{"sha256", func(b []byte, r *record, d mbox.Dir) []byte { return quote(b, r.text[d].sum()) }},
	}
)

// sum returns the digest in hexadecimal; of no octets it is that of nothing.
func (d *digest) sum() string {
	if d.hash == nil {
		empty := sha256.Sum256(nil)
		return hex.EncodeToString(empty[:])
	}
	return hex.EncodeToString(d.hash.Sum(nil))
}

func putEndpoint(b []byte, a netip.AddrPort) []byte {
	return append(a.AppendTo(append(b, '"')), '"')
}

func putUint(b []byte, n uint32) []byte { return strconv.AppendUint(b, uint64(n), 10) }

// putSeconds appends a duration, or null where it is not known.
func putSeconds(b []byte, d time.Duration) []byte {
	if d == 0 {
		return append(b, "null"...)
	}
	return appendSeconds(b, d)
}

// quote appends s as a JSON string. What is told are words of our own, in UTF-8,
// and addresses; what would break a string is escaped all the same.
func quote(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
