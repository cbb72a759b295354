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

// suspend gives the terminal back and stops the program until it is continued.
func (v *View) suspend() {
	if v.screen.Suspend() != nil {
		return
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTSTP) // ourselves, whom we may
	select {
	case <-continued:
	case <-time.After(stopWait):
	}
	_ = v.screen.Resume() // without a terminal the next event is its end
	v.screen.Sync()
}
