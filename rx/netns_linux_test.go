package rx_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/internal/craft"
)

// namespace puts the test's thread into a network namespace of its own, with
// nothing in it but lo, until the test ends. Sockets that the test opens belong
// to the namespace, whichever goroutine uses them.
func namespace(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: a network namespace of its own")
	}
	runtime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	made, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		t.Skipf("no network namespace can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := netns.Set(before); err != nil {
			t.Errorf("back to the test's namespace: %v", err)
			return // with the thread locked, which ends it
		}
		runtime.UnlockOSThread()
		made.Close()
		before.Close()
	})
	const quiet = "/proc/sys/net/ipv6/conf/default/disable_ipv6" // of this thread's namespace: no frames but the test's own
	if err := os.WriteFile(quiet, []byte("1"), 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	up(t, "lo")
}

// veth adds a pair of interfaces, both up, with so many queues each.
func veth(t testing.TB, a, b string, queues int) {
	t.Helper()
	err := netlink.LinkAdd(&netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: a, NumTxQueues: queues, NumRxQueues: queues}, PeerName: b,
		PeerNumTxQueues: uint32(queues), PeerNumRxQueues: uint32(queues),
	})
	if err != nil {
		t.Fatalf("veth pair %s and %s: %v", a, b, err)
	}
	up(t, a)
	up(t, b)
}

func up(t testing.TB, name string)   { t.Helper(); on(t, name, netlink.LinkSetUp) }
func down(t testing.TB, name string) { t.Helper(); on(t, name, netlink.LinkSetDown) }

func on(t testing.TB, name string, f func(netlink.Link) error) {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err == nil {
		err = f(l)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// sender is a packet socket that puts frames on an interface.
type sender struct {
	t  testing.TB
	fd int
	to unix.SockaddrLinklayer
}

func newSender(t testing.TB, name string) *sender {
	t.Helper()
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return &sender{t, fd, unix.SockaddrLinklayer{Ifindex: i.Index}}
}

// send puts frames on the wire and returns how many the kernel took.
func (s *sender) send(frames ...[]byte) (sent int) {
	s.t.Helper()
	for _, f := range frames {
		err := unix.Sendto(s.fd, f, 0, &s.to)
		if err == unix.ENOBUFS {
			continue
		} else if err != nil {
			s.t.Fatalf("send %d octets: %v", len(f), err)
		}
		sent++
	}
	return sent
}

// flow returns the path of a flow's packets by its ports.
func flow(from, to uint16) craft.Path {
	return craft.Path{
		Src: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), from),
		Dst: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), to),
	}
}
