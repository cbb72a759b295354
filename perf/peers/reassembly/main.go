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

func main() { measure.Serve(turn) }

func turn(frames []rx.Frame) (measure.Totals, error) {
	var (
		total   measure.Totals
		eth     layers.Ethernet
		ip4     layers.IPv4
		ip6     layers.IPv6
		tcp     layers.TCP
		payload gopacket.Payload
		decoded []gopacket.LayerType
		ac      context
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet)
	parser.SetDecodingLayerContainer(gopacket.DecodingLayerArray(nil))
	for _, l := range []gopacket.DecodingLayer{&eth, &ip4, &ip6, &tcp, &payload} {
		parser.AddDecodingLayer(l)
	}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(factory{&total}))
	for i := range frames {
		f := &frames[i]
		if err := parser.DecodeLayers(f.Data, &decoded); err != nil {
			return total, err
		}
		ac.info = gopacket.CaptureInfo{Timestamp: time.Unix(0, f.Timestamp), CaptureLength: len(f.Data), Length: int(f.WireLen)}
		flow := ip4.NetworkFlow()
		if decoded[1] == layers.LayerTypeIPv6 {
			flow = ip6.NetworkFlow()
		}
		assembler.AssembleWithContext(flow, &tcp, &ac)
	}
	assembler.FlushAll()
	return total, nil
}

// context is what reassembly is told of a packet.
type context struct{ info gopacket.CaptureInfo }

// GetCaptureInfo implements reassembly.AssemblerContext.
func (c *context) GetCaptureInfo() gopacket.CaptureInfo { return c.info }

// factory makes the streams of a turn.
type factory struct{ total *measure.Totals }

// New implements reassembly.StreamFactory.
func (f factory) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return stream(f)
}

// stream counts the octets of a connection.
type stream struct{ total *measure.Totals }

// Accept implements reassembly.Stream.
func (stream) Accept(*layers.TCP, gopacket.CaptureInfo, reassembly.TCPFlowDirection, reassembly.Sequence, *bool, reassembly.AssemblerContext) bool {
	return true
}

// ReassembledSG implements reassembly.Stream.
func (s stream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, _ := sg.Info()
	length, _ := sg.Lengths()
	if dir == reassembly.TCPDirClientToServer {
		s.total[0] += uint64(length)
	} else {
		s.total[1] += uint64(length)
	}
}

// ReassemblyComplete implements reassembly.Stream.
func (stream) ReassemblyComplete(reassembly.AssemblerContext) bool { return true }
