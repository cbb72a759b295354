//go:build mboxdebug || race

package assert

// Enabled reports whether this build checks its invariants.
const Enabled = true

// That panics with msg unless ok.
func That(ok bool, msg string) {
	if !ok {
		panic("mbox: invariant broken: " + msg)
	}
}
