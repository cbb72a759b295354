package witness

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
)

// annoy does what a handler may do, as seed, flow and the number of its events
// so far have it. Most of the time it does nothing. That a wish is refused is
// no matter; what is written is whether it was.
func (j *watch) annoy(c *mbox.Context, n *notes) {
	var what [24]byte
	binary.LittleEndian.PutUint64(what[0:], j.seed)
	binary.LittleEndian.PutUint64(what[8:], uint64(c.Flow().ID))
	binary.LittleEndian.PutUint64(what[16:], n.events)
	h := xxhash.Sum64(what[:])
	side, reg := mbox.Dir(h>>8&1), j.switched[int(h>>16&0xff)%len(j.switched)]
	done := func(what string, err error) { j.out.Printf(c, "  %s: %v\n", what, err) }
	switch h % 64 {
	case 0:
		done("drop", c.Drop())
	case 1:
		done("stop", c.Stop(side))
	case 2:
		done("no reassembly", c.SetReassembly(side, false))
	case 3:
		done("reassembly", c.SetReassembly(side, true))
	case 4, 5:
		done("enable", c.Enable(reg))
	case 6, 7:
		done("disable", c.Disable(reg))
	case 8:
		done("disable itself", c.Disable(c.Registration()))
	case 9, 10:
		timer, err := c.Arm(time.Duration(h>>24&0xffff) * time.Millisecond)
		n.timer = timer
		done("arm", err)
	case 11:
		j.out.Printf(c, "  disarm: %v\n", c.Disarm(n.timer))
	case 12, 13:
		done("raise", c.Raise(j.raised, h))
	case 14:
		done("policy", c.SetPolicy(buffers.Policy(h>>24%6)))
	case 15:
		done("buffer", c.SetBuffer(side, h>>24&0xfffff))
	case 16, 17:
		j.read(c, side, h>>24&0x3fff)
	case 18:
		_, err := c.Register(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { j.out.Printf(c, "  of this flow: data %d\n", c.Offset()) })
		done("handle", err)
	case 19:
		if h>>24&7 == 0 {
			done("release", c.Release())
		}
	case 20:
		if h>>24&3 == 0 {
			panic("a nuisance")
		}
	}
}

// read reads a stream somewhere.
func (j *watch) read(c *mbox.Context, side mbox.Dir, off uint64) {
	var buf [512]byte
	n, err := c.ReadAt(side, off, buf[:])
	j.out.Printf(c, "  read %s at %d: %x %v; held %v\n", side, off, xxhash.Sum64(buf[:n]), err, c.Held(side, nil))
}
