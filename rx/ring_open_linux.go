package rx

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringFrameOctets is the least that TPACKETv3 wants to know of frames: it lays
// them out in blocks as they come.
const ringFrameOctets = 2048

// open opens the ring for the first time.
func (r *Ring) open() error {
	if err := r.napper.open(); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	if err := r.link.open(); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	index, err := r.link.find(r.cfg.Interface)
	if err != nil {
		return fmt.Errorf("%s: %w", r.cfg.Interface, err)
	}
	s, err := r.socket(index)
	if err != nil {
		return fmt.Errorf("%s: %w", r.cfg.Interface, err)
	}
	return r.take(s)
}

// take makes s the ring's socket, and lets frames in.
func (r *Ring) take(s *ringSocket) error {
	r.sock, r.opened = s, true
	r.at.Store(int64(s.index))
	r.size.Store(int32(len(s.blocks)))
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	r.tally.sock = s
	return r.limit(s)
}

// socket returns a socket that receives from the interface with an index.
func (r *Ring) socket(index int) (*ringSocket, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, socketError(err)
	}
	s := &ringSocket{fd: fd, index: index, bound: r.link.hardware, hardware: unix.ARPHRD_VOID, link: linkUnknown}
	s.refs.Store(1)
	if err := r.setUp(s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// setUp takes a new socket to where it would receive, were it not for its kernel
// filter: take puts another in its place. The order matters: a socket
// that is bound receives, so nothing passes before the ring has its place in the
// group, and the kernel binds none that is in a group.
func (r *Ring) setUp(s *ringSocket) error {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("%w: %w", ErrNoTPACKETv3, err)
	}
	if err := unix.SetsockoptInt(s.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanTagLen); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	if err := r.allocate(s); err != nil {
		return err
	}
	if err := attach(s.fd, rejectAll); err != nil {
		return err
	}
	err := unix.Bind(s.fd, &unix.SockaddrLinklayer{Protocol: ethPAll, Ifindex: s.index})
	if err != nil {
		return linkError(err)
	}
	if s.index != 0 && !r.cfg.NoPromisc {
		m := unix.PacketMreq{Ifindex: int32(s.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(s.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("promiscuous mode: %w", linkError(err))
		}
	}
	return r.group.join(r, s.fd)
}

// ethPAll is ETH_P_ALL in network byte order, as bind wants it.
const ethPAll = unix.ETH_P_ALL << 8

// allocate gets the ring and maps it: of the size that was asked for, or of the
// largest below it that there is memory for, with fewer blocks first and then
// with smaller ones.
func (r *Ring) allocate(s *ringSocket) error {
	const fewBlocks, smallBlock = 16, 64 << 10
	octets, blocks := r.cfg.BlockOctets, r.cfg.Blocks
	for {
		err := r.allocateOf(s, octets, blocks)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("a ring of %d blocks of %d octets: %w", blocks, octets, err)
		}
		switch {
		case blocks >= 2*fewBlocks:
			blocks /= 2
		case octets >= 2*smallBlock && octets/2%pageOctets == 0:
			octets /= 2
		default:
			return fmt.Errorf("%w: not even one of %d blocks of %d octets: %w", ErrRingMemory, blocks, octets, err)
		}
	}
}

// allocateRing asks the kernel for a ring. Tests put a kernel short of memory in
// its place.
var allocateRing = func(fd int, req *unix.TpacketReq3) error {
	return unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, req)
}

func (r *Ring) allocateOf(s *ringSocket, octets, blocks int) error {
	req := unix.TpacketReq3{
		Block_size: uint32(octets), Block_nr: uint32(blocks),
		Frame_size: ringFrameOctets, Frame_nr: uint32(octets / ringFrameOctets * blocks),
		Retire_blk_tov: uint32(r.cfg.Retire.Milliseconds()),
	}
	if err := allocateRing(s.fd, &req); err != nil {
		return err
	}
	s.octets, s.waker = octets, &r.napper
	if err := s.addMap(octets * blocks); err != nil {
		return errors.Join(err, allocateRing(s.fd, &unix.TpacketReq3{}))
	}
	s.divide(blocks)
	return nil
}

// close gives the socket up. While blocks are lent their mapping keeps it in
// being, so it is told to receive nothing.
func (s *ringSocket) close() {
	attach(s.fd, rejectAll)
	unix.Close(s.fd)
	if s.left > 0 {
		s.left = 0
		s.blocks[s.next].lent.Release()
	}
	s.unref()
}

// rejectAll is a kernel filter that lets nothing pass.
var rejectAll = []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}

// attach gives a socket a kernel filter in the place of the one that it has; nil
// lets everything pass.
func attach(fd int, program []unix.SockFilter) error {
	if program == nil {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT {
			err = nil
		}
		return err
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p); err != nil {
		return fmt.Errorf("kernel filter: %w", err)
	}
	return nil
}

// fanoutArgs is struct fanout_args of linux/if_packet.h, for little-endian and
// big-endian machines alike, as its first word is written as an integer.
type fanoutArgs struct {
	word       uint32
	maxMembers uint32
}

// join makes a socket the group's next member. The kernel numbers members in the
// order in which they join: with FanoutQueue, ring k gets queue k for it.
//
// The number of members is bounded by that of our rings, so that another program
// that uses the same group is found out instead of taking a part of the traffic.
func (g *ringGroup) join(r *Ring, fd int) error {
	if len(g.rings) == 1 && r.cfg.FanoutGroup == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := fanoutKinds[r.cfg.Fanout]
	first := g.order[0] == r
	if first {
		g.id = r.cfg.FanoutGroup
		if g.id == 0 {
			kind |= unix.PACKET_FANOUT_FLAG_UNIQUEID
		}
	}
	err := setFanout(fd, fanoutArgs{uint32(g.id) | kind<<16, uint32(len(g.rings))})
	if err == unix.EINVAL || err == unix.ENOSPC || err == unix.EALREADY {
		return fmt.Errorf("%w: group %d: another program or another interface uses it; choose another, or none", ErrFanoutTaken, g.id)
	} else if err != nil {
		return fmt.Errorf("fanout: %w", err)
	}
	if first {
		word, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
		if err != nil {
			return fmt.Errorf("fanout: %w", err)
		}
		g.id = uint16(word)
		if r.cfg.Fanout == FanoutHash {
			return setFanoutProgram(fd)
		}
	}
	return nil
}

var fanoutKinds = [...]uint32{
	FanoutHash: unix.PACKET_FANOUT_CBPF, FanoutQueue: unix.PACKET_FANOUT_QM, FanoutCPU: unix.PACKET_FANOUT_CPU,
}

// setFanout calls setsockopt. Kernels before 5.11 take the first word only.
func setFanout(fd int, args fanoutArgs) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_PACKET, unix.PACKET_FANOUT,
		uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == 0 {
		return nil
	}
	if errno == unix.EINVAL {
		var name unix.Utsname
		if unix.Uname(&name) == nil && olderThan(unix.ByteSliceToString(name.Release[:]), 5, 11) {
			return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(args.word))
		}
	}
	return errno
}

// olderThan reports whether a kernel release is older than major.minor.
func olderThan(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a < major || a == major && b < minor
}

// socketError says why a packet socket cannot be had.
func socketError(err error) error {
	switch err {
	case unix.EPERM, unix.EACCES:
		program, e := os.Executable()
		if e != nil {
			program = "PROGRAM"
		}
		return fmt.Errorf("%w: CAP_NET_RAW is missing: run as root, or once: setcap cap_net_raw+ep %s", ErrPermission, program)
	case unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT:
		return fmt.Errorf("%w: no packet sockets at all (CONFIG_PACKET): %w", ErrNoTPACKETv3, err)
	}
	return fmt.Errorf("packet socket: %w", err)
}

// linkError says what is wrong with the interface, where that is what is wrong.
func linkError(err error) error {
	switch err {
	case unix.ENODEV, unix.ENXIO:
		return ErrNoInterface
	case unix.ENETDOWN:
		return ErrInterfaceDown
	}
	return err
}

// noInterface is ErrNoInterface with the names that there are.
func noInterface() error {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		return ErrNoInterface
	}
	const namesMax = 12
	var names []string
	for _, i := range all[:min(len(all), namesMax)] {
		names = append(names, i.Name)
	}
	if len(all) > namesMax {
		names = append(names, "...")
	}
	return fmt.Errorf("%w: there are %s and %s", ErrNoInterface, strings.Join(names, ", "), AnyInterface)
}
