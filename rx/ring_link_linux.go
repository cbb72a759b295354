package rx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// link is the interface of a ring as it was seen last. It belongs to whoever
// holds the ring's mu.
type link struct {
	control int // descriptor of a socket that ioctls are for; valid iff made
	space   int // descriptor of the network namespace; valid iff made
	made    bool

	name     string // it may have been renamed
	hardware uint16 // ARPHRD_*, 0xffff for any
	down     bool   // it is down, or away: reported
}

// open remembers the network namespace of the calling thread.
func (l *link) open() (err error) {
	if l.control, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if l.space, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		l.space = -1 // no /proc: the namespace is then that of whoever asks
	}
	l.made = true
	return nil
}

func (l *link) close() {
	if l.made {
		unix.Close(l.control)
		if l.space >= 0 {
			unix.Close(l.space)
		}
	}
	l.made = false
}

// find returns the index of an interface that is up, and notes the rest.
func (l *link) find(name string) (index int, err error) {
	if name == AnyInterface {
		l.name, l.hardware = name, unix.ARPHRD_VOID
		return 0, nil
	}
	q, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(l.control, unix.SIOCGIFINDEX, q) != nil {
		return 0, noInterface()
	}
	index = int(q.Uint32())
	if up, err := l.up(name); err != nil || !up {
		return 0, errors.Join(err, fmt.Errorf("%w: bring it up with: ip link set %s up", ErrInterfaceDown, name))
	}
	if q, err = unix.NewIfreq(name); err == nil {
		err = unix.IoctlIfreq(l.control, unix.SIOCGIFHWADDR, q)
	}
	if err != nil {
		return 0, linkError(err)
	}
	l.name, l.hardware = name, q.Uint16()
	return index, nil
}

// up reports whether the interface of a name is up.
func (l *link) up(name string) (bool, error) {
	q, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(l.control, unix.SIOCGIFFLAGS, q)
	}
	if err != nil {
		return false, linkError(err)
	}
	return q.Uint16()&unix.IFF_UP != 0, nil
}

// nameOf returns the name that the interface of a socket has now. The kernel
// takes a socket off an interface that is removed.
func (l *link) nameOf(s *ringSocket) (string, error) {
	addr, err := unix.Getsockname(s.fd)
	if err != nil {
		return "", err
	}
	if a, ok := addr.(*unix.SockaddrLinklayer); !ok || a.Ifindex != s.index {
		return "", ErrNoInterface
	}
	q, err := unix.NewIfreq("-")
	if err != nil {
		return "", err
	}
	q.SetUint32(uint32(s.index))
	if err := unix.IoctlIfreq(l.control, unix.SIOCGIFNAME, q); err != nil {
		return "", linkError(err)
	}
	return q.Name(), nil
}

// failing notes why the socket has an error, which that ends. An interface that
// goes down says so once.
func (r *Ring) failing() {
	why, err := unix.GetsockoptInt(r.sock.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	switch {
	case err != nil || why == 0:
	case unix.Errno(why) == unix.ENETDOWN:
		r.lost("the interface is down") // if only for a moment
	default:
		r.say(slog.LevelWarn, "the ring's socket reports an error", "error", unix.Errno(why))
	}
	r.looked = time.Time{}
}

// lookAfter sees how the interface is: when it has reported something, and else
// now and then. It opens the ring anew when the interface was away and is back.
func (r *Ring) lookAfter(now time.Time) {
	if r.cfg.Interface == AnyInterface || !r.opened {
		return
	}
	every := lookEvery
	if r.link.down {
		every = idleAfter
	}
	if now.Sub(r.looked) < every {
		return
	}
	r.looked = now
	if r.sock == nil {
		r.resume()
		return
	}
	name, err := r.link.nameOf(r.sock)
	if errors.Is(err, ErrNoInterface) {
		r.lost("the interface was removed")
		r.drop()
		return
	} else if err != nil {
		return
	}
	if name != r.link.name {
		r.say(slog.LevelInfo, "the interface was renamed: the ring stays with it", "name", name)
		r.link.name = name
	}
	up, err := r.link.up(name)
	switch {
	case err != nil: // renamed again or removed in this moment: next time
	case !up:
		r.lost("the interface is down")
	case r.link.down:
		r.found("the interface is up again")
	}
}

// lost reports and counts that nothing can come, once.
func (r *Ring) lost(what string) {
	if r.link.down {
		return
	}
	r.link.down = true
	r.tally.linkDowns.Add(1)
	r.say(slog.LevelWarn, what)
}

func (r *Ring) found(what string) {
	r.link.down = false
	r.say(slog.LevelInfo, what)
}

// say logs what is with the interface. Of several rings the first one speaks, as
// all of them see the same.
func (r *Ring) say(level slog.Level, what string, args ...any) {
	if r.index > 0 {
		level = slog.LevelDebug
	}
	r.cfg.Log.Log(context.Background(), level, what, append([]any{"interface", r.link.name, "ring", r.index}, args...)...)
}

// resume opens the ring on an interface that has its name again. Rings of a
// group do so in their order, which is how the kernel numbers them; the first
// finds the group's number free only when all old sockets are gone.
func (r *Ring) resume() {
	index, err := r.link.find(r.cfg.Interface)
	if err != nil || !r.group.turnOf(r, index) {
		return
	}
	s, err := r.socketInSpace(index)
	if err != nil {
		if r.refused == nil || r.refused.Error() != err.Error() {
			r.say(slog.LevelWarn, "the ring cannot be opened again yet", "error", err)
		}
		r.refused = err
		return
	}
	r.refused = nil
	r.tally.reopened.Add(1)
	if err := r.take(s); err != nil {
		r.say(slog.LevelWarn, "the ring is open without its kernel filter", "error", err)
	}
	r.found("the interface is back, and the ring open again")
}

// socketInSpace is socket in the network namespace that the ring was opened in.
func (r *Ring) socketInSpace(index int) (*ringSocket, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var here, there unix.Stat_t
	now, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil || r.link.space < 0 {
		return r.socket(index)
	}
	defer unix.Close(now)
	if unix.Fstat(now, &here) != nil || unix.Fstat(r.link.space, &there) != nil || here.Ino == there.Ino {
		return r.socket(index)
	}
	if err := unix.Setns(r.link.space, unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("network namespace: %w", err)
	}
	s, err := r.socket(index)
	if back := unix.Setns(now, unix.CLONE_NEWNET); back != nil {
		runtime.LockOSThread() // never to be used for anything else
		return s, errors.Join(err, back)
	}
	return s, err
}
