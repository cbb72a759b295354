package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/cmd/mbox/internal/view"
	"github.com/mbox-stack/mbox/wire"
)

// flowColumn is a column of top: the text of a flow's value, and what flows are
// ordered by.
type flowColumn struct {
	name  string
	help  string
	left  bool
	least int // see view.Column
	text  func(s *sight, every time.Duration) string
	value func(s *sight) float64 // the largest first; nil: by the text
}

// flowColumns are the columns, in their order.
var flowColumns = []flowColumn{
	{name: "PROTO", left: true, text: func(s *sight, _ time.Duration) string { return s.flow.Proto().String() }},
	{name: "CLIENT", left: true, least: view.LeastAddress, text: func(s *sight, _ time.Duration) string { return s.flow.Client().String() }},
	{name: "SERVER", left: true, least: view.LeastAddress, text: func(s *sight, _ time.Duration) string { return s.flow.Server().String() }},
	{name: "STATES", left: true, help: "TCP's, of client and server", text: func(s *sight, _ time.Duration) string {
		if s.flow.Proto() != wire.ProtoTCP {
			return "-"
		}
		return s.state[0].String() + "/" + s.state[1].String()
	}},
	{name: "PACKETS/S", help: "packets in the latest second", text: func(s *sight, every time.Duration) string { return countText(perSecond(s.rate[0], every)) }, value: func(s *sight) float64 { return float64(s.rate[0]) }},
	{name: "BYTES/S", help: "payload in the latest second", text: func(s *sight, every time.Duration) string {
		return octetsText(uint64(perSecond(s.rate[1], every)))
	}, value: func(s *sight) float64 { return float64(s.rate[1]) }},
	{name: "PACKETS", help: "packets of both sides", text: func(s *sight, _ time.Duration) string { return countText(float64(s.packets[0] + s.packets[1])) }, value: func(s *sight) float64 { return float64(s.packets[0] + s.packets[1]) }},
	{name: "BYTES", help: "payload of both sides, in octets", text: func(s *sight, _ time.Duration) string { return octetsText(s.octets[0] + s.octets[1]) }, value: func(s *sight) float64 { return float64(s.octets[0] + s.octets[1]) }},
	{name: "REXMIT", help: "packets that repeat something", text: func(s *sight, _ time.Duration) string { return countText(float64(s.rexmits)) }, value: func(s *sight) float64 { return float64(s.rexmits) }},
	{name: "MISSED", help: "octets that passed unseen", text: func(s *sight, _ time.Duration) string { return octetsText(s.gap) }, value: func(s *sight) float64 { return float64(s.gap) }},
	{name: "RTT", help: "round-trip time of the handshake", text: func(s *sight, _ time.Duration) string {
		if s.rtt == 0 {
			return "-"
		}
		return durationText(s.rtt)
	}, value: func(s *sight) float64 { return float64(s.rtt) }},
	{name: "AGE", help: "since the first packet", text: func(s *sight, _ time.Duration) string { return durationText(s.age) }, value: func(s *sight) float64 { return float64(s.age) }},
	{name: "IDLE", help: "since the latest packet", text: func(s *sight, _ time.Duration) string { return durationText(s.idle) }, value: func(s *sight) float64 { return float64(s.idle) }},
}

// perSecond returns a count of an interval as one of a second.
func perSecond(n uint64, every time.Duration) float64 { return float64(n) / every.Seconds() }

// order returns how the column orders flows.
func (c *flowColumn) order(reverse bool) func(a, b *sight) int {
	sign := 1
	if reverse {
		sign = -1
	}
	if c.value == nil {
		return func(a, b *sight) int { return sign * strings.Compare(c.text(a, time.Second), c.text(b, time.Second)) }
	}
	return func(a, b *sight) int { return sign * cmp.Compare(c.value(b), c.value(a)) }
}

func flowColumnNames() (names []string) {
	for i := range flowColumns {
		names = append(names, strings.ToLower(flowColumns[i].name))
	}
	return names
}

func flowColumnOf(name string) *flowColumn {
	for i := range flowColumns {
		if strings.EqualFold(flowColumns[i].name, name) {
			return &flowColumns[i]
		}
	}
	return nil
}

// topView shows rolls on a screen.
type topView struct {
	*rolls
	every time.Duration
	over  *ended
}

// Tables implements view.Model.
func (v *topView) Tables() []string { return []string{"flows"} }

// Page implements view.Model.
func (v *topView) Page(q view.Query) view.Page {
	v.want.set(&flowColumns[min(q.Sort, len(flowColumns)-1)], q.Reverse, strings.ToLower(q.Filter))
	k := v.want.get()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last.cut(&k)
	p := view.Page{Title: "mbox top", Status: v.over.status(v.last.at)}
	for i := range flowColumns {
		c := &flowColumns[i]
		p.Columns = append(p.Columns, view.Column{Title: c.name, Help: c.help, Left: c.left, Least: c.least})
	}
	p.Head = []string{v.last.summary(v.every), ""}
	for i := range v.last.first {
		s := &v.last.first[i]
		if k.filter != "" && !strings.Contains(strings.ToLower(s.text()), k.filter) {
			continue
		}
		if p.Count++; p.Count > q.From && len(p.Rows) < q.Limit {
			p.Rows = append(p.Rows, s.cells(v.every))
		}
	}
	return p
}

// set says what is wanted from now on.
func (w *wanted) set(column *flowColumn, reverse bool, filter string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.column, w.reverse, w.filter = column, reverse, filter
}

// summary says what there is in all.
func (r *roll) summary(every time.Duration) string {
	text := fmt.Sprintf("%d flows  packets %s  bytes %s", r.count, countText(float64(r.sum[sumPackets])), octetsText(r.sum[sumOctets]))
	if every != never {
		text += fmt.Sprintf("  packets/s %s  bytes/s %s", countText(perSecond(r.sum[sumPacketRate], every)), octetsText(uint64(perSecond(r.sum[sumOctetRate], every))))
	}
	if more := r.count - len(r.first); more > 0 {
		text += fmt.Sprintf("  (%d of them not shown)", more)
	}
	return text
}

// cells returns a flow's values as text.
func (s *sight) cells(every time.Duration) (cells []string) {
	for i := range flowColumns {
		cells = append(cells, flowColumns[i].text(s, every))
	}
	return cells
}

// topWriter prints rolls as tables, or as an object a flow.
type topWriter struct {
	to    io.Writer
	json  bool
	every time.Duration
	some  bool
	err   error
}

// print prints a roll.
func (w *topWriter) print(r *roll) error {
	var b []byte
	if w.json {
		for i := range r.first {
			b = r.first[i].object(b, r.at, w.every)
		}
	} else {
		b = w.table(r)
	}
	w.write(b)
	return w.err
}

func (w *topWriter) write(b []byte) {
	if _, err := w.to.Write(b); err != nil && w.err == nil {
		w.err = err
	}
}

// table returns a roll as a table.
func (w *topWriter) table(r *roll) []byte {
	var text strings.Builder
	if w.some {
		text.WriteString("\n")
	}
	w.some = true
	fmt.Fprintf(&text, "%s  %s\n\n", r.at.UTC().Format("2006-01-02 15:04:05 UTC"), r.summary(w.every))
	head, rates := "", w.every != never
	for i := range flowColumns {
		c := &flowColumns[i]
		if !rates && strings.HasSuffix(c.name, "/S") {
			continue
		}
		name := c.name
		if !c.left {
			name = ">" + name
		}
		head += "\t" + name
	}
	t := newTable(&text, head[1:])
	for i := range r.first {
		var cells []string
		for j, cell := range r.first[i].cells(w.every) {
			if rates || !strings.HasSuffix(flowColumns[j].name, "/S") {
				cells = append(cells, cell)
			}
		}
		_, _ = io.WriteString(t, strings.Join(cells, "\t")+"\n") // a string takes everything
	}
	_ = t.close(nil)
	return []byte(text.String())
}

// object appends a flow as a JSON object in a line.
func (s *sight) object(b []byte, at time.Time, every time.Duration) []byte {
	b = strconv.AppendInt(append(b, `{"t":`...), at.UnixNano(), 10)
	b = quote(append(b, `,"id":`...), s.flow.ID.String())
	b = quote(append(b, `,"proto":`...), s.flow.Proto().String())
	b = putEndpoint(append(b, `,"client":`...), s.flow.Client())
	b = putEndpoint(append(b, `,"server":`...), s.flow.Server())
	if s.flow.Proto() == wire.ProtoTCP {
		b = quote(append(b, `,"client_state":`...), s.state[mbox.Client].String())
		b = quote(append(b, `,"server_state":`...), s.state[mbox.Server].String())
		b = putSeconds(append(b, `,"rtt":`...), s.rtt)
	}
	b = appendSeconds(append(b, `,"age":`...), s.age)
	b = appendSeconds(append(b, `,"idle":`...), s.idle)
	number := func(name string, n uint64) {
		b = strconv.AppendUint(append(append(append(b, `,"`...), name...), `":`...), n, 10)
	}
	number("rexmits", s.rexmits)
	number("gap", s.gap)
	if every != never {
		b = appendSeconds(append(b, `,"seconds":`...), every)
		number("new_packets", s.rate[0])
		number("new_payload_bytes", s.rate[1])
	}
	for _, d := range sides {
		b = append(append(append(b, `,"`...), sideNames[d]...), `":{"packets":`...)
		b = strconv.AppendUint(b, s.packets[d], 10)
		number("payload_bytes", s.octets[d])
		b = append(b, '}')
	}
	return append(b, "}\n"...)
}
