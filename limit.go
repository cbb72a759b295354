package mbox

import (
	"errors"

	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/uevents"
)

// Limit tells sources that can leave frames out which ones no socket wants, as
// the sockets are now. Run does so itself; whoever opens sources some time before
// that spares them what would only be thrown away.
func (s *Stack) Limit(sources ...rx.Source) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit(sources, s.set.Snapshot())
}

// limit tells sources that can leave out what nobody wants what that is: frames
// that Config.Filter cannot select, and those in no socket's scope. Where each
// frame that passes the filter is counted (Count) or shown (Tap), scopes do not
// matter; nor where there is no socket, so that counters are all there is to see.
func (s *Stack) limit(sources []rx.Source, snap *uevents.Snapshot) error {
	wants := snap.Wants()
	if s.cfg.Count > 0 || s.cfg.Tap != nil || len(wants) == 0 {
		wants = []filter.Want{{}}
	}
	var errs []error
	for _, src := range sources {
		if l, ok := src.(rx.Limited); ok {
			errs = append(errs, l.Limit(s.filter, wants))
		}
	}
	return errors.Join(errs...)
}
