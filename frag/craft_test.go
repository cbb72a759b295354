package frag

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// piece describes a fragment that a test makes.
type piece struct {
	version uint8  // 0 is 4
	host    uint8  // last octet of the source address
	id      uint32 //
	scope   uint64
	proto   wire.Proto // 0 is UDP
	off     int
	octets  []byte
	more    bool
	cut     int    // octets at the end that were not captured
	before  []byte // IPv4: options; IPv6: extension headers, the first of type hop-by-hop
	marks   wire.Marks
}

// make returns the fragment as wire.Parse would find it in the frame that it
// returns as well. Four octets come before the packet, so that offsets count.
func (c piece) make() (wire.Packet, []byte) {
	if c.proto == 0 {
		c.proto = wire.ProtoUDP
	}
	var header []byte
	if c.version == 6 {
		header = c.header6()
	} else {
		c.version = 4
		header = c.header4()
	}
	data := append(make([]byte, 4), header...)
	data = append(data, c.octets[:len(c.octets)-c.cut]...)
	p := wire.Packet{
		Outcome:      wire.Fragment,
		NetworkOff:   4,
		TransportOff: uint16(4 + len(header)),
		PayloadOff:   uint16(4 + len(header)),
		PayloadLen:   uint32(len(c.octets)),
		Captured:     uint32(len(c.octets) - c.cut),
		Marks:        c.marks,
	}
	p.Key.Version, p.Key.Scope = c.version, c.scope
	p.Key.Proto = c.proto
	p.Key.Addr[0][15], p.Key.Addr[1][15] = c.host, 200
	if c.host > 200 {
		p.Key.Addr[0], p.Key.Addr[1] = p.Key.Addr[1], p.Key.Addr[0]
		p.Sender = 1
	}
	return p, data
}

func (c piece) header4() []byte {
	h := make([]byte, 20, 60)
	h = append(h, c.before...)
	h[0] = 0x40 | byte(len(h)/4)
	binary.BigEndian.PutUint16(h[2:], uint16(len(h)+len(c.octets)))
	binary.BigEndian.PutUint16(h[4:], uint16(c.id))
	field := uint16(c.off / 8)
	if c.more {
		field |= 0x2000
	}
	binary.BigEndian.PutUint16(h[6:], field)
	h[8], h[9] = 64, byte(c.proto)
	h[15], h[19] = c.host, 200
	binary.BigEndian.PutUint16(h[10:], checksum(h))
	return h
}

func (c piece) header6() []byte {
	h := make([]byte, 40, 80)
	h[0] = 0x60
	binary.BigEndian.PutUint16(h[4:], uint16(len(c.before)+8+len(c.octets)))
	h[6], h[7] = 44, 64
	if len(c.before) > 0 {
		h[6] = 0
	}
	h[23], h[39] = c.host, 200
	h = append(h, c.before...)
	field := uint16(c.off)
	if c.more {
		field |= 1
	}
	h = append(h, byte(c.proto), 0, byte(field>>8), byte(field))
	return binary.BigEndian.AppendUint32(h, c.id)
}

// rename gives the IPv4 fragment that make has returned another identification.
func rename(data []byte, id uint32) { binary.BigEndian.PutUint16(data[4+4:], uint16(id)) }

// insert makes the fragment and inserts it.
func insert(t *Table, c piece, clockNs int64) ([]byte, Verdict) {
	p, data := c.make()
	packet, v := t.Insert(&p, data, clockNs)
	for i := range data { // Insert keeps nothing of the frame
		data[i] = 0xdd
	}
	return packet, v
}

// text returns n octets that differ from place to place and with seed.
func text(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i) + byte(i>>8)*7
	}
	return b
}

// split cuts b into pieces of size octets, the last of which is shorter or full.
func split(c piece, b []byte, size int) []piece {
	var out []piece
	for off := 0; off < len(b); off += size {
		c.off, c.octets = off, b[off:min(off+size, len(b))]
		c.more = off+size < len(b)
		out = append(out, c)
	}
	return out
}
