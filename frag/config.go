package frag

import (
	"errors"
	"fmt"
	"time"
)

// Policy says which fragment an octet is taken from when two bring it. In its
// rules a fragment begins where what is left of it begins.
type Policy uint8

// The policies. Names other than First, Last and Discard are families of hosts
// as Novak 2005 found them.
const (
	First   Policy = iota // the fragment that came first (Windows, Solaris)
	Last                  // the fragment that came last (Cisco IOS)
	BSD                   // the held fragment if it begins at or before the new one
	Linux                 // the held fragment if it begins before the new one (Linux up to 4.18)
	Discard               // none: the datagram is given up (RFC 5722 §4, RFC 8200 §4.5, Linux since 4.19)
	policyCount
)

var policyNames = [policyCount]string{"first", "last", "bsd", "linux", "discard"}

// String returns the policy's name in lower case.
func (p Policy) String() string {
	if p >= policyCount {
		return fmt.Sprintf("policy(%d)", uint8(p))
	}
	return policyNames[p]
}

// Limits and times that a zero Config stands for.
const (
	// octetsDefault is what Linux allows itself (net.ipv4.ipfrag_high_thresh):
	// room for some 1,500 datagrams of two full Ethernet fragments. Too small,
	// and a flood evicts datagrams whose last fragment is under way; too large,
	// and a flood takes the memory from the streams.
	octetsDefault = 4 << 20

	// datagramsDefault lets the octets decide: with at least one page each,
	// 4 MiB hold 3,256 datagrams. The index is made for this many at once.
	datagramsDefault = 4096

	// fragmentsDefault is every datagram there can be, in pieces of eight
	// octets. Their number costs nothing here; lower it to refuse what no
	// network sends.
	fragmentsDefault = 8192

	// timeoutV4Default is Linux's (net.ipv4.ipfrag_time). RFC 1122 §3.3.2 asks
	// hosts for 60 to 120 s, but an identifier of 16 bits comes round sooner
	// than that on a fast path, and then fragments of two datagrams are mixed
	// (RFC 4963).
	timeoutV4Default = 30 * time.Second

	// timeoutV6Default is what RFC 8200 §4.5 says, from the fragment that
	// arrives first.
	timeoutV6Default = 60 * time.Second
)

// Bounds of a Config.
const (
	// octetsMin holds one datagram of any size, so that an insertion always
	// finds room by evicting others.
	octetsMin = pagesPerDatagram * pageBytes
	// octetsMax and datagramsMax keep indices within 32 bits, far beyond use.
	octetsMax    = 1 << 40
	datagramsMax = 1 << 24
	// timeoutMax keeps deadlines from overflowing.
	timeoutMax = 24 * time.Hour
)

// ErrConfig is wrapped by every error of Validate.
var ErrConfig = errors.New("frag: bad config")

// Config sets a Table's limits. The zero value is usable: each field says what
// its zero stands for.
type Config struct {
	Octets    int           // octets of memory for held fragments, at least 84 KiB; 0: 4 MiB
	Datagrams int           // datagrams held at a time; 0: 4096
	Fragments int           // fragments held of one datagram; 0: 8192
	TimeoutV4 time.Duration // from a datagram's first fragment to its giving up; 0: 30 s
	TimeoutV6 time.Duration // the same for IPv6; 0: 60 s
	PolicyV4  Policy        // who wins an overlap; 0: First
	PolicyV6  Policy        // the same for IPv6; 0: First
	Seed      uint64        // of the index; interfaces draw one, captures keep 0
}

// Validate reports every problem of c at once; all wrap ErrConfig.
func (c Config) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	c = c.withDefaults()
	check(c.Octets >= octetsMin && c.Octets <= octetsMax,
		"Octets is %d, not within %d and %d", c.Octets, octetsMin, octetsMax)
	check(c.Datagrams >= 1 && c.Datagrams <= datagramsMax,
		"Datagrams is %d, not within 1 and %d", c.Datagrams, datagramsMax)
	check(c.Fragments >= 2 && c.Fragments <= fragmentsDefault,
		"Fragments is %d, not within 2 and %d", c.Fragments, fragmentsDefault)
	check(c.TimeoutV4 > 0 && c.TimeoutV4 <= timeoutMax,
		"TimeoutV4 is %v, not within 0 and %v", c.TimeoutV4, timeoutMax)
	check(c.TimeoutV6 > 0 && c.TimeoutV6 <= timeoutMax,
		"TimeoutV6 is %v, not within 0 and %v", c.TimeoutV6, timeoutMax)
	check(c.PolicyV4 < policyCount, "PolicyV4 is %v", c.PolicyV4)
	check(c.PolicyV6 < policyCount, "PolicyV6 is %v", c.PolicyV6)
	return errors.Join(problems...)
}

// withDefaults returns c with what its zero fields stand for.
func (c Config) withDefaults() Config {
	if c.Octets == 0 {
		c.Octets = octetsDefault
	}
	if c.Datagrams == 0 {
		c.Datagrams = datagramsDefault
	}
	if c.Fragments == 0 {
		c.Fragments = fragmentsDefault
	}
	if c.TimeoutV4 == 0 {
		c.TimeoutV4 = timeoutV4Default
	}
	if c.TimeoutV6 == 0 {
		c.TimeoutV6 = timeoutV6Default
	}
	return c
}
