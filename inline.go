package mbox

import "github.com/mbox-stack/mbox/wire"

// What handlers and filters ask on every packet must not cost a call. But of the
// methods of other packages' types the compiler hands on to a program that
// imports this package alone only those that it has itself inlined in here. So
// they are called, here and nowhere else (TestHandlersAreInlined).
var _ = func(c *Context) (sum int) {
	sum += len(c.Payload()) + len(c.Frame()) + len(c.Packet().Payload(c.Frame())) + len(c.Packet().Transport(c.Frame()))
	sum += int(c.Side()) + int(c.Side().Reverse()) + int(c.Sender()) + int(c.Base()) + int(c.Hook()) + c.Shard()
	sum += int(c.Number()) + int(c.Offset()) + int(c.Now().Unix())
	sum += int(c.State(Client)) + int(c.From()) + int(c.To()) + int(c.Anomaly()) + int(c.Reason()) + int(c.Gap().Len)
	h := c.TCP()
	sum += int(h.SrcPort()) + int(h.DstPort()) + int(h.SeqNum()) + int(h.AckNum()) + h.HeaderLen() + int(h.Window())
	if h.Flags().Has(wire.URG) || h.SYN() || h.ACK() || h.FIN() || h.RST() || h.PSH() {
		sum++
	}
	if h.SeqNum().Less(h.AckNum()) || h.SeqNum().LessEq(h.AckNum()) {
		sum += int(h.SeqNum().Diff(h.AckNum().Add(1)))
	}
	return sum
}
