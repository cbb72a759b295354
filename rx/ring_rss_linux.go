package rx

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// rxfh is struct ethtool_rxfh of linux/ethtool.h, with room for what follows it:
// the table of queues, and the key behind it.
type rxfh struct {
	cmd       uint32
	context   uint32
	tableSize uint32 // entries of 32 bits
	keySize   uint32 // octets
	function  uint8
	transform uint8
	_         [6]uint8
	config    [rssMax]uint8
}

const (
	ethtoolGetRSSHash = 0x46

	// rssMax is room for 4,096 entries and a key; a card with more is not asked.
	rssMax = 4*4096 + 256

	rssToeplitz, rssXOR = 1 << 0, 1 << 1 // functions
	rssSymmetricXOR     = 1<<0 | 1<<1    // transforms of the input: either makes it symmetric
)

// SymmetricQueues reports whether an interface's card puts both directions of a
// flow into one receive queue, and whether that can be found out.
func SymmetricQueues(name string) (symmetric, known bool) {
	control, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false, false
	}
	defer unix.Close(control)
	return symmetricRSS(control, name)
}

// symmetricRSS reports whether an interface's card puts both directions of a
// flow into one queue, and whether that can be found out.
func symmetricRSS(control int, name string) (symmetric, known bool) {
	h := rxfh{cmd: ethtoolGetRSSHash}
	if !ethtool(control, name, &h) || h.keySize == 0 || 4*h.tableSize+h.keySize > rssMax {
		return false, false // the first call asks for the sizes
	}
	if !ethtool(control, name, &h) || 4*h.tableSize+h.keySize > rssMax {
		return false, false
	}
	return symmetricHash(h.function, h.transform, h.config[4*h.tableSize:4*h.tableSize+h.keySize]), true
}

// ethtool calls ioctl with SIOCETHTOOL.
func ethtool(control int, name string, h *rxfh) bool {
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is that much longer
	}{data: unsafe.Pointer(h)}
	if len(name) >= len(request.name) {
		return false
	}
	copy(request.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(control), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	return errno == 0
}

// symmetricHash reports whether a hash is the same with source and destination
// swapped. Toeplitz's is if the key repeats itself every 16 bits, as the one by
// Woo and Park does (6d 5a 6d 5a ...), or if the input was made symmetric first.
func symmetricHash(function, transform uint8, key []byte) bool {
	if function == rssXOR || transform&rssSymmetricXOR != 0 {
		return true
	}
	if function != rssToeplitz || len(key) < 4 {
		return false
	}
	for i := range key[2:] {
		if key[i] != key[i+2] {
			return false
		}
	}
	return true
}

// warnOfQueues says what to do where a card's hash sends the two directions of a
// flow to different queues, and so to different rings. Shards put them in order by
// their stamps (Together), which has its price; and where two CPUs stamp what they
// take out of two queues, the order of stamps is not always that of the wire.
func (r *Ring) warnOfQueues() {
	if len(r.group.rings) == 1 || r.cfg.Fanout == FanoutHash || r.index > 0 {
		return
	}
	if symmetric, known := symmetricRSS(r.link.control, r.link.name); known && !symmetric {
		r.cfg.Log.Warn("the card's hash sends the two directions of a flow to different queues, and so to different rings: "+
			"they are put in order by their timestamps, some milliseconds later. A symmetric key, or fanout by hash, keeps them together",
			"interface", r.link.name, "fanout", r.cfg.Fanout, "remedy", "ethtool -X "+r.link.name+" hkey 6d:5a:6d:5a:... or xfrm symmetric-xor")
	}
}
