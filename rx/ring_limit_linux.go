package rx

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/mbox-stack/mbox/filter"
	"github.com/mbox-stack/mbox/wire"
)

// limits is what a ring has been told to let pass, and what became of it. It is
// guarded by the tally's mu, as the socket is for all but Next.
type limits struct {
	set     bool // Limit has been called
	only    *filter.Program
	wants   []filter.Want
	program []filter.Instruction // in force; nil: everything passes
}

// Limit implements Limited: a kernel filter that lets a superset of what is
// wanted pass takes the place of the one before.
func (r *Ring) Limit(only *filter.Program, wants []filter.Want) error {
	r.tally.mu.Lock()
	defer r.tally.mu.Unlock()
	r.limits.set, r.limits.only, r.limits.wants = true, only, wants
	if r.tally.sock == nil {
		return nil // it will be attached with the next socket
	}
	return r.limit(r.tally.sock)
}

// limit attaches to a socket what is to be in force. The caller holds the
// tally's mu.
func (r *Ring) limit(s *ringSocket) error {
	l := &r.limits
	l.program = nil
	if l.set {
		l.program = filter.Kernel(linkOf(s.bound), l.only, l.wants)
	}
	var code []unix.SockFilter
	for _, i := range l.program {
		code = append(code, unix.SockFilter{Code: i.Code, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	if err := attach(s.fd, code); err != nil {
		return fmt.Errorf("%s: %w", r, err)
	}
	return nil
}

// describe says what the kernel does with frames.
func (l *limits) describe(link wire.LinkType) string {
	switch {
	case len(l.program) == 1:
		return "the kernel lets nothing pass: nobody wants anything"
	case l.program != nil:
		return fmt.Sprintf("the kernel holds back what no scope or filter can select (%d instructions); that is in no counter", len(l.program))
	case !l.set:
		return "the kernel lets everything pass so far"
	case link != wire.LinkEthernet && link != wire.LinkRaw:
		return "the kernel lets everything pass: there is no one link type to test"
	}
	return "the kernel lets everything pass"
}
