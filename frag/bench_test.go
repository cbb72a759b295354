package frag

import (
	"testing"

	"github.com/mbox-stack/mbox/wire"
)

// BenchmarkFlood inserts fragments that never complete into a full table.
func BenchmarkFlood(b *testing.B) {
	table := New(Config{})
	p, data := piece{host: 1, octets: text(1, 512), more: true}.make()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		rename(data, uint32(i))
		p.Key.Scope = uint64(i >> 16)
		table.Insert(&p, data, int64(i))
	}
}

// BenchmarkDatagram completes datagrams of two full Ethernet frames; an
// operation is both.
func BenchmarkDatagram(b *testing.B) {
	table := New(Config{})
	first, firstData := piece{host: 1, octets: text(1, 1480), more: true}.make()
	last, lastData := piece{host: 1, off: 1480, octets: text(1, 1480)}.make()
	b.SetBytes(2960)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		rename(firstData, uint32(i))
		rename(lastData, uint32(i))
		table.Insert(&first, firstData, int64(i))
		table.Insert(&last, lastData, int64(i))
	}
}

// BenchmarkTiny completes datagrams of 8,000 octets in pieces of eight, in
// reverse; an operation is one fragment.
func BenchmarkTiny(b *testing.B) {
	table := New(Config{})
	var frames [1000][]byte
	var p wire.Packet
	for at := range frames {
		p, frames[at] = piece{host: 1, octets: text(1, 8), off: at * 8, more: at < 999}.make()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		data := frames[999-i%1000]
		rename(data, uint32(i/1000))
		table.Insert(&p, data, int64(i))
	}
}
