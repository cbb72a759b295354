package rx

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/wire"
)

// ringSocket is a packet socket with its ring, bound to one interface as it is
// now: when that comes back under another index, another one takes its place.
//
// The memory stays mapped until the ring has given the socket up and the last
// lent block has come back.
type ringSocket struct {
	fd     int
	index  int    // of the interface; 0: any
	bound  uint16 // hardware type of the interface, ARPHRD_*
	octets int    // of a block
	maps   []ringMap
	blocks []*ringBlock
	next   int    // the block that is read next, or is being read
	off    uint32 // of the next frame in it; valid iff left > 0
	left   uint32 // frames of it that have not been cut

	refs   atomic.Int32    // the ring's, and one for each lent block
	lent   atomic.Int32    // blocks, copies among them
	copies atomic.Int32    // of those
	moved  atomic.Uint64   // blocks ever moved aside
	holes  chan *ringBlock // where copies stood
	waker  *napper         // told of each block that comes back

	hardware uint16 // of the frame before
	link     wire.LinkType
	loops    bool // that came by a loopback interface
}

// The places of a block and a frame (linux/if_packet.h).
const (
	blockHeadAt = 8  // struct tpacket_hdr_v1 in struct tpacket_block_desc
	linkAddrAt  = 48 // struct sockaddr_ll behind struct tpacket3_hdr
)

// divide makes the blocks of the mapped memory.
func (s *ringSocket) divide(blocks int) {
	s.blocks = make([]*ringBlock, blocks)
	s.holes = make(chan *ringBlock, blocks*mapsMax)
	for i := range s.blocks {
		s.blocks[i] = s.block(i, 0)
	}
}

// ready reports whether there are frames to be cut.
func (s *ringSocket) ready() bool {
	if s.left > 0 {
		return true
	}
	b := s.blocks[s.next]
	return b.state.Load() == blockHome && atomic.LoadUint32(&b.head.Block_status)&unix.TP_STATUS_USER != 0
}

// cut sets r.frames to frames of the block that is ready, as many as fit, and
// returns the block with a reference for them.
func (s *ringSocket) cut(r *Ring) *buffers.Block {
	b := s.blocks[s.next]
	if s.left == 0 {
		s.lend(b)
		b.lent.Retain() // the ring's own, until all of it is cut
		s.off, s.left = b.head.Offset_to_first_pkt, b.head.Num_pkts
		if b.head.Block_status&unix.TP_STATUS_LOSING != 0 {
			r.tally.losing.Add(1)
			r.tally.read() // which ends it
		}
	}
	b.lent.Retain()
	frames, n := r.frames[:cap(r.frames)], 0
	off, left := s.off, s.left
	for ; left > 0 && n < len(frames); left-- {
		mem := b.mem[off:]
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&mem[0]))
		addr := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&mem[linkAddrAt]))
		off += h.Next_offset
		f := &frames[n]
		from, end := uint32(h.Mac), uint32(h.Mac)+h.Snaplen
		f.Data = mem[from:end:end]
		f.Timestamp = int64(h.Sec)*second + int64(h.Nsec)
		f.WireLen = h.Len
		f.Link = s.link
		f.ChecksumOffloaded = h.Status&unix.TP_STATUS_CSUMNOTREADY != 0
		if addr.Hatype == s.hardware && !s.loops && h.Status&unix.TP_STATUS_VLAN_VALID == 0 && h.Snaplen == h.Len || s.adapt(r, f, mem, h, addr) {
			n++
		}
	}
	r.frames, s.off, s.left = frames[:n], off, left
	r.tally.received.Add(uint64(n))
	if s.left == 0 {
		s.next = (s.next + 1) % len(s.blocks)
		b.lent.Release()
	}
	return b.lent
}

// adapt does what only some frames need, and reports whether f is one at all. mem
// begins with its header h.
func (s *ringSocket) adapt(r *Ring, f *Frame, mem []byte, h *unix.Tpacket3Hdr, addr *unix.RawSockaddrLinklayer) bool {
	if addr.Hatype != s.hardware {
		s.hardware, s.link = addr.Hatype, linkOf(addr.Hatype)
		s.loops = addr.Hatype == unix.ARPHRD_LOOPBACK
	}
	if s.loops && addr.Pkttype == unix.PACKET_OUTGOING {
		r.tally.loopbacks.Add(1)
		return false
	}
	if h.Snaplen < h.Len {
		r.tally.truncated.Add(1)
	}
	f.Link = s.link
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 && s.link == wire.LinkEthernet && h.Snaplen >= 12 {
		retag(mem, h)
		f.Data = mem[uint32(h.Mac)-vlanTagLen : uint32(h.Mac)+h.Snaplen : uint32(h.Mac)+h.Snaplen]
		f.WireLen += vlanTagLen
	}
	return true
}

// vlanTagLen is how much longer a frame is with the tag that the kernel took
// out. PACKET_RESERVE leaves room for it ahead of the frame.
const vlanTagLen = 4

// retag puts the outer VLAN tag back where it was on the wire: the addresses
// move ahead, and the tag takes their place.
func retag(mem []byte, h *unix.Tpacket3Hdr) {
	const addresses = 12
	tpid := h.Hv1.Vlan_tpid
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID == 0 {
		tpid = unix.ETH_P_8021Q
	}
	frame := mem[h.Mac-vlanTagLen:]
	copy(frame[:addresses], frame[vlanTagLen:])
	frame[12], frame[13] = byte(tpid>>8), byte(tpid)
	frame[14], frame[15] = byte(h.Hv1.Vlan_tci>>8), byte(h.Hv1.Vlan_tci)
}

// unref drops a reference to the memory; the last one unmaps it.
func (s *ringSocket) unref() {
	if s.refs.Add(-1) == 0 {
		for _, m := range s.maps {
			unix.Munmap(m.mem)
		}
	}
}
