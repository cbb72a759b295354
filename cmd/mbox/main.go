// Command mbox follows the connections of a network capture or interface: flow
// records, events, streams, transcripts.
//
// Each command has a file of its name. They share options.go, what the flags
// say, and session.go, one run of a stack over what was named; where frames come
// from is decided in one place there, so that another kind of source is one more
// flag and one more case.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gdamore/tcell/v2"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// The exit statuses.
const (
	statusOK    = 0
	statusInput = 1 // the input is bad, or the output cannot be written
	statusUsage = 2 // the command line is wrong
)

func main() {
	// Without this the runtime ends the program at the first write behind a
	// reader that has gone; so it is an error like any other, which status knows.
	signal.Ignore(syscall.SIGPIPE)
	p := &program{stdout: os.Stdout, stderr: os.Stderr, confined: true}
	os.Exit(p.run(os.Args[1:]))
}

// run is the program within another one, which goes on with the privileges that
// it has.
func run(args []string, stdout, stderr io.Writer) int {
	return (&program{stdout: stdout, stderr: stderr}).run(args)
}

// run does what args say and returns the exit status. Standard input is what the
// os package says it is, as rx reads it.
func (p *program) run(args []string) int {
	ignored := signal.Ignored(os.Interrupt)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal has the run drained and reported. From then on signals do
	// what they do to any program, so that a second one ends it at once.
	defer context.AfterFunc(ctx, func() {
		if stop(); ignored {
			endAtInterrupt()
		}
	})()

	root := p.root(args)
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	strict(root)
	return p.status(root.ExecuteContext(ctx))
}

// statusInterrupted is how shells report a program that an interrupt has ended.
const statusInterrupted = 128 + 2

// endAtInterrupt has the next interrupt end the program. That needs doing where
// interrupts were ignored when it began, as shells have it for what a script runs
// in the background: a second one would be lost, and what hangs go on hanging.
func endAtInterrupt() {
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt)
	go func() {
		<-again
		os.Exit(statusInterrupted)
	}()
}

// program is what all commands write to.
type program struct {
	stdout, stderr io.Writer
	// confined says that a live capture gives up the privileges that it does not
	// need, which the process never gets back.
	confined  bool
	newScreen func() (tcell.Screen, error) // of tests; nil: the terminal's
	// through is what a test has a source go through on its way to the stack; nil:
	// nothing.
	through func(*mbox.Stack, rx.Source) rx.Source
}

// failure is an error that is nobody's wrong usage: of the input, or of what
// the program writes to.
type failure struct{ error }

// Unwrap returns the error itself.
func (f failure) Unwrap() error { return f.error }

// status reports an error in one line and returns the exit status it stands
// for. A reader that has gone is none: it has seen all it wanted.
func (p *program) status(err error) int {
	if err == nil || errors.Is(err, syscall.EPIPE) {
		return statusOK
	}
	fmt.Fprintf(p.stderr, "mbox: %s\n", oneLine(err))
	var on *fs.PathError // of help, which commands of cobra's own print
	if errors.As(err, new(failure)) || errors.As(err, &on) && on.Op == "write" {
		return statusInput
	}
	return statusUsage
}

// oneLine returns an error's text in one line, without the name of the program.
func oneLine(err error) string {
	lines := strings.Split(err.Error(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimSpace(l), "mbox: ")
	}
	return strings.Join(lines, "; ")
}
