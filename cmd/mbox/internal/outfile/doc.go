// Package outfile writes lines where an operator wants them: to a file that is
// rotated by size, by time and when it is told to, or to standard output; and it
// does what the operator wants done when there is no room for them.
//
//	Write ──lines──▶ (queue, with Drop) ──▶ file ──rotate──▶ file.1, file.2, …
//
// What comes in any pieces is written in whole lines: a file begins with a line,
// ends with one, and where lines have to be dropped, none is dropped in part.
// What is dropped is counted.
package outfile
