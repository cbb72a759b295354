package frag

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestConfigValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Fatal(err)
	}
	err := Config{
		Octets: 1000, Datagrams: -1, Fragments: 1, TimeoutV4: -1, TimeoutV6: 48 * time.Hour,
		PolicyV4: policyCount, PolicyV6: 200,
	}.Validate()
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("%v", err)
	}
	want := `frag: bad config: Octets is 1000, not within 83200 and 1099511627776
frag: bad config: Datagrams is -1, not within 1 and 16777216
frag: bad config: Fragments is 1, not within 2 and 8192
frag: bad config: TimeoutV4 is -1ns, not within 0 and 24h0m0s
frag: bad config: TimeoutV6 is 48h0m0s, not within 0 and 24h0m0s
frag: bad config: PolicyV4 is policy(5)
frag: bad config: PolicyV6 is policy(200)`
	if err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestNames(t *testing.T) {
	if anomalyEnd != 1<<AnomalyCount {
		t.Error("AnomalyCount is not the number of anomalies")
	}
	all := fmt.Sprint(First, Last, BSD, Linux, Discard, Held, Completed, Duplicate, Bad, AnomalyTooLarge|AnomalyOverlap)
	if all != "first last bsd linux discard held completed duplicate bad frag_pkt_too_large,frag_overlap" {
		t.Error(all)
	}
}
