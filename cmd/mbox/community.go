package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"github.com/mbox-stack/mbox/wire"
)

// The Community ID, version 1, names a flow alike in all tools that know it:
// "1:" and the SHA-1 of seed, addresses, protocol and ports, the lower endpoint
// first, in Base64.

// counterparts are the ICMP types that ask and answer, as the Community ID pairs
// them; types that are not here have no answer and their flow one direction.
var counterparts = map[wire.Proto]map[uint8]uint8{
	wire.ProtoICMP: both(map[uint8]uint8{
		8:  0,  // echo
		10: 9,  // router solicitation
		13: 14, // timestamp
		15: 16, // information
		17: 18, // address mask
	}),
	wire.ProtoICMPv6: both(map[uint8]uint8{
		128: 129, // echo
		130: 131, // listener query and report
		133: 134, // router solicitation
		135: 136, // neighbour solicitation
		139: 140, // node information
		144: 145, // home agent address discovery
	}),
}

func both(m map[uint8]uint8) map[uint8]uint8 {
	for ask, answer := range m {
		m[answer] = ask
	}
	return m
}

// communitySeed is the seed that all tools have by default.
const communitySeed = 0

// communityID returns the Community ID of a flow. Of ICMP, typ and code are
// those of the packet that began it, which endpoint sender of the key sent.
func communityID(k *wire.FlowKey, sender, typ, code uint8) string {
	a, b := sender&1, sender&1^1
	ports := [2]uint16{k.Port[a], k.Port[b]}
	swap := true
	if answers, icmp := counterparts[k.Proto]; icmp {
		answer, two := answers[typ]
		if !two {
			answer, swap = code, false
		}
		ports = [2]uint16{uint16(typ), uint16(answer)}
	}
	if order := bytes.Compare(k.Addr[a][:], k.Addr[b][:]); swap && (order > 0 || order == 0 && ports[0] > ports[1]) {
		a, b = b, a
		ports[0], ports[1] = ports[1], ports[0]
	}
	in := binary.BigEndian.AppendUint16(make([]byte, 0, 48), communitySeed)
	in = append(in, k.IP(a).AsSlice()...)
	in = append(in, k.IP(b).AsSlice()...)
	in = append(in, byte(k.Proto), 0)
	switch k.Proto {
	case wire.ProtoTCP, wire.ProtoUDP, wire.ProtoSCTP, wire.ProtoICMP, wire.ProtoICMPv6:
		in = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(in, ports[0]), ports[1])
	}
	sum := sha1.Sum(in)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
