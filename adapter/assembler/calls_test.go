package assembler_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/reassembly"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/adapter/assembler"
	"github.com/mbox-stack/mbox/mboxtest"
)

// log is a Stream, and its factory, that notes each call.
type log struct {
	lines []string

	refuse string // segments with this text
	force  bool   // streams without a SYN start where they are
	keep   int    // KeepFrom this offset
	over   bool   // ReassemblyComplete says that nothing more is wanted
}

func (l *log) add(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) New(network, transport gopacket.Flow, tcp *layers.TCP, ac reassembly.AssemblerContext) reassembly.Stream {
	l.add("new %v %v", network, transport)
	return l
}

func (l *log) Accept(tcp *layers.TCP, ci gopacket.CaptureInfo, dir reassembly.TCPFlowDirection, next reassembly.Sequence, start *bool, ac reassembly.AssemblerContext) bool {
	l.add("accept %s seq %d next %d start %v", dir, tcp.Seq, next, *start)
	*start = *start || l.force
	return l.refuse == "" || string(tcp.Payload) != l.refuse
}

func (l *log) ReassembledSG(sg reassembly.ScatterGather, ac reassembly.AssemblerContext) {
	dir, start, end, skip := sg.Info()
	length, saved := sg.Lengths()
	l.add("data %s %q", dir, sg.Fetch(length))
	note := func(is bool, format string, args ...any) {
		if is {
			l.lines[len(l.lines)-1] += fmt.Sprintf(format, args...)
		}
	}
	note(saved > 0, " saved %d", saved)
	note(start, " start")
	note(end, " end")
	note(skip != 0, " skip %d", skip)
	st := sg.Stats()
	note(st.QueuedBytes > 0, " queued %d", st.QueuedBytes)
	note(st.OverlapBytes > 0, " overlap %d in %d", st.OverlapBytes, st.OverlapPackets)
	if l.keep > 0 {
		at := func(offset int) int { return sg.CaptureInfo(offset).Timestamp.Nanosecond() / 1e6 }
		note(length > 0, " of %d to %d ms", at(0), at(length-1))
		sg.KeepFrom(l.keep)
	}
}

func (l *log) ReassemblyComplete(ac reassembly.AssemblerContext) bool {
	l.add("complete, %s", ac.(*assembler.Context).Event.Event())
	return l.over
}

// c and s are the directions as gopacket writes them, open the segments that
// open a connection, and opened the calls that they lead to.
const (
	c    = "client->server"
	s    = "server->client"
	open = "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n"
)

var opened = []string{
	"new 10.0.0.1->10.0.0.2 40001->80",
	"accept " + c + " seq 100 next -1 start true", "data " + c + ` "" start`,
	"accept " + s + " seq 300 next -1 start true", "data " + s + ` "" start`,
	"accept " + c + " seq 101 next 101 start false",
}

var callTests = []struct {
	name       string
	log        log
	transcript string
	want       []string // without accept where it is of no interest
}{
	{
		"four segments close", log{over: true}, open + "> PA 101 301 - data=\"hi\"\n> FA 103 301 0\n< FA 301 104 - data=\"ho\"\n> A 104 304 0\n",
		append(slices.Clone(opened), "accept "+c+" seq 101 next 101 start false", "data "+c+` "hi"`,
			"accept "+c+" seq 103 next 103 start false", "data "+c+` "" end`,
			"accept "+s+" seq 301 next 301 start false", "data "+s+` "ho" end`, "complete, new-data"),
	},
	{
		"a stream that wants to see the last acknowledgement", log{}, open + "> FA 101 301 0\n< FA 301 102 0\n> A 102 302 0\n",
		append(slices.Clone(opened), "accept "+c+" seq 101 next 101 start false", "data "+c+` "" end`,
			"accept "+s+" seq 301 next 301 start false", "data "+s+` "" end`, "complete, packet",
			"accept "+c+" seq 102 next 102 start false"),
	},
	{
		"out of order, then twice", log{}, open + "> PA 103 301 - data=\"cd\"\n> PA 101 301 - data=\"ab\"\n> PA 101 301 - data=\"abcd\"\n> PA 105 301 - data=\"e\"\n",
		[]string{"data " + c + ` "ab"`, "data " + c + ` "cd" queued 2`, "data " + c + ` "e" overlap 4 in 1`, "complete, conn-end"},
	},
	{
		"a gap, once the server has acknowledged beyond it", log{}, open + "> PA 105 301 - data=\"cd\"\n< A 301 108 0\n> FA 107 301 0\n",
		[]string{"data " + c + ` "cd" skip 4 queued 2`, "data " + c + ` "" end`, "complete, conn-end"},
	},
	{
		"what is kept comes again, with the packets that it came in", log{keep: 1}, open + "> A 101 301 - data=\"ab\"\n> A 103 301 - data=\"cd\"\n> A 105 301 - data=\"ef\"\n",
		[]string{"data " + c + ` "ab" of 4 to 4 ms`, "data " + c + ` "bcd" saved 1 of 4 to 5 ms`, "data " + c + ` "cdef" saved 2 of 5 to 6 ms`, "complete, conn-end"},
	},
	{
		"what is kept does not survive a gap", log{keep: 1}, open + "> A 101 301 - data=\"ab\"\n> A 105 301 - data=\"cd\"\n< A 301 108 0\n",
		[]string{"data " + c + ` "ab" of 4 to 4 ms`, "data " + c + ` "cd" skip 2 queued 2 of 6 to 6 ms`, "complete, conn-end"},
	},
	{
		"refused, so never received", log{refuse: "bad"}, open + "> A 101 301 - data=\"bad\"\n> A 101 301 - data=\"ok\"\n",
		[]string{"data " + c + ` "ok" overlap 2 in 1`, "complete, conn-end"},
	},
	{
		"in the middle", log{}, "> A 101 301 - data=\"ab\"\n< A 301 103 - data=\"cd\"\n",
		[]string{"data " + c + ` "ab" skip -1`, "data " + s + ` "cd" skip -1`, "complete, conn-end"},
	},
	{
		"in the middle, with a start that is forced", log{force: true}, "> A 101 301 - data=\"ab\"\n< A 301 103 - data=\"cd\"\n",
		[]string{"data " + c + ` "ab"`, "data " + s + ` "cd"`, "complete, conn-end"},
	},
	{
		"data with the SYN (RFC 9293 §3.4.1)", log{}, "> S 100 0 - data=\"ab\"\n< SA 300 103 0\n",
		[]string{"data " + c + ` "ab" start`, "data " + s + ` "" start`, "complete, conn-end"},
	},
	{
		"reset", log{}, open + "< A 301 101 - data=\"ab\"\n< R 303 0 0\n",
		[]string{"data " + s + ` "ab"`, "data " + s + ` "" end`, "complete, conn-end"},
	},
	{"datagrams are not for streams", log{}, "> U 10\n< U 10\n", nil},
}

// TestCalls: which calls a stream gets, with what, in which order.
func TestCalls(t *testing.T) {
	for _, test := range callTests {
		t.Run(test.name, func(t *testing.T) {
			stack, err := mbox.New(mbox.Config{Shards: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := assembler.Attach(stack, stack.Monitor(mbox.Stream), &test.log); err != nil {
				t.Fatal(err)
			}
			mboxtest.Run(t, stack, test.transcript)
			got := test.log.lines
			if len(test.want) > 0 && !strings.HasPrefix(test.want[0], "new") {
				got = slices.DeleteFunc(got, func(line string) bool {
					return !strings.HasPrefix(line, "data") && !strings.HasPrefix(line, "complete") || strings.HasSuffix(line, `"" start`) && strings.Contains(test.transcript, open)
				})
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

// hoarder is a log whose streams want to see everything again.
type hoarder struct{ log }

func (h *hoarder) New(_, _ gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return h
}

func (h *hoarder) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	sg.KeepFrom(0)
}

// TestWhatIsKeptIsBounded: 70 segments of 65,000 octets are more than is kept.
func TestWhatIsKeptIsBounded(t *testing.T) {
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := assembler.Attach(stack, stack.Monitor(mbox.Stream), &hoarder{})
	if err != nil {
		t.Fatal(err)
	}
	var transcript strings.Builder
	for i := range 70 {
		fmt.Fprintf(&transcript, "> A %d 301 65000\n< A 301 %d 0\n", 1+65000*i, 1+65000*(i+1))
	}
	mboxtest.Run(t, stack, transcript.String())
	if got, want := a.Forgotten(), uint64(70*65000-4<<20); got != want {
		t.Errorf("%d octets were forgotten, want %d", got, want)
	}
}
