package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/internal/netns"
	"github.com/mbox-stack/mbox/rx"
)

// demoLiveMissing says why the live demo cannot be had here, or nil.
func demoLiveMissing() error { return netns.Available() }

// demoSettle is how long the demo goes on behind the last packet: a ring hands
// over what it has every 10 ms.
const demoSettle = 200 * time.Millisecond

// runDemoLive shows mbox web on real traffic.
func (p *program) runDemoLive(ctx context.Context, o *options, w *webOptions, lasts time.Duration) (err error) {
	web, err := newSmallWeb()
	if err != nil {
		return failure{err}
	}
	defer func() { err = errors.Join(err, web.close()) }()
	var rings []*rx.Ring
	if err := web.servers.Do(func() (err error) {
		rings, err = rx.OpenRings(rx.RingConfig{Interface: demoDevice})
		return err
	}); err != nil {
		return failure{err}
	}
	shown := p.wantsDisplay(o, w.format.value)
	s, err := p.sessionOver(rings[0], o, nil, func(c *mbox.Config) { c.Shards = 1 })
	if err != nil {
		return errors.Join(err, rings[0].Close())
	}
	fmt.Fprintf(s.out, demoIntroduction, len(demoServers), demoUsers, demoDevice)

	// An interrupt sends the users home. What they still say is seen.
	users, leave := context.WithTimeout(ctx, lasts)
	defer leave()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	browsed := make(chan struct{})
	go func() {
		defer close(browsed)
		web.browse(users)
		if watching.Err() == nil {
			time.Sleep(demoSettle)
		}
		stop()
	}()
	board, err := s.playWeb(watching, w, nil, shown)
	quit := users.Err() == nil
	stop()
	leave()
	<-browsed
	if err != nil {
		return err
	}
	if quit {
		_, err = fmt.Fprint(s.out, demoToGoOn)
		return err
	}
	n := &board.all.total
	_, err = fmt.Fprintf(s.out, demoVerdict+demoToGoOn, web.accepted.Load(), web.closed.Load(), n[cOpened], n[cClosed], demoMissed(s, rings[0]))
	return err
}

const demoIntroduction = `A small web, made for the moment and gone with it: %d servers in one network namespace, %d users in
another, a veth pair between them. This is mbox web -i %s on the servers' side, live:

`

const demoVerdict = `
The servers themselves say that they accepted %d connections and closed %d. mbox, in the middle, counted
%d and %d%s.
`

const demoToGoOn = `
To go on:

  mbox web -i eth0                 your own interface
  mbox web -i eth0 --mode flow     without reading what clients say
  mbox demo --generated            a day of a small network, and all that can happen to a connection
  mbox flows -r yours.pcap         your captures; mbox alone lists the rest
`

// demoMissed says how many frames were not seen, where counts may differ for it.
func demoMissed(s *session, r *rx.Ring) string {
	st := s.stack.Stats()
	n := r.Counters().Drops
	for i := range st.Sources {
		n += st.Sources[i].Dropped().Frames
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", having missed %d frames, for which there was no room", n)
}
