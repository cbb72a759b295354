package actors

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"sync"
)

// ErrExited is the failure of an actor whose goroutine ended amid its work.
var ErrExited = errors.New("actors: the goroutine was ended by runtime.Goexit")

// PanicError is what a Group makes of a panic in one of its actors: a bug of
// ours, or of code that runs outside the handlers' own protection.
type PanicError struct {
	Actor string // name given to Go
	Value any    // what was passed to panic
	Stack []byte // the goroutine's stack where it happened
}

// Error says which actor failed, why and where.
func (e *PanicError) Error() string {
	return fmt.Sprintf("actors: %s: panic: %v\n%s", e.Actor, e.Value, e.Stack)
}

// Group is a set of actors that live and end together. The zero value is not
// usable; all methods may be called concurrently.
type Group struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	wait   sync.WaitGroup
}

// NewGroup returns an empty group, which ends when ctx does.
func NewGroup(ctx context.Context) *Group {
	g := &Group{}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// Done is closed when the group is to end.
func (g *Group) Done() <-chan struct{} { return g.ctx.Done() }

// Go starts an actor. Its goroutine carries name as the pprof label "actor". If
// body returns an error, panics or does not return (runtime.Goexit, as a test's
// FailNow does), the whole group ends.
func (g *Group) Go(name string, body func(ctx context.Context) error) {
	g.wait.Go(func() {
		returned := false
		defer func() {
			if v := recover(); v != nil {
				g.cancel(&PanicError{Actor: name, Value: v, Stack: debug.Stack()})
			} else if !returned {
				g.cancel(fmt.Errorf("%s: %w", name, ErrExited))
			}
		}()
		pprof.Do(g.ctx, pprof.Labels("actor", name), func(ctx context.Context) {
			if err := body(ctx); err != nil {
				g.cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
		returned = true
	})
}

// Stop tells every actor to end; the first cause of all is what Wait returns.
func (g *Group) Stop(cause error) { g.cancel(cause) }

// Wait waits until every actor has returned, and returns the first error of
// any, the cause given to Stop, or nil if all ended by themselves. An end of
// the parent context is an error too.
func (g *Group) Wait() error {
	g.wait.Wait()
	err := context.Cause(g.ctx)
	g.cancel(nil)
	return err
}
