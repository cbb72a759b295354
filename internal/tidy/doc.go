// Package tidy holds the house style as tests; it has no code of its own.
//
// Each rule is a check: a function of the module's source that returns what
// breaks the rule, a line each. Every check carries a small module that breaks
// it, and TestChecksCanFail shows that it would be found. TestModule runs all of
// them over the module itself:
//
//	go test ./internal/tidy
//
// The rules, by file: floors_test.go, which package may import which;
// calls_test.go, what is kept out of packages that are functions of their
// input; size_test.go, how long functions and files may be; docs_test.go,
// comments and Examples; text_test.go, what no file may say, and links that
// lead somewhere.
//
// A new package is entered in the table of floors first. A rule that stands in
// the way of better code is changed here, with its reason, not worked around.
package tidy
