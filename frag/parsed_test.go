package frag_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// TestParsedFragmentsMakeThePacket: a packet that was cut into fragments and
// parsed comes out octet for octet as the packet that was not.
func TestParsedFragmentsMakeThePacket(t *testing.T) {
	addr := netip.MustParseAddrPort
	v4 := craft.Path{Src: addr("192.0.2.1:1024"), Dst: addr("192.0.2.2:80"), ID: 4711}
	v4Options := v4
	v4Options.IPOptions = []byte{7, 7, 4, 1, 2, 3, 4}
	v4Tags := v4.Reverse()
	v4Tags.Tags = []craft.Tag{{TCI: 100}, {TCI: 200}}
	v6 := craft.Path{Src: addr("[2001:db8::1]:1024"), Dst: addr("[2001:db8::2]:80")}
	v6Extensions := v6
	v6Extensions.Extensions = []craft.Extension{{Header: 0, Body: []byte{5, 2, 0, 0}}, {Header: 60, Body: make([]byte, 14)}}
	random := rand.New(rand.NewPCG(1, 2))
	for name, path := range map[string]craft.Path{
		"IPv4": v4, "IPv4 options": v4Options, "IPv4 tags": v4Tags, "IPv6": v6, "IPv6 extensions": v6Extensions,
	} {
		table := frag.New(frag.Config{})
		segment := craft.AppendSegment(nil, &path, &craft.TCP{Seq: 7, Flags: wire.ACK}, bytes.Repeat([]byte("text "), 900))
		bare := path
		bare.Link, bare.Tags = craft.Bare, nil
		want := craft.AppendIP(nil, &bare, wire.ProtoTCP, segment)
		var whole wire.Packet
		new(wire.Parser).Parse(&whole, wire.LinkRaw, want)
		for _, octets := range []int{8, 24, 1000, 1480, 4096} {
			frames := craft.Fragments(&path, wire.ProtoTCP, 4711, segment, octets)
			random.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
			for i, frame := range frames {
				p, packet := insertFrame(table, wire.LinkEthernet, frame)
				if (packet != nil) != (i == len(frames)-1) {
					t.Fatalf("%s in pieces of %d: fragment %d of %d: %d octets", name, octets, i+1, len(frames), len(packet))
				}
				if packet == nil {
					continue
				}
				if !bytes.Equal(packet, want) {
					t.Errorf("%s in pieces of %d:\n%x\nwant\n%x", name, octets, packet[:80], want[:80])
				}
				if p.Segment != whole.Segment || p.Key != whole.Key || p.Marks != whole.Marks {
					t.Errorf("%s in pieces of %d: parsed as %+v\nwant %+v", name, octets, p, whole)
				}
			}
		}
	}
}

// insertFrame parses a frame and inserts it if it is a fragment. Where that
// completes a datagram it returns the datagram, parsed.
func insertFrame(table *frag.Table, link wire.LinkType, frame []byte) (p wire.Packet, packet []byte) {
	var parser wire.Parser
	parser.Parse(&p, link, frame)
	if p.Outcome == wire.Fragment {
		if packet, _ = table.Insert(&p, frame, 0); packet != nil {
			parser.Resume(&p, &p, packet)
		}
	}
	return p, packet
}

// FuzzParsed cuts its input into frames of raw IP, each after an octet that says
// how long it is, and inserts those that are fragments: nothing panics, nothing
// is lost from the count, and what comes out is an IP packet.
func FuzzParsed(f *testing.F) {
	addr := netip.MustParseAddrPort
	for _, path := range []craft.Path{
		{Src: addr("192.0.2.1:1"), Dst: addr("192.0.2.2:2"), Link: craft.Bare, IPOptions: []byte{7, 3, 4}},
		{Src: addr("[2001:db8::1]:1"), Dst: addr("[2001:db8::2]:2"), Link: craft.Bare, Extensions: []craft.Extension{{Header: 60}}},
	} {
		var seed []byte
		for _, frame := range craft.Fragments(&path, wire.ProtoUDP, 9, craft.AppendDatagram(nil, &path, make([]byte, 40)), 16) {
			seed = append(append(seed, byte(len(frame))), frame...)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		table := frag.New(frag.Config{PolicyV4: frag.Linux, PolicyV6: frag.Discard, Fragments: 4})
		for len(input) > 0 {
			n := min(int(input[0]), len(input)-1)
			p, packet := insertFrame(table, wire.LinkRaw, input[1:1+n])
			input = input[1+n:]
			// Extension headers behind the fragment header are the sender's, and may
			// lead beyond what was captured.
			beyond := packet != nil && packet[0]>>4 == 6 && p.Outcome == wire.ShortNetwork
			if packet != nil && !beyond && (p.Key.Version == 0 || p.Outcome == wire.BadNetwork || p.Outcome == wire.ShortNetwork) {
				t.Errorf("a datagram of %d octets is parsed as %v: %x", len(packet), p.Outcome, packet)
			}
		}
		if s := table.Stats(); s.Received != s.Disposed() {
			t.Errorf("%+v", s)
		}
	})
}
