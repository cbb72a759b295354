package fuzz

import (
	"net/netip"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// Conversations returns frames to mutate: what happens in the demo, two pages
// over a bad path, and a few pages whose packets come in fragments.
func Conversations() ([]rx.Frame, error) {
	frames := framesOf(traffic.NewDemo())
	lossy, err := traffic.NewConnections(traffic.Config{Seed: 1, Connections: 2, ResponseOctets: 6000, SegmentOctets: 300,
		AckEvery: 2, Lost: 0.1, Reordered: 0.2, Site: 1, Timestamps: true})
	if err != nil {
		return nil, err
	}
	frames = append(frames, framesOf(lossy)...)
	pages, err := traffic.NewConnections(traffic.Config{Seed: 2, Connections: 2, ResponseOctets: 3000, AckEvery: 2, Site: 2})
	if err != nil {
		return nil, err
	}
	var p wire.Parser
	for i, f := range framesOf(pages) {
		var packet wire.Packet
		p.Parse(&packet, f.Link, f.Data)
		path := craft.Path{Src: packet.Key.Endpoint(packet.Sender), Dst: packet.Key.Endpoint(packet.Sender ^ 1)}
		for _, piece := range craft.Fragments(&path, packet.Key.Proto, uint32(i), f.Data[packet.TransportOff:], 600) {
			frames = append(frames, frameAt(f.Timestamp, piece))
		}
	}
	last := frames[len(frames)-1].Timestamp
	for i, inner := range framesOf(traffic.NewDemo())[:40] { // the demo's beginning in VXLAN
		path := craft.Path{Src: netip.MustParseAddrPort("172.16.0.1:5000"), Dst: netip.MustParseAddrPort("172.16.0.2:4789")}
		vxlan := append([]byte{8, 0, 0, 0, 0, 0, byte(i % 2), 0}, inner.Data...) // RFC 7348 §5
		frames = append(frames, frameAt(last+int64(i), craft.AppendUDP(nil, &path, vxlan)))
	}
	return frames, nil
}

func framesOf(s traffic.Stream) (frames []rx.Frame) {
	for ns, frame := range traffic.All(s) {
		frames = append(frames, frameAt(ns, append([]byte(nil), frame...)))
	}
	return frames
}

func frameAt(ns int64, data []byte) rx.Frame {
	return rx.Frame{Data: data, Timestamp: ns, WireLen: uint32(len(data)), Link: wire.LinkEthernet}
}
