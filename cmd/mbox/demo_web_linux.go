package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
)

// smallWeb is what the live demo watches: a few web servers in one network
// namespace, their clients in another, and a veth pair between them. Nothing of
// it is anybody else's: namespaces end with the program.
type smallWeb struct {
	clients, servers *netns.Namespace
	running          []*http.Server
	wait             sync.WaitGroup
	accepted, closed atomic.Uint64 // connections, by the servers' count
}

// demoDevice is the servers' end of the pair.
const demoDevice = "web0"

// demoServers are the hosts of the small web, at 10.0.2.80 and upwards.
var demoServers = []struct {
	host string
	port int
	page func(http.ResponseWriter, *http.Request)
}{
	{"news.example", 80, func(w http.ResponseWriter, r *http.Request) { fill(w, 2000+len(r.URL.Path)*1500) }},
	{"shop.example", 8080, func(w http.ResponseWriter, _ *http.Request) { fill(w, 700) }},
	{"files.example", 80, func(w http.ResponseWriter, _ *http.Request) { fill(w, 3<<20) }},
	{"bank.example", 443, func(w http.ResponseWriter, _ *http.Request) { fill(w, 4000) }},
}

func demoAddress(host int) string { return fmt.Sprintf("10.0.2.%d", 80+host) }

// fill answers with so many octets.
func fill(w io.Writer, octets int) {
	line := strings.Repeat("what a page says ", 60) + "\n"
	for octets > 0 {
		n, err := io.WriteString(w, line[:min(octets, len(line))])
		if err != nil {
			return
		}
		octets -= n
	}
}

// newSmallWeb makes the namespaces and starts the servers.
func newSmallWeb() (w *smallWeb, err error) {
	w = &smallWeb{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.clients, err = netns.New("clients"); err != nil {
		return w, err
	}
	if w.servers, err = netns.New("servers"); err != nil {
		return w, err
	}
	c := netns.Cable{A: netns.End{In: w.clients, Name: "user0"}, B: netns.End{In: w.servers, Name: demoDevice}}
	for i := range demoUsers {
		c.A.Addrs = append(c.A.Addrs, demoUser(i)+"/16")
	}
	for i := range demoServers {
		c.B.Addrs = append(c.B.Addrs, demoAddress(i)+"/16")
	}
	if err := netns.Connect(c); err != nil {
		return w, err
	}
	for i := range demoServers {
		if err := w.serve(i); err != nil {
			return w, err
		}
	}
	return w, nil
}

// serve starts a server.
func (w *smallWeb) serve(i int) error {
	d := &demoServers[i]
	l, err := w.servers.Listen("tcp", net.JoinHostPort(demoAddress(i), fmt.Sprint(d.port)))
	if err != nil {
		return err
	}
	if d.port == 443 {
		certificate, err := selfSigned(d.host)
		if err != nil {
			return errors.Join(err, l.Close())
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	s := &http.Server{Handler: http.HandlerFunc(d.page), ErrorLog: log.New(io.Discard, "", 0), ConnState: w.count}
	w.running = append(w.running, s)
	w.wait.Go(func() { _ = s.Serve(l) }) // until it is closed
	return nil
}

// count counts a server's connections.
func (w *smallWeb) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		w.accepted.Add(1)
	case http.StateClosed:
		w.closed.Add(1)
	}
}

// selfSigned returns a certificate that nobody need trust.
func selfSigned(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// demoUsers is how many users there are, at 10.0.1.11 and upwards.
const demoUsers = 16

func demoUser(i int) string { return fmt.Sprintf("10.0.1.%d", 11+i) }

// acceptWithin is how long a server may take to accept a connection that the kernel
// has made for it: one that a user gave up at the last moment is to be counted by
// both sides.
const acceptWithin = 200 * time.Millisecond

// browse has the users do what they do until ctx is done, and returns when all
// connections are closed. Users come one after the other, for things to change.
func (w *smallWeb) browse(ctx context.Context) {
	var users sync.WaitGroup
	for i := range demoUsers {
		users.Go(func() {
			u := &user{smallWeb: w, address: demoUser(i), rng: mathrand.New(mathrand.NewPCG(uint64(i), 1))}
			if !u.pause(ctx, i*250) {
				return
			}
			switch i % 8 {
			case 0, 1, 2:
				u.reads(ctx)
			case 3, 4:
				u.shops(ctx)
			case 5:
				u.banks(ctx)
			case 6:
				u.downloads(ctx)
			case 7:
				u.knocks(ctx)
			}
		})
	}
	users.Wait()
	time.Sleep(acceptWithin)
	for _, s := range w.running {
		_ = s.Shutdown(context.WithoutCancel(ctx)) // its connections are closed already
	}
	w.wait.Wait()
}

// close ends everything.
func (w *smallWeb) close() (err error) {
	for _, s := range w.running {
		err = errors.Join(err, s.Close())
	}
	w.wait.Wait()
	for _, n := range []*netns.Namespace{w.clients, w.servers} {
		if n != nil {
			err = errors.Join(err, n.Close())
		}
	}
	return err
}

// user is one of the users.
type user struct {
	*smallWeb
	address string
	rng     *mathrand.Rand
}

// pause waits up to twice so many milliseconds, and reports whether to go on.
func (u *user) pause(ctx context.Context, ms int) bool {
	t := time.NewTimer(time.Duration(u.rng.IntN(2*ms+1)) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// browser returns a client of a server, and what closes its connections.
func (u *user) browser(server int, keep bool) (get func(ctx context.Context, path string, most int64) error, stop func()) {
	d := &demoServers[server]
	t := &http.Transport{
		DisableKeepAlives: !keep,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: d.host}, // the certificate is our own
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return u.dial(ctx, net.JoinHostPort(demoAddress(server), fmt.Sprint(d.port)))
		},
	}
	scheme := "http"
	if d.port == 443 {
		scheme = "https"
	}
	get = func(ctx context.Context, path string, most int64) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+d.host+path, nil)
		if err != nil {
			return err
		}
		answer, err := t.RoundTrip(r)
		if err != nil {
			return err
		}
		_, err = io.CopyN(io.Discard, answer.Body, most)
		return errors.Join(err, answer.Body.Close())
	}
	return get, t.CloseIdleConnections
}

// dial opens a connection from the user's address.
func (u *user) dial(ctx context.Context, address string) (c net.Conn, err error) {
	err = u.clients.Do(func() error {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(u.address)}}
		c, err = d.DialContext(ctx, "tcp4", address)
		return err
	})
	return c, err
}

// everything is more than any page has.
const everything = 1 << 40

// reads reads pages over connections that are kept for a few of them. What goes
// wrong with a page is the user's to live with, here and below.
func (u *user) reads(ctx context.Context) {
	for u.pause(ctx, 300) {
		get, stop := u.browser(0, true)
		for range 4 + u.rng.IntN(8) {
			if !u.pause(ctx, 80) {
				break
			}
			_ = get(ctx, "/"+strings.Repeat("n", u.rng.IntN(8)), everything)
		}
		stop()
	}
}

// shops uses a connection for each request.
func (u *user) shops(ctx context.Context) {
	get, _ := u.browser(1, false)
	for u.pause(ctx, 40) {
		_ = get(ctx, "/basket", everything)
	}
}

// banks speaks TLS: all there is to see is the server's name.
func (u *user) banks(ctx context.Context) {
	for u.pause(ctx, 250) {
		get, stop := u.browser(3, true)
		for range 3 {
			_ = get(ctx, "/account", everything)
		}
		stop()
	}
}

// downloads reads large files, and breaks some of them off.
func (u *user) downloads(ctx context.Context) {
	get, stop := u.browser(2, true)
	defer stop()
	for u.pause(ctx, 400) {
		most := int64(everything)
		if u.rng.IntN(3) == 0 {
			most = 500_000
		}
		_ = get(ctx, "/image.iso", most)
	}
}

// knocks tries a port where nobody listens.
func (u *user) knocks(ctx context.Context) {
	for u.pause(ctx, 500) {
		if c, err := u.dial(ctx, net.JoinHostPort(demoAddress(0), "8443")); err == nil {
			c.Close()
		}
	}
}
