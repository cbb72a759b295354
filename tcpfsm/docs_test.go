package tcpfsm

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// docsPath is the page that this test writes.
const docsPath = "../docs/tcpfsm.md"

const docsHead = `# The state machine

Written by ` + "`go test ./tcpfsm -run TestDocs -rewrite`" + ` from the tables in tcpfsm/rules.go and tcpfsm/anomaly.go; do not edit.

A segment is two facts: its sender has sent it, and its receiver has received it. Each gives signals to one endpoint. Only
news is a signal: what is repeated changes nothing. A pair of state and signal that is not listed leaves the state alone
and is an anomaly. "/5" is the fifth step of that section of RFC 9293.

## Drawing

Left out are RSTs, which lead from every state to CLOSED, and what is inferred from segments that follow.

`

const docsUnknown = `
## What the middle cannot know

- What passed us may be lost behind us. Our view of a receiver runs ahead of it until its ACK, or a retransmission, tells.
- What was lost before us, or took another way, is known only by what acknowledges it. An ACK of one octet too many may be
  of a FIN that we did not see: the endpoint that sent it stays where it was.
- A FIN that is lost before us and repeated with a newer ACK makes CLOSING look like LAST-ACK, and so TIME-WAIT like CLOSED.
- When both endpoints abort and both RSTs are lost before us, or come after octets that were, the connection seems to live
  on until it has idled out.
- A listener and a closed port look the same until they answer: whoever is sent the first SYN is taken for a listener.
- Picked up midstream, both endpoints are taken for ESTABLISHED, or for what their first segments prove. Who is the client
  is a guess, and window scales are not known, so that no window is believed.
- After a RST, the same SYN again is another try, or a late copy of the first. It is taken for another try.
- A RST behind octets that we missed is not told from a forged one (RFC 5961 §3.2): it stays without effect until the
  receiver's challenge ACK is answered by one at the right place.
- Timestamps have no age here. After 24 days of silence (RFC 7323 §5.5) an old one is labelled although it is none.
- Of each direction three holes are known exactly. When a fourth opens, the lowest is forgotten: late octets in it
  count as sent before, and RCV.NXT goes on with the receiver's ACKs.
`

// TestDocs checks that docs/tcpfsm.md is what the tables say.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString(docsHead)
	drawing(&b)
	b.WriteString("\n## Rules\n\n| state | signal | next state | RFC 9293 | |\n|---|---|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| %v | %v | %v | §%s | %s |\n", r.From, r.On, r.To, r.Ref, r.Note)
	}
	b.WriteString("\n## Anomalies\n\nSuricata's names (its stream events) where it has the thing. Also called: what it says in other states, and what others call it.\n\n")
	b.WriteString("| name | what was expected | also called |\n|---|---|---|\n")
	for a := range anomalyCount {
		fmt.Fprintf(&b, "| %v | %s | %s |\n", a, a.Ref(), a.Aliases())
	}
	b.WriteString(docsUnknown)
	if *rewrite {
		if err := os.WriteFile(docsPath, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not current: go test ./tcpfsm -run TestDocs -rewrite", docsPath)
	}
}

// drawing writes Figure 5 of RFC 9293 as our rules have it.
func drawing(b *strings.Builder) {
	b.WriteString("```mermaid\nstateDiagram-v2\n")
	for _, r := range rules {
		if r.From == r.To || r.On == sndRST || r.On == rcvRST || inferred(r.On) {
			continue
		}
		fmt.Fprintf(b, "    %s --> %s : %v\n", node(r.From), node(r.To), r.On)
	}
	b.WriteString("```\n")
}

func inferred(s signal) bool { return s == sndSynced || s == rcvSynced || s == sndAckOfFIN }

func node(s State) string { return strings.ReplaceAll(s.String(), "-", "_") }

// TestAnomaliesAreDescribed checks that each anomaly has a name of its own and a
// citation, and that each is raised by a transcript.
func TestAnomaliesAreDescribed(t *testing.T) {
	var raised Anomalies
	for _, tr := range readTranscripts(t) {
		for i := range tr.steps {
			_, notes, _ := strings.Cut(tr.steps[i].want, " | ")
			for _, n := range strings.Fields(notes) {
				for a := range anomalyCount {
					if a.String() == n {
						raised.add(a)
					}
				}
			}
		}
	}
	seen := map[string]bool{}
	for a := range anomalyCount {
		if a.String() == "" || seen[a.String()] {
			t.Errorf("anomaly %d: no name of its own: %q", a, a)
		}
		seen[a.String()] = true
		if !strings.HasPrefix(a.Ref(), "RFC ") || !strings.Contains(a.Ref(), "§") {
			t.Errorf("%v: no section: %q", a, a.Ref())
		}
		if !raised.Has(a) && a != ChecksumInvalid && a != OverlapDifferentData { // raised by the shard
			t.Errorf("no transcript raises %v", a)
		}
	}
}
