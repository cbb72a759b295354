package netns

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Frame is a frame on its way through a Hop. Its octets are lent for the call.
type Frame struct {
	// Offload is struct virtio_net_hdr: where the checksum goes that nobody has
	// filled in, and how long the segments are that it is still to be cut into.
	Offload [virtioHeaderLen]byte
	// Tag is the outer VLAN tag, TPID<<16 | TCI, or 0. It is not part of Data.
	Tag  uint32
	Data []byte // from the link header on
}

// Clone returns a frame that may be kept.
func (f *Frame) Clone() *Frame {
	g := *f
	g.Data = bytes.Clone(f.Data)
	return &g
}

// VLANTag is the Tag of a VLAN.
func VLANTag(id uint16) uint32 { return unix.ETH_P_8021Q<<16 | uint32(id) }

// virtioHeaderLen is the size of struct virtio_net_hdr.
const virtioHeaderLen = 10

// Offsets into the virtio header, and flags of it.
const (
	virtioFlags     = 0
	virtioGSOType   = 1
	virtioHdrLen    = 2
	virtioCsumStart = 6

	virtioNeedsCsum = 1
)

// macsLen is where a tag goes: behind the two addresses of Ethernet.
const macsLen = 12

// appendTo appends the frame as a packet socket takes it.
func (f *Frame) appendTo(b []byte) []byte {
	at := len(b)
	b = append(b, f.Offload[:]...)
	if f.Tag == 0 || len(f.Data) < macsLen {
		return append(b, f.Data...)
	}
	later := func(i int) {
		header := b[at+i:]
		binary.NativeEndian.PutUint16(header, binary.NativeEndian.Uint16(header)+4)
	}
	if f.Offload[virtioFlags]&virtioNeedsCsum != 0 {
		later(virtioCsumStart)
	}
	if f.Offload[virtioGSOType] != 0 {
		later(virtioHdrLen)
	}
	b = append(b, f.Data[:macsLen]...)
	b = binary.BigEndian.AppendUint32(b, f.Tag)
	return append(b, f.Data[macsLen:]...)
}

// Hop passes frames between two devices of a namespace in user space, as a
// bridge would, and lets a function do to them on the way what networks do.
type Hop struct {
	ports  [2]*port
	pass   func(from int, f *Frame, send func(*Frame))
	wg     sync.WaitGroup
	passed atomic.Uint64
	failed atomic.Uint64
}

// port is a packet socket on one device.
type port struct {
	file *os.File // of the socket, so that reads wait in the runtime's poller
	raw  syscall.RawConn
}

// NewHop starts a hop between devices a and b. pass is called with each frame,
// from is 0 for those that came in at a, and calls send with what goes on, now or
// at a later call for the same direction; nil sends each frame on. The two
// directions run concurrently. A frame kept over the call is copied by pass.
func NewHop(in *Namespace, a, b string, pass func(from int, f *Frame, send func(*Frame))) (*Hop, error) {
	h := &Hop{pass: pass}
	if pass == nil {
		h.pass = func(_ int, f *Frame, send func(*Frame)) { send(f) }
	}
	for i, name := range []string{a, b} {
		p, err := openPort(in, name)
		if err != nil {
			h.shut()
			return nil, fmt.Errorf("netns: hop at %s: %w", name, err)
		}
		h.ports[i] = p
	}
	for from := range h.ports {
		h.wg.Add(1)
		go h.run(from)
	}
	return h, nil
}

// hopFrameMax is more than the longest frame that offloads make, with a header
// and a tag.
const hopFrameMax = 128 << 10

// run passes the frames of one direction until the hop is closed.
func (h *Hop) run(from int) {
	defer h.wg.Done()
	buf := make([]byte, hopFrameMax)
	out := make([]byte, 0, hopFrameMax)
	in, to := h.ports[from], h.ports[from^1]
	send := func(f *Frame) {
		if to.write(f.appendTo(out)) != nil {
			h.failed.Add(1)
		} else {
			h.passed.Add(1)
		}
	}
	var f Frame
	for {
		err := in.read(&f, buf)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err == nil { // else the device went down, and the next read waits for it
			h.pass(from, &f, send)
		}
	}
}

// Passed returns how many frames have been sent on, and how many could not be.
func (h *Hop) Passed() (passed, failed uint64) { return h.passed.Load(), h.failed.Load() }

// Close ends the hop and waits for it.
func (h *Hop) Close() error {
	err := h.shut()
	h.wg.Wait()
	return err
}

func (h *Hop) shut() (err error) {
	for _, p := range h.ports {
		if p != nil {
			err = errors.Join(err, p.file.Close())
		}
	}
	return err
}

// openPort opens a packet socket that hears everything that comes in at a device.
func openPort(in *Namespace, name string) (p *port, err error) {
	err = in.Do(func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		p = &port{file: os.NewFile(uintptr(fd), name)}
		all := uint16(unix.ETH_P_ALL)
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
			unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
				&unix.PacketMreq{Ifindex: int32(i.Index), Type: unix.PACKET_MR_PROMISC}),
			unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: i.Index, Protocol: all<<8 | all>>8}),
		)
		if err == nil {
			p.raw, err = p.file.SyscallConn()
		}
		if err != nil {
			p.file.Close()
		}
		return err
	})
	return p, err
}

// read waits for a frame, which then lies in buf.
func (p *port) read(f *Frame, buf []byte) (err error) {
	var n, oobn int
	var oob [64]byte
	waited := p.raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = unix.Recvmsg(int(fd), buf, oob[:], 0)
		return err != unix.EAGAIN
	})
	if waited != nil {
		return os.ErrClosed // which is all that ends waiting
	}
	if err != nil {
		return err
	}
	if n < virtioHeaderLen {
		return io.ErrUnexpectedEOF
	}
	copy(f.Offload[:], buf)
	f.Data, f.Tag = buf[virtioHeaderLen:n], auxiliaryTag(oob[:oobn])
	return nil
}

// auxiliaryTag returns the tag that the kernel has taken out of a frame, from
// struct tpacket_auxdata: the status at 0, then lengths, TCI at 16, TPID at 18.
func auxiliaryTag(oob []byte) uint32 {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range all {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < 20 {
			continue
		}
		if status := binary.NativeEndian.Uint32(m.Data); status&unix.TP_STATUS_VLAN_VALID == 0 {
			return 0
		}
		tci, tpid := binary.NativeEndian.Uint16(m.Data[16:]), binary.NativeEndian.Uint16(m.Data[18:])
		return uint32(tpid)<<16 | uint32(tci)
	}
	return 0
}

// write sends a frame as appendTo makes it, waiting for room.
func (p *port) write(buf []byte) (err error) {
	waited := p.raw.Write(func(fd uintptr) bool {
		_, err = unix.Write(int(fd), buf)
		return err != unix.EAGAIN
	})
	return errors.Join(waited, err)
}
