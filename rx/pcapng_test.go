package rx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/mbox-stack/mbox/wire"
)

// ng writes pcapng blocks by hand.
type ng struct {
	binary.AppendByteOrder
	out []byte
}

func (w *ng) block(kind uint32, body []byte) {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	total := uint32(len(body) + blockLeast)
	w.out = w.AppendUint32(w.out, kind)
	w.out = w.AppendUint32(w.out, total)
	w.out = append(w.out, body...)
	w.out = w.AppendUint32(w.out, total)
}

// section begins a section in the order o.
func (w *ng) section(o binary.AppendByteOrder) {
	w.AppendByteOrder = o
	body := o.AppendUint32(nil, sectionByteOrder)
	body = o.AppendUint16(body, 1)
	body = o.AppendUint16(body, 0)
	w.block(magicSection, o.AppendUint64(body, math.MaxUint64))
}

func (w *ng) option(b []byte, code uint16, value []byte) []byte {
	b = w.AppendUint16(b, code)
	b = w.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// port adds an interface; options stand before the resolution.
func (w *ng) port(p capturePort, options ...byte) {
	body := w.AppendUint16(nil, uint16(p.link))
	body = w.AppendUint32(append(body, 0, 0), p.snap)
	body = append(body, options...)
	body = w.option(body, optionResolution, []byte{p.resolution})
	if p.offset != 0 {
		body = w.option(body, optionOffset, w.AppendUint64(nil, uint64(p.offset)))
	}
	w.block(blockInterface, w.option(body, optionEnd, nil))
}

func (w *ng) enhanced(id uint32, units uint64, onWire uint32, data []byte) {
	body := w.AppendUint32(nil, id)
	body = w.AppendUint32(body, uint32(units>>32))
	body = w.AppendUint32(body, uint32(units))
	body = w.AppendUint32(body, uint32(len(data)))
	body = append(w.AppendUint32(body, onWire), data...)
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	w.block(blockEnhanced, w.option(body, 1, []byte("a comment")))
}

func (w *ng) simple(onWire uint32, data []byte) {
	w.block(blockSimple, append(w.AppendUint32(nil, onWire), data...))
}

func (w *ng) obsolete(id uint16, units uint64, onWire uint32, data []byte) {
	body := w.AppendUint16(nil, id)
	body = w.AppendUint16(body, 0xffff) // drops: unknown
	body = w.AppendUint32(body, uint32(units>>32))
	body = w.AppendUint32(body, uint32(units))
	body = w.AppendUint32(body, uint32(len(data)))
	w.block(blockPacket, append(w.AppendUint32(body, onWire), data...))
}

// everything writes a capture with all that pcapng has, and what is in it.
func everything() (data []byte, want []Frame) {
	w := &ng{}
	payload := func(n int) []byte { return bytes.Repeat([]byte{byte(n)}, n) }
	expect := func(n int, at int64, onWire uint32, link wire.LinkType) {
		want = append(want, Frame{Data: payload(n), Timestamp: at, WireLen: onWire, Link: link})
	}
	for i, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian, binary.LittleEndian} {
		w.section(o)
		w.block(0x80000001, payload(401)) // a local block
		w.port(capturePort{link: 1, resolution: 6, snap: 64}, w.option(nil, 2, []byte("eth0"))...)
		w.enhanced(0, 1_000_000+uint64(i), 200, payload(61))
		expect(61, int64(1_000_000+i)*1000, 200, 1)
		w.port(capturePort{link: 101, resolution: 9, offset: 3600})
		w.block(5, payload(44)) // interface statistics
		w.enhanced(1, 5_000_000_001, 62, payload(62))
		expect(62, 3605_000_000_001, 62, 101)
		w.simple(2000, payload(64)) // cut by the snap length of interface 0
		expect(64, 0, 2000, 1)
		w.simple(3, payload(3))
		expect(3, 0, 3, 1)
		w.block(4, payload(1000)) // names
		w.obsolete(1, 7_000_000_001, 65, payload(65))
		expect(65, 3607_000_000_001, 65, 101)
		w.block(blockEnhanced, payload(8))                              // too short for its fields: passed over
		w.block(blockInterface, payload(4))                             // likewise
		w.block(blockPacket, w.AppendUint64(nil, 0xffff_ffff_ffff))     // likewise
		w.obsolete(9, 1, 1, payload(1))                                 // of no interface: passed over
		w.block(blockSimple, nil)                                       // too short
		w.port(capturePort{link: 113, resolution: 0x80 | 10, snap: 10}) // units of 1/1024 s
		w.enhanced(2, 3*1024+512, 66, payload(66))
		expect(66, 3_500_000_000, 66, 113)
	}
	return w.out, want
}

// TestPcapngBlocks reads every kind of block, in sections of different orders
// of octets, through blocks of memory so short that most records straddle two.
func TestPcapngBlocks(t *testing.T) {
	data, want := everything()
	for _, octets := range []int{16, 100, 1000, blockOctets} {
		got, err := drain(t, bytesCapture(octets, data))
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, want)
	}
}

// TestPcapngWriter has pcapgo as the oracle, both its writer and its reader.
func TestPcapngWriter(t *testing.T) {
	frames := sampleFrames(11, 300, 1600)
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{Name: "a", LinkType: layers.LinkTypeEthernet, TimestampResolution: 9}, pcapgo.NgWriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.AddInterface(pcapgo.NgInterface{Name: "b", LinkType: layers.LinkTypeRaw, TimestampResolution: 9})
	if err != nil {
		t.Fatal(err)
	}
	for i := range frames {
		ci := info(&frames[i])
		if i%3 == 0 {
			ci.InterfaceIndex, frames[i].Link = second, wire.LinkType(layers.LinkTypeRaw)
		}
		if err := w.WritePacket(ci, frames[i].Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := drain(t, bytesCapture(4096, b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	diff(t, got, frames)

	r, err := pcapgo.NewNgReader(bytes.NewReader(b.Bytes()), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		data, ci, err := r.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(data, got[i].Data) || ci.Timestamp.UnixNano() != got[i].Timestamp || ci.Length != int(got[i].WireLen) {
			t.Fatalf("frame %d differs from pcapgo's", i+1)
		}
	}
}

// TestPcapngDamage: what contradicts itself ends the capture, where it begins.
func TestPcapngDamage(t *testing.T) {
	type damage struct {
		name string
		text string
		do   func(w *ng)
	}
	for _, tc := range []damage{
		{"length no multiple of 4", "with a length of 13", func(w *ng) {
			w.out = w.AppendUint64(w.out, 13<<32|7)
			w.out = append(w.out, "more"...)
		}},
		{"length below 12", "with a length of 8", func(w *ng) {
			w.out = append(w.AppendUint64(w.out, 8<<32|7), "more"...)
		}},
		{"unknown interface", "a packet of interface 1, the section has 1", func(w *ng) { w.enhanced(1, 0, 4, []byte("octets")) }},
		{"captured length", "the packet claims 4000 octets, its block has 20", func(w *ng) {
			w.enhanced(0, 0, 4, []byte("octs"))
			binary.LittleEndian.PutUint32(w.out[len(w.out)-4-16-4-8:], 4000)
		}},
		{"byte-order magic", "a section whose byte-order magic is 11223344", func(w *ng) {
			w.section(binary.LittleEndian)
			copy(w.out[len(w.out)-20:], "\x11\x22\x33\x44")
		}},
		{"packet block too long", "a packet block of 3000000 octets", func(w *ng) {
			w.out = append(w.AppendUint64(w.out, 3_000_000<<32|blockEnhanced), "more"...)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := &ng{}
			w.section(binary.LittleEndian)
			w.port(capturePort{link: 1, resolution: 6})
			w.enhanced(0, 1, 4, []byte("good"))
			w.block(5, make([]byte, 1000)) // passed over, in many blocks of memory
			at := len(w.out)
			tc.do(w)
			got, err := drain(t, bytesCapture(64, w.out))
			want := fmt.Sprintf("test: damaged at octet %d, after packet 1: ", at)
			if len(got) != 1 || !errors.Is(err, ErrDamaged) || err.Error()[:min(len(want), len(err.Error()))] != want {
				t.Fatalf("%d frames, error %q, want %q...", len(got), err, want)
			}
			if !bytes.Contains([]byte(err.Error()), []byte(tc.text)) {
				t.Errorf("error %q, want %q in it", err, tc.text)
			}
		})
	}
}

// TestInterfacesAreBounded: a flood of interfaces takes bounded memory.
func TestInterfacesAreBounded(t *testing.T) {
	w := &ng{}
	w.section(binary.LittleEndian)
	for range interfacesMax + 10 {
		w.port(capturePort{link: 1, resolution: 6})
	}
	w.enhanced(interfacesMax-1, 1, 4, []byte("last"))
	w.enhanced(interfacesMax, 1, 4, []byte("none"))
	got, err := drain(t, bytesCapture(blockOctets, w.out))
	if len(got) != 1 || !errors.Is(err, ErrDamaged) {
		t.Fatalf("%d frames, error %v", len(got), err)
	}
}

// TestTimestampResolution computes if_tsresol and if_tsoffset at their ends.
func TestTimestampResolution(t *testing.T) {
	const at = 1_700_000_000
	for _, tc := range []struct {
		units      uint64
		resolution uint8
		offset     int64
		want       int64
	}{
		{at * 1_000_000, 6, 0, at * second},
		{at, 0, 0, at * second},
		{at * 10, 1, 0, at * second},
		{at * 1e9, 9, 0, at * second},
		{at*1_000_000 + 1, 6, -at, 1000},
		{0, 6, at, at * second},
		{17_000_000_000_000_000_000, 10, 0, 1_700_000_000 * second},
		{17_000_000_000_000_000_000, 19, 0, 1_700_000_000},
		{math.MaxUint64, 28, 0, 1},
		{math.MaxUint64, 29, 0, 0},
		{math.MaxUint64, 127, 0, 0},
		{math.MaxUint64, 0, 0, timestampMax},
		{math.MaxUint64, 9, 0, timestampMax},
		{math.MaxUint64, 6, 0, timestampMax},
		{math.MaxUint64, 6, math.MaxInt64, timestampMax},
		{math.MaxUint64, 6, math.MinInt64, 0},
		{5, 6, math.MinInt64, 0},
		{at << 32, 0x80 | 32, 0, at * second},
		{at<<20 | 1<<19, 0x80 | 20, 0, at*second + second/2},
		{at, 0x80, 0, at * second},
		{math.MaxUint64, 0x80 | 64, 0, second - 1},
		{math.MaxUint64, 0x80 | 93, 0, 1},
		{math.MaxUint64, 0x80 | 127, 0, 0},
		{math.MaxUint64, 0x80 | 10, 0, timestampMax},
	} {
		p := capturePort{resolution: tc.resolution, offset: tc.offset}
		if got := p.nanoseconds(tc.units); got != tc.want {
			t.Errorf("%d units of %#x + %d s: %d ns, want %d", tc.units, tc.resolution, tc.offset, got, tc.want)
		}
	}
}

// TestClock: never backwards; a step of more than a second re-bases it.
func TestClock(t *testing.T) {
	const at = int64(time.Hour)
	var c clock
	for i, tc := range []struct{ stamp, want int64 }{
		{0, 0}, // no time yet
		{at, at},
		{at + 10, at + 10},
		{at + 5, at + 10}, // disorder: it stands
		{at + 10 - second, at + 10},
		{0, at + 10},               // no time given
		{at + 20, at + 20},         //
		{at - second, at + 20},     // stepped back: re-based
		{at - second + 7, at + 27}, // and goes on from there
		{at - second, at + 27},     // disorder after it
		{math.MaxInt64, timestampMax},
		{at, timestampMax},
		{math.MaxInt64, timestampMax},
		{-5, timestampMax},
	} {
		if got := c.stamp(tc.stamp); got != tc.want {
			t.Fatalf("stamp %d (%d): clock %d, want %d", i, tc.stamp, got, tc.want)
		}
	}
	if c.steps != 2 || c.late != 3 {
		t.Errorf("%d steps and %d late, want 2 and 3", c.steps, c.late)
	}
}
