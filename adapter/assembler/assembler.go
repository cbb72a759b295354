package assembler

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox"
)

// Assembler stands in for gopacket's: it hands the events of a socket to the
// streams of a factory. Make one with Attach.
//
// Its methods may be called at any time, from any goroutine.
type Assembler struct {
	factory reassembly.StreamFactory
	mu      sync.Mutex // factories expect to be called by one goroutine
	conns   mbox.Key[conn]
	desks   *mbox.Local[desk]

	forgotten atomic.Uint64
}

// conn is a connection with its stream.
type conn struct {
	stream    reassembly.Stream
	halves    [2]half // by the side that sends
	completed bool    // ReassemblyComplete was called
	over      bool    // and wants nothing more
}

// half is what one side sends.
type half struct {
	next    uint64 // stream offset after the last octet delivered or given up
	skip    int    // octets given up since the last delivery; -1: the start was not seen
	kept    []byte // octets that KeepFrom wants to see again
	sources []source
	before  mbox.Counters // at the last delivery
	started bool          // something was delivered, or began with a SYN
	forced  bool          // Accept said that it starts here
	ended   bool          // FIN or RST: nothing more is delivered
}

// desk is what a shard needs for the call at hand.
type desk struct {
	tcp     layers.TCP
	context Context
	gather  gather
	sources []source // of gather
}

// Context is the AssemblerContext that streams get. Lent: it is good for the
// call that it came with.
type Context struct {
	// Event is the event of mbox that led to the call, for streams that want to
	// know more than gopacket tells.
	Event *mbox.Context
	info  gopacket.CaptureInfo
}

// GetCaptureInfo implements reassembly.AssemblerContext: it describes the packet
// at hand. Without one, at the end of a connection, it has a time only.
func (c *Context) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// Attach has the streams that factory makes run on the TCP connections of a
// socket of stack. The socket's scope, policy and the like are set as usual; call
// it before the stack runs.
func Attach(stack *mbox.Stack, sock *mbox.Socket, factory reassembly.StreamFactory) (*Assembler, error) {
	a := &Assembler{factory: factory, conns: mbox.NewKey[conn](), desks: mbox.NewLocal[desk](stack, nil)}
	return a, errors.Join(
		sock.Handle(mbox.OnPacket, mbox.PreTCP, a.arrive),
		sock.Handle(mbox.OnGap, mbox.PostTCP, a.skip),
		sock.Handle(mbox.OnNewData, mbox.PostTCP, a.data),
		sock.Handle(mbox.OnPacket, mbox.PostTCP, a.control),
		sock.Handle(mbox.OnConnEnd, mbox.PostTCP, a.end),
	)
}

// Forgotten returns how many octets that streams wanted to see again were not
// kept, because a direction had keptMax of them.
func (a *Assembler) Forgotten() uint64 { return a.forgotten.Load() }

// arrive asks the stream about a segment, and the factory for a stream about the
// first one.
func (a *Assembler) arrive(c *mbox.Context) {
	if c.TCP() == nil {
		return
	}
	d, cn := a.desk(c), a.conns.Of(c)
	d.decode(c)
	if cn.stream == nil {
		cn.stream = a.open(c, d)
	}
	if cn.over {
		return
	}
	h := &cn.halves[c.Side()]
	next, known := h.nextSeq(c)
	start := !known && d.tcp.SYN
	if !cn.stream.Accept(&d.tcp, d.context.info, direction(c.Side()), next, &start, &d.context) {
		c.Drop()
		return
	}
	h.forced = h.forced || start
}

// open asks the factory for the stream of the connection at hand.
func (a *Assembler) open(c *mbox.Context, d *desk) reassembly.Stream {
	client, server := c.Flow().Client(), c.Flow().Server()
	network := gopacket.NewFlow(endpointType(client.Addr()), client.Addr().AsSlice(), server.Addr().AsSlice())
	transport := gopacket.NewFlow(layers.EndpointTCPPort, port(client), port(server))
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.factory.New(network, transport, &d.tcp, &d.context)
}

func endpointType(a netip.Addr) gopacket.EndpointType {
	if a.Is4() {
		return layers.EndpointIPv4
	}
	return layers.EndpointIPv6
}

func port(a netip.AddrPort) []byte { return []byte{byte(a.Port() >> 8), byte(a.Port())} }

func direction(side mbox.Dir) reassembly.TCPFlowDirection {
	if side == mbox.Client {
		return reassembly.TCPDirClientToServer
	}
	return reassembly.TCPDirServerToClient
}

// skip notes octets that are missing for good. What was kept from before them is
// not continuous with what comes.
func (a *Assembler) skip(c *mbox.Context) {
	if cn := a.conns.Get(c); cn != nil {
		h := &cn.halves[c.Side()]
		h.skip += int(c.Gap().Len)
		h.next = c.Gap().Offset + c.Gap().Len
		h.forget()
	}
}

// data hands octets to the stream.
func (a *Assembler) data(c *mbox.Context) {
	if cn := a.conns.Get(c); cn != nil {
		a.deliver(c, cn, c.Side(), c.Payload())
	}
}

// control tells the stream of what has no octets: a SYN, a FIN that the stream
// has reached, a RST.
func (a *Assembler) control(c *mbox.Context) {
	cn := a.conns.Get(c)
	if cn == nil || c.TCP() == nil {
		return
	}
	h := &cn.halves[c.Side()]
	if c.TCP().SYN() && !h.started || !h.ended && h.over(c, c.Side()) {
		a.deliver(c, cn, c.Side(), nil)
	}
}

// deliver calls the stream with octets of a side that begin where the last ended.
func (a *Assembler) deliver(c *mbox.Context, cn *conn, side mbox.Dir, octets []byte) {
	h := &cn.halves[side]
	if h.ended || cn.over {
		return
	}
	d := a.desk(c)
	d.context.describe(c)
	if len(octets) > 0 {
		h.next = c.Offset() + uint64(len(octets))
	}
	begins := !h.started && c.TCP() != nil && c.Sender() == side && c.TCP().SYN()
	if !h.started && !begins && !h.forced {
		h.skip = -1
	}
	h.started, h.ended = true, h.over(c, side)
	d.sources = append(append(d.sources[:0], h.sources...), source{len(h.kept) + len(octets), d.context.info})
	d.gather = gather{
		octets: octets, sources: d.sources, saved: len(h.kept), keepFrom: -1, skip: h.skip, direction: direction(side),
		start: begins, end: h.ended, stats: h.stats(c, side, octets),
	}
	h.skip = 0
	if len(h.kept) > 0 {
		d.gather.octets = append(h.kept, octets...)
	}
	cn.stream.ReassembledSG(&d.gather, &d.context)
	a.forgotten.Add(h.keep(&d.gather))
	d.gather = gather{} // what it lends is over
	if cn.halves[0].ended && cn.halves[1].ended {
		a.complete(c, cn)
	}
}

// end completes the stream of a connection that has ended.
func (a *Assembler) end(c *mbox.Context) {
	if cn := a.conns.Get(c); cn != nil && cn.stream != nil {
		a.complete(c, cn)
	}
}

func (a *Assembler) complete(c *mbox.Context, cn *conn) {
	if cn.completed {
		return
	}
	d := a.desk(c)
	d.context.describe(c)
	cn.completed = true
	cn.over = cn.stream.ReassemblyComplete(&d.context)
}

func (a *Assembler) desk(c *mbox.Context) *desk { return a.desks.Of(c) }

// decode makes gopacket's view of the segment at hand.
func (d *desk) decode(c *mbox.Context) {
	d.context.describe(c)
	// Options that break their own lengths are an error there; the rest of the
	// header has been decoded then, and the payload is known here.
	_ = d.tcp.DecodeFromBytes(c.Packet().Transport(c.Frame()), gopacket.NilDecodeFeedback)
	d.tcp.Payload = c.Payload()
}

// describe sets what is known of the packet at hand.
func (x *Context) describe(c *mbox.Context) {
	x.Event, x.info = c, gopacket.CaptureInfo{Timestamp: c.Timestamp()}
	if p := c.Packet(); p != nil {
		x.info.CaptureLength = len(c.Frame())
		x.info.Length = len(c.Frame()) + int(p.PayloadLen-p.Captured)
	}
}
