package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/adapter/metrics"
)

// What the monitoring server grants to whoever asks: it may be reachable from
// more places than it was meant to be.
const (
	serverConns   = 32               // connections at once; more wait to be accepted
	serverScrapes = 4                // answers to /metrics under way at once
	serverHeader  = 16 << 10         // octets of a request
	serverRead    = 10 * time.Second // for a request to come
	serverIdle    = 2 * time.Minute  // between two requests: scrapes come every minute, at the rarest
	serverWrite   = 5 * time.Minute  // for an answer, of which a profile takes the longest
	healthWait    = 2 * time.Second  // for all shards to answer
)

// address is a flag that says where to listen. Without a host it is loopback:
// what metrics tell is nobody else's business unless that is asked for.
type address string

// Set implements pflag.Value.
func (a *address) Set(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil { // a port alone
		host, port = "", text
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strings.Contains(host, " ") {
		return errors.New("must be a port, or an address and a port, such as 9100 or 0.0.0.0:9100")
	} else if port = strconv.FormatUint(n, 10); host == "" {
		host = "127.0.0.1"
	}
	*a = address(net.JoinHostPort(host, port))
	return nil
}

// String implements pflag.Value.
func (a *address) String() string { return string(*a) }

// Type implements pflag.Value.
func (a *address) Type() string { return "ADDR" }

// monitor is the HTTP server behind --metrics.
type monitor struct {
	server http.Server
	stack  *mbox.Stack
	over   chan struct{} // closed when the server has ended

	mu     sync.Mutex
	answer chan struct{} // closed when the question to the shards is answered; nil: none is under way
}

// monitor begins to serve what the stack does, if that was asked for. The
// function returned ends it.
func (s *session) monitor() (stop func(), err error) {
	if s.opt.metrics == "" {
		return func() {}, nil
	}
	// Not MPTCP, Go's default: Landlock cannot tell apart what that may do.
	lc := net.ListenConfig{}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", string(s.opt.metrics))
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.New(s.stack, s.from...), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m := &monitor{stack: s.stack, over: make(chan struct{})}
	m.server = http.Server{
		Handler: m.routes(registry, s.opt.metricsPprof), MaxHeaderBytes: serverHeader,
		ReadTimeout: serverRead, WriteTimeout: serverWrite, IdleTimeout: serverIdle,
	}
	fmt.Fprintf(s.stderr, "mbox: metrics at http://%s/metrics\n", l.Addr())
	go func() {
		defer close(m.over)
		_ = m.server.Serve(netutil.LimitListener(l, serverConns)) // it fails because it is closed
	}()
	return func() {
		m.server.Close()
		<-m.over
	}, nil
}

// routes returns what there is to ask for.
func (m *monitor) routes(registry *prometheus.Registry, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: serverScrapes, Timeout: serverRead}))
	mux.HandleFunc("GET /healthz", m.health)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "mbox %s\n\n/metrics\n/healthz\n", version)
		if profiles {
			fmt.Fprint(w, "/debug/pprof/\n")
		}
	})
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// ask asks all shards for an answer. One question is under way at a time, so
// that no number of requests leaves many behind.
func (m *monitor) ask() (answer <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.answer == nil {
		done := make(chan struct{})
		m.answer = done
		go func() {
			_ = m.stack.Ping() // it fails in handlers only
			m.mu.Lock()
			defer m.mu.Unlock()
			m.answer = nil
			close(done)
		}()
	}
	return m.answer
}

// health says whether every shard answers.
func (m *monitor) health(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-m.ask():
		fmt.Fprintln(w, "ok")
	case <-time.After(healthWait):
		http.Error(w, "a shard does not answer", http.StatusServiceUnavailable)
	}
}
