// Reassembly is the peer that uses gopacket's reassembly, fed by its
// DecodingLayerParser: as its own documentation has it, with the fastest of its
// containers, no checksums, and nothing kept.
package main

import (
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() { measure.Serve(open) }

// peer is an assembler with its decoder.
type peer struct {
	total     measure.Totals
	eth       layers.Ethernet
	ip4       layers.IPv4
	ip6       layers.IPv6
	tcp       layers.TCP
	payload   gopacket.Payload
	decoded   []gopacket.LayerType
	parser    *gopacket.DecodingLayerParser
	assembler *reassembly.Assembler
	ac        context
}

func open(measure.Setup) (measure.Peer, error) {
	p := &peer{parser: gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet)}
	p.parser.SetDecodingLayerContainer(gopacket.DecodingLayerArray(nil))
	for _, l := range []gopacket.DecodingLayer{&p.eth, &p.ip4, &p.ip6, &p.tcp, &p.payload} {
		p.parser.AddDecodingLayer(l)
	}
	p.assembler = reassembly.NewAssembler(reassembly.NewStreamPool(factory{p}))
	return p, nil
}

// Run implements measure.Peer.
func (p *peer) Run(src measure.Source) error { return measure.Each(src, p.frame) }

func (p *peer) frame(f *rx.Frame) error {
	return p.packet(f.Data, gopacket.CaptureInfo{Timestamp: time.Unix(0, f.Timestamp), CaptureLength: len(f.Data), Length: int(f.WireLen)})
}

func (p *peer) packet(data []byte, info gopacket.CaptureInfo) error {
	if err := p.parser.DecodeLayers(data, &p.decoded); err != nil {
		return err
	}
	p.ac.info = info
	flow := p.ip4.NetworkFlow()
	if p.decoded[1] == layers.LayerTypeIPv6 {
		flow = p.ip6.NetworkFlow()
	}
	p.assembler.AssembleWithContext(flow, &p.tcp, &p.ac)
	return nil
}

// Read implements measure.Reader.
func (p *peer) Read(file string) (measure.Result, error) {
	err := measure.EachOf(file, p.packet)
	r, _ := p.End(0)
	return r, err
}

// End implements measure.Peer.
func (p *peer) End(int64) (measure.Result, error) {
	p.assembler.FlushAll()
	r := measure.Result{Text: p.total}
	p.total = measure.Totals{}
	return r, nil
}

// context is what reassembly is told of a packet.
type context struct{ info gopacket.CaptureInfo }

// GetCaptureInfo implements reassembly.AssemblerContext.
func (c *context) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// factory makes streams.
type factory struct{ *peer }

// New implements reassembly.StreamFactory.
func (f factory) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return stream(f)
}

// stream counts the octets of a connection.
type stream struct{ *peer }

// Accept implements reassembly.Stream.
func (stream) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

// ReassembledSG implements reassembly.Stream.
func (s stream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, _ := sg.Info()
	length, _ := sg.Lengths()
	side := 0
	if dir == reassembly.TCPDirServerToClient {
		side = 1
	}
	s.total[side] += uint64(length)
}

// ReassemblyComplete implements reassembly.Stream.
func (stream) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }
