//go:build linux

package buffers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/wire"
)

// kernelPeer is a connection to a socket of the kernel, from a peer that sends
// what it likes: both ends of a tun device in a network namespace of its own.
type kernelPeer struct {
	t        *testing.T
	tun      int
	conn     int
	local    netip.AddrPort // of the kernel
	remote   netip.AddrPort // ours
	seq, ack uint32
}

// The addresses of either end; nobody else is in the namespace.
var (
	kernelAddr = netip.MustParseAddrPort("192.0.2.1:4000")
	peerAddr   = netip.MustParseAddrPort("192.0.2.2:5000")
)

// newKernelPeer makes the calling goroutine's thread a namespace of its own and
// connects. The thread is not used for anything else afterwards.
func newKernelPeer(t *testing.T) *kernelPeer {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a network namespace and a tun device")
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs a network namespace of its own: %v", err)
	}
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("needs a tun device: %v", err)
	}
	t.Cleanup(func() { unix.Close(tun) })
	k := &kernelPeer{t: t, tun: tun, local: kernelAddr, remote: peerAddr, seq: 1<<32 - 40}
	k.configure()
	k.connect()
	return k
}

// must fails the test at an error of the set-up.
func (k *kernelPeer) must(what string, err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatalf("%s: %v", what, err)
	}
}

// configure names the tun device and gives it the kernel's address.
func (k *kernelPeer) configure() {
	ifr, err := unix.NewIfreq("mbox0")
	k.must("name", err)
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	k.must("TUNSETIFF", unix.IoctlIfreq(k.tun, unix.TUNSETIFF, ifr))
	ctl, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	k.must("socket", err)
	defer unix.Close(ctl)
	addr := k.local.Addr().As4()
	k.must("address", ifr.SetInet4Addr(addr[:]))
	k.must("SIOCSIFADDR", unix.IoctlIfreq(ctl, unix.SIOCSIFADDR, ifr))
	k.must("netmask", ifr.SetInet4Addr([]byte{255, 255, 255, 0}))
	k.must("SIOCSIFNETMASK", unix.IoctlIfreq(ctl, unix.SIOCSIFNETMASK, ifr))
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	k.must("SIOCSIFFLAGS", unix.IoctlIfreq(ctl, unix.SIOCSIFFLAGS, ifr))
}

// connect opens a connection from the tun device's side.
func (k *kernelPeer) connect() {
	listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	k.must("socket", err)
	defer unix.Close(listener)
	k.must("bind", unix.Bind(listener, &unix.SockaddrInet4{Port: int(k.local.Port()), Addr: k.local.Addr().As4()}))
	k.must("listen", unix.Listen(listener, 1))
	k.send(wire.SYN, 0, nil)
	k.seq++
	buf := make([]byte, 1500)
	for {
		if n, err := unix.Poll([]unix.PollFd{{Fd: int32(k.tun), Events: unix.POLLIN}}, 2000); n == 0 {
			k.t.Fatalf("no answer to the SYN: %v", err)
		}
		n, err := unix.Read(k.tun, buf)
		k.must("read from the tun device", err)
		if p := buf[:n]; n >= 40 && p[0]>>4 == 4 && p[9] == byte(wire.ProtoTCP) {
			k.ack = binary.BigEndian.Uint32(p[24:]) + 1
			break
		}
	}
	k.send(wire.ACK, 0, nil)
	k.conn, _, err = unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	k.must("accept", err)
	k.t.Cleanup(func() { unix.Close(k.conn) })
}

// send gives the kernel a segment whose text starts off octets after seq. The
// kernel has dealt with it when send returns.
func (k *kernelPeer) send(flags wire.Flags, off uint64, text []byte) {
	p := make([]byte, 40+len(text))
	p[0], p[8], p[9] = 0x45, 64, byte(wire.ProtoTCP)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	src, dst := k.remote.Addr().As4(), k.local.Addr().As4()
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	binary.BigEndian.PutUint16(p[10:], ^sum(p[:20], 0))
	tcp := p[20:]
	binary.BigEndian.PutUint16(tcp, k.remote.Port())
	binary.BigEndian.PutUint16(tcp[2:], k.local.Port())
	binary.BigEndian.PutUint32(tcp[4:], k.seq+uint32(off))
	if flags.Has(wire.ACK) {
		binary.BigEndian.PutUint32(tcp[8:], k.ack)
	}
	tcp[12], tcp[13] = 5<<4, byte(flags)
	binary.BigEndian.PutUint16(tcp[14:], 65535)
	copy(tcp[20:], text)
	pseudo := sum(p[12:20], uint32(wire.ProtoTCP)+uint32(len(tcp)))
	binary.BigEndian.PutUint16(tcp[16:], ^sum(tcp, uint32(pseudo)))
	_, err := unix.Write(k.tun, p)
	k.must("write to the tun device", err)
}

// sum is the Internet checksum of RFC 1071 §1, not complemented.
func sum(p []byte, acc uint32) uint16 {
	for ; len(p) > 1; p = p[2:] {
		acc += uint32(binary.BigEndian.Uint16(p))
	}
	if len(p) > 0 {
		acc += uint32(p[0]) << 8
	}
	for acc>>16 != 0 {
		acc = acc&0xffff + acc>>16
	}
	return uint16(acc)
}

// read returns what the kernel's socket has to read, and drops what it has sent.
func (k *kernelPeer) read(buf []byte) []byte {
	n, err := unix.Read(k.conn, buf)
	if errors.Is(err, unix.EAGAIN) {
		n, err = 0, nil
	}
	k.must("read from the socket", err)
	var ack [256]byte
	for {
		if _, err := unix.Read(k.tun, ack[:]); err != nil {
			return buf[:n]
		}
	}
}

// kernelPair gives the same segments to the kernel of this machine and to a
// stream with policy Linux.
type kernelPair struct {
	*kernelPeer
	a    *Arena
	s    Stream
	r    Result
	base uint64
	buf  []byte
}

// play sends segments of those offsets, each of its own letter, then what is
// missing, an octet at a time. It returns what each side reads.
func (k *kernelPair) play(segments []Range) (got, want []byte) {
	k.base = k.s.Next()
	end := uint64(0)
	for i, r := range segments {
		got = k.insert(got, r.Off, bytes.Repeat([]byte{byte('a' + i)}, int(r.Len())))
		end = max(end, r.End)
	}
	for k.s.Next() < k.base+end {
		got = k.insert(got, k.s.Next()-k.base, []byte("-"))
	}
	want = k.read(k.buf)
	k.seq += uint32(end)
	return got, want
}

// insert sends a segment and adds to got what the stream makes available.
func (k *kernelPair) insert(got []byte, off uint64, text []byte) []byte {
	if len(text) == 0 {
		return got
	}
	k.send(wire.ACK, off, text)
	k.a.Insert(&k.s, testSlot, k.base+off, text, &k.r)
	return append(got, k.r.text()...)
}

// TestLinuxKernel plays every arrangement of up to three segments over a few
// octets. Longer ones at random follow: what the kernel's tree is like then is
// its own affair, so that one in twenty differs in some octet.
func TestLinuxKernel(t *testing.T) {
	const octets = 6
	k := &kernelPair{kernelPeer: newKernelPeer(t), a: NewArena(Config{}), s: Stream{policy: Linux}, buf: make([]byte, 4096)}
	chunks := []Range{{1, 1}}
	for off := uint64(1); off <= octets; off++ {
		for end := off + 1; end <= octets+1; end++ {
			chunks = append(chunks, Range{off, end})
		}
	}
	n := len(chunks)
	for i := range n * n * n {
		segments := []Range{chunks[i%n], chunks[i/n%n], chunks[i/n/n]}
		if got, want := k.play(segments); !bytes.Equal(got, want) {
			t.Errorf("%v: %q, the kernel reads %q", segments, got, want)
		}
	}
	rng := rand.New(rand.NewPCG(6, 18))
	differ, total := 0, 3000
	for range total {
		segments := make([]Range, 4+rng.IntN(5))
		for i := range segments {
			off := 1 + rng.Uint64N(20)
			segments[i] = Range{off, off + 1 + rng.Uint64N(10)}
		}
		if got, want := k.play(segments); !bytes.Equal(got, want) {
			differ++
		}
	}
	if differ > total/10 {
		t.Errorf("%d of %d longer arrangements differ", differ, total)
	}
}
