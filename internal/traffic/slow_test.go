package traffic

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/mbox-stack/mbox/wire"
)

// slowReader is a reader of frames that is slow and obviously right: gopacket
// decodes, one map per direction holds every octet that was seen first.
type slowReader struct {
	t     *testing.T
	conns []*slowConn
	byKey map[[2]netip.AddrPort]*slowConn
	// causal: nobody may acknowledge what has not passed.
	causal bool
}

// slowConn is one connection as the frames show it.
type slowConn struct {
	ends     [2]netip.AddrPort // by wire.Dir
	first    [2]uint32         // number of the first octet
	known    [2]bool           // first is valid
	isn      uint32            // of the client's SYN
	synSeen  bool
	octets   [2]map[uint32]byte // by offset
	fin      [2]bool
	segments int
	texts    [2]int // segments with text
	late     [2]int // of them, those that began before the highest one seen
	highest  [2]uint32
}

func newSlowReader(t *testing.T) *slowReader {
	return &slowReader{t: t, byKey: map[[2]netip.AddrPort]*slowConn{}}
}

// read takes a frame and returns its connection: nil if it has no TCP segment.
func (r *slowReader) read(frame []byte) *slowConn {
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy)
	if e := pkt.ErrorLayer(); e != nil {
		r.t.Fatalf("gopacket: %v", e.Error())
	}
	tcp, ok := pkt.TransportLayer().(*layers.TCP)
	if !ok {
		return nil
	}
	from, to := addrs(pkt)
	src, dst := netip.AddrPortFrom(from, uint16(tcp.SrcPort)), netip.AddrPortFrom(to, uint16(tcp.DstPort))
	c, d := r.find(src, dst, tcp)
	c.take(d, tcp)
	if r.causal && tcp.ACK {
		r.checkAck(c, d.Reverse(), tcp.Ack)
	}
	return c
}

func addrs(pkt gopacket.Packet) (src, dst netip.Addr) {
	flow := pkt.NetworkLayer().NetworkFlow()
	src, _ = netip.AddrFromSlice(flow.Src().Raw())
	dst, _ = netip.AddrFromSlice(flow.Dst().Raw())
	return src, dst
}

// find returns the connection of a segment and its direction. A SYN with a new
// number begins another connection.
func (r *slowReader) find(src, dst netip.AddrPort, tcp *layers.TCP) (*slowConn, wire.Dir) {
	if c := r.byKey[[2]netip.AddrPort{dst, src}]; c != nil {
		return c, wire.ToClient
	}
	key := [2]netip.AddrPort{src, dst}
	c := r.byKey[key]
	if c == nil || tcp.SYN && c.synSeen && tcp.Seq != c.isn {
		c = &slowConn{ends: key, isn: tcp.Seq, synSeen: tcp.SYN}
		c.octets = [2]map[uint32]byte{{}, {}}
		r.byKey[key] = c
		r.conns = append(r.conns, c)
	}
	return c, wire.ToServer
}

// take notes what a segment shows.
func (c *slowConn) take(d wire.Dir, tcp *layers.TCP) {
	seq := tcp.Seq
	if tcp.SYN {
		seq++
	}
	c.segments++
	c.fin[d] = c.fin[d] || tcp.FIN
	if !c.known[d] && !tcp.RST {
		c.first[d], c.known[d] = seq, true
	}
	if len(tcp.Payload) == 0 {
		return
	}
	c.texts[d]++
	off := seq - c.first[d]
	if off < c.highest[d] {
		c.late[d]++
	}
	c.highest[d] = max(c.highest[d], off)
	for i, b := range tcp.Payload {
		if _, seen := c.octets[d][off+uint32(i)]; !seen {
			c.octets[d][off+uint32(i)] = b
		}
	}
}

// stream returns the octets from the first up to the first that is missing.
func (c *slowConn) stream(d wire.Dir) []byte {
	var b []byte
	for i := uint32(0); ; i++ {
		octet, ok := c.octets[d][i]
		if !ok {
			return b
		}
		b = append(b, octet)
	}
}

// checkAck checks that sender d's stream has passed without a hole up to ack.
func (r *slowReader) checkAck(c *slowConn, d wire.Dir, ack uint32) {
	n := ack - c.first[d]
	if c.fin[d] && n == uint32(len(c.octets[d]))+1 {
		n--
	}
	if n == 0 {
		return
	}
	if _, ok := c.octets[d][n-1]; !ok || len(c.octets[d]) < int(n) {
		r.t.Fatalf("%v: %d octets of the %v acknowledged, which have not all passed", c.ends, n, d)
	}
}
