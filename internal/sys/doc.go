// Package sys has what the program needs to know of the machine and the
// runtime that the standard library does not say, and asks of the machine what
// the language has no word for.
package sys
