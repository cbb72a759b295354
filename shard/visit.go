package shard

import "github.com/mbox-stack/mbox/tcpfsm"

// Clock implements uevents.Engine.
func (e *engine) Clock() int64 { return e.clock }

// Each calls f for every flow of a socket in some slots, amid a handler that is
// about no flow. What f changes takes effect flow by flow.
func (e *engine) Each(socket uint8, from, to int, f func(*tcpfsm.Conn)) {
	s := (*Shard)(e)
	plan := s.disp.Plan()
	defer func() { // also when f panics: then it is about no flow again
		s.leaveFlow()
		s.seg.changed = false
		s.disp.Rebind(plan)
	}()
	s.walkSlots(from, to, func(h handle, fl *flow) {
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
	})
}
