package rx

import "github.com/mbox-stack/mbox/filter"

// Limited is implemented by sources that can leave out frames which nobody wants
// before they cost anything, as an interface's kernel filter does. What they
// leave out was never received: it is in no counter.
type Limited interface {
	Source
	// Limit says what is wanted from now on; see filter.Kernel. It may be called
	// at any time, from any goroutine. Frames that came before may still bring
	// what is not wanted.
	Limit(only *filter.Program, wants []filter.Want) error
}
