package wire

import "testing"

// The frames that the parser is measured on.
var benchFrames = []struct {
	name  string
	frame []byte
}{
	{"tcp4", craftTCP4(nil)},
}

func craftTCP4(_ []byte) []byte {
	b := make([]byte, 64)
	b[12] = 8
	b[14] = 0x45
	b[17] = 50
	b[22] = 64
	b[23] = 6
	b[29] = 1
	b[33] = 2
	b[46] = 0x50
	return b
}

func BenchmarkParse(b *testing.B) {
	for _, f := range benchFrames {
		b.Run(f.name, func(b *testing.B) {
			var ps Parser
			var p Packet
			b.ReportAllocs()
			for b.Loop() {
				ps.Parse(&p, LinkEthernet, f.frame)
			}
		})
	}
}
