package traffic

import (
	"crypto/sha256"
	"net/netip"

	"github.com/mbox-stack/mbox/wire"
)

// Flow is a TCP connection that a stream of frames holds, with what a reader of
// the frames must get out of it: the octets of either direction, each as it was
// first sent, from the first one in the frames up to the first that the frames
// lack.
type Flow struct {
	Client, Server netip.AddrPort
	Octets         [2]uint64 // by wire.Dir
	Note           string    // what there is to see; only in the demo
	text           texts
}

// texts gives the octets of a connection's two streams.
type texts interface {
	// appendText appends n octets of stream d, from offset off on.
	appendText(dst []byte, d wire.Dir, off, n uint64) []byte
}

// AppendStream appends all octets sent in direction d.
func (f *Flow) AppendStream(dst []byte, d wire.Dir) []byte {
	return f.text.appendText(dst, d, 0, f.Octets[d])
}

// hashPiece is how much of a stream SHA256 has in memory at a time.
const hashPiece = 64 << 10

// SHA256 returns the hash of all octets sent in direction d.
func (f *Flow) SHA256(d wire.Dir) [sha256.Size]byte {
	h := sha256.New()
	var buf []byte
	for off := uint64(0); off < f.Octets[d]; off += hashPiece {
		buf = f.text.appendText(buf[:0], d, off, min(hashPiece, f.Octets[d]-off))
		h.Write(buf)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
