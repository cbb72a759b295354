package mbox_test

import (
	"testing"

	"github.com/mbox-stack/mbox/mboxtest"
)

// TestTranscripts plays testdata/*.txt: what happens to a connection, segment
// by segment, with the states of both endpoints and the events raised.
func TestTranscripts(t *testing.T) { mboxtest.CheckAll(t, "testdata/*.txt") }
