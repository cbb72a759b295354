package filter

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/mbox-stack/mbox/wire"
)

// The pools that frames and expressions draw from: small, so that they meet.
var (
	pool4    = [][4]byte{{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 1, 2, 3}, {192, 168, 1, 1}, {192, 168, 2, 200}, {224, 0, 0, 5}, {255, 255, 255, 255}, {0, 0, 0, 10}}
	pool6    = []string{"fe80::1", "fe80::2:3", "2001:db8::1", "2001:db8:0:1::1", "ff02::5", "::1"}
	poolMAC  = [][6]byte{{1, 2, 3, 4, 5, 6}, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, {255, 255, 255, 255, 255, 255}, {1, 0, 0x5e, 0, 0, 5}}
	poolPort = []uint16{0, 22, 53, 80, 80, 443, 1000, 8080, 65535}
	// No tunnels: what they carry is the parser's choice, not tcpdump's.
	poolProto = []byte{1, 2, 6, 6, 6, 17, 17, 17, 132, 9, 50, 51, 58, 89, 103, 112, 255}
	poolNext  = []byte{6, 6, 17, 17, 132, 58, 44, 44, 0, 43, 60, 59, 50, 51, 103, 1, 200}
	poolType  = []uint16{0x0800, 0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x86dd, 0x0806, 0x8035, 0x9000, 0x88cc, 38, 1500, 0x0801}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// octets returns up to n random octets, few of them large.
func octets(r *rand.Rand, n int) []byte {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32() >> (8 * r.IntN(4)))
		if r.IntN(3) == 0 {
			b[i] &= 7
		}
	}
	return b
}

// randomFrame returns an Ethernet frame, with VLAN tags in front of its type if
// tags is more than 0. One in four is made wrong somewhere.
func randomFrame(r *rand.Rand, tags int) []byte {
	dst, src := pick(r, poolMAC), pick(r, poolMAC)
	b := append(dst[:], src[:]...)
	for range tags {
		b = binary.BigEndian.AppendUint16(b, pick(r, []uint16{0x8100, 0x88a8, 0x9100}))
		b = binary.BigEndian.AppendUint16(b, pick(r, []uint16{0, 1, 100, 200, 0x2064, 4095}))
	}
	t := pick(r, poolType)
	b = binary.BigEndian.AppendUint16(b, t)
	as := t
	if r.IntN(20) == 0 {
		as = pick(r, poolType) // the type lies
	}
	switch as {
	case 0x0800:
		b = append(b, randomIPv4(r)...)
	case 0x86dd:
		b = append(b, randomIPv6(r)...)
	case 0x0806, 0x8035:
		b = append(b, randomARP(r)...)
	default:
		b = append(b, pick(r, []byte{0x42, 0xaa, 0x06, 7}), 0x42, 3)
	}
	if r.IntN(3) == 0 {
		b = append(b, octets(r, 20)...) // padding behind the packet
	}
	if r.IntN(12) == 0 {
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	}
	return b
}

func randomIPv4(r *rand.Rand) []byte {
	options := 4 * max(0, r.IntN(8)-4)
	b := make([]byte, 20+options)
	b[0] = 0x45 + byte(options/4)
	b[1] = byte(r.IntN(4))
	binary.BigEndian.PutUint16(b[4:], uint16(r.IntN(8)))
	switch r.IntN(8) {
	case 0:
		b[6] = 0x20
	case 1:
		binary.BigEndian.PutUint16(b[6:], uint16(r.IntN(3)))
	case 2:
		b[6] = 0x40
	}
	b[8], b[9] = byte(1+r.IntN(64)), pick(r, poolProto)
	src, dst := pick(r, pool4), pick(r, pool4)
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	for i := range options {
		b[20+i] = 1
	}
	b = append(b, randomTransport(r, b[9])...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	if r.IntN(15) == 0 {
		b[0] = byte(r.Uint32())
	}
	return b
}

func randomIPv6(r *rand.Rand) []byte {
	b := make([]byte, 40)
	b[0] = 0x60
	b[6], b[7] = pick(r, poolNext), 64
	src, dst := addr6(pick(r, pool6)), addr6(pick(r, pool6))
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	next := b[6]
	for range 3 {
		if next != 0 && next != 43 && next != 60 && next != 44 && next != 51 {
			break
		}
		h := []byte{pick(r, poolNext), 0, 0, byte(r.IntN(2)), 0, 0, 0, 1}
		if next == 44 && r.IntN(2) == 0 {
			h[2], h[3] = byte(r.IntN(2)), byte(r.IntN(10))
		}
		next = h[0]
		b = append(b, h...)
	}
	b = append(b, randomTransport(r, next)...)
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	return b
}

func randomTransport(r *rand.Rand, proto byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, pick(r, poolPort))
	b = binary.BigEndian.AppendUint16(b, pick(r, poolPort))
	switch proto {
	case 6:
		b = append(b, 0, 0, 0, byte(r.IntN(9)), 0, 0, 0, byte(r.IntN(9)), 0x50, byte(r.IntN(64)), 0xff, 0xff, 0, 0, 0, 0)
	case 17:
		b = append(b, 0, 8, 0, 0)
	case 1, 58:
		b = []byte{pick(r, []byte{0, 3, 8, 11, 128, 129, 135}), byte(r.IntN(3)), 0, 0, 0, 1, 0, 1}
	default:
		b = append(b, octets(r, 12)...)
	}
	b = append(b, octets(r, 16)...)
	if r.IntN(10) == 0 {
		b = b[:r.IntN(len(b)+1)] // the packet ends early
	}
	return b
}

func randomARP(r *rand.Rand) []byte {
	b := []byte{0, 1, 8, 0, 6, 4, 0, byte(1 + r.IntN(2))}
	from, to := pick(r, poolMAC), pick(r, poolMAC)
	src, dst := pick(r, pool4), pick(r, pool4)
	b = append(append(b, from[:]...), src[:]...)
	return append(append(b, to[:]...), dst[:]...)
}

// sample is a frame as a capture holds it, and what the parser made of it.
type sample struct {
	data    []byte
	wireLen uint32
	pkt     wire.Packet
}

// randomSamples returns n frames, one in four of them captured in part, with up
// to tags VLAN tags.
func randomSamples(r *rand.Rand, n, tags int) []sample {
	out := make([]sample, n)
	for i := range out {
		s := &out[i]
		s.data = randomFrame(r, r.IntN(tags+1))
		s.wireLen = uint32(len(s.data))
		if r.IntN(4) == 0 {
			s.data = s.data[:r.IntN(len(s.data)+1)]
		}
		new(wire.Parser).Parse(&s.pkt, wire.LinkEthernet, s.data)
	}
	return out
}
