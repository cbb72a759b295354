package uevents

import (
	"encoding/binary"
	"slices"

	"github.com/mbox-stack/mbox/wire"
)

// Change is what a handler alters about its own flow, for its own socket.
type Change struct {
	Kind   ChangeKind
	Side   wire.Dir     // of Stop, Reassemble and Plain
	Socket uint8        // index of the socket that asks
	Reg    Registration // of Enable, Disable and Add
}

// ChangeKind names the changes.
type ChangeKind uint8

// The changes.
const (
	ChangeEnable     ChangeKind = iota // a prepared or disabled handler is on for this flow
	ChangeDisable                      // a handler is off for this flow
	ChangeAdd                          // a handler for this flow alone
	ChangeStop                         // the socket no longer follows a side
	ChangeReassemble                   // octets of a side are put in order for the socket
	ChangePlain                        // they are not
	ChangeRelease                      // the socket lets go of the flow
	ChangeJoin                         // the socket takes part, though it came after the flow
)

// PlanID is a handle of a plan within one Plans.
type PlanID uint32

// Plans is one shard's plans: those shared by many flows, found by what makes
// them the same, and those that belong to one flow alone. The zero value is not
// usable; one goroutine may use it.
type Plans struct {
	snap    *Snapshot
	always  Always
	plans   []*Plan // nil: free
	local   [][]*registration
	free    []PlanID
	byKey   map[planKey]PlanID
	byMask  map[Mask]PlanID
	moves   map[move]PlanID
	last    Mask // of the plan found last
	lastID  PlanID
	hasLast bool
}

// move is a change applied to a shared plan.
type move struct {
	from   PlanID
	change Change
}

// Always is what is wanted of every flow, whatever sockets ask for.
type Always struct {
	Keep    bool   // streams stay readable until acknowledged
	History uint64 // octets that stay readable longer; valid iff Keep
}

// NewPlans returns plans under a snapshot.
func NewPlans(snap *Snapshot, always Always) *Plans {
	return &Plans{snap: snap, always: always, byKey: map[planKey]PlanID{}, byMask: map[Mask]PlanID{}, moves: map[move]PlanID{}}
}

// At returns the plan. It is valid until Update.
func (t *Plans) At(id PlanID) *Plan { return t.plans[id] }

// Snapshot returns the sockets that the plans are made from.
func (t *Plans) Snapshot() *Snapshot { return t.snap }

// ForMask returns the plan of flows that are in the scope of just these
// sockets and have changed nothing yet.
func (t *Plans) ForMask(m Mask) PlanID {
	if t.hasLast && t.last == m {
		return t.lastID
	}
	id, ok := t.byMask[m]
	if !ok {
		id = t.intern(planKey{sockets: m})
		t.byMask[m] = id
	}
	t.last, t.lastID, t.hasLast = m, id, true
	return id
}

func (t *Plans) intern(key planKey) PlanID {
	if id, ok := t.byKey[key]; ok {
		return id
	}
	id := t.add(t.snap.compile(key, nil, t.always), nil)
	t.byKey[key] = id
	return id
}

func (t *Plans) add(p *Plan, local []*registration) PlanID {
	if n := len(t.free); n > 0 {
		id := t.free[n-1]
		t.free = t.free[:n-1]
		t.plans[id], t.local[id] = p, local
		return id
	}
	t.plans, t.local = append(t.plans, p), append(t.local, local)
	return PlanID(len(t.plans) - 1)
}

// With returns the plan of a flow that had plan id after a change. A private
// plan is used up by it: its handle may come back as another plan's.
func (t *Plans) With(id PlanID, c Change) PlanID {
	old := t.plans[id]
	if !old.private() && c.Kind != ChangeAdd {
		m := move{id, c}
		to, ok := t.moves[m]
		if !ok {
			to = t.intern(old.key.with(c))
			t.moves[m] = to
		}
		return to
	}
	local := slices.Clone(t.local[id])
	if c.Kind == ChangeAdd {
		local = append(local, c.Reg.r)
	}
	if c.Kind == ChangeDisable {
		local = slices.DeleteFunc(local, func(r *registration) bool { return r == c.Reg.r })
	}
	key := old.key.with(c)
	t.Release(id)
	if len(local) == 0 {
		return t.intern(key)
	}
	return t.add(t.snap.compile(key, local, t.always), local)
}

// Release gives back the plan of a flow that has ended. Shared plans stay.
func (t *Plans) Release(id PlanID) {
	if t.plans[id].private() {
		t.plans[id], t.local[id] = nil, nil
		t.free = append(t.free, id)
	}
}

// Update compiles every plan again for sockets that have changed; handles stay
// valid. It returns the sockets that ask for flows from before them: whoever has
// the flows lets them join those in their scope. Changes made at the same time
// may arrive in any order: a snapshot older than the one in force, which has all
// that it has, changes nothing.
func (t *Plans) Update(snap *Snapshot) (joining Mask) {
	if snap.generation < t.snap.generation {
		return 0
	}
	joining = snap.existing &^ t.snap.existing
	t.snap, t.hasLast = snap, false
	clear(t.moves)
	clear(t.byMask)
	clear(t.byKey)
	for id, p := range t.plans {
		if p == nil {
			continue
		}
		t.plans[id] = snap.compile(p.key, t.local[id], t.always)
		if !t.plans[id].private() {
			t.byKey[p.key] = PlanID(id)
		}
	}
	return joining
}

// with returns the key after a change.
func (k planKey) with(c Change) planKey {
	bit := Mask(1) << c.Socket
	side := c.Side & 1
	if c.Reg.r != nil && c.Reg.r.local {
		return k // it is in no list of changes: see With
	}
	switch c.Kind {
	case ChangeEnable:
		k.changes = switched(k.changes, c.Reg.r.id, true)
	case ChangeDisable:
		k.changes = switched(k.changes, c.Reg.r.id, false)
	case ChangeStop:
		k.stopped[side] |= bit
	case ChangeReassemble:
		k.stream[side] |= bit
		k.plain[side] &^= bit
	case ChangePlain:
		k.plain[side] |= bit
		k.stream[side] &^= bit
	case ChangeRelease:
		k.sockets &^= bit
	case ChangeJoin:
		k.sockets |= bit
	}
	return k
}

// switched returns the list of changes with one registration on or off. The
// list is sorted by registration, four octets each and a fifth for on or off.
func switched(changes string, reg uint32, on bool) string {
	b := []byte(changes)
	at := 0
	for at < len(b) && binary.BigEndian.Uint32(b[at:]) < reg {
		at += changeLen
	}
	var flag byte
	if on {
		flag = 1
	}
	if at < len(b) && binary.BigEndian.Uint32(b[at:]) == reg {
		b[at+4] = flag
		return string(b)
	}
	entry := append(binary.BigEndian.AppendUint32(nil, reg), flag)
	return string(slices.Insert(b, at, entry...))
}

// changeLen is the length of an entry in planKey.changes.
const changeLen = 5

// decodeChanges returns the registrations that are switched on and off.
func decodeChanges(changes string) (on, off []uint32) {
	for b := []byte(changes); len(b) >= changeLen; b = b[changeLen:] {
		reg := binary.BigEndian.Uint32(b)
		if b[4] == 1 {
			on = append(on, reg)
		} else {
			off = append(off, reg)
		}
	}
	return on, off
}
