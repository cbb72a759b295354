package mbox_test

import (
	"errors"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/shard"
	"github.com/mbox-stack/mbox/tcpfsm"
)

// TestCensus: what lives is counted by where it stands, marks of released flows
// apart; a handler that asks is refused.
func TestCensus(t *testing.T) {
	s := stack(t, mbox.Config{})
	sock := s.Monitor(mbox.Stream)
	handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
		if _, err := s.Census(); !errors.Is(err, mbox.ErrInHandler) {
			t.Errorf("Census in a handler: %v", err)
		}
		if err := s.Ping(); !errors.Is(err, mbox.ErrInHandler) {
			t.Errorf("Ping in a handler: %v", err)
		}
	})
	check := func(when string, want mbox.Census) {
		if got, err := s.Census(); err != nil || got != want {
			t.Errorf("%s: %+v (%v), want %+v", when, got, err, want)
		}
	}
	check("before it runs", mbox.Census{})
	run(t, s, life, 3, func() {
		var want mbox.Census
		want.Flows[shard.PhaseEstablished] = 1
		want.Endpoints[mbox.Client][tcpfsm.Established] = 1
		want.Endpoints[mbox.Server][tcpfsm.Established] = 1
		check("amid the connection", want)
		if err := s.Ping(); err != nil {
			t.Errorf("Ping: %v", err)
		}
		st := s.Stats()
		if total := st.Total(); total.Live != 1 || total.Frames != 3 {
			t.Errorf("%d flows and %d frames after Ping: not up to date", total.Live, total.Frames)
		}
		if len(st.Mailboxes) != len(st.Shards) || st.Mailboxes[0].TrafficMax == 0 || st.Mailboxes[0].RequestsMax == 0 {
			t.Errorf("mailboxes %+v of %d shards", st.Mailboxes, len(st.Shards))
		}
		if err := sock.Close(); err != nil {
			t.Error(err)
		}
		check("released", mbox.Census{Flows: [shard.PhaseCount]uint64{shard.PhaseReleased: 1}})
	})
	check("after the run", mbox.Census{})
	early := mbox.Stats{Shards: []shard.Stats{{}}}
	early.Shards[0].Fates[shard.FateTracked] = 3 // of a batch that its receiver has not counted yet
	if early.Balanced() {
		t.Error("what nobody has sent is done, and the ledgers are said to balance")
	}
	early.Mailboxes = []mbox.Mailbox{{}}
	if !early.Balanced() {
		t.Error("a batch under way while the stack runs is taken for an imbalance")
	}
	st := s.Stats()
	if st.Sources[0].Clock == 0 || st.Shards[0].Clock < st.Sources[0].Clock {
		t.Errorf("the clock of the source is %d, that of the shard %d", st.Sources[0].Clock, st.Shards[0].Clock)
	}
}
