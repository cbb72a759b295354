package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// readConfig sets the flags that a file names, one "name: value" a line, where
// the command line does not. Empty lines and those that begin with # say
// nothing. Whatever else is there is an error.
func readConfig(cmd *cobra.Command, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return failure{err}
	}
	defer f.Close()
	given := map[string]bool{}
	cmd.Flags().Visit(func(f *pflag.Flag) { given[f.Name] = true })
	return setFlags(cmd.Flags(), given, name, f)
}

func setFlags(flags *pflag.FlagSet, given map[string]bool, name string, from io.Reader) error {
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
		case flag == nil || key == "config" || key == "help":
			return fmt.Errorf("%s:%d: unknown key %q", name, n, key)
		case given[key]:
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
