package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// readConfig sets the flags that a file names, one "name: value" a line, where
// the command line does not. Empty lines and those that begin with # say
// nothing. All commands can share a file: flags that only others have are
// passed over. Whatever else is there is an error.
func readConfig(cmd *cobra.Command, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return failure{err}
	}
	defer f.Close()
	given := map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	others := func(key string) bool {
		return slices.ContainsFunc(cmd.Root().Commands(), func(c *cobra.Command) bool { return c.Flags().Lookup(key) != nil })
	}
	return setFlags(cmd.Flags(), given, others, name, f)
}

// setFlags sets flags from the lines of the file called name, except those
// given. others reports whether another command has a flag.
func setFlags(flags *pflag.FlagSet, given map[string]bool, others func(string) bool, name string, from io.Reader) error {
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		flag := flags.Lookup(key)
		switch {
		case !ok:
			return fmt.Errorf("%s:%d: %q is not of the form 'name: value'", name, n, text)
		case key == "config" || key == "help" || flag == nil && !others(key):
			return fmt.Errorf("%s:%d: unknown key %q", name, n, key)
		case flag == nil || given[key]:
			continue
		}
		if err := flags.Set(key, value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", name, n, key, flagError(err))
		}
	}
	if err := lines.Err(); err != nil {
		return failure{fmt.Errorf("%s: %w", name, err)}
	}
	return nil
}
