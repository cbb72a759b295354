package craft

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/mbox-stack/mbox/wire"
)

func path4() Path {
	return Path{Src: netip.MustParseAddrPort("10.0.0.1:40000"), Dst: netip.MustParseAddrPort("192.0.2.80:80")}
}

func path6() Path {
	return Path{Src: netip.MustParseAddrPort("[2001:db8::1]:40000"), Dst: netip.MustParseAddrPort("[2001:db8::80]:80")}
}

// syn is what a Linux client sends first.
var syn = TCP{
	Seq: 0xfffffff0, Flags: wire.SYN | wire.ECE | wire.CWR | wire.AE, Wnd: 64240, MSS: 1460, WScale: 7, TSVal: 7, TSEcr: 0,
	Opts: wire.OptMSS | wire.OptSACKOK | wire.OptTimestamp | wire.OptWScale,
}

// remade decodes a frame with gopacket, has it written again with lengths and
// checksums of gopacket's own, and returns that: equal to the frame iff every
// field, length and checksum of it is right.
func remade(t *testing.T, frame []byte, first gopacket.LayerType) []byte {
	t.Helper()
	pkt := gopacket.NewPacket(frame, first, gopacket.Default)
	if e := pkt.ErrorLayer(); e != nil {
		t.Fatalf("gopacket: %v\n% x", e.Error(), frame)
	}
	var ls []gopacket.SerializableLayer
	for _, l := range pkt.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			_ = l.SetNetworkLayerForChecksum(pkt.NetworkLayer())
		case *layers.UDP:
			_ = l.SetNetworkLayerForChecksum(pkt.NetworkLayer())
		case *layers.ICMPv6:
			_ = l.SetNetworkLayerForChecksum(pkt.NetworkLayer())
		}
		ls = append(ls, l.(gopacket.SerializableLayer))
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ls...); err != nil {
		t.Fatal(err)
	}
	got := buf.Bytes()
	if len(frame) < 60 && len(got) == 60 {
		got = got[:len(frame)] // gopacket pads every Ethernet frame
	}
	return got
}

func TestFramesEqualGopacketsOwn(t *testing.T) {
	tagged := path4()
	tagged.Tags = []Tag{{Type: 0x88a8, TCI: 100}, {TCI: 7}}
	bare := path6()
	bare.Link = Bare
	busy := path4()
	busy.TTL, busy.TOS, busy.ID, busy.DontFragment = 3, 0xb8, 0x1234, true
	text := []byte("GET / HTTP/1.0\r\n\r\n!")
	for _, c := range []struct {
		name string
		path Path
	}{{"v4", path4()}, {"v6", path6()}, {"tagged", tagged}, {"bare v6", bare}, {"fields", busy}} {
		t.Run(c.name, func(t *testing.T) {
			first := gopacket.LayerType(layers.LayerTypeEthernet)
			if c.path.Link == Bare {
				first = layers.LayerTypeIPv6
			}
			for name, frame := range map[string][]byte{
				"syn":  AppendTCP(nil, &c.path, &syn, nil),
				"data": AppendTCP(nil, &c.path, &TCP{Seq: 1, Ack: 2, Flags: wire.PSH | wire.ACK, Wnd: 9, Urg: 3}, text),
				"udp":  AppendUDP(nil, &c.path, text),
			} {
				if got := remade(t, frame, first); !bytes.Equal(got, frame) {
					t.Errorf("%s:\ngot  % x\nwant % x", name, frame, got)
				}
			}
		})
	}
}

func TestOptionsRoundTrip(t *testing.T) {
	p := path4()
	in := TCP{
		Flags: wire.ACK, Opts: wire.OptTimestamp | wire.OptSACK | wire.OptTFO,
		TSVal: 0x01020304, TSEcr: 0x05060708, SACK: []SACKBlock{{10, 20}, {30, 40}}, Cookie: []byte{1, 2},
	}
	frame := AppendTCP(nil, &p, &in, nil)
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	tcp := pkt.TransportLayer().(*layers.TCP)
	var kinds []byte
	for _, o := range tcp.Options {
		kinds = append(kinds, byte(o.OptionType))
	}
	if want := []byte{1, 1, 8, 1, 1, 5, 34}; !bytes.Equal(kinds, want) {
		t.Fatalf("kinds %v, want %v", kinds, want)
	}
	if d := tcp.Options[5].OptionData; binary.BigEndian.Uint32(d[12:]) != 40 {
		t.Errorf("SACK blocks % x", d)
	}
	if len(tcp.Contents)%4 != 0 || len(tcp.Contents) > 60 {
		t.Errorf("header of %d octets", len(tcp.Contents))
	}
}

func TestMalformedOptionIsMalformed(t *testing.T) {
	p := path4()
	frame := AppendTCP(nil, &p, &TCP{Opts: wire.OptMalformed | wire.OptMPTCP}, nil)
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if pkt.ErrorLayer() == nil {
		t.Error("gopacket reads the options without complaint")
	}
}

// RFC 1071 §1, against the slow twin, for every alignment of the fast loop.
func TestChecksum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 200 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if got, want := ^fold(sum(b, 0)), slowChecksum(b); got != want && got^want != 0xffff {
			t.Fatalf("%d octets: %04x, want %04x", n, got, want)
		}
	}
	if got := ^fold(sum(bytes.Repeat([]byte{0xff}, 65534), 0)); got != 0 {
		t.Errorf("all ones: %04x", got)
	}
}

func TestFaults(t *testing.T) {
	text := []byte("text")
	for _, c := range []struct {
		name   string
		faults Faults
		off    int // of the field that differs, from the IP header
	}{
		{"ip checksum", BadIPChecksum, 10},
		{"length zero", LengthZero, 2},
		{"checksum", BadChecksum, 36},
		{"partial", PartialChecksum, 36},
		{"none", NoChecksum, 36},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := path4()
			p.Link = Bare
			right := AppendTCP(nil, &p, &syn, text)
			p.Faults = c.faults
			wrong := AppendTCP(nil, &p, &syn, text)
			if len(right) != len(wrong) {
				t.Fatal("the fault changes the length")
			}
			for i := range right {
				// A wrong length changes the IP checksum with it.
				field := i&^1 == c.off || c.faults == LengthZero && i&^1 == 10
				if right[i] != wrong[i] && !field {
					t.Errorf("octet %d differs", i)
				}
			}
			if bytes.Equal(right[c.off:c.off+2], wrong[c.off:c.off+2]) {
				t.Error("the field is right")
			}
		})
	}
	for c := range 1 << 16 {
		if s := spoil(uint16(c)); s == 0 || s%0xffff == uint16(c)%0xffff {
			t.Fatalf("spoil(%04x) = %04x", c, s)
		}
	}
}

// RFC 768: a checksum that comes out as zero is sent as all ones.
func TestUDPChecksumIsNeverZeroByChance(t *testing.T) {
	p := path4()
	p.Link = Bare
	payload := []byte{0, 0}
	c := binary.BigEndian.Uint16(AppendUDP(nil, &p, payload)[26:])
	binary.BigEndian.PutUint16(payload, c) // now the sum is all ones, its complement 0
	if got := binary.BigEndian.Uint16(AppendUDP(nil, &p, payload)[26:]); got != 0xffff {
		t.Errorf("checksum %04x", got)
	}
}

// RFC 791 §3.2 and RFC 8200 §4.5: the fragments, put together, are the datagram.
func TestFragments(t *testing.T) {
	for _, p := range []Path{path4(), path6()} {
		p.Link = Bare
		body := AppendDatagram(nil, &p, bytes.Repeat([]byte("0123456789"), 20))
		var got []byte
		frames := Fragments(&p, wire.ProtoUDP, 77, body, 70)
		for i, f := range frames {
			var off, id int
			var more bool
			if f[0]>>4 == 4 {
				word := binary.BigEndian.Uint16(f[6:])
				off, more, id = int(word&0x1fff)*8, word&0x2000 != 0, int(binary.BigEndian.Uint16(f[4:]))
				f = f[20:]
			} else {
				word := binary.BigEndian.Uint16(f[42:])
				off, more, id = int(word&^7), word&1 != 0, int(binary.BigEndian.Uint32(f[44:]))
				if f[6] != 44 || f[40] != 17 {
					t.Errorf("next headers %d, %d", f[6], f[40])
				}
				f = f[48:]
			}
			if off != len(got) || id != 77 || more != (i < len(frames)-1) {
				t.Errorf("fragment %d: offset %d, id %d, more %v", i, off, id, more)
			}
			got = append(got, f...)
		}
		if !bytes.Equal(got, body) || len(frames) != 4 {
			t.Errorf("%d fragments do not make the datagram", len(frames))
		}
	}
}

func TestExtensionsAndIPOptions(t *testing.T) {
	p := path6()
	p.Extensions = []Extension{{Header: 0, Body: []byte{1, 4, 0, 0, 0, 0}}, {Header: 60, Body: make([]byte, 7)}}
	frame := AppendUDP(nil, &p, []byte("x"))
	pkt := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	if pkt.Layer(layers.LayerTypeIPv6Destination) == nil || pkt.Layer(layers.LayerTypeUDP) == nil {
		t.Errorf("layers: %v", pkt)
	}
	q := path4()
	q.IPOptions = []byte{7, 3, 4}
	frame = AppendUDP(nil, &q, []byte("x"))
	if got := remade(t, frame, layers.LayerTypeEthernet); !bytes.Equal(got, frame) {
		t.Errorf("got  % x\nwant % x", frame, got)
	}
}

func TestICMP(t *testing.T) {
	for _, c := range []struct {
		path  Path
		m     ICMP
		first gopacket.LayerType
	}{
		{path4(), ICMP{Type: 3, Code: 3}, layers.LayerTypeIPv4},
		{path6(), ICMP{Type: 1, Code: 4}, layers.LayerTypeIPv6},
	} {
		frame := AppendTCP(nil, &c.path, &syn, nil)
		answer := c.path.Reverse()
		answer.Link = Bare
		got := AppendICMP(nil, &answer, &c.m, frame[c.path.LinkOctets():])
		if want := remade(t, got, c.first); !bytes.Equal(got, want) {
			t.Errorf("got  % x\nwant % x", got, want)
		}
	}
}

func TestARP(t *testing.T) {
	p := path4()
	p.PadTo = 60
	frame := AppendARP(nil, &p, ARPRequest)
	arp := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default).Layer(layers.LayerTypeARP).(*layers.ARP)
	if arp.Operation != 1 || !bytes.Equal(arp.DstProtAddress, []byte{192, 0, 2, 80}) || !bytes.Equal(arp.DstHwAddress, make([]byte, 6)) {
		t.Errorf("%+v", arp)
	}
	if len(frame) != 60 || MAC(frame[:6]) != Broadcast {
		t.Errorf("% x", frame)
	}
	if reply := AppendARP(nil, &p, ARPReply); !bytes.Equal(reply[:6], []byte{2, 0, 192, 0, 2, 80}) {
		t.Errorf("% x", reply)
	}
}

func TestPaddingIsNoPayload(t *testing.T) {
	p := path4()
	p.PadTo = 60
	frame := AppendTCP([]byte("before"), &p, &TCP{Flags: wire.ACK}, nil)[len("before"):]
	if len(frame) != 60 || binary.BigEndian.Uint16(frame[16:]) != 40 {
		t.Errorf("%d octets, total length %d", len(frame), binary.BigEndian.Uint16(frame[16:]))
	}
}

// A path is used again and again: an Append that left something behind in it
// would change the second frame.
func TestAppendIsRepeatable(t *testing.T) {
	p := path6()
	p.Tags = []Tag{{TCI: 5}}
	a := AppendTCP(nil, &p, &syn, []byte("a"))
	_ = p.Reverse()
	_ = AppendUDP(nil, &p, []byte("b"))
	if b := AppendTCP(nil, &p, &syn, []byte("a")); !bytes.Equal(a, b) {
		t.Error("second frame differs")
	}
	r := p.Reverse()
	if back := r.Reverse(); back.Src != p.Src || back.Dst != p.Dst {
		t.Error("twice reversed is not the same")
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	p, q := path4(), path6()
	buf, text := make([]byte, 0, 4096), make([]byte, 1400)
	frag := wire.FragmentInfo{ID: 1, Off: 8, More: true}
	allocs := testing.AllocsPerRun(100, func() {
		_ = AppendTCP(buf, &p, &syn, text)
		_ = AppendTCP(buf, &q, &syn, text)
		_ = AppendUDP(buf, &q, text)
		_ = AppendICMP(buf, &p, &ICMP{Type: 8}, text)
		_ = AppendFragment(buf, &q, wire.ProtoUDP, frag, text)
		_ = AppendARP(buf, &p, ARPRequest)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestImpossibleDescriptionsPanic(t *testing.T) {
	p, mixed := path4(), path4()
	mixed.Dst = path6().Dst
	long := path4()
	long.IPOptions = make([]byte, 41)
	for name, f := range map[string]func(){
		"two families": func() { AppendUDP(nil, &mixed, nil) },
		"no addresses": func() { AppendUDP(nil, &Path{}, nil) },
		"too long":     func() { AppendTCP(nil, &p, &TCP{}, make([]byte, 65496)) },
		"long UDP":     func() { AppendUDP(nil, &p, make([]byte, 65528)) },
		"TCP options":  func() { AppendTCP(nil, &p, &TCP{RawOptions: make([]byte, 41)}, nil) },
		"IP options":   func() { AppendUDP(nil, &long, nil) },
		"odd fragment": func() { AppendFragment(nil, &p, 17, wire.FragmentInfo{Off: 4}, nil) },
		"no fragment":  func() { Fragments(&p, 17, 1, []byte("x"), 7) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// FuzzTCP writes segments of every shape; gopacket, which shares no line with
// craft, must write the same.
func FuzzTCP(f *testing.F) {
	f.Add(uint32(1), uint32(2), uint16(2), uint8(15), true, []byte("text"))
	f.Add(uint32(1<<32-1), uint32(0), uint16(0x1ff), uint8(0), false, []byte{})
	f.Fuzz(func(t *testing.T, seq, ack uint32, flags uint16, opts uint8, v6 bool, text []byte) {
		p := path4()
		if v6 {
			p = path6()
		}
		h := TCP{
			Seq: wire.Seq(seq), Ack: wire.Seq(ack), Flags: wire.Flags(flags & 0x1ff), Wnd: uint16(ack), Urg: uint16(seq),
			Opts: wire.Options(opts) &^ wire.OptMalformed, WScale: opts, MSS: flags, TSVal: seq, TSEcr: ack,
		}
		if len(text) > 1400 {
			text = text[:1400]
		}
		frame := AppendTCP(nil, &p, &h, text)
		if got := remade(t, frame, layers.LayerTypeEthernet); !bytes.Equal(got, frame) {
			t.Errorf("\ngot  % x\nwant % x", frame, got)
		}
	})
}

func BenchmarkAppendTCP(b *testing.B) {
	p, buf, text := path4(), make([]byte, 0, 2048), make([]byte, 1400)
	h := TCP{Flags: wire.ACK, Opts: wire.OptTimestamp}
	b.SetBytes(1400)
	for b.Loop() {
		buf = AppendTCP(buf[:0], &p, &h, text)
	}
}
