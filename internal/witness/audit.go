package witness

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mbox-stack/mbox"
)

// Auditor holds the contract of events against what a stack raises.
type Auditor struct {
	flow mbox.Key[audited]

	mu     sync.Mutex // guards what follows: shards share it
	faults []error
	more   int // faults beyond faultsMax
	begun  int
	ended  int
}

// audited is what an Auditor knows of a flow.
type audited struct {
	started, ended bool
	next           [2]uint64 // stream offset after what was delivered or given up
}

// faultsMax bounds how many faults are kept.
const faultsMax = 10

// Audit opens a socket that checks what the stack raises.
func Audit(s *mbox.Stack) (*Auditor, error) {
	a := &Auditor{flow: mbox.NewKey[audited]()}
	sock, err := s.MonitorAs(mbox.Stream, "audit")
	if err != nil {
		return nil, err
	}
	if err := sock.Handle(mbox.OnPacket, mbox.PreTCP, a.packet); err != nil {
		return nil, err
	}
	for _, ev := range mbox.Events() {
		if ev == mbox.OnOrphan || ev == mbox.OnTimer {
			continue
		}
		if err := sock.Handle(ev, mbox.PostTCP, a.event); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// packet is the handler before the state changes: only it may come before
// OnConnStart.
func (a *Auditor) packet(c *mbox.Context) {
	if a.flow.Of(c).ended {
		a.fault(c, "a packet after the end")
	}
}

// event is the handler of everything behind the change of state.
func (a *Auditor) event(c *mbox.Context) {
	f := a.flow.Of(c)
	switch {
	case f.ended:
		a.fault(c, "after the end")
	case c.Event() == mbox.OnConnStart && f.started:
		a.fault(c, "a second start")
	case c.Event() == mbox.OnConnStart:
		f.started = true
		a.count(&a.begun)
	case !f.started:
		a.fault(c, "before the start")
	case c.Event() == mbox.OnConnEnd:
		f.ended = true
		a.count(&a.ended)
	case c.Event() == mbox.OnNewData:
		a.advance(c, f, uint64(len(c.Payload())))
	case c.Event() == mbox.OnGap:
		a.advance(c, f, c.Gap().Len)
	}
}

// advance checks that octets follow those before. A datagram that was captured
// in part leaves octets out.
func (a *Auditor) advance(c *mbox.Context, f *audited, octets uint64) {
	next := &f.next[c.Side()]
	if octets == 0 {
		a.fault(c, "without octets")
	}
	if c.Offset() < *next || c.Offset() > *next && c.Conn() != nil {
		a.fault(c, fmt.Sprintf("offset %d, want %d", c.Offset(), *next))
	}
	*next = c.Offset() + octets
}

func (a *Auditor) count(n *int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*n++
}

func (a *Auditor) fault(c *mbox.Context, what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.faults) == faultsMax {
		a.more++
		return
	}
	a.faults = append(a.faults, fmt.Errorf("frame %d, %s of %s: %s", c.Number(), c.Event(), c.Flow(), what))
}

// Err returns what broke the contract, once the stack has run.
func (a *Auditor) Err(st mbox.Stats) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	errs := a.faults
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	total := st.Total()
	fault(a.more > 0, "and %d more", a.more)
	fault(a.begun != a.ended, "%d flows began, %d ended", a.begun, a.ended)
	fault(!st.Balanced(), "the ledgers do not balance: %v", st.Frames())
	fault(total.Live != 0 || total.Marked != 0, "%d flows live on, %d marks", total.Live, total.Marked)
	return errors.Join(errs...)
}
