// Package sys has what the program needs to know of the machine and the
// runtime that the standard library does not say.
package sys
