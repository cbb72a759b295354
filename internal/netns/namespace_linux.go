package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/vishvananda/netlink"
)

// ErrClosed is what a namespace answers once it has been closed.
var ErrClosed = errors.New("netns: namespace closed")

// Namespace is a network namespace with a loopback device that is up. Its
// methods may be called from any goroutine.
type Namespace struct {
	name string
	fd   int // of the namespace
	link *netlink.Handle

	mu     sync.Mutex // guards calls against Close
	closed bool
	calls  chan func() // run by the thread that lives inside
	gone   chan struct{}
}

// New makes a namespace. Its name is for messages only.
func New(name string) (*Namespace, error) {
	n := &Namespace{name: name, calls: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	go n.live(ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("netns: %s: %w", name, err)
	}
	if err := n.setUp(); err != nil {
		n.Close()
		return nil, fmt.Errorf("netns: %s: %w", name, err)
	}
	return n, nil
}

// live is the goroutine whose thread lives in the namespace: it makes it, starts
// processes in it, and takes them with it when it ends.
func (n *Namespace) live(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The main thread cannot end, and would hold the namespace for ever. While
		// this goroutine keeps it, another one gets another thread.
		defer runtime.UnlockOSThread()
		next := make(chan error)
		go n.live(next)
		ready <- <-next
		return
	}
	// Not unlocked from here on, so the thread ends with the goroutine.
	defer close(n.gone)
	err := unix.Unshare(unix.CLONE_NEWNET)
	if err == nil {
		n.fd, err = open()
	}
	ready <- err
	if err != nil {
		return
	}
	for call := range n.calls {
		call()
	}
}

// open returns a descriptor of the namespace that the calling thread is in.
func open() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// setUp makes the namespace quiet and its loopback device work.
func (n *Namespace) setUp() (err error) {
	if n.link, err = netlink.NewHandleAt(vnetns.NsHandle(n.fd), unix.NETLINK_ROUTE); err != nil {
		return err
	}
	err = n.Do(func() error {
		for _, s := range []struct{ name, value string }{
			{"default/accept_ra", "0"},
			{"default/router_solicitations", "0"},
			{"default/autoconf", "0"},
			{"default/addr_gen_mode", "1"}, // no link-local addresses, whose owners would speak up
		} {
			if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+s.name, []byte(s.value), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, n.Up("lo"))
}

// Name returns the name that New was given.
func (n *Namespace) Name() string { return n.name }

// Do runs f on the calling goroutine, its thread in the namespace meanwhile. It
// may be nested. Goroutines that f starts are outside.
func (n *Namespace) Do(f func() error) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	inside, err := unix.FcntlInt(uintptr(n.fd), unix.F_DUPFD_CLOEXEC, 0)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	defer unix.Close(inside)
	runtime.LockOSThread()
	outside, err := open()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(outside)
	if err := unix.Setns(inside, unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if unix.Setns(outside, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		// A thread that cannot come back stays locked and ends with its goroutine.
	}()
	return f()
}

// Start starts the process in the namespace. It is killed when the namespace
// closes or this process ends; the caller waits for it all the same.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // of the thread that forks: ours
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return ErrClosed
	}
	started := make(chan error)
	n.calls <- func() { started <- cmd.Start() }
	return <-started
}

// Listen is net.Listen in the namespace.
func (n *Namespace) Listen(network, address string) (l net.Listener, err error) {
	err = n.Do(func() error {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket is net.ListenPacket in the namespace.
func (n *Namespace) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.Do(func() error {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}

// DialContext is net.Dialer.DialContext in the namespace, for literal addresses.
func (n *Namespace) DialContext(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = n.Do(func() error {
		c, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Close ends the namespace and everything in it. The kernel keeps it for as long
// as somebody else has a socket in it. Closing twice is legal.
func (n *Namespace) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	if n.link != nil {
		n.link.Close()
	}
	close(n.calls)
	<-n.gone
	return unix.Close(n.fd)
}

// Available says why namespaces cannot be made here, or nil.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root: makes network namespaces and veth pairs")
	}
	n, err := New("probe")
	if err != nil {
		return fmt.Errorf("needs network namespaces of its own: %w", err)
	}
	return n.Close()
}
