package filter

import (
	"fmt"
	"unicode/utf8"
)

// Error says which word of an expression cannot be had, and why. Everything
// that this package refuses is one.
type Error struct {
	Word   string // as written; empty where the expression ended too early
	Column int    // 1-based, in characters
	Reason string // one clause, without a full stop
}

// Error returns the error in one line: column, word, reason.
func (e *Error) Error() string {
	if e.Word == "" {
		return fmt.Sprintf("column %d: end of expression: %s", e.Column, e.Reason)
	}
	return fmt.Sprintf("column %d: %q: %s", e.Column, e.Word, e.Reason)
}

// errorAt returns an Error about the word at octet off of src.
func errorAt(src string, off int, word, format string, args ...any) *Error {
	return &Error{
		Word:   word,
		Column: utf8.RuneCountInString(src[:off]) + 1,
		Reason: fmt.Sprintf(format, args...),
	}
}

// suggestMax is how many letters a suggestion may differ in. With three, short
// words such as "tcp" would be suggested for almost anything.
const suggestMax = 2

// suggestWordMax bounds the words that suggestions are looked for; no keyword
// is longer by more than suggestMax.
const suggestWordMax = 40

// suggestion returns a hint at the keyword that word is most like, or "".
func suggestion(word string) string {
	if len(word) > suggestWordMax {
		return ""
	}
	best, bestDistance := "", suggestMax+1
	for k := range keywords {
		if refused[k] != "" {
			continue
		}
		d := distance(word, k)
		if 2*d > len(k) && lower(word) != k {
			continue // more changed than kept
		}
		if d < bestDistance || d == bestDistance && k < best {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance returns how many letters must be changed, added, left out or swapped
// with their neighbour to make b of a. Capitals are one change however many.
func distance(a, b string) int {
	if lower(a) == b {
		return 1
	}
	var before []int // the row above last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			same := last[j-1]
			if a[i-1] != b[j-1] {
				same++
			}
			row[j] = min(same, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// lower returns s with ASCII capitals made small.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
