package main

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// bench puts the thread into a network namespace of its own, with a veth pair.
// Both go when the program ends.
func bench() error {
	if _, err := netns.New(); err != nil {
		return fmt.Errorf("a network namespace of its own (are you root?): %w", err)
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: nearEnd}, PeerName: farEnd}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("veth pair: %w", err)
	}
	for _, name := range []string{nearEnd, farEnd} {
		l, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// sender puts frames on an interface.
type sender struct {
	fd int
	to unix.SockaddrLinklayer
}

func newSender(name string) (*sender, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return nil, err
	}
	return &sender{fd, unix.SockaddrLinklayer{Ifindex: i.Index}}, nil
}

// send sends n frames, those of frames in turn.
func (s *sender) send(frames [][]byte, n int) error {
	for i := 0; i < n; {
		err := unix.Sendto(s.fd, frames[i%len(frames)], 0, &s.to)
		if err == unix.ENOBUFS || err == unix.EAGAIN {
			continue // the far end's queue is full for the moment
		} else if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		i++
	}
	return nil
}
