package rx

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRingTakesLessMemoryAndSaysSo(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a packet socket")
	}
	var asked []unix.TpacketReq3
	real := allocateRing
	defer func() { allocateRing = real }()
	short := func(most uint32) {
		asked = nil
		allocateRing = func(fd int, req *unix.TpacketReq3) error {
			asked = append(asked, *req)
			if req.Block_size*req.Block_nr > most {
				return unix.ENOMEM
			}
			return real(fd, req)
		}
	}
	short(1 << 20)
	rings, err := OpenRings(RingConfig{Interface: "lo", Blocks: 64, BlockOctets: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	text := rings[0].Setup()
	rings[0].Close()
	if !strings.Contains(text, "16 blocks of 64 KiB (no memory for 64 of 256 KiB)") {
		t.Error(text)
	}
	short(0)
	if _, err := OpenRings(RingConfig{Interface: "lo"}); !errors.Is(err, ErrRingMemory) || len(asked) > 10 {
		t.Errorf("after %d attempts: %v", len(asked), err)
	}
	allocateRing = func(int, *unix.TpacketReq3) error { return unix.EINVAL }
	if _, err := OpenRings(RingConfig{Interface: "lo"}); !errors.Is(err, unix.EINVAL) || errors.Is(err, ErrRingMemory) {
		t.Errorf("refused otherwise: %v", err)
	}
}

func TestMissingCapabilityIsNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: a capability to give up")
	}
	failed := make(chan error)
	go func() { // on a thread of its own, which ends with the goroutine
		runtime.LockOSThread()
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capset(&head, &data[0]); err != nil {
			failed <- err
			return
		}
		_, err := OpenRings(RingConfig{Interface: "lo"})
		failed <- err
	}()
	err := <-failed
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_RAW") || !strings.Contains(err.Error(), "setcap cap_net_raw+ep /") {
		t.Errorf("without capabilities: %v", err)
	}
}

func TestSocketErrors(t *testing.T) {
	for err, want := range map[error]error{
		unix.EPERM: ErrPermission, unix.EACCES: ErrPermission, unix.EAFNOSUPPORT: ErrNoTPACKETv3, unix.EMFILE: unix.EMFILE,
	} {
		if got := socketError(err); !errors.Is(got, want) || strings.Contains(got.Error(), "\n") {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
	for err, want := range map[error]error{unix.ENODEV: ErrNoInterface, unix.ENETDOWN: ErrInterfaceDown, unix.EIO: unix.EIO} {
		if got := linkError(err); !errors.Is(got, want) {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

func TestQueueInterruptIsFoundByName(t *testing.T) {
	const table = `           CPU0       CPU1
  24:          0         10  PCI-MSIX-0000:00:03.0   0-edge      virtio1-config
  25:          5          0  PCI-MSIX-0000:00:03.0   1-edge      virtio1-input.0
  26:          5          0  PCI-MSIX-0000:00:03.0   2-edge      virtio1-output.0
  27:          5          0  PCI-MSIX-0000:00:03.0   3-edge      virtio1-input.1
  30:          5          0  PCI-MSIX-0000:00:04.0   1-edge      eth1-TxRx-0
  31:          5          0  PCI-MSIX-0000:00:04.0   2-edge      eth1-TxRx-11
  40:          5          0  PCI-MSIX-0000:00:05.0   2-edge      mlx5_comp3@pci:0000:00:05.0
 NMI:          0          0   Non-maskable interrupts
`
	virtio := map[int]bool{24: true, 25: true, 26: true, 27: true}
	for _, tc := range []struct {
		own   map[int]bool
		name  string
		queue int
		irq   int // 0: none
	}{
		{virtio, "eth0", 0, 25}, {virtio, "eth0", 1, 27}, {virtio, "eth0", 2, 0},
		{nil, "eth1", 0, 30}, {nil, "eth1", 11, 31}, {nil, "eth1", 1, 0}, {nil, "eth", 0, 0},
		{map[int]bool{40: true}, "ib0", 3, 40},
	} {
		if irq, ok := queueInterrupt(table, tc.own, tc.name, tc.queue); irq != tc.irq || ok != (tc.irq > 0) {
			t.Errorf("queue %d of %s: interrupt %d, want %d", tc.queue, tc.name, irq, tc.irq)
		}
	}
	for mask, want := range map[string]int{"0": -1, "2": 1, "00000000,00000000": -1, "1,00000000": 32, "f0": 4, "": -1, "x": -1} {
		if cpu, ok := firstOfMask(mask); ok != (want >= 0) || ok && cpu != want {
			t.Errorf("mask %q: CPU %d, %v", mask, cpu, ok)
		}
	}
}

func TestOlderThan(t *testing.T) {
	for release, want := range map[string]bool{"5.10.0-x": true, "5.11": false, "6.18.44": false, "4.19.1": true, "": false} {
		if got := olderThan(release, 5, 11); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}

func TestSymmetryOfRSS(t *testing.T) {
	symmetric := []byte{0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a}
	usual := []byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2}
	for _, tc := range []struct {
		function, transform uint8
		key                 []byte
		want                bool
	}{
		{rssToeplitz, 0, usual, false}, {rssToeplitz, 0, symmetric, true}, {rssToeplitz, 1, usual, true},
		{rssToeplitz, 2, usual, true}, {rssXOR, 0, usual, true}, {1 << 2, 0, symmetric, false}, {rssToeplitz, 0, nil, false},
	} {
		if got := symmetricHash(tc.function, tc.transform, tc.key); got != tc.want {
			t.Errorf("function %d, transform %d, key % x: %v", tc.function, tc.transform, tc.key, got)
		}
	}
	var l link
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	defer l.close()
	if _, known := symmetricRSS(l.control, "lo"); known {
		t.Error("lo is said to have a card")
	}
}
