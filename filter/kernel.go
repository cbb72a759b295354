package filter

import (
	"github.com/mbox-stack/mbox/wire"
)

// Instruction is one of classic BPF, as kernels run it on frames: struct
// sock_filter of Linux.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

// Want is what somebody wants to see of the traffic.
type Want struct {
	Program *Program // nil: everything
	// Flow says that the expression selects flows, by packets from the client to
	// the server. Packets of both directions are wanted then, and none but IP.
	Flow bool
}

// Kernel returns a program that lets pass every frame of link type link that
// any of wants may select, provided that only, unless it is nil, may select it
// too. It lets other frames pass as well: whoever asks tests again what comes.
// It returns nil where there is nothing to be gained: if it let everything pass,
// or would be longer than kernels take.
//
// It judges frames whose innermost headers are plain to see: IPv4 without
// options that is no fragment, or IPv6 without extension headers, in front of
// TCP, SCTP, or UDP that no tunnel uses; and ARP. Everything else passes: VLAN
// tags within the frame (the outer one is beside it when the kernel's filter
// runs), fragments, tunnels, ICMP errors, which belong to the flow that they
// quote, unknown EtherTypes, frames cut short.
func Kernel(link wire.LinkType, only *Program, wants []Want) []Instruction {
	k := kernel{}
	e := env{}
	switch link {
	case wire.LinkEthernet:
		e.net = etherLen
	case wire.LinkRaw:
	default:
		return nil
	}
	v4, v6, arp := k.decide(e.of(etherIPv4), only, wants), k.decide(e.of(etherIPv6), only, wants), pass
	if link == wire.LinkEthernet {
		arp = k.decide(e.of(etherARP), only, wants)
	}
	if v4 == pass && v6 == pass { // ARP alone is not worth it
		return nil
	}
	return k.assemble(k.enter(e, link, v4, v6, arp))
}

// env is what is known of a frame when a test is made on it.
type env struct {
	net      uint32 // offset of the network header
	link     uint16 // EtherType of what stands there
	reversed bool   // source and destination are to be taken for one another
	ports    uint32 // offset of the ports; valid iff link is IPv4 or IPv6
}

// of returns e for frames of an EtherType.
func (e env) of(link uint16) env {
	e.link = link
	switch link {
	case etherIPv4:
		e.ports = e.net + ipv4Len
	case etherIPv6:
		e.ports = e.net + ipv6Len
	}
	return e
}

// ipv4Len is the length of an IPv4 header without options.
const ipv4Len = 20

// decide returns where the decision about frames of e begins.
func (k *kernel) decide(e env, only *Program, wants []Want) block {
	any := stop
	for _, w := range wants {
		switch {
		case w.Flow && e.link == etherARP:
		case w.Program == nil || w.Program.entry == accept:
			any = pass
		case w.Program.root != nil:
			any = k.emit(e, w.Program.root, false, pass, any)
			if back := e; w.Flow {
				back.reversed = true
				any = k.emit(back, w.Program.root, false, pass, any)
			}
		}
	}
	switch {
	case only == nil || only.entry == accept:
		return any
	case only.root == nil:
		return stop
	}
	return k.emit(e, only.root, false, any, stop)
}

// emit adds the tests of x, or of its negation, and returns where they begin. A
// test that cannot be made here passes, negated or not: it might.
func (k *kernel) emit(e env, x *expr, negated bool, yes, no block) block {
	switch {
	case x.shape == shapeNot:
		return k.emit(e, x.kids[0], !negated, yes, no)
	case x.shape == shapeAnd && !negated, x.shape == shapeOr && negated:
		for i := len(x.kids) - 1; i >= 0; i-- {
			yes = k.emit(e, x.kids[i], negated, yes, no)
		}
		return yes
	case x.shape != shapeTest:
		for i := len(x.kids) - 1; i >= 0; i-- {
			no = k.emit(e, x.kids[i], negated, yes, no)
		}
		return no
	}
	a, b := yes, no
	if negated {
		a, b = no, yes
	}
	at, known := k.leaf(e, &x.test, a, b)
	if !known {
		return yes
	}
	return at
}

// leaf adds one test, or says that it cannot be made on frames of e.
func (k *kernel) leaf(e env, t *test, yes, no block) (at block, known bool) {
	constant := func(b bool) (block, bool) {
		if b {
			return yes, true
		}
		return no, true
	}
	isIP := e.link != etherARP
	switch t.op {
	case opType:
		return constant(uint32(e.link) == t.num)
	case opProto:
		return k.proto(e, t, yes, no), true
	case opPort:
		if !isIP {
			return no, true
		}
		return k.port(e, t, yes, no), true
	case opHost:
		if !isIP {
			return no, t.families&inARP == 0
		}
		if e.link == etherIPv6 || t.families&inIP == 0 {
			return no, true
		}
		return k.host(e, t, yes, no), true
	case opHost6:
		if e.link != etherIPv6 {
			return no, true
		}
		return k.host6(e, t, yes, no), true
	}
	return no, false
}

// proto adds a test for the protocol.
func (k *kernel) proto(e env, t *test, yes, no block) block {
	switch {
	case e.link == etherIPv4 && t.families&inIP != 0, e.link == etherIPv6 && t.families&inIP6 != 0:
		return k.test(bpfEqual, uint32(t.proto), yes, no, load8(e.protoOff()))
	}
	return no
}

// protoOff returns where the protocol stands.
func (e env) protoOff() uint32 {
	if e.link == etherIPv4 {
		return e.net + ipv4ProtoOff
	}
	return e.net + ipv6NextOff
}

// port adds a test of ports, behind one for the protocol if that matters: no
// frame without ports comes here.
func (k *kernel) port(e env, t *test, yes, no block) block {
	one := func(off uint32, yes, no block) block {
		if t.lo == t.hi {
			return k.test(bpfEqual, uint32(t.lo), yes, no, load16(off))
		}
		upper := k.test(bpfGreater, uint32(t.hi), no, yes, load16(off))
		return k.test(bpfAtLeast, uint32(t.lo), upper, no, load16(off))
	}
	at := k.either(e, t.dir, yes, no, func(src bool, yes, no block) block {
		if src {
			return one(e.ports, yes, no)
		}
		return one(e.ports+2, yes, no)
	})
	if t.proto != 0 {
		at = k.test(bpfEqual, uint32(t.proto), at, no, load8(e.protoOff()))
	}
	return at
}

// host adds a test of IPv4 addresses.
func (k *kernel) host(e env, t *test, yes, no block) block {
	return k.either(e, t.dir, yes, no, func(src bool, yes, no block) block {
		off := e.net + ipv4DstOff
		if src {
			off = e.net + ipv4SrcOff
		}
		return k.test(bpfEqual, t.num, yes, no, load32(off), and(t.mask))
	})
}

// host6 adds a test of IPv6 addresses, a word at a time.
func (k *kernel) host6(e env, t *test, yes, no block) block {
	return k.either(e, t.dir, yes, no, func(src bool, yes, no block) block {
		off := e.net + ipv6DstOff
		if src {
			off = e.net + ipv6SrcOff
		}
		for i := len(t.mask6) - 1; i >= 0; i-- {
			if t.mask6[i] != 0 {
				yes = k.test(bpfEqual, t.addr[i], yes, no, load32(off+4*uint32(i)), and(t.mask6[i]))
			}
		}
		return yes
	})
}

// either joins a test of the source and the same of the destination.
func (k *kernel) either(e env, d direction, yes, no block, one func(src bool, yes, no block) block) block {
	first := !e.reversed // the source, as the expression means it
	switch d {
	case srcOrDst:
		return one(true, yes, one(false, yes, no))
	case srcAndDst:
		return one(true, one(false, yes, no), no)
	case srcOnly:
		return one(first, yes, no)
	}
	return one(!first, yes, no)
}
