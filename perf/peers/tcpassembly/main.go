// Tcpassembly is the peer that uses gopacket's older tcpassembly, fed by its
// DecodingLayerParser with the fastest of its containers. It knows directions
// only as two streams: the one that sends from port 80 is the server's.
package main

import (
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/tcpassembly"

	"github.com/mbox-stack/mbox/perf/internal/measure"
	"github.com/mbox-stack/mbox/rx"
)

func main() { measure.Serve(turn) }

// serverPort is what the servers of all workloads listen on.
const serverPort = 80

func turn(frames []rx.Frame) (measure.Totals, error) {
	var (
		total   measure.Totals
		eth     layers.Ethernet
		ip4     layers.IPv4
		ip6     layers.IPv6
		tcp     layers.TCP
		payload gopacket.Payload
		decoded []gopacket.LayerType
	)
	parser := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet)
	parser.SetDecodingLayerContainer(gopacket.DecodingLayerArray(nil))
	for _, l := range []gopacket.DecodingLayer{&eth, &ip4, &ip6, &tcp, &payload} {
		parser.AddDecodingLayer(l)
	}
	server := layers.NewTCPPortEndpoint(serverPort)
	assembler := tcpassembly.NewAssembler(tcpassembly.NewStreamPool(factory{&total, server}))
	for i := range frames {
		f := &frames[i]
		if err := parser.DecodeLayers(f.Data, &decoded); err != nil {
			return total, err
		}
		flow := ip4.NetworkFlow()
		if decoded[1] == layers.LayerTypeIPv6 {
			flow = ip6.NetworkFlow()
		}
		assembler.AssembleWithTimestamp(flow, &tcp, time.Unix(0, f.Timestamp))
	}
	assembler.FlushAll()
	return total, nil
}

// factory makes the streams of a turn.
type factory struct {
	total  *measure.Totals
	server gopacket.Endpoint
}

// New implements tcpassembly.StreamFactory.
func (f factory) New(_, tcpFlow gopacket.Flow) tcpassembly.Stream {
	if tcpFlow.Src() == f.server {
		return stream{&f.total[1]}
	}
	return stream{&f.total[0]}
}

// stream counts the octets of one direction of a connection.
type stream struct{ octets *uint64 }

// Reassembled implements tcpassembly.Stream.
func (s stream) Reassembled(pieces []tcpassembly.Reassembly) {
	for i := range pieces {
		*s.octets += uint64(len(pieces[i].Bytes))
	}
}

// ReassemblyComplete implements tcpassembly.Stream.
func (stream) ReassemblyComplete() {}
