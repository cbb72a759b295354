package mbox

// Local is state that each shard has one of, so that handlers need neither locks
// nor atomics for what they count. Fold adds the parts up. A flow may move from
// one shard to another: see Socket.Moves before keeping what is in a part with a
// flow.
type Local[T any] struct {
	stack *Stack
	parts []localPart[T]
	init  func() T
}

type localPart[T any] struct {
	value *T
	_     [56]byte // shards do not share a cache line
}

// NewLocal returns a Local of the stack's shards; init makes a shard's part when
// it is first asked for, nil stands for the zero value.
func NewLocal[T any](s *Stack, init func() T) *Local[T] {
	return &Local[T]{stack: s, parts: make([]localPart[T], s.cfg.Shards), init: init}
}

// Of returns the part of the shard that runs the handler.
func (l *Local[T]) Of(c *Context) *T {
	p := &l.parts[c.Shard()]
	if p.value == nil {
		p.value = new(T)
		if l.init != nil {
			*p.value = l.init()
		}
	}
	return p.value
}

// Fold calls f with every part there is, in the order of shards. While the stack
// runs, each is read on its shard, between two batches; in a handler it is
// ErrInHandler.
func (l *Local[T]) Fold(f func(*T)) error {
	if run := l.stack.current(); run != nil {
		if run.inHandler() {
			return ErrInHandler
		}
		run.eachIndex(func(i int) {
			if v := l.parts[i].value; v != nil {
				f(v)
			}
		})
		return nil
	}
	for i := range l.parts {
		if v := l.parts[i].value; v != nil {
			f(v)
		}
	}
	return nil
}
