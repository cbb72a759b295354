package mbox_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/mboxtest"
)

// A buffer may be made smaller than the stack's own limit, and larger, by a socket
// that has the flow to itself. Shared, nobody takes room away from others.
func TestBufferSizes(t *testing.T) {
	for _, c := range []struct {
		sockets int
		want    string
	}{{1, "4194304 4096 100000 4096 16777216"}, {2, "4194304 4194304 4194304 4194304 16777216"}} {
		s := stack(t, mbox.Config{})
		var limits []string
		for i := range c.sockets {
			handle(t, s.Monitor(mbox.Stream), mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
				if i > 0 || c.Side() != mbox.Client {
					return
				}
				limits = append(limits, fmt.Sprint(c.Buffered(mbox.Client).Limit))
				for _, octets := range []uint64{4096, 100000, 4096, 16 << 20} {
					if err := c.SetBuffer(mbox.Client, octets); err != nil {
						t.Error(err)
					}
					limits = append(limits, fmt.Sprint(c.Buffered(mbox.Client).Limit))
				}
			})
		}
		mboxtest.Run(t, s, life)
		if got := strings.Join(limits, " "); got != c.want {
			t.Errorf("%d sockets: %s, want %s", c.sockets, got, c.want)
		}
	}
}

// What sockets want kept is kept for the one that wants most, in whatever order
// they were opened.
func TestTheLongestHistoryIsKept(t *testing.T) {
	for _, history := range [][2]uint64{{4, 0}, {0, 4}} {
		s := stack(t, mbox.Config{})
		var j journal
		for i, octets := range history {
			sock := s.Monitor(mbox.Stream)
			if err := sock.KeepStream(octets); err != nil {
				t.Fatal(err)
			}
			handle(t, sock, mbox.OnPacket, mbox.PostTCP, func(c *mbox.Context) {
				if i == 0 && c.Number() == 5 {
					j.add("%v", c.Held(mbox.Client, nil))
				}
			})
		}
		mboxtest.Run(t, s, "> S 100 0 0\n< SA 300 101 0\n> A 101 301 0\n> PA 101 301 10\n< A 301 111 0\n")
		j.expect(t, "[[6,10)]")
	}
}

// Whose stack decides is the receiver's: rules go by its address, the first match
// counts, and either side of a flow may have another.
func TestPolicyOfTheReceiver(t *testing.T) {
	rule := func(prefix string, p mbox.Policy) mbox.PolicyRule {
		return mbox.PolicyRule{Prefix: netip.MustParsePrefix(prefix), Policy: p}
	}
	rules := []mbox.PolicyRule{
		rule("10.0.0.2/32", mbox.PolicyLast), rule("10.0.0.0/8", mbox.PolicyFirst), // the server's own, and all
		rule("2001:db8::1/128", mbox.PolicyLast),
	}
	for _, c := range []struct{ family, client, server string }{
		{"", "anew", "aold"}, {": ipv6\n", "aold", "anew"},
	} {
		s := stack(t, mbox.Config{Policies: rules})
		sock := s.Monitor(mbox.Stream)
		var text [2]strings.Builder
		handle(t, sock, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { text[c.Side()].Write(c.Payload()) })
		mboxtest.Run(t, s, c.family+`> S    100   0   0
< SA   300 101   0
> PA   102 301  - data="old"
< PA   302 101  - data="old"
> PA   102 301  - data="new"
< PA   302 101  - data="new"
> PA   101 301  - data="a"
< PA   301 101  - data="a"
`)
		if got := text[mbox.Client].String(); got != c.client {
			t.Errorf("%sthe client's stream is %q, want %q", c.family, got, c.client)
		}
		if got := text[mbox.Server].String(); got != c.server {
			t.Errorf("%sthe server's stream is %q, want %q", c.family, got, c.server)
		}
	}
}

// Of two sockets that want different policies for all their flows, the one that
// was opened first has its way.
func TestPolicyOfTheFirstSocketHolds(t *testing.T) {
	s := stack(t, mbox.Config{})
	one, two := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	if err := errors.Join(two.SetPolicy(mbox.PolicyFirst), one.SetPolicy(mbox.PolicyLast)); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	handle(t, two, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { text.Write(c.Payload()) })
	handle(t, one, mbox.OnConnStart, mbox.PostTCP, func(*mbox.Context) {})
	mboxtest.Run(t, s, "> S 100 0 0\n> PA 102 301 - data=\"old\"\n> PA 102 301 - data=\"new\"\n> PA 101 301 - data=\"a\"\n")
	if text.String() != "anew" {
		t.Errorf("the stream is %q, want the last copy: \"anew\"", &text)
	}
}

func TestPolicyOfTheFirstToAskHolds(t *testing.T) {
	s := stack(t, mbox.Config{})
	one, two := s.Monitor(mbox.Stream), s.Monitor(mbox.Stream)
	var text strings.Builder
	handle(t, one, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.SetPolicy(buffers.Last); err != nil {
			t.Error(err)
		}
	})
	handle(t, two, mbox.OnConnStart, mbox.PostTCP, func(c *mbox.Context) {
		if err := c.SetPolicy(buffers.First); !errors.Is(err, mbox.ErrPolicySet) {
			t.Errorf("a differing wish = %v, want ErrPolicySet", err)
		}
		if err := c.SetPolicy(buffers.Last); err != nil {
			t.Errorf("the same wish = %v", err)
		}
	})
	handle(t, one, mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) { text.Write(c.Payload()) })
	mboxtest.Run(t, s, `
> S    100   0   0
< SA   300 101   0
> PA   102 301  - data="old"
> PA   102 301  - data="new"
> PA   101 301  - data="a"
`)
	if text.String() != "anew" {
		t.Errorf("the stream is %q, want the last copy: \"anew\"", &text)
	}
}
