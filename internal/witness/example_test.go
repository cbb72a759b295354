package witness_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/witness"
	"github.com/mbox-stack/mbox/mboxtest"
)

// What a datagram leads to, and that it was as the contract has it.
func Example() {
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	audit, err := witness.Audit(stack)
	if err == nil {
		err = witness.Watch(stack, os.Stdout, 0)
	}
	script, parseErr := mboxtest.Parse("datagram", "> U 4\n")
	if err != nil || parseErr != nil {
		fmt.Println(err, parseErr)
		return
	}
	fmt.Println(stack.Run(context.Background(), script.Source()), audit.Err(stack.Stats()))
}

// An auditor who has seen a flow end twice, or whose stack keeps one, says so.
func TestAuditFindsWhatIsMissing(t *testing.T) {
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	audit, err := witness.Audit(stack)
	if err != nil {
		t.Fatal(err)
	}
	mboxtest.Run(t, stack, "> U 4\n")
	st := stack.Stats()
	if err := audit.Err(st); err != nil {
		t.Fatal(err)
	}
	st.Shards[0].Live++
	st.Shards[0].Fates[0]++
	if err := audit.Err(st); err == nil || !strings.Contains(err.Error(), "ledgers") || !strings.Contains(err.Error(), "1 flows live on") {
		t.Errorf("Err = %v", err)
	}
}
