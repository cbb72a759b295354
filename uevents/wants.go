package uevents

import "github.com/mbox-stack/mbox/filter"

// Wants returns what the sockets want to see, one for each: what a filter ahead
// of the stack has to let pass.
func (s *Snapshot) Wants() []filter.Want {
	var wants []filter.Want
	for _, sp := range s.specs {
		if sp != nil {
			wants = append(wants, filter.Want{Program: sp.scope, Flow: sp.socket.kind == Stream})
		}
	}
	return wants
}
