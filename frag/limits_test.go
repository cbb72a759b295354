package frag

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"unsafe"
)

func TestLimits(t *testing.T) {
	flood := func(table *Table, n int, c piece) {
		for i := range n {
			c.id, c.host, c.scope = uint32(i)&0xffff, uint8(i>>16), uint64(i>>24)
			insert(table, c, int64(i))
		}
		table.check(t)
	}
	t.Run("octets", func(t *testing.T) {
		table := New(Config{Octets: 100 * pageBytes})
		flood(table, 5000, piece{off: 8, octets: text(1, 1480), more: true})
		s := table.Stats()
		if s.Octets != 100*pageBytes || s.Datagrams != 50 || s.OctetsFull != 4950 || s.Evicted != 4950 || s.Disposed() != 5000 {
			t.Fatalf("%+v", s)
		}
		if table.families[0].oldest == 0 || table.datagrams.at(table.families[0].oldest).born != 4950 {
			t.Fatal("not the oldest were evicted")
		}
	})
	t.Run("datagrams", func(t *testing.T) {
		table := New(Config{Datagrams: 10})
		flood(table, 1000, piece{version: 6, off: 8, octets: text(1, 8), more: true})
		if s := table.Stats(); s.Datagrams != 10 || s.DatagramsFull != 990 || s.Evicted != 990 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("fragments", func(t *testing.T) {
		table := New(Config{Fragments: 3})
		for n := range 5 {
			insert(table, piece{off: 8 + 16*n, octets: text(1, 8), more: true}, 0)
		}
		if s := table.Stats(); s.Held != 3 || s.Bad != 2 || s.Anomalies[7] != 2 {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("chain", func(t *testing.T) {
		table := New(Config{Datagrams: 4096})
		table.shift = 63 // all keys in two buckets, as one who knows the seed can have it
		table.buckets = table.buckets[:2]
		flood(table, 1000, piece{off: 8, octets: text(1, 8), more: true})
		if s := table.Stats(); s.Datagrams != 2*chainMax || s.ChainFull != 1000-2*chainMax {
			t.Fatalf("%+v", s)
		}
	})
}

// TestLimitSparesTheNewest: the datagram that a fragment belongs to is not
// evicted for it, be it the oldest, and the other family's is if it is older.
func TestLimitSparesTheNewest(t *testing.T) {
	table := New(Config{Octets: octetsMin})
	half := pagesPerDatagram / 2 * pageOctets
	insert(table, piece{version: 6, host: 1, octets: text(1, 8), more: true}, 1)
	insert(table, piece{host: 2, off: 8, octets: text(1, half-8), more: true}, 2)
	insert(table, piece{host: 3, off: 8, octets: text(1, 8), more: true}, 3)
	insert(table, piece{version: 6, host: 1, off: 8, octets: text(1, half+1024), more: true}, 4)
	s := table.Stats()
	if s.OctetsFull != 1 || s.Held != 3 || s.Datagrams != 2 {
		t.Fatalf("%+v", s)
	}
	table.check(t)
}

// TestLimitEvictsTheOldest of both families.
func TestLimitEvictsTheOldest(t *testing.T) {
	for _, versions := range [][3]uint8{{4, 6, 4}, {4, 6, 6}, {6, 4, 4}, {6, 4, 6}} {
		table := New(Config{Datagrams: 2})
		for i, version := range versions {
			insert(table, piece{version: version, host: uint8(i), octets: text(1, 8), more: true}, int64(i))
		}
		p, data := piece{version: versions[0], host: 0, off: 8, octets: text(1, 8)}.make()
		if packet, _ := table.Insert(&p, data, 3); packet != nil {
			t.Errorf("%v: the oldest was not evicted", versions)
		}
		p, data = piece{version: versions[2], host: 2, off: 8, octets: text(1, 8)}.make()
		if packet, _ := table.Insert(&p, data, 3); packet == nil {
			t.Errorf("%v: the youngest was evicted", versions)
		}
	}
}

// TestRandomUnderLimits inserts fragments of many datagrams, out of order and
// repeated, into tables that are too small for them: the table stays consistent,
// and what comes out is what went in.
func TestRandomUnderLimits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var wholes [24][]byte
	var pieces [24][]piece
	for id := range wholes {
		wholes[id] = text(byte(id), 8+id*700)
		pieces[id] = split(piece{version: 4 + uint8(id)%2*2, host: uint8(id), id: uint32(id)}, wholes[id], 8*(1+id*12))
	}
	completed := 0
	for round := range 6 {
		table := New(Config{Octets: octetsMin, Datagrams: 8 << (round % 3), Fragments: 12, Seed: uint64(round)})
		for i := range 2000 {
			id := random.IntN(len(pieces))
			packet, _ := insert(table, pieces[id][random.IntN(len(pieces[id]))], int64(i)*second/50)
			if packet != nil {
				completed++
				if whole := wholes[id]; !bytes.HasSuffix(packet, whole) || len(packet) != len(whole)+20+20*(id%2) {
					t.Fatalf("datagram %d comes out as %d octets", id, len(packet))
				}
			}
			if s := table.Stats(); s.Received != s.Disposed() || s.Octets > octetsMin {
				t.Fatalf("%+v", s)
			}
			if i%32 == 0 {
				table.check(t)
			}
		}
	}
	if completed < 100 {
		t.Errorf("only %d datagrams completed", completed)
	}
}

// TestFloodSparesOthers: datagrams that come while a flood of fragments that
// never complete goes on are completed as without it, and the flood takes no
// more memory than the limits say.
func TestFloodSparesOthers(t *testing.T) {
	const rounds = 20000
	table := New(Config{})
	whole := text(9, 2800)
	completed := 0
	for i := range rounds {
		clock := int64(i) * 1000
		insert(table, piece{host: 7, id: uint32(i), scope: uint64(i >> 16), octets: text(1, 512), more: true}, clock)
		if i%100 == 0 {
			for _, c := range split(piece{host: 1, id: uint32(i / 100)}, whole, 1400) {
				insert(table, piece{host: 8, id: uint32(i), scope: uint64(c.off), off: 8, octets: text(1, 8), more: true}, clock)
				if packet, _ := insert(table, c, clock); packet != nil && bytes.Equal(packet[20:], whole) {
					completed++
				}
			}
		}
	}
	if completed != rounds/100 {
		t.Errorf("completed %d of %d", completed, rounds/100)
	}
	memory := len(table.pages.chunks)*slabChunk*pageBytes + len(table.datagrams.chunks)*slabChunk*int(unsafe.Sizeof(datagram{}))
	if limit := octetsDefault + datagramsDefault*400; memory > limit {
		t.Errorf("slabs of %d octets, limit %d", memory, limit)
	}
	table.check(t)
}

// TestInsertDoesNotAllocate: a fragment that completes nothing allocates nothing
// in a table that has reached its size; one that does allocates its datagram.
func TestInsertDoesNotAllocate(t *testing.T) {
	table := New(Config{Octets: octetsMin, Datagrams: 16})
	p, data := piece{host: 1, off: 8, octets: text(1, 1480), more: true}.make()
	id := uint32(0)
	held := func() {
		id++
		rename(data, id)
		table.Insert(&p, data, int64(id))
	}
	for range 1000 {
		held()
	}
	if n := testing.AllocsPerRun(1000, held); n != 0 {
		t.Errorf("a fragment that is held allocates %v times", n)
	}
	first, firstData := piece{host: 2, octets: text(1, 1480), more: true}.make()
	last, lastData := piece{host: 2, off: 1480, octets: text(1, 99)}.make()
	if n := testing.AllocsPerRun(1000, func() {
		id++
		rename(firstData, id)
		rename(lastData, id)
		table.Insert(&first, firstData, int64(id))
		if packet, _ := table.Insert(&last, lastData, int64(id)); packet == nil {
			t.Fatal("not completed")
		}
	}); n != 1 {
		t.Errorf("a datagram allocates %v times", n)
	}
}
