// Package mbox is a networking stack for stateful middleboxes: the socket layer
// for programs that watch, account for or filter other people's connections.
//
// A program makes a Stack, opens monitoring sockets, limits their scope by
// tcpdump expressions, registers handlers on events, and runs the stack over its
// sources:
//
//	stack, err := mbox.New(mbox.Config{})
//	sock := stack.Monitor(mbox.Stream)
//	err = sock.Bind("tcp port 80")
//	err = sock.Handle(mbox.OnNewData, mbox.PostTCP, func(c *mbox.Context) {
//		fmt.Println(c.Flow(), c.Side(), len(c.Payload()))
//	})
//	err = stack.Run(ctx, rx.File("trace.pcap"))
//
// The stack follows both endpoints of each connection through the states of RFC
// 9293, puts their streams in order, and raises events before (PreTCP) and after
// (PostTCP) the state changes. Users narrow events by filters (Define) and raise
// their own (NewEvent).
//
//	sources ──▶ receivers ──batches──▶ shards ──▶ handlers ──▶ Output
//
// # Who may do what
//
// Handlers run on the shard that owns the flow: they need no locks for what
// belongs to the flow (Key) or to the shard (Local), and may use only their
// Context. What a Context lends (packet, octets) is valid until the handler
// returns. Everything else, Stack and Socket, may be used from any goroutine,
// but not in handlers where it would wait for a shard: it returns ErrInHandler.
//
// # What is promised
//
// A capture gives the same events in the same order for any number of shards.
// Memory is bounded by Config.Memory. Each frame has one counted disposition
// (Stats). docs/EVENTS.md is the contract of events, docs/ARCHITECTURE.md says
// how it is built.
package mbox
