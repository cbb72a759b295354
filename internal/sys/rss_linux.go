package sys

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReceiveHash is how a card deals frames out to its receive queues.
type ReceiveHash struct {
	Function  uint8 // ETH_RSS_HASH_*: bits of linux/ethtool.h
	Transform uint8 // RXH_XFRM_*: what is done to a flow's addresses beforehand
	Key       []byte
}

// rxfh is struct ethtool_rxfh of linux/ethtool.h, without what follows it.
type rxfh struct {
	cmd, context, indirSize, keySize uint32
	function, transform              uint8
	_                                [2]uint8
	_                                uint32
}

const (
	ethtoolGetRxfh = 0x46 // ETHTOOL_GRSSH
	siocEthtool    = 0x8946
	// No card comes near these.
	indirMax = 1 << 16
	keyMax   = 1 << 12
)

// GetReceiveHash asks how an interface's card deals frames out. It is an error
// if the card does not say, as most virtual ones do not.
func GetReceiveHash(name string) (ReceiveHash, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ReceiveHash{}, fmt.Errorf("receive hash: %w", err)
	}
	defer unix.Close(fd)
	sizes := rxfh{cmd: ethtoolGetRxfh}
	if err := ethtool(fd, name, unsafe.Pointer(&sizes)); err != nil {
		return ReceiveHash{}, err
	}
	if sizes.indirSize > indirMax || sizes.keySize > keyMax {
		return ReceiveHash{}, fmt.Errorf("receive hash: a table of %d and a key of %d octets", sizes.indirSize, sizes.keySize)
	}
	const head = unsafe.Sizeof(rxfh{})
	words := make([]uint32, (head+uintptr(sizes.indirSize)*4+uintptr(sizes.keySize)+3)/4)
	all := (*rxfh)(unsafe.Pointer(&words[0]))
	*all = rxfh{cmd: ethtoolGetRxfh, indirSize: sizes.indirSize, keySize: sizes.keySize}
	if err := ethtool(fd, name, unsafe.Pointer(all)); err != nil {
		return ReceiveHash{}, err
	}
	octets := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*4)
	key := octets[head+uintptr(sizes.indirSize)*4:][:sizes.keySize]
	return ReceiveHash{Function: all.function, Transform: all.transform, Key: key}, nil
}

// ethtool makes an ioctl of the ethtool kind; data begins with its command.
func ethtool(fd int, name string, data unsafe.Pointer) error {
	req := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is larger
	}{data: data}
	if len(name) >= len(req.name) {
		return fmt.Errorf("receive hash: %w", unix.ENODEV)
	}
	copy(req.name[:], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocEthtool, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return fmt.Errorf("receive hash: %w", errno)
	}
	return nil
}
