package netns

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Sender puts frames on a device as they are. One goroutine uses it.
type Sender struct{ fd int }

// NewSender returns a Sender on a device of the namespace.
func NewSender(in *Namespace, name string) (*Sender, error) {
	s := &Sender{fd: -1}
	err := in.Do(func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		// Protocol 0: a socket that hears nothing.
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: i.Index})
	})
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("netns: sender at %s: %w", name, err)
	}
	return s, nil
}

// Send sends a frame from its link header on, and waits until the other end of
// the cable has it. The kernel refuses frames longer than the MTU allows.
func (s *Sender) Send(frame []byte) error {
	_, err := unix.Write(s.fd, frame)
	for errors.Is(err, unix.EINTR) {
		_, err = unix.Write(s.fd, frame)
	}
	return err
}

// Close gives the socket up.
func (s *Sender) Close() error {
	fd := s.fd
	if s.fd = -1; fd < 0 {
		return nil
	}
	return unix.Close(fd)
}
