package tidy

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// The words are put together here, so that this file does not have them.
var (
	unfinished  = regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "XX" + `X)\b`)
	machinePath = regexp.MustCompile(`(^|[^\w./-])/(work|root)/`)
	corpus      = regexp.MustCompile("shared/" + "conformance")
	link        = regexp.MustCompile(`\[[^\]\n]*\]\(([^)\s]+)\)`)
	fence       = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
)

var textChecks = []check{
	{
		name: "nothing is left for later",
		run: func(m *module) []string {
			return grep(m, unfinished, written, "is work that is not done")
		},
		bad: map[string]string{
			"wire/a.go": "package wire\n// " + "TO" + "DO: the rest\nvar a = 1 // " + "XX" + "X",
			"README.md": "# mbox\n\n" + "FIX" + "ME\n\nTODOS are XXXL.",
			"wire/b.go": "package wire\n",
		},
		want: []string{
			"wire/a.go:2: \"TO" + "DO\" is work that is not done",
			"wire/a.go:3: \"XX" + "X\" is work that is not done",
			"README.md:3: \"FIX" + "ME\" is work that is not done",
		},
	},
	{
		name: "no file knows the machine it was written on",
		run: func(m *module) []string {
			return grep(m, machinePath, written, "is a path of one machine")
		},
		bad: map[string]string{
			"wire/a.go":          "package wire\n\nconst a = \"/wo" + "rk/main\"",
			".ci/run":            "cd /ro" + "ot/mbox",
			"docs/a.md":          "see https://example.org/wo" + "rk/ and ./wo" + "rk/x and net" + "/wo" + "rk/",
			"wire/testdata/a.gz": "",
		},
		want: []string{
			"wire/a.go:3: \"\\\"/wo" + "rk/\" is a path of one machine",
			".ci/run:1: \" /ro" + "ot/\" is a path of one machine",
		},
	},
	{
		name: "one place names the conformance corpus",
		run: func(m *module) []string {
			return grep(m, corpus, func(name string) bool { return written(name) && name != ".ci/run" },
				"is named in .ci/run alone; elsewhere MBOX_CONFORMANCE says where it is")
		},
		bad: map[string]string{
			".ci/run":   "../shared/" + "conformance",
			"README.md": "../shared/" + "conformance/run",
		},
		want: []string{"README.md:1: \"shared/" + "conformance\" is named in .ci/run alone; elsewhere MBOX_CONFORMANCE says where it is"},
	},
	{
		name: "links lead somewhere",
		run:  brokenLinks,
		bad: map[string]string{
			"README.md": "[events](docs/EVENTS.md) [wire](wire) [gone](docs/GONE.md#a)\n[web](https://example.org/) [here](#there)",
			"docs/EVENTS.md": "[readme](../README.md) [self](EVENTS.md#x)\n\n[lost](README.md)\n`[code](x.md)`\n```\n[code](y.md)\n```\n" +
				"[out](../../up.md)",
			"wire/a.go": "package wire\n// [x](y.md)",
		},
		want: []string{
			"README.md:1: docs/GONE.md does not exist",
			"docs/EVENTS.md:3: docs/README.md does not exist",
			"docs/EVENTS.md:8: ../up.md does not exist",
		},
	},
}

// written reports whether people wrote the file, in words: captures, corpora of
// the fuzzer and checksums are not.
func written(name string) bool {
	return !strings.Contains(name, "testdata/fuzz/") && path.Base(name) != "go.sum"
}

// grep finds what matches re in files whose name is wanted.
func grep(m *module, re *regexp.Regexp, wanted func(string) bool, why string) (problems []string) {
	for name, text := range m.text {
		if !wanted(name) {
			continue
		}
		for _, at := range re.FindAllStringIndex(text, -1) {
			problems = append(problems, fmt.Sprintf("%s:%d: %q %s", name, lineOf(text, at[0]), text[at[0]:at[1]], why))
		}
	}
	return problems
}

// lineOf returns the number of the line that octet at of text lies in.
func lineOf(text string, at int) int { return 1 + strings.Count(text[:at], "\n") }

// brokenLinks finds links in Markdown files to files that do not exist.
func brokenLinks(m *module) (problems []string) {
	for name, text := range m.text {
		if path.Ext(name) != ".md" {
			continue
		}
		text = fence.ReplaceAllStringFunc(text, func(code string) string {
			return strings.Repeat("\n", strings.Count(code, "\n"))
		})
		for _, at := range link.FindAllStringSubmatchIndex(text, -1) {
			target, _, _ := strings.Cut(text[at[2]:at[3]], "#")
			if target == "" || strings.Contains(target, ":") {
				continue
			}
			target = path.Join(path.Dir(name), target)
			if _, ok := m.text[target]; !ok && !m.dirs[target] {
				problems = append(problems, fmt.Sprintf("%s:%d: %s does not exist", name, lineOf(text, at[0]), target))
			}
		}
	}
	return problems
}
