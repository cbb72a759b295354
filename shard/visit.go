package shard

import (
	"github.com/mbox-stack/mbox/tcpfsm"
	"github.com/mbox-stack/mbox/uevents"
)

// Clock implements uevents.Engine.
func (e *engine) Clock() int64 { return e.clock }

// Place implements uevents.Engine.
func (e *engine) Place() uevents.Place {
	if e.fl == nil {
		return uevents.Place{}
	}
	return uevents.Place{ID: e.fl.id, At: e.cur}
}

// Each calls f for every flow of a socket in some slots, amid a handler that is
// about no flow. What f changes takes effect flow by flow.
func (e *engine) Each(socket uint8, from, to int, f func(*tcpfsm.Conn)) {
	s := (*Shard)(e)
	defer s.visiting()()
	s.walkSlots(from, to, func(h handle, fl *flow) { s.lookAt(socket, h, fl, f) })
}

// Visit is Each for the flows at some places.
func (e *engine) Visit(socket uint8, all []uevents.Place, f func(uevents.Place, *tcpfsm.Conn)) {
	s := (*Shard)(e)
	defer s.visiting()()
	for i, at := range all {
		if i%visitWarm == 0 {
			s.warmPlaces(all[i:min(i+visitWarm, len(all))])
		}
		if !s.flows.Has(at.At) {
			continue
		}
		if fl := s.flows.At(at.At); fl.id == at.ID && fl.flags&flowReleased == 0 {
			s.lookAt(socket, at.At, fl, func(conn *tcpfsm.Conn) { f(at, conn) })
		}
	}
}

// visitWarm is how many flows are warmed up at a time before they are visited.
const visitWarm = 16

// warmPlaces touches records, so that their misses overlap.
func (s *Shard) warmPlaces(all []uevents.Place) {
	sum := uint64(0)
	for _, at := range all {
		if s.flows.Has(at.At) {
			sum += s.flows.At(at.At).touch()
		}
	}
	s.warmed += sum
}

// visiting returns what ends visits, also when one of them panics: then the
// handler that makes them is about no flow again.
func (s *Shard) visiting() (done func()) {
	plan := s.disp.Plan()
	return func() {
		s.leaveFlow()
		s.seg.changed = false
		s.disp.Rebind(plan)
	}
}

// lookAt calls f with a flow at hand, if it is one of a socket's.
func (s *Shard) lookAt(socket uint8, h handle, fl *flow, f func(*tcpfsm.Conn)) {
	if s.plans.At(fl.plan).Sockets&(1<<socket) == 0 {
		return
	}
	s.cur, s.fl = h, fl
	var conn *tcpfsm.Conn
	if fl.isTCP() {
		conn = &fl.conn
	}
	f(conn)
	if s.seg.changed {
		s.seg.changed = false
		s.adjust(h, fl)
	}
}
