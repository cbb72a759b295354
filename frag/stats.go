package frag

import (
	"strings"

	"github.com/mbox-stack/mbox/wire"
)

// Disposition is what became of a fragment.
type Disposition uint8

// The dispositions that Insert returns. A fragment that is Held becomes merged,
// expired, evicted or bad later, with its datagram; Stats counts those.
const (
	Held      Disposition = iota // copied; its datagram is not complete
	Completed                    // it brought the octets that were missing
	Duplicate                    // it brought nothing new
	Bad                          // refused; Anomalies says why
)

// String returns the disposition's name in lower case.
func (d Disposition) String() string {
	switch d {
	case Held:
		return "held"
	case Completed:
		return "completed"
	case Duplicate:
		return "duplicate"
	}
	return "bad"
}

// Anomaly is a set of things about fragments that RFC 791 and RFC 8200 do not
// expect: the sender's doing, counted and reported, never an error.
type Anomaly uint16

// The anomalies. Names are Suricata's where it has the thing.
const (
	// AnomalyTooLarge: the datagram would exceed 65,535 octets (RFC 791 §3.1,
	// RFC 8200 §4.5). Refused.
	AnomalyTooLarge Anomaly = 1 << iota
	// AnomalyInvalidLength: more fragments follow, and the length is no multiple
	// of eight. Refused in IPv6 (RFC 8200 §4.5); IPv4 takes its octets.
	AnomalyInvalidLength
	// AnomalyEmpty: no octets, and more fragments follow. Refused.
	AnomalyEmpty
	// AnomalyOverlap: some of its octets, but not the same fragment, were held.
	AnomalyOverlap
	// AnomalyConflict: octets differ from those that were held.
	AnomalyConflict
	// AnomalySizeConflict: two last fragments end at different places, or octets
	// lie behind the last one. The first end counts.
	AnomalySizeConflict
	// AnomalyTiny: TCP, and the first fragment ends within the fixed header, or
	// a later one begins there (RFC 1858 §3, RFC 3128).
	AnomalyTiny
	// AnomalyTooMany: the datagram has Config.Fragments already. Refused.
	AnomalyTooMany
	// AnomalyHeader: the headers before the fragment header exceed headerMax, or
	// contradict themselves. Refused.
	AnomalyHeader
	// AnomalyTruncated: fewer octets were captured than the header announces. A
	// fragment without any is refused.
	AnomalyTruncated
	anomalyEnd
)

// AnomalyCount is the number of anomalies.
const AnomalyCount = 10

var anomalyNames = [AnomalyCount]string{
	"frag_pkt_too_large",
	"frag_invalid_length",
	"frag_empty",
	"frag_overlap",
	"frag_conflict",
	"frag_size_conflict",
	"frag_tiny",
	"frag_too_many",
	"frag_bad_header",
	"frag_truncated",
}

// String returns the names of the anomalies in a, joined by commas; none is "".
func (a Anomaly) String() string {
	var names []string
	for i, name := range anomalyNames {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// Verdict is what Insert made of a fragment.
type Verdict struct {
	Disposition Disposition
	Anomalies   Anomaly // of this fragment
	// Datagram has the anomalies of all the datagram's fragments, duplicates
	// included; valid iff Completed.
	Datagram Anomaly
	// Marks are to be added to those of the datagram once it is parsed: bad IP
	// header checksums and broken outer headers of its fragments, and whether
	// its end was cut; valid iff Completed.
	Marks wire.Marks
}

// Stats counts what a Table did. Each fragment received is in exactly one of
// the dispositions:
//
//	Received = Held + Merged + Completed + Duplicate + Expired + Evicted + Bad
type Stats struct {
	Received uint64 // fragments given to Insert

	Held      uint64 // fragments whose datagram is still waited for
	Merged    uint64 // fragments that were held and became part of a datagram
	Completed uint64 // fragments that completed a datagram; so many datagrams were
	Duplicate uint64 // fragments that brought nothing new
	Expired   uint64 // fragments whose datagram took too long
	Evicted   uint64 // fragments whose datagram had to make room
	Bad       uint64 // fragments refused, and those given up with a discarded datagram

	Datagrams uint64 // datagrams waited for
	Octets    uint64 // octets of memory in use for fragments, at most Config.Octets

	DatagramsExpired uint64 // datagrams that took too long
	OctetsFull       uint64 // datagrams evicted because Config.Octets was used up
	DatagramsFull    uint64 // datagrams evicted because there were Config.Datagrams
	ChainFull        uint64 // datagrams evicted because chainMax keys shared a bucket

	Anomalies [AnomalyCount]uint64 // fragments; entry i counts Anomaly(1 << i)
}

// Disposed returns the sum of all dispositions and of what is held. It equals
// Received.
func (s *Stats) Disposed() uint64 {
	return s.Held + s.Merged + s.Completed + s.Duplicate + s.Expired + s.Evicted + s.Bad
}

// note counts the anomalies of one fragment.
func (s *Stats) note(a Anomaly) {
	for i := 0; a != 0; i, a = i+1, a>>1 {
		s.Anomalies[i] += uint64(a & 1)
	}
}
