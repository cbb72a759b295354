package main

import (
	"encoding/binary"
	"math/bits"
)

// segment is what the loop needs of a frame.
type segment struct {
	key                     key
	hash                    uint64
	transport, payload, end uint32 // offsets in the frame
	dir                     uint8  // 0 if the sender is the lower endpoint
	flags                   uint8
	version                 uint8
	ok                      bool
}

// key names a flow, the lower endpoint first. An IPv4 flow has both addresses in
// the first word.
type key struct {
	addr  [4]uint64
	ports uint32
}

const (
	etherOctets = 14
	ipv4Octets  = 20
	ipv6Octets  = 40
	tcpOctets   = 20
	protoTCP    = 6

	flagFIN = 1
	flagRST = 4

	bothClosed = flagFIN<<0 | flagFIN<<1
)

// parse reads the headers of a frame.
func (s *segment) parse(b []byte) {
	s.ok = false
	if len(b) < etherOctets+ipv4Octets+tcpOctets {
		return
	}
	switch binary.BigEndian.Uint16(b[12:]) {
	case 0x0800:
		h := b[etherOctets:]
		if h[0] != 0x45 || h[9] != protoTCP {
			return
		}
		src, dst := binary.BigEndian.Uint32(h[12:]), binary.BigEndian.Uint32(h[16:])
		s.version, s.transport = 4, etherOctets+ipv4Octets
		s.end = etherOctets + uint32(binary.BigEndian.Uint16(h[2:]))
		s.key.addr = [4]uint64{uint64(src)<<32 | uint64(dst)}
		s.dir = 0
		if src > dst {
			s.key.addr[0], s.dir = uint64(dst)<<32|uint64(src), 1
		}
	case 0x86dd:
		if len(b) < etherOctets+ipv6Octets+tcpOctets || b[etherOctets+6] != protoTCP {
			return
		}
		h := b[etherOctets:]
		s.version, s.transport = 6, etherOctets+ipv6Octets
		s.end = etherOctets + ipv6Octets + uint32(binary.BigEndian.Uint16(h[4:]))
		be := binary.BigEndian
		src, dst := [2]uint64{be.Uint64(h[8:]), be.Uint64(h[16:])}, [2]uint64{be.Uint64(h[24:]), be.Uint64(h[32:])}
		s.key.addr = [4]uint64{src[0], src[1], dst[0], dst[1]}
		s.dir = 0
		if src[0] > dst[0] || src[0] == dst[0] && src[1] > dst[1] {
			s.key.addr, s.dir = [4]uint64{dst[0], dst[1], src[0], src[1]}, 1
		}
	default:
		return
	}
	t := b[s.transport:]
	s.key.ports = bits.RotateLeft32(binary.BigEndian.Uint32(t), 16*int(s.dir))
	s.flags = t[13]
	s.payload = s.transport + uint32(t[12]>>4)*4
	s.ok = s.payload <= s.end && int(s.end) <= len(b)
}

// hash mixes a key, as fast as it goes while no peer can tell where a flow lies.
func (k *key) hash() uint64 {
	const s0, s1, s2 = 0xa0761d6478bd642f, 0xe7037ed1a0b428db, 0x8ebc6af09c88c6e3
	hi, lo := bits.Mul64(k.addr[0]^s0, uint64(k.ports)^s1)
	h := hi ^ lo
	if k.addr[1]|k.addr[2]|k.addr[3] != 0 {
		hi, lo = bits.Mul64(k.addr[1]^s1, k.addr[2]^k.addr[3]^h)
		h ^= hi ^ lo
	}
	hi, lo = bits.Mul64(h^s2, s0)
	return hi ^ lo
}
