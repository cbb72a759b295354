//go:build unix

package view

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stopWait is how long a stop may take to reach the program. Where it never
// does, as nobody could continue the program, the view goes on.
const stopWait = 250 * time.Millisecond

// suspend gives the terminal back and stops the program until it is continued. It
// reports whether there is a terminal then.
func (v *View) suspend() bool {
	if v.screen.Suspend() != nil {
		return true // it goes on as it is
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTSTP) // ourselves, whom we may
	select {
	case <-continued:
	case <-time.After(stopWait):
	}
	if v.screen.Resume() != nil {
		return false
	}
	v.screen.Sync()
	return true
}
