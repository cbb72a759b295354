package fuzz

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/frag"
	"github.com/mbox-stack/mbox/internal/witness"
	"github.com/mbox-stack/mbox/rx"
)

// config returns the configuration that a number stands for.
func config(n uint32) mbox.Config {
	bit := func(i int) bool { return n>>i&1 != 0 }
	c := mbox.Config{
		Memory: 32 << 20, Strict: bit(0), NoPickup: bit(1), ByVLAN: bit(2), ByTunnel: bit(3),
		Checksums: mbox.Checksums(n >> 4 & 3 % 3), Policy: mbox.Policy(n >> 6 & 7 % 6),
		Fragments: frag.Config{PolicyV4: frag.Policy(n >> 9 & 7 % 5), PolicyV6: frag.Policy(n >> 9 & 7 % 5)},
	}
	if bit(12) {
		c.History = 1000
	}
	if bit(13) {
		c.StreamMax = 4096 // hardly more than two segments
	}
	if bit(14) {
		c.Timeouts = mbox.Timeouts{Embryonic: time.Second, Established: 2 * time.Second, Closing: time.Second, Closed: time.Second, Datagram: time.Second}
	}
	if bit(15) {
		c.Filter = "tcp or udp port 53"
	}
	return c
}

// memoryAfter is what a stack of a few shards may keep when all flows have
// ended: tables of the least size, and a few chunks for the next flows.
const memoryAfter = 16 << 20

// play runs a stack over frames and returns what it said.
func play(t *testing.T, cfg mbox.Config, frames []rx.Frame, nuisance uint64) string {
	t.Helper()
	var log bytes.Buffer
	st, err := witness.Play(cfg, rx.NewMemory(frames...), nuisance, &log)
	if err != nil {
		t.Fatalf("%d shards, batches of %d: %v", cfg.Shards, cfg.Batch, err)
	}
	if total := st.Total(); total.Memory > memoryAfter {
		t.Fatalf("%d octets are kept when all flows have ended", total.Memory)
	}
	return log.String()
}

// FuzzStack takes frames through whole stacks whose handlers stand on everything
// and interfere. Nothing may panic; the contract of events and the ledgers are
// audited; one shard and three, large batches and single frames say the same.
func FuzzStack(f *testing.F) {
	base, err := Conversations()
	if err != nil {
		f.Fatal(err)
	}
	m := Mutator{Frames: base}
	some := bytes.Repeat([]byte{opNext, 15}, 5)
	for i, config := range []uint32{0, 1, 1 << 12, 1 << 13, 1<<14 | 1<<4, 1<<15 | 2, 3<<6 | 2<<9} {
		from := []byte{opGo, byte(i >> 2), byte(64 * i)}
		f.Add(append(from, some...), config, uint64(0))
		f.Add(append(from, some...), config, uint64(i+1))
	}
	f.Add([]byte{opNext, 3, opAgain, 0, opSwap, opFlip, 47, 2, opCut, 30, opShort, 9, opTime, 17, opSkip, 2, opNext, 9,
		opSplice, 38, 0, 0, 0, 1, opOctets, 4, 1, 2, 3, 4, opTime, 250, opNext, 15}, uint32(0), uint64(3))
	f.Fuzz(func(t *testing.T, program []byte, configuration uint32, nuisance uint64) {
		frames := m.Run(program)
		cfg := config(configuration)
		cfg.Shards, cfg.Batch = 1, 256
		one := play(t, cfg, frames, nuisance)
		cfg.Shards, cfg.Batch = 3, 1
		three := play(t, cfg, frames, nuisance)
		if one != three {
			t.Fatal(difference(one, three))
		}
	})
}

// difference says where two journals part.
func difference(a, b string) string {
	x, y := strings.SplitAfter(a, "\n"), strings.SplitAfter(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d\n\tone shard, batches of 256: %s\tthree, single frames:      %s", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(x), len(y))
}

// A program makes what it says, and leaves the conversations as they were.
func TestMutator(t *testing.T) {
	base := []rx.Frame{frameAt(1, []byte("zero")), frameAt(2, []byte("one")), frameAt(3, []byte("two"))}
	for _, c := range []struct {
		program []byte
		want    string
	}{
		{[]byte{opNext, 2}, "zero one two"},
		{[]byte{opSwap, opAgain, 1}, "one zero one"},
		{[]byte{opSkip, 0, opFlip, 0, 1, opShort, 1}, "nne tw"},
		{[]byte{opOctets, 2, 'o', 'k', opGo, 0, 2, opCut, 2}, "ok t"},
		{[]byte{opSplice, 1, 'x', 'x', 'x', 'x', opNext}, "zxxx one"},
		{nil, ""},
	} {
		m := Mutator{Frames: base}
		var got []string
		for _, f := range m.Run(c.program) {
			got = append(got, string(f.Data))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %q, want %q", c.program, got, c.want)
		}
	}
	if string(base[0].Data)+string(base[1].Data) != "zeroone" {
		t.Errorf("the conversations were changed: %q %q", base[0].Data, base[1].Data)
	}
}
