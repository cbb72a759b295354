package privilege

import (
	"os"

	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// Lacking returns what the program would need to capture and does not have, and
// the command that grants it; both are "" if there is nothing.
func Lacking() (capability, remedy string) {
	if is, err := cap.GetProc().GetFlag(cap.Effective, cap.NET_RAW); err == nil && is {
		return "", ""
	}
	program, err := os.Executable()
	if err != nil {
		program = "PROGRAM"
	}
	return "CAP_NET_RAW", "setcap cap_net_raw+ep " + program
}
