package rx

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/buffers"
)

// A ring goes round: when the kernel comes to a block that is still lent, it
// stops and drops everything, whatever else is free. One handler that sleeps on
// one frame would blind all shards within the time that a ring takes to go
// round, a quarter of a second on a busy line.
//
// Therefore a block that is still lent when the kernel has come three quarters
// of the way round to it is moved aside: what it holds is copied, and the copy
// takes its place at the addresses where it is read, under the readers' eyes.
// The kernel's memory is mapped a second time elsewhere, and goes on being used
// from there. The copies are bounded: to as many blocks as the ring has, and for
// each shard by its leases.

// The states of a ringBlock.
const (
	blockHome   = iota // the kernel's, or ours and not lent
	blockLent          // from the ring's memory
	blockMoving        // lent, and being moved aside
	blockAside         // lent as a copy: the kernel's memory is used from elsewhere
	blockGone          // come back as a copy, or while it was being moved
)

// ringBlock is a block of the ring as it is mapped in one place. Its status word
// is the kernel's and ours: whoever it names owns the rest.
type ringBlock struct {
	mem   []byte
	head  *unix.TpacketHdrV1
	lent  *buffers.Block
	state atomic.Int32
	index int // of the block in the ring
	place int // of the mapping in ringSocket.maps
}

// ringMap is a mapping of the whole ring.
type ringMap struct {
	mem    []byte
	broken []bool // of each block: something else is mapped in its place
}

// mapsMax bounds the mappings of one ring: they take addresses and page tables.
const mapsMax = 4

// addMap maps the ring once more.
func (s *ringSocket) addMap(octets int) error {
	mem, err := unix.Mmap(s.fd, 0, octets, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	s.maps = append(s.maps, ringMap{mem: mem, broken: make([]bool, octets/s.octets)})
	return nil
}

// block returns block i of the ring as it is mapped in a place.
func (s *ringSocket) block(i, place int) *ringBlock {
	m := s.maps[place].mem
	b := &ringBlock{mem: m[i*s.octets : (i+1)*s.octets : (i+1)*s.octets], index: i, place: place}
	b.head = (*unix.TpacketHdrV1)(unsafe.Pointer(&b.mem[blockHeadAt]))
	b.lent = buffers.NewBlock(b.mem, func(*buffers.Block) { s.giveBack(b) })
	return b
}

// lend makes b lent.
func (s *ringSocket) lend(b *ringBlock) {
	b.state.Store(blockLent)
	s.lent.Add(1)
	s.refs.Add(1)
}

// giveBack returns a block to the kernel, or the memory of its copy. It runs on
// the goroutine that released the block.
func (s *ringSocket) giveBack(b *ringBlock) {
	for done := false; !done; {
		switch state := b.state.Load(); state {
		case blockLent:
			// Until the status is the kernel's, nobody may take the block for ours.
			if done = b.state.CompareAndSwap(state, blockGone); done {
				atomic.StoreUint32(&b.head.Block_status, unix.TP_STATUS_KERNEL)
				b.state.Store(blockHome)
			}
		case blockAside:
			if done = b.state.CompareAndSwap(state, blockGone); done {
				s.forget(b)
			}
		default: // blockMoving: whoever moves it will see
			done = b.state.CompareAndSwap(state, blockGone)
		}
	}
	s.lent.Add(-1)
	s.waker.nudge()
	s.unref()
}

// forget gives the memory of a copy back, and lets the ring be mapped there again.
func (s *ringSocket) forget(b *ringBlock) {
	unix.Madvise(b.mem, unix.MADV_DONTNEED)
	s.copies.Add(-1)
	select {
	case s.holes <- b:
	default: // its place stays broken
	}
}

// makeWay moves blocks aside that are in the kernel's way, or will be.
func (s *ringSocket) makeWay() {
	for _, ahead := range [2]int{0, len(s.blocks) / 4} {
		if b := s.blocks[(s.next+ahead)%len(s.blocks)]; b.state.Load() == blockLent && s.left == 0 {
			s.moveAside(b)
		}
	}
}

// moveAside puts a copy in the place of a block that is lent, and has the kernel
// go on with the block. Where it cannot be done everything stays as it was.
func (s *ringSocket) moveAside(b *ringBlock) {
	place := s.placeFor(b)
	if place < 0 || int(s.copies.Load()) >= len(s.blocks) || !b.state.CompareAndSwap(blockLent, blockMoving) {
		return
	}
	if !s.replace(b) {
		if !b.state.CompareAndSwap(blockMoving, blockLent) { // it has come back meanwhile
			atomic.StoreUint32(&b.head.Block_status, unix.TP_STATUS_KERNEL)
			b.state.Store(blockHome)
		}
		return
	}
	s.copies.Add(1)
	s.moved.Add(1)
	s.maps[b.place].broken[b.index] = true
	next := s.block(b.index, place)
	s.blocks[b.index] = next
	atomic.StoreUint32(&next.head.Block_status, unix.TP_STATUS_KERNEL)
	if !b.state.CompareAndSwap(blockMoving, blockAside) {
		s.forget(b)
	}
}

// replace maps a copy of what a block holds over it. The kernel does that as one
// step: who reads meanwhile sees the one or the other, which are the same.
func (s *ringSocket) replace(b *ringBlock) bool {
	size := uintptr(s.octets)
	p, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	copy(unsafe.Slice((*byte)(p), s.octets), b.mem[:min(int(b.head.Blk_len), s.octets)])
	if err := remap(uintptr(p), size, uintptr(unsafe.Pointer(&b.mem[0]))); err != nil {
		unix.MunmapPtr(p, size)
		return false
	}
	return true
}

// remap moves a mapping to another address, over what is mapped there.
func remap(from, octets, to uintptr) error {
	_, _, errno := unix.Syscall6(unix.SYS_MREMAP, from, octets, octets, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, to, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// placeFor returns a mapping in which a block can be used while it is read in its
// own, -1 if there is none.
func (s *ringSocket) placeFor(b *ringBlock) int {
	find := func() int {
		for place := range s.maps {
			if place != b.place && !s.maps[place].broken[b.index] {
				return place
			}
		}
		return -1
	}
	if place := find(); place >= 0 {
		return place
	}
	s.mend()
	if place := find(); place >= 0 || len(s.maps) == mapsMax {
		return place
	}
	if s.addMap(len(s.blocks)*s.octets) != nil {
		return -1
	}
	return len(s.maps) - 1
}

// mend maps the ring's own memory again where copies stood that are of no more
// use: block by block out of one more mapping.
func (s *ringSocket) mend() {
	if len(s.holes) == 0 {
		return
	}
	whole := uintptr(len(s.blocks) * s.octets)
	p, err := unix.MmapPtr(s.fd, 0, nil, whole, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return
	}
	defer unix.MunmapPtr(p, whole)
	taken := make([]bool, len(s.blocks)) // each can be moved out of it once
	for range len(s.holes) {
		b := <-s.holes
		if taken[b.index] {
			s.holes <- b // there is room: it was just taken out
			continue
		}
		taken[b.index] = true
		at := uintptr(b.index * s.octets)
		if remap(uintptr(p)+at, uintptr(s.octets), uintptr(unsafe.Pointer(&b.mem[0]))) == nil {
			s.maps[b.place].broken[b.index] = false
		}
	}
}
