//go:build cgo

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/afpacket"
	"github.com/google/gopacket/layers"
)

var errNoPeer = errors.New("built without cgo")

// peer is gopacket's way through a TPACKETv3 ring, as fast as it has one.
type peer struct {
	handle *afpacket.TPacket
	parser *gopacket.DecodingLayerParser
	eth    layers.Ethernet
	tag    layers.Dot1Q
	ip4    layers.IPv4
	ip6    layers.IPv6
	tcp    layers.TCP
	udp    layers.UDP
	found  []gopacket.LayerType
	had    uint
}

func (p *peer) held() (int, error) {
	_, st, err := p.handle.SocketStats()
	all := st.Packets() - st.Drops()
	n := int(all - p.had)
	p.had = all
	return n, err
}

func newPeer(o *options) (drainer, error) {
	h, err := afpacket.NewTPacket(
		afpacket.OptInterface(nearEnd), afpacket.OptFrameSize(2048), afpacket.OptBlockSize(o.blockKiB<<10),
		afpacket.OptNumBlocks(o.blocks), afpacket.OptBlockTimeout(retire), afpacket.OptPollTimeout(time.Second),
		afpacket.SocketRaw, afpacket.TPacketVersion3)
	if err != nil {
		return nil, fmt.Errorf("afpacket: %w", err)
	}
	p := &peer{handle: h}
	p.parser = gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &p.eth, &p.tag, &p.ip4, &p.ip6, &p.tcp, &p.udp)
	p.parser.IgnoreUnsupported = true
	return p, nil
}

func (p *peer) drain(n int) (sum uint64, err error) {
	for range n {
		data, _, err := p.handle.ZeroCopyReadPacketData()
		if err != nil {
			return 0, err
		}
		if err := p.parser.DecodeLayers(data, &p.found); err != nil {
			return 0, err
		}
		for _, l := range p.found {
			switch l {
			case layers.LayerTypeIPv4:
				sum += p.ip4.NetworkFlow().FastHash()
			case layers.LayerTypeIPv6:
				sum += p.ip6.NetworkFlow().FastHash()
			case layers.LayerTypeTCP:
				sum += p.tcp.TransportFlow().FastHash()
			case layers.LayerTypeUDP:
				sum += p.udp.TransportFlow().FastHash()
			}
		}
	}
	return sum, nil
}

func (p *peer) close() { p.handle.Close() }
