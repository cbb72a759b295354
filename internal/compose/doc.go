// Package compose builds one program out of several examples, each in a socket
// of its own of the same stack: what tests of composability and measurements of
// what sharing a stack saves run.
//
//	program CAPTURE SHARDS DIR NAME...    writes what each example prints to DIR/NAME
//
// # Traps
//
// It needs the go command and the module's sources.
package compose
