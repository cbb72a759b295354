package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// load is what both sides are told.
type load struct {
	Servers []string // addresses with ports; the server listens at all
	Octets  int      // of a response's body
	Keep    bool     // connections are kept
	Rate    int      // requests a second that are offered
	Workers int      // requests at a time
	Seconds float64
}

// served is what the server has done.
type served struct{ Accepts, Closes, Requests uint64 }

// asked is what the clients have done.
type asked struct {
	Requests, Failures uint64
	Seconds            float64
	P50Ns, P99Ns       int64 // of a request, with its connection where it has its own
	Failure            string
}

// The ends of a request's and of a response's head.
var endOfHead = []byte("\r\n\r\n")

func (l *load) response() []byte {
	manner := "close"
	if l.Keep {
		manner = "keep-alive"
	}
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n", l.Octets, manner)
	return append([]byte(head), bytes.Repeat([]byte("mbox "), l.Octets/5+1)[:l.Octets]...)
}

var request = []byte("GET /object HTTP/1.1\r\nHost: www.example\r\nUser-Agent: fig2\r\nAccept: */*\r\n\r\n")

// serve is the server: until its standard input ends, and all connections have.
func serve(l *load) error {
	var n struct{ accepts, closes, requests atomic.Uint64 }
	var open sync.WaitGroup
	response := l.response()
	var listeners []net.Listener
	for _, address := range l.Servers {
		lis, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, lis)
		open.Go(func() {
			for {
				c, err := lis.Accept()
				if err != nil {
					return
				}
				n.accepts.Add(1)
				open.Go(func() {
					n.requests.Add(answer(c, response, l.Keep))
					c.Close()
					n.closes.Add(1)
				})
			}
		})
	}
	fmt.Println("ready")
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, lis := range listeners {
		lis.Close()
	}
	open.Wait()
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(served{n.accepts.Load(), n.closes.Load(), n.requests.Load()}))
}

// answer answers the requests of a connection and returns how many there were.
func answer(c net.Conn, response []byte, keep bool) (n uint64) {
	buf := make([]byte, 2048)
	have := 0
	for {
		m, err := c.Read(buf[have:])
		if err != nil {
			return n
		}
		have += m
		if end := bytes.Index(buf[:have], endOfHead); end >= 0 {
			have = copy(buf, buf[end+len(endOfHead):have])
			if _, err := c.Write(response); err != nil {
				return n
			}
			if n++; !keep {
				return n
			}
		}
		if have == len(buf) {
			return n
		}
	}
}

// client is one of those that ask at a time.
type client struct {
	*load
	server string
	conn   net.Conn // kept, or nil
	buf    []byte
	times  []time.Duration
	err    error
}

// ask is the clients: they ask for as long as they are told.
func ask(l *load) error {
	all := make([]*client, l.Workers)
	var wait sync.WaitGroup
	began := time.Now()
	end := began.Add(time.Duration(l.Seconds * float64(time.Second)))
	for i := range all {
		c := &client{load: l, server: l.Servers[i%len(l.Servers)], buf: make([]byte, 64<<10)}
		all[i] = c
		wait.Go(func() { c.run(began, end, i) })
	}
	wait.Wait()
	out := asked{Seconds: time.Since(began).Seconds()}
	var times []time.Duration
	for _, c := range all {
		times = append(times, c.times...)
		if c.err != nil {
			out.Failures++
			out.Failure = c.err.Error()
		}
	}
	slices.Sort(times)
	if out.Requests = uint64(len(times)); len(times) > 0 {
		out.P50Ns, out.P99Ns = int64(times[len(times)/2]), int64(times[len(times)*99/100])
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// run asks at this client's share of the rate, or as fast as it is answered.
func (c *client) run(began, end time.Time, number int) {
	for k := 0; ; k++ {
		due := began.Add(time.Duration(float64(k*c.Workers+number) / float64(c.Rate) * float64(time.Second)))
		if due.After(end) {
			break
		}
		if wait := time.Until(due); wait > time.Millisecond { // what is less is not worth a timer
			time.Sleep(wait)
		}
		start := time.Now()
		if start.After(end) {
			break
		}
		if c.err = c.one(); c.err != nil {
			break
		}
		c.times = append(c.times, time.Since(start))
	}
	if c.conn != nil {
		c.conn.Close()
	}
}

// one asks once, on a connection of its own unless they are kept.
func (c *client) one() (err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.server); err != nil {
			return err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	left, headed := 0, false
	for !headed || left > 0 {
		n, err := c.conn.Read(c.buf)
		if err != nil {
			return err
		}
		if !headed { // a head comes whole, and is shorter than any buffer
			end := bytes.Index(c.buf[:n], endOfHead)
			if end < 0 {
				return errors.New("a response without a head: " + strings.TrimSpace(string(c.buf[:n])))
			}
			headed, left = true, c.Octets+end+len(endOfHead)
		}
		left -= n
	}
	if !c.Keep {
		_, err := c.conn.Read(c.buf) // the server closes first
		if err != io.EOF {
			return fmt.Errorf("after a response: %w", err)
		}
		err = c.conn.Close()
		c.conn = nil
		return err
	}
	return nil
}
