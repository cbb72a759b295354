//go:build !unix

package main

// onAsked does nothing: the system has no signal to ask with.
func onAsked(func()) (stop func()) { return func() {} }
