package filter

import (
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// needsPacket returns why the test cannot be made on a flow's key, or "".
func (t *test) needsPacket() string {
	const lead = "needs the packet: "
	switch t.op {
	case opType:
		if t.num != etherIPv4 && t.num != etherIPv6 {
			return lead + "a flow is always IP"
		}
	case opHost:
		if t.families&inIP == 0 {
			return lead + "a flow is always IP"
		}
	case opProto:
		// What the parser steps over in search of the transport.
		switch t.proto {
		case wire.ProtoAH:
			return lead + "a flow's key has the protocol behind AH"
		case wire.ProtoHopByHop, wire.ProtoRouting, wire.ProtoFragment, wire.ProtoDestOpts,
			wire.ProtoMobility, wire.ProtoHIP, wire.ProtoShim6:
			if t.families&inIP6 != 0 {
				return lead + "a flow's key has the protocol behind extension headers"
			}
		}
	case opLLC, opEther:
		return lead + "a flow's key has nothing of the link layer"
	case opVLAN:
		return lead + "a flow's key does not tell VLANs by their number"
	case opRelate:
		if t.rel.a.op == arithConst && t.rel.b.op == arithConst {
			break
		}
		return lead + "a flow's key has neither lengths nor other header fields"
	}
	return ""
}

// evalFlow makes the test on the packets from endpoint client of k to the
// other one.
func (t *test) evalFlow(k *wire.FlowKey, client uint8) bool {
	switch t.op {
	case opType:
		return t.num == etherIPv4 && k.Version == 4 || t.num == etherIPv6 && k.Version == 6
	case opProto:
		in := inIP
		if k.Version == 6 {
			in = inIP6
		}
		return t.families&in != 0 && k.Proto == t.proto
	case opPort:
		if !t.ofPort(k.Proto) {
			return false
		}
		src, dst := t.inRange(k.Port[client]), t.inRange(k.Port[client^1])
		return t.dir.both(src, dst)
	case opHost:
		if k.Version != 4 {
			return false
		}
		return t.dir.both(t.inNet4(&k.Addr[client]), t.inNet4(&k.Addr[client^1]))
	case opHost6:
		if k.Version != 6 {
			return false
		}
		return t.dir.both(t.inNet6(&k.Addr[client]), t.inNet6(&k.Addr[client^1]))
	case opRelate:
		return compare(t.rel.op, t.rel.a.num, t.rel.b.num)
	}
	return false
}

// both joins what the source and the destination say.
func (d direction) both(src, dst bool) bool {
	switch d {
	case srcOrDst:
		return src || dst
	case srcAndDst:
		return src && dst
	case srcOnly:
		return src
	}
	return dst
}

func (t *test) inNet4(addr *[16]byte) bool {
	return binary.BigEndian.Uint32(addr[12:])&t.mask == t.num
}

func (t *test) inNet6(addr *[16]byte) bool {
	for i, mask := range t.mask6 {
		if binary.BigEndian.Uint32(addr[4*i:])&mask != t.addr[i] {
			return false
		}
	}
	return true
}
