//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// onAsked has f called at each SIGUSR1, until the function returned is called.
// Nothing is called after that has returned.
func onAsked(f func()) (stop func()) {
	asked := make(chan os.Signal, 1) // more while one is answered are one
	quit, done := make(chan struct{}), make(chan struct{})
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		defer close(done)
		for {
			select {
			case <-asked:
				f()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		signal.Stop(asked)
		close(quit)
		<-done
	}
}
