package main

import "time"

// counter numbers what is counted of a server, of a host, or of all of them.
type counter uint8

// The counters. Those of attempts and connections come from TCP's state; in
// packet mode there is none, and flags are counted instead.
const (
	cOpened     counter = iota // connections that both ends have established, or that were picked up
	cClosed                    // of them, those that are over
	cFailed                    // attempts that ended without a connection
	cPackets                   // two: sent by clients, by servers
	cPacketsS                  //
	cOctets                    // two: payload
	cOctetsS                   //
	cRexmits                   // two: segments that repeat something
	cRexmitsS                  //
	cGap                       // octets that passed unseen, both ways
	cRTTClient                 // sum of handshakes' client halves, ns
	cRTTClients                // how many
	cRTTServer                 //
	cRTTServers                //
	cSYN                       // packet mode: segments with SYN only,
	cSYNACK                    // with SYN and ACK,
	cFIN                       // with FIN,
	cRST                       // with RST
	counters
)

// counts is what has been counted. The zero value is nothing yet.
type counts [counters]uint64

func (t *counts) add(o *counts) {
	for i := range t {
		t[i] += o[i]
	}
}

func (t *counts) zero() bool { return *t == counts{} }

// open returns how many connections there are.
func (t *counts) open() uint64 { return t[cOpened] - min(t[cOpened], t[cClosed]) }

func (t *counts) packets() uint64 { return t[cPackets] + t[cPacketsS] }
func (t *counts) octets() uint64  { return t[cOctets] + t[cOctetsS] }
func (t *counts) rexmits() uint64 { return t[cRexmits] + t[cRexmitsS] }

// rtt returns the mean of a half of the handshakes, 0 if none was timed.
func (t *counts) rtt(sum counter) time.Duration {
	if t[sum+1] == 0 {
		return 0
	}
	return time.Duration(t[sum] / t[sum+1])
}

// rttBoth returns the mean round-trip time between both ends, 0 if not known.
func (t *counts) rttBoth() time.Duration {
	c, s := t.rtt(cRTTClient), t.rtt(cRTTServer)
	if c == 0 || s == 0 {
		return 0
	}
	return c + s
}

// share returns a part of a whole, between 0 and 1.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// rexmitShare returns which share of the packets repeats something.
func (t *counts) rexmitShare() float64 { return share(t.rexmits(), t.packets()) }

// gapShare returns which share of the octets passed unseen.
func (t *counts) gapShare() float64 { return share(t[cGap], t.octets()+t[cGap]) }
