package witness

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/rx"
)

// Play runs a stack over a source, with everything that Watch tells written to
// w, and how the run ended below: what two runs must have in common. The error
// is what breaks the contract, or what keeps a stack from being made.
func Play(cfg mbox.Config, src rx.Source, seed uint64, w io.Writer) (mbox.Stats, error) {
	if seed != 0 && cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler) // a nuisance panics on purpose
	}
	s, err := mbox.New(cfg)
	if err != nil {
		return mbox.Stats{}, err
	}
	return PlayOn(s, src, seed, w)
}

// PlayOn is Play on a stack that the caller has made.
func PlayOn(s *mbox.Stack, src rx.Source, seed uint64, w io.Writer) (mbox.Stats, error) {
	audit, err := Audit(s)
	if err == nil {
		err = Watch(s, w, seed)
	}
	if err != nil {
		return mbox.Stats{}, err
	}
	if err := run(s, src, w); err != nil {
		return mbox.Stats{}, err
	}
	return s.Stats(), audit.Err(s.Stats())
}

// PlayOnly is PlayOn with what WatchOnly tells of some events.
func PlayOnly(s *mbox.Stack, src rx.Source, w io.Writer, events ...mbox.Event) (mbox.Stats, error) {
	if err := WatchOnly(s, w, events...); err != nil {
		return mbox.Stats{}, err
	}
	err := run(s, src, w)
	return s.Stats(), err
}

// run runs a stack, and writes how that ended.
func run(s *mbox.Stack, src rx.Source, w io.Writer) error {
	ended := s.Run(context.Background(), src)
	_, err := fmt.Fprintf(w, "the run ended: %v\n", ended)
	return err
}
