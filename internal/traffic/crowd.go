package traffic

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"time"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// CrowdConfig describes connections that are all open at the same time. The
// zero value of a field stands for what its comment names.
type CrowdConfig struct {
	Seed        uint64
	Connections int           // 1,000,000
	Gap         time.Duration // between frames; 200 ns
	StartNs     int64         // ns since 1970 of the first frame; as Config.StartNs
}

// Crowd is a stream of a crowd's frames: connections of 16 segments without text
// (3 to open, 10 window updates, 3 to close), as Staggered makes them. It goes
// through all of them round after round, each round in another order, and each
// connection sends one segment in a round. They begin within the first crowdStagger
// rounds; from then until the closing, all are open.
//
// It keeps nothing for a connection, and a frame is a template with a few fields
// written over: what a middlebox is measured with must not be its own measure.
type Crowd struct {
	config CrowdConfig
	round  int
	at     uint64 // place in the round's order
	sent   int64
	order  permutation
	steps  [crowdSegments]crowdStep
}

const (
	crowdSegments = 16
	crowdStagger  = 4
	crowdRounds   = crowdSegments + crowdStagger - 1
	crowdMax      = hostsPerSite * portsPerHost * 256 // as many distinct endpoints as a site has
)

// crowdStep is a segment of every connection.
type crowdStep struct {
	frame    []byte // with addresses, client's port and numbers left 0
	ip, tcp  uint64 // sums of the header and of the segment with its pseudo-header, as they stand
	dir      wire.Dir
	seq, ack uint32 // since the ISNs
	acks     bool   // ack counts
}

// Where fields lie in a frame: Ethernet, IPv4 and TCP without options before them.
const (
	offIPSum  = 14 + 10
	offSrc    = 14 + 12
	offDst    = 14 + 16
	offTCP    = 14 + ipv4Octets
	offSeq    = offTCP + 4
	offAck    = offTCP + 8
	offTCPSum = offTCP + 16

	ipv4Octets = 20
)

// NewCrowd returns the stream of a config, or every problem it has.
func NewCrowd(c CrowdConfig) (*Crowd, error) {
	c.Connections = cmp.Or(c.Connections, 1_000_000)
	c.Gap = cmp.Or(c.Gap, 200*time.Nanosecond)
	c.StartNs = cmp.Or(c.StartNs, startDefaultNs)
	var errs []error
	if c.Connections < 1 || c.Connections > crowdMax {
		errs = append(errs, fmt.Errorf("%w: Connections is %d, must be 1 to %d", ErrConfig, c.Connections, crowdMax))
	}
	if c.Gap < 0 || c.Gap > time.Hour {
		errs = append(errs, fmt.Errorf("%w: Gap must be up to an hour", ErrConfig))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	s := &Crowd{config: c}
	s.order = newPermutation(c.Seed, 0, uint64(c.Connections))
	s.plan()
	return s, nil
}

// plan makes the templates.
func (s *Crowd) plan() {
	var sent [2]uint32
	var peer = [2]uint32{}
	add := func(i int, d wire.Dir, flags wire.Flags) {
		st := crowdStep{dir: d, seq: sent[d], ack: peer[d], acks: flags.Has(wire.ACK)}
		h := craft.TCP{Flags: flags, Wnd: windowField + uint16(i)}
		if flags.Has(wire.SYN) {
			h.Wnd, h.MSS, h.WScale = windowSYN, mssMin, windowShift
			h.Opts = wire.OptMSS | wire.OptSACKOK | wire.OptWScale
		}
		nobody := netip.AddrFrom4([4]byte{})
		path := craft.Path{Src: netip.AddrPortFrom(nobody, 0), Dst: netip.AddrPortFrom(nobody, serverPort), DontFragment: true}
		if d == wire.ToClient {
			path = path.Reverse()
		}
		st.frame = craft.AppendTCP(nil, &path, &h, nil)
		st.ip = uint64(^binary.BigEndian.Uint16(st.frame[offIPSum:]))
		st.tcp = uint64(^binary.BigEndian.Uint16(st.frame[offTCPSum:]))
		s.steps[i] = st
		if flags&(wire.SYN|wire.FIN) != 0 {
			sent[d]++
			peer[d.Reverse()] = sent[d]
		}
	}
	add(0, wire.ToServer, wire.SYN)
	add(1, wire.ToClient, wire.SYN|wire.ACK)
	add(2, wire.ToServer, wire.ACK)
	for i := 3; i < crowdSegments-3; i++ {
		d := wire.ToClient
		if i == 3 || i == 8 {
			d = wire.ToServer
		}
		add(i, d, wire.ACK)
	}
	add(13, wire.ToServer, wire.FIN|wire.ACK)
	add(14, wire.ToClient, wire.FIN|wire.ACK)
	add(15, wire.ToServer, wire.ACK)
}

// Frames returns how many frames the whole stream has.
func (c CrowdConfig) Frames() int { return cmp.Or(c.Connections, 1_000_000) * crowdSegments }

// Next implements Stream.
func (s *Crowd) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	for {
		if s.at == s.order.n {
			if s.round++; s.round >= crowdRounds {
				return nil, 0, false
			}
			s.at, s.order = 0, newPermutation(s.config.Seed, uint64(s.round), s.order.n)
		}
		conn := s.order.place(s.at)
		s.at++
		begins := int(mix(s.config.Seed, conn) % crowdStagger)
		if i := s.round - begins; i >= 0 && i < crowdSegments {
			ns := s.config.StartNs + s.sent*int64(s.config.Gap)
			s.sent++
			start := len(dst)
			dst = s.append(dst, &s.steps[i], conn)
			return dst[start:], ns, true
		}
	}
}

// append appends a connection's segment.
func (s *Crowd) append(dst []byte, st *crowdStep, conn uint64) []byte {
	start := len(dst)
	dst = append(dst, st.frame...)
	b := dst[start:]
	turn := conn / hostsPerSite
	client := 10<<24 | uint32(turn/portsPerHost)<<8 | uint32(1+conn%hostsPerSite)
	server := 192<<24 | 2<<8 | uint32(1+conn%serverHosts)
	port := uint16(portFirst + turn%portsPerHost)
	iss := mix(^s.config.Seed, conn)
	src, dstAddr, portAt := client, server, offTCP
	seq, ack := uint32(iss)+st.seq, uint32(iss>>32)+st.ack
	if st.dir == wire.ToClient {
		src, dstAddr, portAt = server, client, offTCP+2
		seq, ack = uint32(iss>>32)+st.seq, uint32(iss)+st.ack
	}
	if !st.acks {
		ack = 0
	}
	binary.BigEndian.PutUint32(b[offSrc:], src)
	binary.BigEndian.PutUint32(b[offDst:], dstAddr)
	binary.BigEndian.PutUint16(b[portAt:], port)
	binary.BigEndian.PutUint32(b[offSeq:], seq)
	binary.BigEndian.PutUint32(b[offAck:], ack)
	addrs := uint64(src) + uint64(dstAddr)
	binary.BigEndian.PutUint16(b[offIPSum:], ^fold(st.ip+addrs))
	binary.BigEndian.PutUint16(b[offTCPSum:], ^fold(st.tcp+addrs+uint64(port)+uint64(seq)+uint64(ack)))
	return dst
}

// fold brings a one's complement sum down to 16 bits (RFC 1071 §2).
func fold(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum)
}

// permutation maps the numbers below n onto each other.
type permutation struct {
	n, mask, factor uint64
	half            int
}

// newPermutation returns one of many: those of two rounds have nothing to do with
// each other.
func newPermutation(seed, round, n uint64) permutation {
	w := max(2, bits.Len64(n-1))
	return permutation{n: n, mask: 1<<w - 1, factor: mix(seed, ^round) | 1, half: (w + 1) / 2}
}

// place returns where i goes. Each step can be undone, so no two numbers below
// 2^w meet; one that leaves those below n is sent on until it comes back.
func (p *permutation) place(i uint64) uint64 {
	for {
		for range 2 {
			i = i * p.factor & p.mask
			i ^= i >> p.half
		}
		if i < p.n {
			return i
		}
	}
}
