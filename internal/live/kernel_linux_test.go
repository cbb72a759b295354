package live

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// TestKernelFilterFollowsSockets: what the kernel holds back depends on the
// sockets there are, also while the stack runs.
func TestKernelFilterFollowsSockets(t *testing.T) {
	_, server := netns.PairForTest(t, netns.Cable{})
	var rings []*rx.Ring
	err := server.Do(func() (err error) {
		rings, err = rx.OpenRings(rx.RingConfig{Interface: "s0", Rings: 2})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := mbox.New(mbox.Config{})
	if err != nil {
		t.Fatal(err)
	}
	narrow := stack.Monitor(mbox.Stream)
	if err := narrow.Bind("tcp dst port 80"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- stack.Run(ctx, rings[0], rings[1]) }()
	says := func(what string) {
		t.Helper()
		waitFor(t, func() bool {
			return strings.Contains(rings[0].Setup(), what) && strings.Contains(rings[1].Setup(), what)
		})
	}
	says("the kernel holds back")
	wide := stack.Monitor(mbox.Stream)
	says("the kernel lets everything pass")
	if err := wide.Bind("udp"); err != nil {
		t.Fatal(err)
	}
	says("the kernel holds back")
	raw := stack.Monitor(mbox.Raw)
	says("the kernel lets everything pass")
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	says("the kernel holds back")
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the stack does not end")
	}
	for _, r := range rings {
		if text := r.Setup(); !strings.HasSuffix(text, "not open") {
			t.Errorf("after the end: %s", text)
		}
	}
}
