package frag

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/mbox-stack/mbox/internal/assert"
	"github.com/mbox-stack/mbox/wire"
)

const (
	ip4HeaderOctets      = 20
	ip6HeaderOctets      = 40
	fragmentHeaderOctets = 8 // RFC 8200 §4.5

	// lengthMax is the largest value of IPv4's Total Length, header included,
	// and of IPv6's Payload Length, extension headers included.
	lengthMax = 65535

	// headerMax is how long the headers may be that come before the data of a
	// fragment: they are kept in a page. IPv4's end at 60 octets. IPv6 sets no
	// limit, but the first fragment holds them all (RFC 7112 §5), and data, within
	// a path MTU that may be 1,280 octets.
	headerMax = pageOctets

	tcpHeaderOctets = 20 // RFC 9293 §3.1, without options
)

// key names a datagram: RFC 791 §3.2 for IPv4, RFC 8200 §4.5 for IPv6, which
// leaves the protocol out. Unlike a flow's key it has a direction.
//
// It is a comparable value without pointers: 48 octets.
type key struct {
	src, dst [16]byte
	scope    uint64 // wire.FlowKey.Scope
	id       uint32
	proto    wire.Proto // 0 in IPv6
	version  uint8
	_        uint16 // always 0
}

// hash returns a hash of the key under seed.
func (k *key) hash(seed uint64) uint64 {
	var b [56]byte
	binary.LittleEndian.PutUint64(b[0:], seed)
	copy(b[8:24], k.src[:])
	copy(b[24:40], k.dst[:])
	binary.LittleEndian.PutUint64(b[40:], k.scope)
	binary.LittleEndian.PutUint32(b[48:], k.id)
	b[52], b[53] = byte(k.proto), k.version
	return xxhash.Sum64(b[:])
}

// fragment is one fragment as its headers describe it. It lends the frame's
// octets for the time of one Insert.
type fragment struct {
	key    key
	header []byte // from the IP header on; IPv6: up to the fragment header
	octets []byte // captured data
	off    uint32 // of the first octet of data in the datagram's payload
	end    uint32 // off plus captured octets
	total  uint32 // off plus announced octets, saturated behind lengthMax
	proto  wire.Proto
	marks  wire.Marks
	more   bool
}

// view returns the fragment that p describes within data.
func view(p *wire.Packet, data []byte) fragment {
	assert.That(p.Captured <= p.PayloadLen && uint64(p.TransportOff)+uint64(p.Captured) <= uint64(len(data)),
		"no octet of a packet lies outside of its frame")
	src, dst := p.Sender&1, p.Sender&1^1
	info := p.Fragment(data)
	f := fragment{
		key: key{
			src:     p.Key.Addr[src],
			dst:     p.Key.Addr[dst],
			scope:   p.Key.Scope,
			id:      info.ID,
			version: p.Key.Version,
		},
		header: data[p.NetworkOff:p.TransportOff],
		octets: data[p.TransportOff:][:p.Captured],
		off:    uint32(info.Off),
		end:    uint32(info.Off) + p.Captured,
		total:  uint32(info.Off) + min(p.PayloadLen, lengthMax+1),
		marks:  p.Marks,
		more:   info.More,
	}
	if f.key.version == 4 {
		f.proto = wire.Proto(f.header[9])
		f.key.proto = f.proto
		return f
	}
	n := len(f.header) - fragmentHeaderOctets
	f.proto = wire.Proto(f.header[n])
	f.header = f.header[:n]
	return f
}

// check returns what is odd about the fragment by itself, and whether that is
// reason to refuse it.
func (f *fragment) check() (odd Anomaly, refuse bool) {
	refused := func(a Anomaly, is bool) {
		if is {
			odd |= a
			refuse = true
		}
	}
	v6 := f.key.version == 6
	announced := f.total - f.off
	refused(AnomalyHeader, len(f.header) > headerMax)
	refused(AnomalyTooLarge, oversize(f.key.version, len(f.header), f.total))
	refused(AnomalyEmpty, f.more && announced == 0)
	if f.more && announced%8 != 0 {
		odd |= AnomalyInvalidLength
		refuse = refuse || v6
	}
	if f.end < f.total {
		odd |= AnomalyTruncated
		refuse = refuse || len(f.octets) == 0
	}
	if v6 && f.off == 0 && !refuse {
		_, ok := nextHeaderAt(f.header)
		refused(AnomalyHeader, !ok)
	}
	if f.proto == wire.ProtoTCP && f.tiny() {
		odd |= AnomalyTiny
	}
	return odd, refuse
}

// tiny reports whether the fragment splits the fixed part of a TCP header.
func (f *fragment) tiny() bool {
	if f.off == 0 {
		return f.more && f.total < tcpHeaderOctets
	}
	return f.off < tcpHeaderOctets
}

// oversize reports whether a datagram with this much header (IPv6: without the
// fragment header) and payload exceeds what its length field can say.
func oversize(version uint8, header int, payload uint32) bool {
	n := uint32(header) + payload
	if version == 6 {
		n -= ip6HeaderOctets
	}
	return n > lengthMax
}
