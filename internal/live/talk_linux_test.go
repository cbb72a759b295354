package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
)

// spoken is the octets that one side of a connection says: a function of its
// number and side, so that nothing need be kept.
func spoken(seed uint64, server bool, n int) []byte {
	side := uint64(0)
	if server {
		side = 1
	}
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16), byte(side)})
	b := make([]byte, n)
	src.Read(b)
	return b
}

// plan is what a connection is to carry. The client begins with it.
type plan struct {
	Number            uint32
	Request, Response uint32 // octets, the plan itself included
	Manner            manner
}

// manner is how a connection goes.
type manner uint32

const (
	inTurn     manner = iota // the client says everything and closes, then the server
	atOnce                   // both say everything, then close
	halfClosed               // the client says the plan and closes; the server goes on
	manners
)

const planOctets = 16

func (p plan) request() []byte {
	b := spoken(uint64(p.Number), false, int(p.Request))
	head := binary.BigEndian.AppendUint32(nil, p.Number)
	head = binary.BigEndian.AppendUint32(head, p.Request)
	head = binary.BigEndian.AppendUint32(head, p.Response)
	copy(b, binary.BigEndian.AppendUint32(head, uint32(p.Manner)))
	return b
}

func (p plan) response() []byte { return spoken(uint64(p.Number), true, int(p.Response)) }

func readPlan(r io.Reader) (p plan, err error) {
	return p, binary.Read(r, binary.BigEndian, &p)
}

// draw returns the plan of a connection. Most are short, some are long.
func draw(number int) plan {
	rng := rand.New(rand.NewPCG(uint64(number), 3))
	size := func() uint32 {
		if rng.IntN(4) == 0 {
			return planOctets + uint32(rng.IntN(300_000))
		}
		return planOctets + uint32(rng.IntN(5_000))
	}
	p := plan{Number: uint32(number), Request: size(), Response: size(), Manner: manner(rng.IntN(int(manners)))}
	if p.Manner == halfClosed {
		p.Request = planOctets
	}
	return p
}

// talk is connections between clients and servers that really took place.
type talk struct {
	mu    sync.Mutex
	plans map[ends]plan
}

// ends are the addresses of a connection.
type ends struct{ client, server netip.AddrPort }

// converse has so many connections go from client to server, eight at a time,
// each checked at both ends; a quarter of them in short tests. It returns when all
// are closed.
func converse(t *testing.T, client, server *netns.Namespace, address string, from, connections int, into *talk) {
	t.Helper()
	if testing.Short() {
		connections = (connections + 3) / 4
	}
	l, err := server.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var serving, dialling sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { report(t, serve(c.(*net.TCPConn))) })
		}
	})
	turns := make(chan struct{}, 8)
	for i := range connections {
		turns <- struct{}{}
		dialling.Go(func() {
			report(t, into.call(client, l.Addr().String(), draw(from+i)))
			<-turns
		})
	}
	dialling.Wait()
	l.Close()
	serving.Wait()
}

func report(t *testing.T, err error) {
	if err != nil {
		t.Errorf("a connection: %v", err)
	}
}

// deadline is when a connection that hangs gives up; none comes near it.
func deadline(c *net.TCPConn) { c.SetDeadline(time.Now().Add(time.Minute)) }

// serve is the server's side of a connection.
func serve(c *net.TCPConn) error {
	defer c.Close()
	deadline(c)
	p, err := readPlan(c)
	if err != nil {
		return err
	}
	hear := func() error {
		want := p.request()[planOctets:]
		got, err := io.ReadAll(c)
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("the server read %d octets of %d, or others", len(got), len(want))
		}
		return err
	}
	speak := func() error {
		_, err := c.Write(p.response())
		return errors.Join(err, c.CloseWrite())
	}
	return p.Manner.order(speak, hear, true)
}

// call is the client's side of a connection.
func (k *talk) call(client *netns.Namespace, address string, p plan) error {
	conn, err := client.DialContext(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	c := conn.(*net.TCPConn)
	defer c.Close()
	deadline(c)
	k.mu.Lock()
	k.plans[ends{c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()}] = p
	k.mu.Unlock()
	speak := func() error {
		_, err := c.Write(p.request())
		return errors.Join(err, c.CloseWrite())
	}
	hear := func() error {
		want := p.response()
		got, err := io.ReadAll(c)
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("the client read %d octets of %d, or others", len(got), len(want))
		}
		return err
	}
	return p.Manner.order(speak, hear, false)
}

// order has one side of a connection speak and hear as the manner wants it.
func (m manner) order(speak, hear func() error, server bool) error {
	switch {
	case m == atOnce:
		done := make(chan error, 1)
		go func() { done <- speak() }()
		return errors.Join(hear(), <-done)
	case server:
		return errors.Join(hear(), speak())
	}
	return errors.Join(speak(), hear())
}

func newTalk() *talk {
	return &talk{plans: map[ends]plan{}}
}
