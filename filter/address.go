package filter

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"

	"github.com/mbox-stack/mbox/wire"
)

// name parses the word that comes next as what its qualifiers say it is.
func (p *parser) name(q qual) (*expr, *Error) {
	t := p.peek()
	switch t.kind {
	case tokEnd:
		return nil, p.errorAt(t, "something is missing here")
	case tokOp:
		return nil, p.unexpected(t)
	case tokWord:
		if keywords[t.text] && refused[t.text] != "" {
			return nil, p.errorAt(t, "%s", refused[t.text])
		}
		if keywords[t.text] {
			return nil, p.errorAt(t, `is a keyword; as a name it is written \%s`, t.text)
		}
	}
	p.next++
	switch q.kind {
	case "port", "portrange":
		return p.ports(q, t)
	case "proto":
		return p.proto(q, t)
	}
	if q.layer != nil && q.layer.name == "ether" {
		return p.etherHost(q, t)
	}
	return p.host(q, t)
}

// etherHost makes a test of an Ethernet address.
func (p *parser) etherHost(q qual, t token) (*expr, *Error) {
	mac, ok := parseMAC(t.text)
	if !ok {
		return nil, p.errorAt(t, "no Ethernet address")
	}
	return leaf(test{op: opEther, dir: q.dir, mac: mac}, t), nil
}

// parseMAC reads the forms of an Ethernet address that pcap-filter(7) has: six
// groups of one or two digits, three of four, or twelve digits.
func parseMAC(s string) (mac [6]byte, ok bool) {
	groups := strings.FieldsFunc(s, func(r rune) bool { return r == ':' || r == '-' || r == '.' })
	size, per := 6, 1
	switch {
	case len(groups) == 3:
		size, per = 3, 2
	case len(groups) == 1 && len(s) == 12:
		size, per = 1, 6
	}
	if len(groups) != size || len(s) != len(strings.Join(groups, ":")) {
		return mac, false
	}
	for i, g := range groups {
		n, err := strconv.ParseUint(g, 16, 48)
		if err != nil || len(g) > 2*per || per > 1 && len(g) != 2*per {
			return mac, false
		}
		for j := range per {
			mac[i*per+j] = byte(n >> (8 * (per - 1 - j)))
		}
	}
	return mac, true
}

// host makes a test of the IP address or network that t begins.
func (p *parser) host(q qual, t token) (*expr, *Error) {
	switch t.kind {
	case tokMAC:
		return nil, p.errorAt(t, "an Ethernet address needs ether before its qualifiers")
	case tokIPv6:
		return p.host6(q, t)
	case tokNumber, tokDotted:
		return p.host4(q, t)
	}
	if _, ok := parseMAC(t.text); ok {
		return nil, p.errorAt(t, "an Ethernet address needs ether before its qualifiers")
	}
	return nil, p.errorAt(t, "names are not resolved; write an address")
}

// hostFamilies are the headers that a host expression without a protocol looks
// into, as `host 10.0.0.1` does in tcpdump.
const hostFamilies = inIP | inARP | inRARP

// host4 makes a test of an IPv4 address, or of a network in one of the forms
// 10.0.0.0/8, 10.0.0.0 mask 255.0.0.0, 10.0 and 10.
func (p *parser) host4(q qual, t token) (*expr, *Error) {
	families := hostFamilies
	if q.layer != nil {
		switch q.layer.name {
		case "ip":
			families = inIP
		case "arp":
			families = inARP
		case "rarp":
			families = inRARP
		default:
			return nil, p.errorAt(t, "an IPv4 address does not go with %s", q.layer.name)
		}
	}
	addr, mask, err := p.shortAddress(q, t)
	if err != nil {
		return nil, err
	}
	switch after := p.peek(); {
	case after.is("/"):
		p.next++
		n, err := p.prefixLength(q, t, 32)
		if err != nil {
			return nil, err
		}
		mask = uint32(^uint64(0) << (32 - n))
	case after.is("mask"):
		p.next++
		if mask, err = p.netmask(q); err != nil {
			return nil, err
		}
	}
	if addr&^mask != 0 {
		return nil, p.errorAt(t, "has bits beyond its mask")
	}
	return leaf(test{op: opHost, dir: q.dir, families: families, num: addr, mask: mask}, t), nil
}

// shortAddress reads an IPv4 address that may lack its last parts: dotted ones
// are a network then, and a number is a network after net, else the address
// that it is as 32 bits.
func (p *parser) shortAddress(q qual, t token) (addr, mask uint32, err *Error) {
	mask = ^uint32(0)
	if t.kind == tokDotted {
		parts := strings.Split(t.text, ".")
		for _, part := range parts {
			n, perr := strconv.ParseUint(part, 10, 8)
			if perr != nil {
				return 0, 0, p.errorAt(t, "no IPv4 address")
			}
			addr = addr<<8 | uint32(n)
		}
		missing := 8 * (4 - len(parts))
		return addr << missing, mask << missing, nil
	}
	if after := p.peek(); after.is("/") {
		return 0, 0, p.errorAt(t, "before / an address has at least two parts, as in %s.0", t.text)
	}
	addr = t.num
	if q.kind == "net" {
		for addr != 0 && addr>>24 == 0 {
			addr, mask = addr<<8, mask<<8
		}
	}
	return addr, mask, nil
}

// prefixLength parses the number behind the slash of the address t.
func (p *parser) prefixLength(q qual, t token, most uint32) (uint32, *Error) {
	n := p.take()
	if n.kind != tokNumber {
		return 0, p.errorAt(n, "a prefix length is a number")
	}
	if n.num > most {
		return 0, p.errorAt(n, "a prefix has at most %d bits", most)
	}
	if q.kind != "net" && (most == 32 || n.num != most) {
		return 0, p.errorAt(t, "a prefix needs net before it")
	}
	return n.num, nil
}

// netmask parses the word behind mask.
func (p *parser) netmask(q qual) (uint32, *Error) {
	m := p.take()
	if m.kind != tokDotted {
		return 0, p.errorAt(m, "a mask is written as in 255.0.0.0")
	}
	if q.kind != "net" {
		return 0, p.errorAt(m, "a mask needs net before its address")
	}
	mask, whole, err := p.shortAddress(q, m)
	if err != nil {
		return 0, err
	}
	if whole != ^uint32(0) {
		return 0, p.errorAt(m, "a mask has four parts")
	}
	return mask, nil
}

// host6 makes a test of an IPv6 address or network.
func (p *parser) host6(q qual, t token) (*expr, *Error) {
	if q.layer != nil && q.layer.name != "ip6" {
		return nil, p.errorAt(t, "an IPv6 address does not go with %s", q.layer.name)
	}
	n := uint32(128)
	if p.peek().is("/") {
		p.next++
		var err *Error
		if n, err = p.prefixLength(q, t, 128); err != nil {
			return nil, err
		}
	}
	x := test{op: opHost6, dir: q.dir}
	octets := t.addr.As16()
	for i := range x.addr {
		x.addr[i] = binary.BigEndian.Uint32(octets[4*i:])
		if inWord := int(n) - 32*i; inWord > 0 {
			x.mask6[i] = uint32(^uint64(0) << (32 - min(inWord, 32)))
		}
		if x.addr[i]&^x.mask6[i] != 0 {
			return nil, p.errorAt(t, "has bits beyond its prefix")
		}
	}
	return leaf(x, t), nil
}

// prefixBits returns the length of a mask that is a prefix.
func prefixBits(mask uint32) (n int, ok bool) {
	n = bits.LeadingZeros32(^mask)
	return n, mask == uint32(^uint64(0)<<(32-n))
}

// hasPorts reports whether l is a protocol with ports.
func hasPorts(l *layer) bool {
	return l.families != 0 &&
		(l.proto == wire.ProtoTCP || l.proto == wire.ProtoUDP || l.proto == wire.ProtoSCTP)
}

// ports makes a test of a port or a range of ports, by number or name.
func (p *parser) ports(q qual, t token) (*expr, *Error) {
	low, high := t.text, t.text
	if q.kind == "portrange" && t.kind != tokNumber {
		if l, h, ok := strings.Cut(t.text, "-"); ok {
			low, high = l, h
		}
	}
	lo, err := p.port(t, low)
	if err != nil {
		return nil, err
	}
	hi, err := p.port(t, high)
	if err != nil {
		return nil, err
	}
	proto := lo.proto
	if hi.proto != proto {
		proto = 0
	}
	if q.layer != nil {
		if proto != 0 && proto != q.layer.proto {
			return nil, p.errorAt(t, "is a port of %s, not of %s", proto, q.layer.name)
		}
		proto = q.layer.proto
	}
	if lo.port > hi.port {
		lo, hi = hi, lo
	}
	return leaf(test{op: opPort, dir: q.dir, proto: proto, lo: lo.port, hi: hi.port}, t), nil
}

// port returns the port that word, the token t or an end of it, names.
func (p *parser) port(t token, word string) (service, *Error) {
	n := uint64(t.num)
	if t.kind != tokNumber {
		if s, ok := services[strings.TrimPrefix(word, `\`)]; ok {
			return s, nil
		}
		var err error
		if n, err = strconv.ParseUint(word, 10, 32); err != nil || word == t.text {
			return service{}, p.errorAt(t, "no port of that name is known; write its number")
		}
	}
	if n > 65535 {
		return service{}, p.errorAt(t, "ports end at 65535")
	}
	return service{port: uint16(n)}, nil
}

// proto makes a test of an IP protocol or an EtherType, by number or name.
func (p *parser) proto(q qual, t token) (*expr, *Error) {
	families, names := inIP|inIP6, protocols
	if q.layer != nil {
		switch q.layer.name {
		case "ip":
			families = inIP
		case "ip6":
			families = inIP6
		case "ether":
			families, names = 0, etherTypes
		}
	}
	n, known := t.num, t.kind == tokNumber
	if !known {
		n, known = names[strings.TrimPrefix(t.text, `\`)]
	}
	switch {
	case !known:
		return nil, p.errorAt(t, "no protocol of that name is known; write its number")
	case families == 0:
		return p.etherProto(t, n)
	case n > 255:
		return nil, p.errorAt(t, "IP protocol numbers end at 255")
	}
	return leaf(test{op: opProto, families: families, proto: wire.Proto(n)}, t), nil
}

// etherProto makes a test of the EtherType or, below 1501, the DSAP n.
func (p *parser) etherProto(t token, n uint32) (*expr, *Error) {
	const (
		dsapMax = 255
		typeMax = 0xffff
	)
	switch {
	case n > typeMax:
		return nil, p.errorAt(t, "EtherTypes end at 0xffff")
	case isTag(n):
		return nil, p.errorAt(t, "announces a VLAN tag, behind which expressions read; use vlan")
	case n > etherLengthMax:
		// tcpdump finds AppleTalk in 802.3 frames too.
		if n == 0x809b || n == 0x80f3 {
			return nil, p.errorAt(t, "%s", onlyIP)
		}
		return leaf(test{op: opType, num: n}, t), nil
	case n > dsapMax:
		return nil, p.errorAt(t, "neither an EtherType nor the DSAP of an LLC header")
	}
	switch n { // tcpdump looks at more than the DSAP of these: IP, NetBEUI, IPX, OSI
	case 0x06, 0xf0, 0xe0, 0xfe:
		return nil, p.errorAt(t, "%s", onlyIP)
	}
	return leaf(test{op: opLLC, num: n}, t), nil
}
