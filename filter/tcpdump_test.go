package filter

import (
	"bytes"
	"flag"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	gopackets "github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

var (
	seedFlag  = flag.Uint64("filter.seed", 1, "seed of the random expressions and frames")
	countFlag = flag.Int("filter.count", 250, "random expressions to compare with tcpdump")
)

// TestTcpdump is the judge of this package: on Ethernet frames without tunnels
// and tags, each expression selects what the installed tcpdump selects, frame
// by frame.
func TestTcpdump(t *testing.T) {
	tcpdump := findTcpdump(t)
	r := rand.New(rand.NewPCG(*seedFlag, 1))
	t.Logf("seed %d", *seedFlag)
	samples := randomSamples(r, 600, 0)
	exprs := strings.Split(strings.TrimSpace(plainExprs), "\n")
	for range *countFlag {
		exprs = append(exprs, randomExpr(r, 2))
	}
	tcpdump.compare(t, samples, exprs)
}

// TestTcpdumpVLAN does the same for tagged frames, where tcpdump needs vlan
// before anything that looks behind the tag.
func TestTcpdumpVLAN(t *testing.T) {
	tcpdump := findTcpdump(t)
	r := rand.New(rand.NewPCG(*seedFlag, 2))
	samples := randomSamples(r, 400, 2)
	exprs := []string{"vlan", "vlan 100", "not vlan", "vlan and vlan", "vlan 100 and vlan 200", "vlan 0", "vlan and not vlan 100", "vlan 4095"}
	for range *countFlag / 10 {
		single := pick(r, []string{"vlan", "vlan 1", "vlan 100", "vlan (200)", "not vlan 5 and vlan"})
		if strings.HasPrefix(single, "not") {
			single = "vlan"
		}
		exprs = append(exprs, single+" and ("+randomExpr(r, 1)+")")
	}
	var once []sample
	for _, s := range samples {
		if tagsBehind(&s.pkt, 0) < 2 {
			once = append(once, s)
		}
	}
	tcpdump.compare(t, samples, exprs[:8])
	tcpdump.compare(t, once, exprs[8:])
}

// oracle is the tcpdump that is installed.
type oracle struct{ path string }

func findTcpdump(t *testing.T) oracle {
	if testing.Short() {
		t.Skip("hundreds of runs of tcpdump")
	}
	path, err := exec.LookPath("tcpdump")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/tcpdump"); err != nil {
			t.Skip("no tcpdump on this machine")
		}
	}
	return oracle{path}
}

// compare runs each expression on each sample, here and in tcpdump.
func (o oracle) compare(t *testing.T, samples []sample, exprs []string) {
	capture := writeCapture(t, samples)
	work := make(chan string)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for expr := range work {
				o.compareOne(t, capture, samples, expr)
			}
		})
	}
	for _, expr := range exprs {
		work <- expr
	}
	close(work)
	wg.Wait()
}

// compareOne runs one expression on each sample. libpcap's optimizer leaves
// tests out that would change nothing unless the capture ends before them, in
// which case they reject the packet; and of long expressions it makes, once in
// some thousand, another expression. So tcpdump -O, which means what is
// written, decides where tcpdump disagrees.
func (o oracle) compareOne(t *testing.T, capture []byte, samples []sample, expr string) {
	want, refusal := o.selects(t, capture, len(samples), expr)
	p, err := Compile(expr)
	if err != nil || refusal != "" {
		// What is constant is computed here before tcpdump would notice.
		if err == nil || refusal == "" && err.(*Error).Reason != "division by zero" &&
			err.(*Error).Reason != "shifts by more than 31 bits" {
			t.Errorf("%q\n  here:    %v\n  tcpdump: %q", expr, err, refusal)
		}
		return
	}
	var plain []bool
	wrong := 0
	for i := range samples {
		s := &samples[i]
		got := p.MatchWire(&s.pkt, s.data, s.wireLen)
		if got == want[i] {
			continue
		}
		if plain == nil {
			plain, _ = o.selects(t, capture, len(samples), expr, "-O")
		}
		if got == plain[i] {
			continue
		}
		if wrong++; wrong == 1 {
			t.Errorf("%q\n  is %s\n  tcpdump says %v of frame %d, %d of %d octets, %s:\n  %x",
				expr, p, want[i], i, len(s.data), s.wireLen, s.pkt.Outcome, s.data)
		}
	}
	if wrong > 1 {
		t.Errorf("%q: and of %d more", expr, wrong-1)
	}
}

// selects returns which frames of the capture tcpdump selects, or why it
// refuses the expression. Their number is in their time.
func (o oracle) selects(t *testing.T, capture []byte, n int, expr string, options ...string) (is []bool, refusal string) {
	args := append(options, "-r", "-", "-w", "-", "--", expr)
	cmd := exec.Command(o.path, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(capture), &out, &errs
	is = make([]bool, n)
	if err := cmd.Run(); err != nil {
		why := errs.String()
		if strings.Contains(why, "expression rejects all packets") {
			return is, ""
		}
		return nil, why[strings.LastIndex(strings.TrimSpace(why), "\n")+1:]
	}
	reader, err := pcapgo.NewReader(&out)
	if err != nil {
		t.Errorf("%q: %v: %s", expr, err, &errs)
		return is, ""
	}
	for {
		_, ci, err := reader.ReadPacketData()
		if err == io.EOF {
			return is, ""
		}
		if err != nil {
			t.Errorf("%q: %v", expr, err)
			return is, ""
		}
		is[ci.Timestamp.Unix()] = true
	}
}

// writeCapture returns a capture file of the samples.
func writeCapture(t *testing.T, samples []sample) []byte {
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65535, gopackets.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, s := range samples {
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(s.data), Length: int(s.wireLen)}
		if err := w.WritePacket(ci, s.data); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
