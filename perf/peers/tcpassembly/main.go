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

// serverPort is what the servers of all workloads listen on.
const serverPort = 80

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
	assembler *tcpassembly.Assembler
}

func open(measure.Setup) (measure.Peer, error) {
	p := &peer{parser: gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet)}
	p.parser.SetDecodingLayerContainer(gopacket.DecodingLayerArray(nil))
	for _, l := range []gopacket.DecodingLayer{&p.eth, &p.ip4, &p.ip6, &p.tcp, &p.payload} {
		p.parser.AddDecodingLayer(l)
	}
	p.assembler = tcpassembly.NewAssembler(tcpassembly.NewStreamPool(factory{&p.total, layers.NewTCPPortEndpoint(serverPort)}))
	return p, nil
}

// Run implements measure.Peer.
func (p *peer) Run(src measure.Source) error { return measure.Each(src, p.frame) }

func (p *peer) frame(f *rx.Frame) error { return p.packet(f.Data, time.Unix(0, f.Timestamp)) }

func (p *peer) packet(data []byte, at time.Time) error {
	if err := p.parser.DecodeLayers(data, &p.decoded); err != nil {
		return err
	}
	flow := p.ip4.NetworkFlow()
	if p.decoded[1] == layers.LayerTypeIPv6 {
		flow = p.ip6.NetworkFlow()
	}
	p.assembler.AssembleWithTimestamp(flow, &p.tcp, at)
	return nil
}

// Read implements measure.Reader.
func (p *peer) Read(file string) (measure.Result, error) {
	err := measure.EachOf(file, func(data []byte, info gopacket.CaptureInfo) error { return p.packet(data, info.Timestamp) })
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

// factory makes streams.
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
