package wire

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// Proto is an IP protocol number, as IANA assigns them.
type Proto uint8

// The protocols that the parser knows: transports, what carries further
// packets, and the extension headers of IPv6.
const (
	ProtoHopByHop Proto = 0
	ProtoICMP     Proto = 1
	ProtoIPv4     Proto = 4
	ProtoTCP      Proto = 6
	ProtoUDP      Proto = 17
	ProtoIPv6     Proto = 41
	ProtoRouting  Proto = 43
	ProtoFragment Proto = 44
	ProtoGRE      Proto = 47
	ProtoAH       Proto = 51
	ProtoICMPv6   Proto = 58
	ProtoDestOpts Proto = 60
	ProtoEtherIP  Proto = 97
	ProtoSCTP     Proto = 132
	ProtoMobility Proto = 135
	ProtoMPLS     Proto = 137
	ProtoHIP      Proto = 139
	ProtoShim6    Proto = 140
)

// String returns the protocol's name in lower case, or its number.
func (p Proto) String() string {
	switch p {
	case ProtoICMP:
		return "icmp"
	case ProtoTCP:
		return "tcp"
	case ProtoUDP:
		return "udp"
	case ProtoICMPv6:
		return "icmp6"
	case ProtoSCTP:
		return "sctp"
	}
	return decimal(uint16(p))
}

// decimal writes n without fmt, which the hot floors do not import.
func decimal(n uint16) string {
	var b [5]byte
	i := len(b)
	for {
		i--
		b[i] = '0' + byte(n%10)
		if n /= 10; n == 0 {
			return string(b[i:])
		}
	}
}

// FlowKey names a flow: the two endpoints of the innermost packet, the lower
// one first, so that both directions have the same key.
//
// It is a comparable value without pointers: 48 octets (TestSizes).
type FlowKey struct {
	Addr    [2][16]byte // IPv4 addresses as ::ffff:a.b.c.d
	Port    [2]uint16   // TCP, UDP, SCTP; the identifier twice for ICMP echo; else 0
	Proto   Proto
	Version uint8  // 4 or 6
	zero    uint16 // so that keys compare as octets
	// Scope tells apart networks whose addresses overlap: a hash of the VLAN
	// identifiers in its upper half and of the tunnel identifiers in its lower
	// one, of those that Parser.Scope asks for, else 0. A Fragment's holds both
	// always: it is no flow's key, and fragments of two networks must not mix.
	Scope uint64
}

// Endpoint returns endpoint i (0 or 1) of the key.
func (k *FlowKey) Endpoint(i uint8) netip.AddrPort {
	return netip.AddrPortFrom(k.IP(i), k.Port[i&1])
}

// IP returns the address of endpoint i (0 or 1).
func (k *FlowKey) IP(i uint8) netip.Addr {
	a := netip.AddrFrom16(k.Addr[i&1])
	if k.Version == 4 {
		return a.Unmap()
	}
	return a
}

// Equal reports whether k and o are the same key, as k == o does, in the fewest
// steps: look-ups spend their time here.
func (k *FlowKey) Equal(o *FlowKey) bool {
	le := binary.LittleEndian
	a0, a1 := &k.Addr[0], &k.Addr[1]
	b0, b1 := &o.Addr[0], &o.Addr[1]
	return le.Uint64(a0[8:]) == le.Uint64(b0[8:]) && le.Uint64(a1[8:]) == le.Uint64(b1[8:]) &&
		k.Port == o.Port && k.Proto == o.Proto && k.Version == o.Version && k.Scope == o.Scope &&
		le.Uint64(a0[:]) == le.Uint64(b0[:]) && le.Uint64(a1[:]) == le.Uint64(b1[:])
}

// Hash returns a hash of the key under seed. It is the same for both
// directions, as the key is.
func (k *FlowKey) Hash(seed uint64) uint64 {
	le := binary.LittleEndian
	if k.Version == 4 && k.Scope == 0 {
		return hash16(seed^(uint64(le.Uint32(k.Addr[0][12:]))|uint64(le.Uint32(k.Addr[1][12:]))<<32),
			bits.RotateLeft64(seed, 32)^(uint64(k.Port[0])|uint64(k.Port[1])<<16|uint64(k.Proto)<<32|4<<40))
	}
	a0, a1 := &k.Addr[0], &k.Addr[1]
	return hash56(seed, le.Uint64(a0[0:]), le.Uint64(a0[8:]), le.Uint64(a1[0:]), le.Uint64(a1[8:]),
		seed^(uint64(k.Port[0])|uint64(k.Port[1])<<16|uint64(k.Proto)<<32|uint64(k.Version)<<40), k.Scope)
}

// SlotCount is the number of slots that keys hash to. It does not depend on the
// number of shards, so neither does anything that is decided per slot.
const SlotCount = 4096

// Slot is one of SlotCount parts of the key space.
type Slot uint16

// SlotOf returns the slot of a key's hash.
func SlotOf(hash uint64) Slot { return Slot(hash >> 52) }
