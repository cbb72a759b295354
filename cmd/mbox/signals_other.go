//go:build !unix

package main

// onAsked does nothing: the system has no signal to ask with.
func (s *session) onAsked(func()) (stop func()) { return func() {} }
