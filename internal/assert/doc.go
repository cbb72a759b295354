// Package assert checks what this code promises itself.
//
// A false assertion is a bug of mbox, never the network's doing: what comes
// from the network is parsed, counted and raised. Checked builds (-tags
// mboxdebug, and every build with the race detector) compile the checks in;
// elsewhere they vanish. Walks that cost more than a comparison stand behind
// Enabled:
//
//	if assert.Enabled {
//		s.checkHoles()
//	}
package assert
