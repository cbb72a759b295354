package examples_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io"
	"os"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
)

var rewrite = flag.Bool("rewrite", false, "write day.pcap.gz anew")

// TestDay: the capture that the examples read is the day of the demo.
func TestDay(t *testing.T) {
	var want bytes.Buffer
	if _, err := traffic.WriteCapture(&want, traffic.NewDemo(), 0); err != nil {
		t.Fatal(err)
	}
	if *rewrite {
		var file bytes.Buffer
		z, _ := gzip.NewWriterLevel(&file, gzip.BestCompression)
		z.Write(want.Bytes())
		z.Close()
		if err := os.WriteFile("day.pcap.gz", file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Open("day.pcap.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("day.pcap.gz is not the demo's day: go test ./examples -rewrite, then read what changes in the examples' tests")
	}
}
