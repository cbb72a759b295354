package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/mboxtest"
	"github.com/mbox-stack/mbox/rx"
	"github.com/mbox-stack/mbox/wire"
)

// TestDumpIsATest: a connection that was dumped is a transcript that mboxtest
// reads, and playing it gives the same transcript: states, events, pauses.
func TestDumpIsATest(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	n := 0
	for f := range traffic.NewDemo().Flows() {
		scope := fmt.Sprintf("tcp and src host %v and src port %d and dst port %d", f.Client.Addr(), f.Client.Port(), f.Server.Port())
		for _, absolute := range []bool{false, true} {
			text := must(t, "dump", "-r", demo, "--flow", scope, "--absolute="+strconv.FormatBool(absolute))
			if strings.Count("\n"+text, "\n# tcp ") != 1 {
				continue // two connections of the same ports: while one is played, the other's timers run
			}
			n++
			script, err := mboxtest.Parse("dump", text)
			if err != nil {
				t.Fatal(err)
			}
			again := redump(t, script, absolute)
			if line, g, w := firstDifference(uncomment(again), uncomment(text)); line > 0 {
				t.Errorf("%s: played again, line %d is\n%s\nwant\n%s\nof\n%s", f.Note, line, g, w, text)
			}
		}
		if n == 1 && !rewriting() {
			mboxtest.Check(t, writeFile(t, "dump.txt", must(t, "dump", "-r", demo, "--flow", scope)))
		}
	}
	if n < 58 {
		t.Errorf("%d transcripts were played", n)
	}
}

// redump returns the transcript of playing a transcript.
func redump(t *testing.T, script *mboxtest.Script, absolute bool) string {
	t.Helper()
	var out bytes.Buffer
	p := &program{stdout: &out, stderr: os.Stderr}
	s, err := p.sessionOver(script.Source(), newOptions(), nil, func(c *mbox.Config) { c.Shards = 1 })
	if err == nil {
		err = s.transcribe("", absolute)
	}
	if err == nil {
		err = s.play(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// uncomment leaves comments out, and what aligns columns.
func uncomment(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
		}
	}
	return b.String()
}

// TestDumpOfBadChecksum: under verify a segment that nobody sees has its line
// all the same, and the settings that the test is to be played with stand first.
func TestDumpOfBadChecksum(t *testing.T) {
	if rewriting() {
		t.Skip("-rewrite has Check write files")
	}
	path := craft.Path{Src: netip.MustParseAddrPort("10.0.0.1:1000"), Dst: netip.MustParseAddrPort("10.0.0.2:80")}
	bad := path
	bad.Faults = craft.BadChecksum
	capture := writeCapture(t, &frames{
		craft.AppendTCP(nil, &path, &craft.TCP{Seq: 100, Flags: wire.SYN, Wnd: 1000}, nil),
		craft.AppendTCP(nil, &bad, &craft.TCP{Seq: 101, Flags: wire.ACK, Wnd: 1000}, []byte("lost")),
		craft.AppendTCP(nil, &path, &craft.TCP{Seq: 101, Flags: wire.RST, Wnd: 1000}, nil),
	})
	for _, mode := range []string{"verify", "label"} {
		text := must(t, "dump", "-r", capture, "--checksums", mode, "--idle-timeout", "1m")
		if strings.Count(text, " badsum ") != 1 || strings.HasPrefix(text, ": checksums verify\n") != (mode == "verify") || !strings.Contains(text, ": timeout datagram 1m0s\n") {
			t.Errorf("%s:\n%s", mode, text)
		}
		mboxtest.Check(t, writeFile(t, "dump.txt", text))
	}
}

// TestDumpInParts: with little room for connections that have not ended, their
// transcripts come in parts that hold the same lines.
func TestDumpInParts(t *testing.T) {
	dump := func(room int) (lines []string, parts int) {
		var out bytes.Buffer
		p := &program{stdout: &out, stderr: os.Stderr}
		capture := rx.File(writeCapture(t, traffic.NewDemo()))
		s, err := p.sessionOver(capture, newOptions(), nil, func(c *mbox.Config) { c.Shards = 1 })
		if err != nil {
			t.Fatal(err)
		}
		d := s.newTranscriber(false)
		d.heldMax = room
		if err := d.register(s.stack.Monitor(mbox.Stream), ""); err != nil {
			t.Fatal(err)
		}
		if err := s.play(context.Background()); err != nil {
			t.Fatal(err)
		}
		if d.held != 0 || d.blocks.Len() != 0 {
			t.Errorf("with room for %d: %d octets are held in %d blocks after the end", room, d.held, d.blocks.Len())
		}
		lines = strings.FieldsFunc(uncomment(out.String()), func(r rune) bool { return r == '\n' })
		slices.Sort(lines)
		return lines, strings.Count(out.String(), ", continued\n")
	}
	whole, none := dump(heldMax)
	cut, some := dump(1000)
	if none != 0 || some == 0 || !slices.Equal(whole, cut) {
		t.Errorf("%d lines without, %d with parts, of which there are %d and %d", len(whole), len(cut), none, some)
	}
}
