package measure

import (
	"bufio"
	"io"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"
)

// readerOctets is how much of a capture EachOf reads at a time.
const readerOctets = 1 << 20

// EachOf runs f on every frame of a capture, as gopacket reads one fastest: the
// octets are lent until the next frame.
func EachOf(file string, f func(data []byte, info gopacket.CaptureInfo) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := pcapgo.NewReader(bufio.NewReaderSize(in, readerOctets))
	for err == nil {
		var data []byte
		var info gopacket.CaptureInfo
		if data, info, err = r.ZeroCopyReadPacketData(); err == nil {
			err = f(data, info)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return err
}
