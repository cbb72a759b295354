package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/internal/traffic"
	"github.com/mbox-stack/mbox/wire"
)

// TestGolden: what is printed about the demo's day is what testdata says. With
// the flag -rewrite it is written there, to be read in review.
func TestGolden(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	for name, args := range map[string]string{
		"demo.txt":           "demo --generated",
		"flows.txt":          "flows -r DEMO",
		"flows.csv":          "flows -r DEMO --format csv port 80",
		"flows.jsonl":        "flows -r DEMO --format jsonl --sha256",
		"flows_active.jsonl": "flows -r DEMO --format jsonl --active-timeout 1m port 8080",
		"events.txt":         "events -r DEMO --history 64KiB host 10.1.0.40 or host 198.51.100.7",
		"events.jsonl":       "events -r DEMO --on all --format jsonl port 443 or port 9100",
		"web.txt":            "web -r DEMO",
		"web_flow.txt":       "web -r DEMO --mode flow --every 1h --rows 3 --sort packets",
		"web_packet.jsonl":   "web -r DEMO --mode packet --format jsonl --rows 2 net 198.51.100.0/24",
		"web.jsonl":          "web -r DEMO --format jsonl --rows 1 port 80",
		"top.txt":            "top -r DEMO --every 10m --rows 4",
		"top.jsonl":          "top -r DEMO --format jsonl",
		"dump.txt":           "dump -r DEMO host 198.51.100.7 or port 631 or net 203.0.113.0/24",
	} {
		got := must(t, strings.Fields(strings.ReplaceAll(args, "DEMO", demo))...)
		path := filepath.Join("testdata", name)
		if rewriting() {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if line, g, w := firstDifference(got, string(want)); line > 0 {
			t.Errorf("mbox %s: line %d of %s is\n%s\nwant\n%s", args, line, path, g, w)
		}
	}
}

// firstDifference returns the first line in which two texts differ, 0 if none.
func firstDifference(a, b string) (line int, inA, inB string) {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(as), len(bs)) {
		x, y := "(nothing)", "(nothing)"
		if i < len(as) {
			x = as[i]
		}
		if i < len(bs) {
			y = bs[i]
		}
		if x != y {
			return i + 1, x, y
		}
	}
	return 0, "", ""
}

// TestDeterminism (I11, I12): what is printed does not depend on shards and
// batches, with timers firing and records in the order of their ends.
func TestDeterminism(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Lossy(7, 30))
	if err != nil {
		t.Fatal(err)
	}
	capture := writeCapture(t, traffic.Merge(traffic.NewDemo(), pages))
	for _, args := range []string{"events --on all", "flows --format jsonl --sha256", "flows --format csv --active-timeout 1s", "dump",
		"web", "web --format jsonl --rows 0", "web --mode flow --every 10ms", "web --mode packet", "top", "top --every 1s --rows 3 --sort packets/s", "top --every 7s --format jsonl --sort idle"} {
		want := ""
		for _, how := range []string{"--shards 1 --batch 1", "--shards 2 --batch 256", "--shards 3 --batch 7", "--shards 8"} {
			got := must(t, strings.Fields(args+" -r "+capture+" "+how)...)
			if want == "" {
				want = got
			}
			if line, g, w := firstDifference(got, want); line > 0 {
				t.Errorf("%s %s: line %d is\n%s\nand on one shard\n%s", args, how, line, g, w)
			}
		}
	}
}

// record is a line of "flows --format jsonl", as far as it is looked at.
type jsonRecord struct {
	ID, Proto, Client, Server, Start, End string
	FirstFrame                            uint64 `json:"first_frame"`
	T0                                    int64
	Syn, Synack, FinC, FinS, Rst          bool
	C2S, S2C                              struct {
		Packets, Rexmits uint64
		PayloadBytes     uint64 `json:"payload_bytes"`
		StreamBytes      uint64 `json:"stream_bytes"`
		SHA256           string
	}
}

func readRecords(t *testing.T, text string) (all []jsonRecord) {
	t.Helper()
	for line := range strings.Lines(text) {
		var r jsonRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, r)
	}
	return all
}

// TestRecordsOfKnownStreams: hashes and counts are those of the octets that the
// generator knows, through loss and reordering.
func TestRecordsOfKnownStreams(t *testing.T) {
	pages, err := traffic.NewConnections(traffic.Lossy(1, 20))
	if err != nil {
		t.Fatal(err)
	}
	capture := writeCapture(t, pages)
	records := map[string]jsonRecord{}
	for _, r := range readRecords(t, must(t, "flows", "-r", capture, "--format", "jsonl", "--sha256", "--idle-timeout", "0")) {
		records[r.Client] = r
	}
	n := 0
	for f := range pages.Flows() {
		n++
		r := records[f.Client.String()]
		for d, side := range []struct {
			octets uint64
			sha256 string
		}{{r.C2S.StreamBytes, r.C2S.SHA256}, {r.S2C.StreamBytes, r.S2C.SHA256}} {
			if want := fmt.Sprintf("%x", f.SHA256(wire.Dir(d))); side.octets != f.Octets[d] || side.sha256 != want {
				t.Errorf("%v > %v: direction %d has %d octets, %s; want %d, %s", f.Client, f.Server, d, side.octets, side.sha256, f.Octets[d], want)
			}
		}
		if !r.Syn || !r.Synack || r.Rst || r.Start != "syn" || r.End != "fin" || r.Proto != "tcp" {
			t.Errorf("%+v: not a connection from its SYN to its FINs", r)
		}
	}
	if n != len(records) {
		t.Errorf("%d records of %d connections", len(records), n)
	}
}

// TestCSV: the columns of CSV hold what the fields of JSON do.
func TestCSV(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	rows, err := csv.NewReader(strings.NewReader(must(t, "flows", "-r", demo, "--format", "csv", "--sha256"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	records := readRecords(t, must(t, "flows", "-r", demo, "--format", "jsonl", "--sha256"))
	if len(rows) != len(records)+1 {
		t.Fatalf("%d rows and a head for %d records", len(rows)-1, len(records))
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for i, r := range records {
		row := rows[i+1]
		for name, want := range map[string]string{
			"id": r.ID, "proto": r.Proto, "client": r.Client, "server": r.Server, "end": r.End, "t0": strconv.FormatInt(r.T0, 10),
			"c2s.packets": strconv.FormatUint(r.C2S.Packets, 10), "s2c.sha256": r.S2C.SHA256,
		} {
			if got := row[column[name]]; got != want {
				t.Errorf("row %d: %s is %q, want %q", i+1, name, got, want)
			}
		}
	}
}

// TestCount: -c ends the input after so many frames that were looked at.
func TestCount(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	for _, r := range readRecords(t, must(t, "flows", "-r", demo, "-c", "5", "--format", "jsonl", "tcp")) {
		if r.C2S.Packets+r.S2C.Packets > 5 {
			t.Errorf("%+v", r)
		}
	}
	if n := strings.Count(must(t, "events", "-r", demo, "-n", "-q", "-c", "5", "--on", "packet", "port 80"), "\n"); n != 5 {
		t.Errorf("%d packets of 5", n)
	}
}

// TestCommunityID: the examples of the specification's own implementation.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct {
		proto     wire.Proto
		a, b      string
		typ, code uint8
		want      string
	}{
		{wire.ProtoTCP, "128.232.110.120:34855", "66.35.250.204:80", 0, 0, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{wire.ProtoUDP, "192.168.1.52:54585", "8.8.8.8:53", 0, 0, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{wire.ProtoSCTP, "192.168.170.8:7", "192.168.170.56:80", 0, 0, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{wire.ProtoICMP, "192.168.0.89:0", "192.168.0.1:0", 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="},
		{wire.ProtoICMPv6, "[fe80::200:86ff:fe05:80da]:0", "[fe80::260:97ff:fe07:69ea]:0", 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="},
	} {
		for sender := range uint8(2) {
			if sender == 1 && c.typ != 0 {
				continue // the other one sends the answer
			}
			ends := [2]netip.AddrPort{netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)}
			k := wire.FlowKey{Proto: c.proto, Version: 6}
			if ends[0].Addr().Is4() {
				k.Version = 4
			}
			for i, e := range ends {
				k.Addr[uint8(i)^sender], k.Port[uint8(i)^sender] = e.Addr().As16(), e.Port()
			}
			if got := communityID(&k, sender, c.typ, c.code); got != c.want {
				t.Errorf("%v %s %s: %s, want %s", c.proto, c.a, c.b, got, c.want)
			}
		}
	}
	answer := wire.FlowKey{Proto: wire.ProtoICMP, Version: 4, Addr: [2][16]byte{netip.MustParseAddr("192.168.0.1").As16(), netip.MustParseAddr("192.168.0.89").As16()}}
	if got := communityID(&answer, 0, 0, 0); got != "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=" {
		t.Errorf("an echo reply has another ID than its request: %s", got)
	}
}

// TestTexts: octets and durations as people read them, and exact seconds.
func TestTexts(t *testing.T) {
	for n, want := range map[uint64]string{0: "0B", 1023: "1023B", 1024: "1KiB", 1536: "1.5KiB", 10240: "10KiB", 1 << 20: "1MiB", 1<<40 + 1: "1TiB", 1<<64 - 1: "16777216TiB"} {
		if got := octetsText(n); got != want {
			t.Errorf("octetsText(%d) = %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 17: "17ns", 1234567: "1.2ms", 1300 * time.Millisecond: "1.3s", 95 * time.Second: "1m35s", 25*time.Hour + 30*time.Second: "25h1m", -time.Second: "-1s",
	} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%d) = %s, want %s", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0", 1: "0.000000001", 1500 * time.Millisecond: "1.5", -20 * time.Millisecond: "-0.02", 61 * time.Second: "61"} {
		if got := string(appendSeconds(nil, d)); got != want {
			t.Errorf("appendSeconds(%d) = %s, want %s", d, got, want)
		}
	}
}

// TestProgress: how far reading has come, and when it will have ended.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		want        string
	}{
		{10 << 20, 40 << 20, " 25%  10MiB of 40MiB read, 5MiB/s, 6s left"},
		{10 << 20, 0, "10MiB read, 5MiB/s"},
		{10 << 20, 5 << 20, "10MiB read, 5MiB/s"}, // it has grown
		{0, 40 << 20, "0B read, 0B/s"},
	} {
		if got := progressText(c.done, c.total, 2*time.Second); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.done, c.total, got, c.want)
		}
	}
}

// TestSize: sizes in powers of two, with or without a unit.
func TestSize(t *testing.T) {
	for text, want := range map[string]size{"4096": 4096, "4k": 4096, "256MiB": 256 << 20, "2g": 2 << 30, "1TiB": 1 << 40, "7B": 7} {
		var s size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s: %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1.5G", "9999999T", "1 G", "x"} {
		if err := new(size).Set(text); err == nil {
			t.Errorf("%q is a size", text)
		}
	}
}

// TestConfigFile: flags from a file, under those of the command line.
func TestConfigFile(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	file := writeFile(t, "mbox.conf", "# what we always want\n\nread: "+demo+"\nformat: jsonl\nfilter: port 631\nkey: vlan,tunnel\nsha256: true\n")
	if rs := readRecords(t, must(t, "flows", "--config", file)); len(rs) != 1 || rs[0].C2S.SHA256 == "" {
		t.Errorf("%+v", rs)
	}
	if out := must(t, "flows", "--config", file, "--format", "csv"); !strings.HasPrefix(out, "id,") {
		t.Errorf("the command line does not go first: %s", out)
	}
	shared := writeFile(t, "shared.conf", "dir: out\nsha256: perhaps\nturns: many\non: conn-end\n")
	if out := must(t, "events", "-r", demo, "--config", shared, "port", "631"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "conn-end") {
		t.Errorf("flags of other commands are not passed over: %s", out)
	}
	for text, want := range map[string]string{
		"colour: red":          `:2: unknown key "colour"`,
		"just words":           `:2: "just words" is not of the form 'name: value'`,
		"shards: many":         `:2: shards: `,
		"config: another.conf": `:2: unknown key "config"`,
	} {
		r := runArgs("flows", "--config", writeFile(t, "bad.conf", "\n"+text+"\n"))
		if r.status != statusUsage || !strings.Contains(r.stderr, "bad.conf"+want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: status %d, %s", text, r.status, r.stderr)
		}
	}
}

// TestConflicts: what is known about octets that were repeated, and what is not.
func TestConflicts(t *testing.T) {
	for want, e := range map[string]mbox.Evidence{
		"0":   {},
		"2":   {Conflicts: 2},
		"?":   {MatchUnknown: true},
		"2+?": {Conflicts: 2, MatchUnknown: true},
	} {
		if got := conflicts(&e); got != want {
			t.Errorf("%+v: %s, want %s", e, got, want)
		}
	}
}

// TestStats: both ledgers are printed, and balance, also where frames have
// nothing to track.
func TestStats(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	r := runArgs("flows", "-r", demo, "--stats", "udp")
	for _, want := range []string{"frames received                       349", "\n  fragment-completed                    1\n", "\n  filtered  ", "\nboth ledgers balance\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is missing in\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, " 0\n") {
		t.Errorf("lines that say nothing:\n%s", r.stderr)
	}
}

// TestProfile: each kind of profile is written to the working directory.
func TestProfile(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	t.Chdir(t.TempDir())
	for _, w := range watched {
		r := runArgs("flows", "-r", demo, "--profile", w.name)
		if info, err := os.Stat(w.file); err != nil || w.name != "mutex" && w.name != "block" && info.Size() == 0 || r.status != statusOK ||
			!strings.HasSuffix(r.stderr, " "+w.file+"\n") {
			t.Errorf("%s: %v, %+v", w.name, err, r)
		}
	}
}

// TestNoPlaceForAProfile: that is said as all else is.
func TestNoPlaceForAProfile(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	t.Chdir(t.TempDir())
	if err := os.Mkdir("cpu.pprof", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"flows", "bench --turns 1"} {
		r := runArgs(append(strings.Fields(args), "-r", demo, "--profile", "cpu")...)
		if r.status != statusInput || r.stdout != "" || !strings.HasPrefix(r.stderr, "mbox: --profile: open cpu.pprof: ") || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("mbox %s: %+v", args, r)
		}
	}
}

// TestKey: with --key vlan, the two networks of a tag are two flows.
func TestKey(t *testing.T) {
	path := craft.Path{Src: netip.MustParseAddrPort("10.0.0.1:1000"), Dst: netip.MustParseAddrPort("10.0.0.2:53"), PadTo: 60}
	tagged := path
	tagged.Tags = []craft.Tag{{TCI: 7}}
	capture := writeCapture(t, &frames{craft.AppendUDP(nil, &path, []byte("a")), craft.AppendUDP(nil, &tagged, []byte("b"))})
	for args, want := range map[string]int{"": 1, "--key vlan": 2, "--key tunnel": 1} {
		if rs := readRecords(t, must(t, strings.Fields("flows --format jsonl -r "+capture+" "+args)...)); len(rs) != want {
			t.Errorf("%q: %d flows, want %d", args, len(rs), want)
		}
	}
}

// frames is a stream of given frames, a second apart.
type frames [][]byte

// Next implements traffic.Stream.
func (f *frames) Next(dst []byte) (frame []byte, timestampNs int64, ok bool) {
	if len(*f) == 0 {
		return nil, 0, false
	}
	dst = append(dst, (*f)[0]...)
	*f = (*f)[1:]
	return dst, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).UnixNano(), true
}
