package filter

import (
	"slices"

	"github.com/mbox-stack/mbox/wire"
)

// The codes of classic BPF (linux/bpf_common.h, linux/filter.h).
const (
	bpfLoad    = 0x00 // BPF_LD, from an absolute offset
	bpfWord    = 0x20 // BPF_ABS | BPF_W
	bpfHalf    = 0x28 // BPF_ABS | BPF_H
	bpfByte    = 0x30 // BPF_ABS | BPF_B
	bpfLength  = 0x80 // BPF_LD | BPF_LEN
	bpfAnd     = 0x54 // BPF_ALU | BPF_AND | BPF_K
	bpfGoto    = 0x05 // BPF_JMP | BPF_JA
	bpfEqual   = 0x15 // BPF_JMP | BPF_JEQ | BPF_K
	bpfGreater = 0x25 // BPF_JMP | BPF_JGT | BPF_K
	bpfAtLeast = 0x35 // BPF_JMP | BPF_JGE | BPF_K
	bpfSet     = 0x45 // BPF_JMP | BPF_JSET | BPF_K
	bpfReturn  = 0x06 // BPF_RET | BPF_K

	// bpfMax is the longest program that a socket takes (BPF_MAXINSNS).
	bpfMax = 4096
	// bpfAll is returned for a frame that passes whole.
	bpfAll = 1<<32 - 1
)

func load8(off uint32) Instruction  { return Instruction{Code: bpfLoad | bpfByte, K: off} }
func load16(off uint32) Instruction { return Instruction{Code: bpfLoad | bpfHalf, K: off} }
func load32(off uint32) Instruction { return Instruction{Code: bpfLoad | bpfWord, K: off} }
func and(mask uint32) Instruction   { return Instruction{Code: bpfAnd, K: mask} }

// block names a block of a program that is being made, or one of its ends.
type block int

const (
	stop block = -1 // the frame is left out
	pass block = -2 // the frame passes
)

// kernel is a program that is being made: blocks that each go on with an earlier
// one. Laid out last first, all jumps lead forward, as BPF wants it.
type kernel struct {
	blocks []testBlock
}

// testBlock loads something and goes by it.
type testBlock struct {
	loads   []Instruction
	code    uint16
	k       uint32
	yes, no block
}

// test adds a block, unless it would make no difference.
func (k *kernel) test(code uint16, value uint32, yes, no block, loads ...Instruction) block {
	if yes == no {
		return yes
	}
	k.blocks = append(k.blocks, testBlock{loads, code, value, yes, no})
	return block(len(k.blocks) - 1)
}

// enter adds what finds out which kind of frame it is: each goes its way, and
// all that is not plain to see passes.
func (k *kernel) enter(e env, link wire.LinkType, v4, v6, arp block) block {
	plain4, plain6 := k.plain4(e.of(etherIPv4), v4), k.plain6(e.of(etherIPv6), v6)
	if link == wire.LinkRaw {
		at := k.test(bpfEqual, 0x40, plain4, k.test(bpfEqual, 0x60, plain6, pass, load8(0), and(0xf0)), load8(0), and(0xf0))
		return k.test(bpfAtLeast, 1, at, pass, Instruction{Code: bpfLength})
	}
	typed := load16(e.net - 2)
	at := k.test(bpfEqual, etherARP, arp, pass, typed)
	at = k.test(bpfEqual, etherIPv6, plain6, at, typed)
	at = k.test(bpfEqual, etherIPv4, plain4, at, typed)
	return k.test(bpfAtLeast, etherLen, at, pass, Instruction{Code: bpfLength})
}

// plain4 adds the tests that an IPv4 header is plain, and goes on with v4 then.
func (k *kernel) plain4(e env, v4 block) block {
	if v4 == pass {
		return pass
	}
	const moreOrOff = 0x3fff // MF and the offset: RFC 791 §3.1
	at := k.transport(e, v4)
	at = k.test(bpfSet, moreOrOff, pass, at, load16(e.net+ipv4FragOff))
	at = k.test(bpfEqual, 0x45, at, pass, load8(e.net))
	return k.test(bpfAtLeast, e.ports+4, at, pass, Instruction{Code: bpfLength})
}

// plain6 is plain4 for IPv6.
func (k *kernel) plain6(e env, v6 block) block {
	if v6 == pass {
		return pass
	}
	at := k.transport(e, v6)
	at = k.test(bpfEqual, 0x60, at, pass, load8(e.net), and(0xf0))
	return k.test(bpfAtLeast, e.ports+4, at, pass, Instruction{Code: bpfLength})
}

// transport adds the tests that what follows the IP header has ports and is no
// tunnel, and goes on with next then.
func (k *kernel) transport(e env, next block) block {
	udp := next
	for _, port := range wire.UDPTunnelPorts() {
		udp = k.test(bpfEqual, uint32(port), pass, udp, load16(e.ports))
		udp = k.test(bpfEqual, uint32(port), pass, udp, load16(e.ports+2))
	}
	proto := load8(e.protoOff())
	at := k.test(bpfEqual, uint32(wire.ProtoSCTP), next, pass, proto)
	at = k.test(bpfEqual, uint32(wire.ProtoUDP), udp, at, proto)
	return k.test(bpfEqual, uint32(wire.ProtoTCP), next, at, proto)
}

// assemble lays the blocks out. A conditional jump reaches 255 instructions:
// each is followed by two that reach everywhere, unless all is within reach.
func (k *kernel) assemble(entry block) []Instruction {
	switch entry {
	case stop:
		return []Instruction{{Code: bpfReturn}}
	case pass:
		return nil
	}
	for _, far := range []bool{false, true} {
		if program, ok := k.layOut(entry, far); ok && len(program) <= bpfMax {
			return program
		}
	}
	return nil
}

func (k *kernel) layOut(entry block, far bool) (program []Instruction, ok bool) {
	size := func(b *testBlock) int {
		if far {
			return len(b.loads) + 3
		}
		return len(b.loads) + 1
	}
	at := make([]int, len(k.blocks))
	end := 0
	for i := int(entry); i >= 0; i-- {
		at[i] = end
		end += size(&k.blocks[i])
	}
	place := func(b block) int {
		switch b {
		case pass:
			return end
		case stop:
			return end + 1
		}
		return at[b]
	}
	for i := int(entry); i >= 0; i-- {
		b := &k.blocks[i]
		program = append(program, b.loads...)
		yes, no := place(b.yes)-len(program)-1, place(b.no)-len(program)-1
		if far {
			program = append(program, Instruction{Code: b.code, K: b.k, Jt: 0, Jf: 1},
				Instruction{Code: bpfGoto, K: uint32(yes - 1)}, Instruction{Code: bpfGoto, K: uint32(no - 2)})
			continue
		}
		if yes > 255 || no > 255 {
			return nil, false
		}
		program = append(program, Instruction{Code: b.code, K: b.k, Jt: uint8(yes), Jf: uint8(no)})
	}
	return append(slices.Clip(program), Instruction{Code: bpfReturn, K: bpfAll}, Instruction{Code: bpfReturn}), true
}
