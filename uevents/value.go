package uevents

import "sync/atomic"

// Key names a value that handlers keep with a flow: a user's own state, typed.
// Every key is its own, so two sockets that use a package's key share the value,
// and a socket that wants one for itself makes its own key. Values end with
// their flow; they are there from the first PreTCP event to OnConnEnd.
//
// The zero value is not usable; make keys with NewKey.
type Key[T any] struct{ id uint64 }

// keys counts keys.
var keys atomic.Uint64

// NewKey returns a new key.
func NewKey[T any]() Key[T] { return Key[T]{id: keys.Add(1)} }

// Get returns the flow's value, or nil if none was set.
func (k Key[T]) Get(c *Context) *T {
	v, _ := c.engine.Value(k.id).(*T)
	return v
}

// Of returns the flow's value, a new zero T if none was set.
func (k Key[T]) Of(c *Context) *T {
	if v := k.Get(c); v != nil {
		return v
	}
	v := new(T)
	c.engine.SetValue(k.id, v)
	return v
}

// Set replaces the flow's value; nil takes it away.
func (k Key[T]) Set(c *Context, v *T) {
	if v == nil {
		c.engine.SetValue(k.id, nil)
		return
	}
	c.engine.SetValue(k.id, v)
}
