package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// FloodKind says what a flood is made of.
type FloodKind uint8

// The floods. No frame of one belongs to anything that another has begun.
const (
	FloodSYN      FloodKind = iota // SYNs from spoofed addresses
	FloodUDP                       // datagrams, each a flow of its own
	FloodFragment                  // fragments, first and last ones in turn, of datagrams that never complete
	floodKinds
)

// FloodConfig describes a flood. The zero value of a field stands for what its
// comment names.
type FloodConfig struct {
	Kind    FloodKind
	Seed    uint64
	Frames  uint64        // 100,000
	Octets  int           // of payload in a datagram or fragment; 32
	Gap     time.Duration // between frames; 1 us
	StartNs int64         // ns since 1970 of the first frame; as Config.StartNs
	IPv6    bool
}

// floodBits is how many bits tell the frames of a flood apart: 22 of the source
// address (100.64.0.0/10, or that many hosts of one IPv6 network) and 16 of the
// source port, or of the fragment identification.
const floodBits = 22 + 16

// floodOctetsMax keeps a fragment's end within what a frame can carry.
const floodOctetsMax = 1400

// Flood is a stream of a flood's frames. No two have the same source address
// and port (for fragments: address and identification); no connection of a
// Config has one of its addresses.
type Flood struct {
	config FloodConfig
	sent   uint64
	path   craft.Path
	octets []byte
}

// NewFlood returns the stream of a config, or every problem it has.
func NewFlood(c FloodConfig) (*Flood, error) {
	c.Frames = cmp.Or(c.Frames, 100_000)
	c.Octets = cmp.Or(c.Octets, 32)
	c.Gap = cmp.Or(c.Gap, time.Microsecond)
	c.StartNs = cmp.Or(c.StartNs, startDefaultNs)
	var errs []error
	if c.Kind >= floodKinds {
		errs = append(errs, fmt.Errorf("%w: no flood has number %d", ErrConfig, c.Kind))
	}
	if c.Frames > 1<<floodBits {
		errs = append(errs, fmt.Errorf("%w: Frames is %d, a flood has up to %d", ErrConfig, c.Frames, uint64(1)<<floodBits))
	}
	if c.Octets < 1 || c.Octets > floodOctetsMax {
		errs = append(errs, fmt.Errorf("%w: Octets is %d, must be 1 to %d", ErrConfig, c.Octets, floodOctetsMax))
	}
	if c.Gap < 0 || c.Gap > time.Hour {
		errs = append(errs, fmt.Errorf("%w: Gap must be up to an hour", ErrConfig))
	}
	f := &Flood{config: c}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for i := range c.Octets {
		f.octets = append(f.octets, byte(mix(c.Seed, uint64(i))))
	}
	return f, nil
}

// Next implements Stream.
func (f *Flood) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	n := f.sent
	if n == f.config.Frames {
		return nil, 0, false
	}
	f.sent++
	id := scatter(f.config.Seed, n)
	f.setEnds(id)
	start := len(dst)
	switch f.config.Kind {
	case FloodSYN:
		h := craft.TCP{
			Seq: wire.Seq(mix(id, 0)), Flags: wire.SYN, Wnd: windowSYN, MSS: 1460, WScale: windowShift,
			Opts: wire.OptMSS | wire.OptSACKOK | wire.OptWScale,
		}
		dst = craft.AppendTCP(dst, &f.path, &h, nil)
	case FloodUDP:
		dst = craft.AppendUDP(dst, &f.path, f.octets)
	case FloodFragment:
		dst = f.appendFragment(dst, n, uint32(id&0xffff))
	}
	return dst[start:], f.config.StartNs + int64(n)*int64(f.config.Gap), true
}

// appendFragment appends half of a datagram whose other half is never sent.
func (f *Flood) appendFragment(dst []byte, n uint64, id uint32) []byte {
	whole := len(f.octets) &^ 7 // all fragments but the last are multiples of 8 octets
	info := wire.FragmentInfo{ID: id, More: true}
	if n%2 == 1 || whole == 0 {
		info.Off, info.More = uint16(max(8, whole)), false
		whole = len(f.octets)
	}
	return craft.AppendFragment(dst, &f.path, wire.ProtoUDP, info, f.octets[:whole])
}

// setEnds makes a frame's number its source.
func (f *Flood) setEnds(id uint64) {
	port, host := uint16(id), uint32(id>>16)
	if f.config.Kind == FloodFragment {
		port = 0
	}
	if f.config.IPv6 {
		src := [16]byte{0x20, 0x01, 0x0d, 0xb8, 4: 0xf1, 13: byte(host >> 16), 14: byte(host >> 8), 15: byte(host)}
		f.path.Src = netip.AddrPortFrom(netip.AddrFrom16(src), port)
		f.path.Dst = netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 4: 0x80, 15: 1}), serverPort)
		return
	}
	src := [4]byte{100, 64 | byte(host>>16), byte(host >> 8), byte(host)}
	f.path.Src = netip.AddrPortFrom(netip.AddrFrom4(src), port)
	f.path.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 1}), serverPort)
}

// scatter maps the numbers below 2^floodBits onto each other, so that those in
// a row lie far apart and none comes twice: each step can be undone.
func scatter(seed, n uint64) uint64 {
	const mask = 1<<floodBits - 1
	n = (n ^ seed) & mask
	for range 2 {
		n = n * 0x9e3779b97f4a7c15 & mask
		n ^= n >> (floodBits / 2)
	}
	return n
}
