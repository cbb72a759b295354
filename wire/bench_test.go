package wire

import "testing"

// benchFrames are what the parser is measured on.
func benchFrames() []frame {
	bare := ether(0x0800, ip(client4.Addr(), server4.Addr(), ProtoTCP, tcp(client4, server4, nil, "")))
	return []frame{
		{name: "tcp4", data: join(bare, zeros(64-len(bare)))},
		{name: "tcp4-timestamps", data: ether(0x0800, inner4)},
		{name: "tcp6-timestamps", data: ether(0x86dd, inner6)},
		{name: "udp4", data: ether(0x0800, over4(ProtoUDP, udp(40000, 53, zeros(40))))},
		{name: "vlan", data: ether(0x8100, vlan(100, 0x0800, inner4))},
		{name: "vxlan", data: udpFrame(4789, "\x08\x00\x00\x00\x00\x00\x2a\x00", ether(0x0800, inner4))},
	}
}

func BenchmarkParse(b *testing.B) {
	for _, f := range benchFrames() {
		b.Run(f.name, func(b *testing.B) {
			var ps Parser
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				ps.Parse(&p, LinkEthernet, f.data)
			}
		})
	}
}

func BenchmarkHash(b *testing.B) {
	for _, f := range []frame{{name: "ip4", data: inner4}, {name: "ip6", data: inner6}} {
		b.Run(f.name, func(b *testing.B) {
			p := parse(Parser{}, LinkRaw, f.data)
			for b.Loop() {
				p.Key.Hash(1)
			}
		})
	}
}

func BenchmarkVerifyTransport(b *testing.B) {
	data := ip(client4.Addr(), server4.Addr(), ProtoTCP, tcp(client4, server4, tcpOptions, string(zeros(1400))))
	p := parse(Parser{}, LinkRaw, data)
	b.SetBytes(int64(len(data) - 20))
	for b.Loop() {
		VerifyTransport(&p, data)
	}
}
