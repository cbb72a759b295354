package main

import (
	"io"
	"strconv"
	"time"
)

// webJSON writes an object a second, and a last one of the whole time.
type webJSON struct {
	to   io.Writer
	mode string
	rows int
	sort *measure
	b    []byte
	err  error
}

// second writes the object of a second.
func (w *webJSON) second(b *board) error {
	w.object(b, false, b.at.Add(-b.every), b.every)
	return w.err
}

// summary writes that of the whole time.
func (w *webJSON) summary(b *board) {
	from := b.first.Add(-b.every)
	if b.seconds == 0 {
		from = b.at
	}
	w.object(b, true, from, b.at.Sub(from))
}

func (w *webJSON) object(b *board, total bool, from time.Time, took time.Duration) {
	t := int64(0)
	if !from.IsZero() {
		t = from.UnixNano()
	}
	o := append(w.b[:0], `{"t":`...)
	o = strconv.AppendInt(o, t, 10)
	o = appendSeconds(append(o, `,"seconds":`...), took)
	o = strconv.AppendBool(append(o, `,"total":`...), total)
	o = quote(append(o, `,"mode":`...), w.mode)
	o = w.values(o, &b.all, total)
	o = rowsJSON(w, o, "servers", "server", &b.servers, total)
	if w.mode == modeStream {
		o = rowsJSON(w, o, "hosts", "host", &b.hosts, total)
	}
	o = append(o, "}\n"...)
	w.b = o
	if _, err := w.to.Write(o); err != nil && w.err == nil {
		w.err = err
	}
}

// rowsJSON appends the first rows of a ranking, and how much the others have.
func rowsJSON[K comparable](w *webJSON, o []byte, name, key string, k *ranking[K], total bool) []byte {
	order := bySecond(w.sort)
	if total {
		order = byTotal(w.sort)
	}
	rows, rest, more := k.top(w.rows, order)
	o = append(append(append(o, `,"`...), name...), `":[`...)
	put := func(r *ranked, name string) {
		o = append(append(append(o, `{"`...), key...), `":`...)
		o = w.values(quote(o, name), r, total)
		o = append(o, `},`...)
	}
	for _, r := range rows {
		if total || !r.last.zero() || r.total.open() > 0 {
			put(r, r.name)
		}
	}
	if n := len(o) - 1; o[n] == ',' {
		o = o[:n]
	}
	o = append(append(append(o, `],"other_`...), name...), `":{"count":`...)
	o = strconv.AppendInt(o, int64(more), 10)
	return append(w.values(o, &rest, total), '}')
}

// values appends what was counted.
func (w *webJSON) values(o []byte, r *ranked, total bool) []byte {
	t := &r.last
	if total {
		t = &r.total
	}
	number := func(name string, n uint64) {
		o = append(append(append(o, `,"`...), name...), `":`...)
		o = strconv.AppendUint(o, n, 10)
	}
	if w.mode == modePacket {
		number("syn", t[cSYN])
		number("synack", t[cSYNACK])
		number("fin", t[cFIN])
		number("rst", t[cRST])
	} else {
		number("open", r.total.open())
		number("opened", t[cOpened])
		number("closed", t[cClosed])
		number("failed", t[cFailed])
		number("gap", t[cGap])
		o = putSeconds(append(o, `,"rtt_client":`...), t.rtt(cRTTClient))
		o = putSeconds(append(o, `,"rtt_server":`...), t.rtt(cRTTServer))
	}
	for _, d := range sides {
		o = append(append(append(o, `,"`...), sideNames[d]...), `":{"packets":`...)
		o = strconv.AppendUint(o, t[cPackets+counter(d)], 10)
		number("payload_bytes", t[cOctets+counter(d)])
		if w.mode != modePacket {
			number("rexmits", t[cRexmits+counter(d)])
		}
		o = append(o, '}')
	}
	return o
}
