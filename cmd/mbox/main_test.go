package main

import (
	"bytes"
	"flag"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mbox-stack/mbox/internal/traffic"
)

// rewriting reports whether testdata is to be rewritten with what is printed, to
// be read in review: the flag -rewrite, which package mboxtest has.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// asProgram has the test binary be mbox, for what only a process can show.
const asProgram = "MBOX_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is what a run of the program did.
type result struct {
	status         int
	stdout, stderr string
}

// runArgs runs the program in this process.
func runArgs(args ...string) result {
	var stdout, stderr bytes.Buffer
	status := run(args, &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// must runs the program and expects it to succeed without a word on standard
// error. It returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	r := runArgs(args...)
	if r.status != statusOK || r.stderr != "" {
		t.Fatalf("mbox %s: status %d, %s", strings.Join(args, " "), r.status, r.stderr)
	}
	return r.stdout
}

// writeCapture writes a stream of frames to a file and returns its name.
func writeCapture(t *testing.T, s traffic.Stream) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "t.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := traffic.WriteCapture(f, s, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// writeFile writes a file and returns its name.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestUsage: what is wrong about a command line is said in one line, with
// status 2, and nothing is printed.
func TestUsage(t *testing.T) {
	usage(t, []struct{ args, want string }{
		{"flows", "mbox: nothing to read: -r FILE names a capture, - is standard input; -i IFACE an interface\n"},
		{"flows --no-such", "mbox: unknown flag: --no-such"},
		{"flows -i eth0 -r DEMO", "mbox: -r and -i: either a capture is read or an interface"},
		{"flows -i eth0 -i eth0", "mbox: -i eth0: is named twice"},
		{"flows --interface=", "mbox: -i: names no interface"},
		{"flows -i eth0 -i any", "mbox: -i any: is all interfaces"},
		{"flows -r DEMO --metrics-pprof", "mbox: --metrics-pprof: nothing is served"},
		{"flows -i eth0 --rings 0", "mbox: --rings 0: must be between 1 and 256"},
		{"flows -i eth0 --fanout rnd", "must be one of hash, qm, cpu"},
		{"flows -i eth0 --ring-size 1KiB", "mbox: --ring-size: must be between 192KiB and 4.0GiB"},
		{"flows -i eth0 --retire 1us", "mbox: --retire: must be between 1ms and 10s"},
		{"flows -i eth0 --cpus 3-1", "must be CPUs such as 2,4-7, or none"},
		{"flows -i eth0 --cpus 0,9999", "must be CPUs such as 2,4-7, or none"},
		{"flows -i eth0 --duration 0", "must be a duration such as"},
		{"flows -r DEMO --user nobody", "mbox: --user: is for -i IFACE, and does nothing to what -r reads\n"},
		{"flows -r DEMO --fanout hash", "mbox: --fanout: is for -i"},
		{"events -r DEMO --rings 2", "mbox: --rings: is for -i"},
		{"web -r DEMO --no-promisc", "mbox: --no-promisc: is for -i"},
		{"top -r DEMO --retire 5ms", "mbox: --retire: is for -i"},
		{"streams -r DEMO -d x --cpus none", "mbox: --cpus: is for -i"},
		{"dump -r DEMO --ring-size 1MiB", "mbox: --ring-size: is for -i"},
		{"flows -r DEMO --fanout-group 7", "mbox: --fanout-group: is for -i"},
		{"bench -i eth0", "mbox: unknown flag -i: " + notLive},
		{"-i eth0", "mbox: unknown flag -i: " + notLive},
		{"-r DEMO", "mbox: unknown flag -r: " + notRead},
		{"demo --read DEMO", "mbox: unknown flag --read: " + notRead},
		{"DEMO", "DEMO is a file: mbox flows -r DEMO reads it\n"},
		{"flows DEMO", "DEMO: is a file and no filter: -r stands before each capture that is to be read\n"},
		{"flows -r DEMO DEMO", "DEMO: is a file and no filter: -r stands before each"},
		{"web -r DEMO DEMO", "DEMO: is a file and no filter: -r stands before each"},
		{"version", `mbox: unknown command "version" (mbox --version says it; mbox --help lists the commands)`},
		{"help flwos", `mbox: unknown command "flwos"; did you mean flows?`},
		{"completion tcsh", `mbox: completion: no such shell "tcsh"; there are bash, fish, powershell, zsh`},
		{"flows -r DEMO --metrics everywhere", "must be a port, or an address and a port"},
		{"flows -r DEMO --metrics 127.0.0.1:99999", "must be a port, or an address and a port"},
		{"interfaces eth0", `mbox: interfaces: takes no arguments, and got "eth0"`},
		{"interfaces --format csv", "must be one of table, jsonl"},
		{"flows -X", "mbox: unknown flag -X: mbox dump shows each segment"},
		{"flwos -r x", "mbox: unknown command \"flwos\"; did you mean flows?"},
		{"flows -r DEMO --format xml", `mbox: invalid argument "xml" for "--format" flag: must be one of table, jsonl, csv`},
		{"flows -r DEMO --checksums maybe", "must be one of label, auto, verify, off"},
		{"flows -r DEMO --memory 12parsecs", "must be a number of octets such as"},
		{"flows -r DEMO --memory 1KiB", "mbox: bad config: Memory is 1024 octets: must be at least"},
		{"flows -r DEMO --idle-timeout -3s", "must be a duration such as"},
		{"flows -r DEMO --shards 1000", "mbox: bad config: Shards is 1000"},
		{"flows -r DEMO -w -", "mbox: -w -: records go to standard output"},
		{"demo -w -", "mbox: -w -: records go to standard output"},
		{"flows -r DEMO -c -4", `mbox: invalid argument "-4" for "-c, --count" flag: must be a number from 0 on`},
		{"flows -r DEMO --seed x", `mbox: invalid argument "x" for "--seed" flag: must be a number from 0 on`},
		{"flows -r DEMO --shards x", `mbox: invalid argument "x" for "--shards" flag: must be a number` + "\n"},
		{"flows -r DEMO --seed 99999999999999999999", "must be a smaller number"},
		{"flows -r DEMO --strict=maybe", "must be true or false"},
		{"flows -r DEMO --key mpls", "mbox: --key mpls: must be vlan, tunnel or both"},
		{"flows -r DEMO --policy windows95", "must be one of first, last"},
		{"flows -r DEMO --profile soul", "must be one of cpu, mem"},
		{"flows -r DEMO tcp prt 80", `mbox: bad filter: column 5: "prt"`},
		{"flows -r DEMO --filter (tcp", "mbox: bad filter: column"},
		{"events -r DEMO --on birth", "mbox: --on birth: no such event; there are all, packet,"},
		{"events -r DEMO --on=", "mbox: --on: names no event; there are all, packet,"},
		{"events -r DEMO --on gap,", "mbox: --on: names no event; there are all, packet,"},
		{"dump -r DEMO --flow tcp[13]=2", "mbox: a stream socket's scope"},
		{"streams -r DEMO", "mbox: streams: nowhere to write to: -d DIR"},
		{"bench -r DEMO --idle-timeout 0", "mbox: bench: --idle-timeout 0"},
		{"bench -r DEMO -w x", "mbox: bench: -w"},
		{"bench -r DEMO --turns -1", "mbox: bench: --turns"},
		{"demo now", `mbox: demo: takes no arguments, and got "now"`},
	})
}

// TestUsageOfRecords is TestUsage for what says where records go and which.
func TestUsageOfRecords(t *testing.T) {
	usage(t, []struct{ args, want string }{
		{"web", "mbox: nothing to read: -r FILE names a capture, - is standard input; -i IFACE an interface"},
		{"web -r DEMO tcp[13]=2", "mbox: a stream socket's scope"},
		{"web -r DEMO --rows -1", "mbox: web: --rows must not be negative"},
		{"web -r DEMO --mode slow", "must be one of packet, flow, stream"},
		{"web -r DEMO --sort age", "must be one of conns, new, closed"},
		{"top -r DEMO --rows 0", "mbox: top: --rows must be between 1 and 10000"},
		{"top -r DEMO --sort name", "must be one of proto, client, server, states"},
		{"top -r DEMO tcp[13]=2", "mbox: a stream socket's scope"},
		{"flows -r DEMO -o DEMO", "mbox: -o DEMO: is what -r reads"},
		{"flows -r DEMO -w DEMO", "mbox: -w DEMO: is what -r reads"},
		{"flows -r DEMO -w ./x -o x", "mbox: -w ./x: is where -o writes"},
		{"flows -r DEMO --rotate-size 1M", "mbox: --rotate-size, --rotate-every: standard output cannot be rotated; -o FILE names a file"},
		{"events -r DEMO -o - --rotate-every 1h", "standard output cannot be rotated"},
		{"events -r DEMO -o x --rotate-keep 3", "mbox: --rotate-keep: nothing rotates"},
		{"events -r DEMO -o x --rotate-size 1M --rotate-keep -3", "mbox: --rotate-keep: must not be negative"},
		{"events -r DEMO --rotate-every 0", "must be a duration such as 60s"},
		{"flows -r DEMO --active-timeout never", "must be a duration such as 60s"},
		{"flows -r DEMO --when-full panic", "must be one of block, drop"},
	})
}

// usage checks what is said about command lines that are wrong; DEMO is a capture.
func usage(t *testing.T, wrong []struct{ args, want string }) {
	t.Helper()
	demo := writeCapture(t, traffic.NewDemo())
	for _, c := range wrong {
		r := runArgs(strings.Fields(strings.ReplaceAll(c.args, "DEMO", demo))...)
		if r.status != statusUsage || r.stdout != "" || !strings.HasPrefix(r.stderr, "mbox: ") ||
			!strings.Contains(r.stderr, strings.ReplaceAll(c.want, "DEMO", demo)) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("mbox %s: status %d, %q on standard output, and\n%swant status 2 and one line with\n%s", c.args, r.status, r.stdout, r.stderr, c.want)
		}
	}
}

// TestBadInput: what is wrong about a file is said in one line, with status 1.
func TestBadInput(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	whole, err := os.ReadFile(demo)
	if err != nil {
		t.Fatal(err)
	}
	empty := writeFile(t, "empty", "")
	text := writeFile(t, "text", "dear diary\n")
	cut := writeFile(t, "cut.pcap", string(whole[:len(whole)-7]))
	odd := bytes.Clone(whole[:24+16+60])
	odd[20] = 147 // the first of the link types that are for private use
	link := writeFile(t, "link.pcap", string(odd))
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "there"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args, want string
		records    bool // those before the damage are printed
	}{
		{"flows -r /no/such/file", "mbox: /no/such/file: no such file or directory", false},
		{"flows -r " + filepath.Dir(empty), "is a directory, not a capture", false},
		{"flows -r " + empty, "the file is empty", false},
		{"flows -r " + text, "not a capture at octet 0", false},
		{"flows -r " + link, "link type 147 is not supported", false},
		{"flows -r " + cut, "cut short at octet", true},
		{"flows --format csv -r " + cut, "cut short at octet", true},
		{"events -r " + cut, "cut short at octet", true},
		{"dump -r " + cut, "cut short at octet", true},
		{"bench -r " + cut, "cut short at octet", false},
		{"flows -r " + demo + " --config /no/such/file", "mbox: open /no/such/file: no such file", false},
		{"flows -r " + demo + " -w /no/such/dir/w.pcapng", "mbox: open /no/such/dir/w.pcapng.part: no such file", false},
		{"flows -r " + demo + " -o /no/such/dir/o", "mbox: open /no/such/dir/o: no such file", false},
		{"flows -r " + demo + " -o " + full, "is a directory", false},
		{"streams -r " + demo + " -d " + full, "the folder is not empty (there)", false},
		{"streams -r " + demo + " -d " + empty, "not a directory", false},
	} {
		r := runArgs(strings.Fields(c.args)...)
		if r.status != statusInput || (r.stdout != "") != c.records || !strings.HasPrefix(r.stderr, "mbox: ") ||
			!strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("mbox %s: status %d, %d octets on standard output, and\n%swant status 1 and one line with\n%s", c.args, r.status, len(r.stdout), r.stderr, c.want)
		}
	}
}

// TestOutputAfterInput: what cannot be read leaves nothing behind, and nothing is
// overwritten for the sake of a name that is mistyped.
func TestOutputAfterInput(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("there"), []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := writeFile(t, "text", "dear diary\n")
	for _, args := range []string{
		"flows -r /no/such/file -o " + path("there"), "flows -r /no/such/file -o " + path("new"),
		"flows -r " + text + " -o " + path("new"), "events -r " + text + " --when-full drop -o " + path("new"),
		"streams -r /no/such/file -d " + path("dir"), "streams -r " + text + " -d " + path("dir"), "streams -i no-such -d " + path("dir"),
	} {
		if r := runArgs(strings.Fields(args)...); r.status != statusInput || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("mbox %s: %+v", args, r)
		}
	}
	left, err := os.ReadDir(dir)
	if b, _ := os.ReadFile(path("there")); err != nil || len(left) != 1 || string(b) != "dear" {
		t.Errorf("%v (%v) are left, and %q in what was there", left, err, b)
	}
}

// full is an output that has no room.
type full struct{}

func (full) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// TestNoRoomForHelp: that is nobody's wrong usage.
func TestNoRoomForHelp(t *testing.T) {
	for _, args := range []string{"--version", "completion bash", "interfaces"} {
		if status := run(strings.Fields(args), full{}, io.Discard); status != statusInput {
			t.Errorf("mbox %s: status %d", args, status)
		}
	}
}

// TestHelp: a bare mbox, --help and --version succeed.
func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"interfaces --help":                  "RSS",
		"":                                   "mbox flows -r trace.pcap",
		"--version":                          "mbox " + version + " (go",
		"help streams":                       "as tcpflow names them",
		"flows --help":                       "\nCommon flags:\n  -r, --read FILE",
		"completion bash":                    "__start_mbox",
		"__complete flows --policy=":         "old-linux",
		"__complete events --on=":            "\nconn-start\n",
		"__complete events --on=all,rexmit,": "all,rexmit,gap\n",
		"__complete flows --key=vlan,":       "vlan,tunnel\n:6\n",
		"__complete flows --shards=":         ":4\n",
		"__complete flows -r x port":         ":4\n",
		"__complete streams --dir=":          ":16\n",
		"__complete flows --read=":           ":0\n",
	} {
		r := runArgs(strings.Fields(args)...)
		if r.status != statusOK || !strings.Contains(r.stdout, want) {
			t.Errorf("mbox %s: status %d, %q not in\n%s", args, r.status, want, r.stdout)
		}
	}
}

// TestCompletion: the shell completes names of interfaces.
func TestCompletion(t *testing.T) {
	links, err := net.Interfaces()
	if err != nil || len(links) == 0 {
		t.Skip("no interfaces here: ", err)
	}
	r := runArgs("__complete", "flows", "-i", "")
	for _, name := range []string{"any", links[0].Name} {
		if r.status != statusOK || !strings.Contains("\n"+r.stdout, "\n"+name+"\n") {
			t.Errorf("status %d, %q is not in\n%s", r.status, name, r.stdout)
		}
	}
}

// gone is an output whose reader has gone.
type gone struct{ left int }

func (g *gone) Write(b []byte) (int, error) {
	if g.left--; g.left < 0 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return len(b), nil
}

// TestReaderGone: nobody is told that the reader of the output has gone.
func TestReaderGone(t *testing.T) {
	demo := writeCapture(t, traffic.NewDemo())
	for _, args := range []string{"flows", "flows --format csv", "flows --format jsonl", "events --on all", "dump", "web", "web --format jsonl", "top", "top --every 1m"} {
		for left := range 2 {
			var stderr bytes.Buffer
			if status := run(append(strings.Fields(args), "-r", demo), &gone{left}, &stderr); status != statusOK || stderr.Len() > 0 {
				t.Errorf("%s: status %d, %s", args, status, &stderr)
			}
		}
	}
}
