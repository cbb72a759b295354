package rx

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/wire"
)

// The kernel's own hash of a frame takes a tunnel for what it looks like from
// outside: the two directions of a VXLAN, whose source ports are made up by
// either end, come to different rings, and so out of order. FanoutHash is
// therefore a program of ours (PACKET_FANOUT_CBPF): a hash, the same in both
// directions, of
//
//	the addresses and ports of TCP, SCTP, and UDP that no tunnel uses;
//	the addresses alone of anything else: fragments, tunnels, other protocols;
//
// behind up to two VLAN tags and PPPoE. What is not IP comes to the first ring.
// So all fragments of a datagram come to one ring, also those of a tunnel, which
// may be whole in one moment and in fragments in the next.

// assembly is a program that is being written, in order; jumps lead forward to
// labels.
type assembly struct {
	code   []unix.SockFilter
	labels map[string]int
	jumps  []assemblyJump
}

type assemblyJump struct {
	at      int
	yes, no string // "" goes on with the next instruction
}

// The instructions that are used here, by what they do.
const (
	ldWordX  = unix.BPF_LD | unix.BPF_W | unix.BPF_IND // A = word at X+K
	ldHalfX  = unix.BPF_LD | unix.BPF_H | unix.BPF_IND
	ldByteX  = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
	ldAbout  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS // A = what is known beside the frame
	ldMem    = unix.BPF_LD | unix.BPF_MEM
	ldXMem   = unix.BPF_LDX | unix.BPF_MEM
	ldX      = unix.BPF_LDX | unix.BPF_IMM
	store    = unix.BPF_ST
	storeX   = unix.BPF_STX
	xorX     = unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X
	addX     = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X
	addK     = unix.BPF_ALU | unix.BPF_ADD | unix.BPF_K
	andK     = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
	mulK     = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
	shiftL   = unix.BPF_ALU | unix.BPF_LSH | unix.BPF_K
	shiftR   = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	toX      = unix.BPF_MISC | unix.BPF_TAX
	toA      = unix.BPF_MISC | unix.BPF_TXA
	ifEqual  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	ifSet    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	always   = unix.BPF_JMP | unix.BPF_JA
	returnA  = unix.BPF_RET | unix.BPF_A
	returnK  = unix.BPF_RET | unix.BPF_K
	aboutOff = 1<<32 - 0x1000 // SKF_AD_OFF

	aboutProtocol = aboutOff + 0
	aboutPktType  = aboutOff + 4
	aboutHardware = aboutOff + 28
)

// The words of the program's memory.
const (
	memHash   = iota
	memHeader // where the IP header begins
	memPorts
)

func (a *assembly) do(code uint16, k uint32) {
	a.code = append(a.code, unix.SockFilter{Code: code, K: k})
}

func (a *assembly) jump(code uint16, k uint32, yes, no string) {
	a.jumps = append(a.jumps, assemblyJump{len(a.code), yes, no})
	a.do(code, k)
}

func (a *assembly) label(name string) { a.labels[name] = len(a.code) }

// move adds n to X.
func (a *assembly) move(n uint32) {
	a.do(toA, 0)
	a.do(addK, n)
	a.do(toX, 0)
}

// link fills the jumps in.
func (a *assembly) link() []unix.SockFilter {
	for _, j := range a.jumps {
		c := &a.code[j.at]
		to := func(label string) uint32 {
			if label == "" {
				return 0
			}
			return uint32(a.labels[label] - j.at - 1)
		}
		if c.Code == always {
			c.K = to(j.yes)
		} else {
			c.Jt, c.Jf = uint8(to(j.yes)), uint8(to(j.no))
		}
	}
	return a.code
}

// fanoutProgram returns the program of FanoutHash.
func fanoutProgram() []unix.SockFilter {
	a := &assembly{labels: map[string]int{}}
	// Of what was received, the program sees the network header and on; of what
	// is sent, the frame.
	a.do(ldX, 0)
	a.do(ldAbout, aboutPktType)
	a.jump(ifEqual, unix.PACKET_OUTGOING, "", "type")
	a.do(ldAbout, aboutHardware)
	a.jump(ifEqual, unix.ARPHRD_ETHER, "framed", "")
	a.jump(ifEqual, unix.ARPHRD_LOOPBACK, "framed", "type")
	a.label("framed")
	a.do(ldX, 14)
	a.label("type")
	a.do(ldAbout, aboutProtocol)
	for _, tag := range []string{"tag", "tag2"} {
		a.jump(ifEqual, unix.ETH_P_8021Q, tag, "")
		a.jump(ifEqual, unix.ETH_P_8021AD, tag, "behind "+tag)
		a.label(tag)
		a.do(ldHalfX, 2)
		a.do(store, memHash)
		a.move(4)
		a.do(ldMem, memHash)
		a.label("behind " + tag)
	}
	a.jump(ifEqual, unix.ETH_P_IP, "ip4", "")
	a.jump(ifEqual, unix.ETH_P_IPV6, "ip6", "")
	a.jump(ifEqual, unix.ETH_P_PPP_SES, "", "other")
	a.do(ldHalfX, 6)
	a.do(store, memHash)
	a.move(8)
	a.do(ldMem, memHash)
	a.jump(ifEqual, 0x21, "ip4", "") // PPP's numbers of the two
	a.jump(ifEqual, 0x57, "ip6", "")
	a.label("other")
	a.do(returnK, 0)
	a.packet()
	return a.link()
}

// packet adds what hashes the IP packet at X, which points to the transport
// header then.
func (a *assembly) packet() {
	a.label("ip4")
	a.do(storeX, memHeader)
	a.fold(12, 16)
	a.do(ldHalfX, 6)
	a.jump(ifSet, 0x3fff, "addresses", "") // a fragment
	a.do(ldByteX, 9)
	a.do(store, memPorts)
	a.do(ldByteX, 0)
	a.do(andK, 0x0f)
	a.do(shiftL, 2)
	a.do(addX, 0)
	a.do(toX, 0)
	a.do(ldMem, memPorts)
	a.jump(always, 0, "proto", "")

	a.label("ip6")
	a.do(storeX, memHeader)
	a.fold(8, 12, 16, 20, 24, 28, 32, 36)
	a.do(ldByteX, 6)
	a.do(store, memPorts)
	a.move(40)
	a.do(ldMem, memPorts)

	a.label("proto")
	a.jump(ifEqual, uint32(wire.ProtoTCP), "ports", "")
	a.jump(ifEqual, uint32(wire.ProtoSCTP), "ports", "")
	a.jump(ifEqual, uint32(wire.ProtoUDP), "", "addresses")
	for _, off := range []uint32{0, 2} {
		a.do(ldHalfX, off)
		for _, port := range wire.UDPTunnelPorts() {
			a.jump(ifEqual, uint32(port), "addresses", "")
		}
	}
	a.label("ports")
	a.do(ldHalfX, 0)
	a.do(store, memPorts)
	a.do(ldHalfX, 2)
	a.do(ldXMem, memPorts)
	a.do(xorX, 0)
	a.do(mulK, 0x9e3779b1)
	a.do(ldXMem, memHash)
	a.do(xorX, 0)
	a.do(store, memHash)
	a.label("addresses")
	a.do(ldMem, memHash)
	a.do(mulK, 0x85ebca6b)
	a.do(shiftR, 16)
	a.do(returnA, 0)
}

// fold makes the hash of words behind X, which keeps its value.
func (a *assembly) fold(words ...uint32) {
	a.do(ldWordX, words[0])
	a.do(store, memHash)
	for _, off := range words[1:] {
		a.do(ldWordX, off)
		a.do(ldXMem, memHash)
		a.do(xorX, 0)
		a.do(store, memHash)
		a.do(ldXMem, memHeader)
	}
}

// setFanoutProgram gives the group that a socket has joined its program.
func setFanoutProgram(fd int) error {
	code := fanoutProgram()
	p := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, &p); err != nil {
		return fmt.Errorf("fanout program: %w", err)
	}
	return nil
}
