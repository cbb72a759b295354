//go:build unix

package view

import (
	"os"
	"syscall"
)

// suspend gives the terminal back and stops the program until it is continued.
func (v *View) suspend() {
	if v.screen.Suspend() != nil {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGTSTP) // ourselves, whom we may
	_ = v.screen.Resume()                          // without a terminal the next event is its end
	v.screen.Sync()
}
