package uevents

// Parcel is a plan on its way from one shard's Plans to another's. It stands
// for what is wanted of a flow, not for how that was compiled, so the two may go
// by different snapshots.
type Parcel struct {
	key   planKey
	local []*registration
}

// Pack returns what the plan of a flow stands for. The flow is done with the
// plan here: one that is its alone is given back.
func (t *Plans) Pack(id PlanID) Parcel {
	p := Parcel{key: t.plans[id].key, local: t.local[id]}
	t.Release(id)
	return p
}

// Unpack returns the plan that stands for the same under this snapshot.
func (t *Plans) Unpack(p Parcel) PlanID {
	if len(p.local) == 0 {
		return t.intern(p.key)
	}
	return t.add(t.snap.compile(p.key, p.local, t.always), p.local)
}

// Private reports whether the plan is one flow's alone: those that are not may be
// packed once for all flows that have them.
func (t *Plans) Private(id PlanID) bool { return t.plans[id].private() }

// Missed returns the sockets that ask for flows from before them and of which
// whoever went by an earlier snapshot did not know.
func (s *Snapshot) Missed(earlier *Snapshot) Mask { return s.existing &^ earlier.existing }

// After reports whether s was taken later than other.
func (s *Snapshot) After(other *Snapshot) bool { return s.generation > other.generation }

// Movers returns the sockets that want to know of flows that move.
func (s *Snapshot) Movers() Mask { return s.movers }

// Departure returns what a socket of Movers wants called with a flow that leaves
// a shard, and Arrival with one that comes; nil: nothing.
func (s *Snapshot) Departure(socket int) (Handler, Registration) { return s.specs[socket].leave.call() }

// Arrival is as Departure.
func (s *Snapshot) Arrival(socket int) (Handler, Registration) { return s.specs[socket].arrive.call() }

func (r *registration) call() (Handler, Registration) {
	if r == nil {
		return nil, Registration{}
	}
	return r.handler, Registration{r}
}
