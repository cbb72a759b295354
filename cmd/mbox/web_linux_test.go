package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/internal/traffic"
)

// webObject is a line of "web --format jsonl", as far as it is looked at.
type webObject struct {
	Total          bool
	Open           uint64
	Opened, Closed uint64
	C2S, S2C       struct {
		Packets      uint64
		PayloadBytes uint64 `json:"payload_bytes"`
	}
	Hosts []struct {
		Host   string
		Opened uint64
	}
}

// TestWebLive: on an interface web counts what servers accept and close, second
// by second, under the names that clients ask for.
func TestWebLive(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	l, err := server.Listen("tcp", "10.0.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 3000)) })}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	for _, mode := range []string{modeStream, modeFlow} {
		c := startCapturing(t, client, "web", "-i", "c0", "--mode", mode, "--format", "jsonl")
		const connections = 20
		for i := range connections {
			askPage(t, client, fmt.Sprintf("host%d.example", i%2))
		}
		c.stop(t)
		checkWeb(t, mode, c.stdout.String(), connections)
	}
}

// askPage asks the server for its page under a name, and returns when both have closed
// the connection.
func askPage(t *testing.T, client *netns.Namespace, host string) {
	t.Helper()
	conn, err := client.DialContext(t.Context(), "tcp", "10.0.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
	n, rest := io.Copy(io.Discard, conn) // to the end: the server closes
	if err := errors.Join(err, rest, conn.Close()); n < 3000 || err != nil {
		t.Fatal(n, err)
	}
}

// checkWeb compares what web has printed with what was done.
func checkWeb(t *testing.T, mode, text string, connections uint64) {
	t.Helper()
	var sum, total webObject
	for line := range strings.Lines(text) {
		var o webObject
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if o.Total {
			total = o
			continue
		}
		sum.Opened += o.Opened
		sum.Closed += o.Closed
		sum.C2S.Packets += o.C2S.Packets
		sum.S2C.PayloadBytes += o.S2C.PayloadBytes
	}
	if total.Opened != connections || total.Closed != connections || total.Open != 0 || total.S2C.PayloadBytes < 3000*connections {
		t.Errorf("%s: %+v", mode, total)
	}
	if sum.Opened != total.Opened || sum.Closed != total.Closed || sum.C2S.Packets != total.C2S.Packets || sum.S2C.PayloadBytes != total.S2C.PayloadBytes {
		t.Errorf("%s: the seconds add up to %+v, and the total is %+v", mode, sum, total)
	}
	if mode == modeFlow {
		return
	}
	named := map[string]uint64{}
	for _, h := range total.Hosts {
		named[h.Host] = h.Opened
	}
	if named["host0.example"] != connections/2 || named["host1.example"] != connections/2 {
		t.Errorf("hosts %v", named)
	}
}

// TestTopLive: a connection that is open is shown with both states.
func TestTopLive(t *testing.T) {
	client, server := netns.PairForTest(t, netns.Cable{})
	l, err := server.Listen("tcp", "10.0.0.2:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := startCapturing(t, client, "top", "-i", "c0", "--format", "jsonl", "tcp")
	conn, err := client.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	c.stop(t)
	if text := c.stdout.String(); !strings.Contains(text, `"client_state":"ESTABLISHED","server_state":"ESTABLISHED"`) || !strings.Contains(text, `"payload_bytes":5`) {
		t.Errorf("printed\n%s", text)
	}
}

// BenchmarkWeb has web watch connections on one end of a cable, at the rate at
// which one sender fills the other, and reports what the process took of the CPU
// for a packet, outside the kernel and in it, and what was dropped.
func BenchmarkWeb(b *testing.B) {
	for _, mode := range []string{modePacket, modeFlow, modeStream} {
		b.Run(mode, func(b *testing.B) {
			client, server := netns.PairForTest(b, netns.Cable{})
			sender, err := netns.NewSender(client, "c0")
			if err != nil {
				b.Fatal(err)
			}
			defer sender.Close()
			cmd := asProcess("web", "-i", "s0", "--mode", mode, "--format", "jsonl", "--shards", "1", "--stats")
			var stdout, stderr lines
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := server.Start(cmd); err != nil {
				b.Fatal(err)
			}
			stderr.until("mbox: privileges left")
			var stream *traffic.Connections // none comes twice
			var frame []byte
			for more := false; b.Loop(); {
				if frame, _, more = next(stream, frame); !more {
					if stream, err = traffic.NewConnections(traffic.Staggered(uint64(b.N), 1<<20, 1000, 512)); err != nil {
						b.Fatal(err)
					}
					frame, _, _ = next(stream, frame)
				}
				if err := sender.Send(frame); err != nil {
					b.Fatal(err)
				}
			}
			if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
				b.Fatal(err, stderr.String())
			}
			received := stderr.number("packets handed to shards")
			b.ReportMetric(float64(cmd.ProcessState.UserTime().Nanoseconds())/received, "user-ns/packet")
			b.ReportMetric(float64(cmd.ProcessState.SystemTime().Nanoseconds())/received, "system-ns/packet")
			b.ReportMetric(stderr.number("dropped: ring was full")+stderr.number("mailbox-full"), "dropped")
			b.ReportMetric(received/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

// next returns the next frame of a stream; nil is one that has ended.
func next(s *traffic.Connections, frame []byte) ([]byte, int64, bool) {
	if s == nil {
		return frame, 0, false
	}
	return s.Next(frame[:0])
}

// lines is output that a benchmark reads while it comes.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

// String returns what has come.
func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until waits for a text.
func (l *lines) until(text string) {
	for !strings.Contains(l.String(), text) {
		time.Sleep(time.Millisecond)
	}
}

// number returns the number behind a name, 0 if it is not there.
func (l *lines) number(name string) (n float64) {
	if _, rest, ok := strings.Cut(l.String(), name); ok {
		fmt.Sscan(rest, &n)
	}
	return n
}
