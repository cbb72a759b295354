package main

import (
	"bytes"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/uevents"
)

// flows returns the command that prints a record of each flow.
func (p *program) flows() *cobra.Command {
	o := newOptions()
	format := choice{kind: "FORM", value: "table", of: []string{"table", "jsonl", "csv"}}
	var how recording
	cmd := &cobra.Command{
		Use:   "flows -r FILE | -i IFACE [flags] [filter expression]",
		Short: "One record of each flow, when it has ended",
		Long: `Print a record of each flow (TCP, UDP, ICMP, SCTP and others) when it has ended:
closed by both sides, reset, idle, or because the capture ends. A connection that
was closed is kept for late segments, until it was silent for a minute of a
capture's time, or for five seconds on an interface; then its record is printed.
Flows of the innermost packet count, behind VLAN tags and tunnels.`,
		Example: `  mbox flows -r trace.pcap
  mbox flows -r trace.pcap --format csv port 53
  mbox flows -r trace.pcap --format jsonl --sha256 --idle-timeout 0
  mbox flows -i eth0 --stats port 443`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.session(o, args, func(c *mbox.Config) {
				if how.hashed {
					c.Memory = keeping(c.Memory, 25) // two hashes of 100 octets and more
				}
			})
			if err != nil {
				return err
			}
			if err := s.recordFlows(format.value, how); err != nil {
				return err
			}
			return s.play(cmd.Context())
		},
	}
	own := cmd.Flags()
	own.Var(&format, "format", "table, jsonl (one object a line) or csv")
	own.BoolVar(&how.hashed, "sha256", false, "hash what each side said, from its start to the first gap")
	own.Var(&how.active, "active-timeout", "also print a record of a flow that goes on, every DUR of its life in which packets came; counters count from its beginning")
	o.output(own)
	o.common(cmd)
	return cmd
}

// recordFlows has every flow's record printed.
func (s *session) recordFlows(format string, how recording) error {
	sock := s.stack.Monitor(mbox.Stream)
	rec, err := newRecorder(s.stack, sock, how)
	if err != nil {
		return err
	}
	out, put := s.stack.Output(s.out), putJSON
	switch format {
	case "table":
		t := newTable(s.out, tableHead)
		if len(s.opt.live.interfaces) > 0 {
			t.live(tableUsual)
		}
		s.atEnd(t.close)
		out, put = s.stack.Output(t), putRow
	case "csv":
		h := &headed{to: s.out, head: csvHead(how)}
		s.atEnd(h.close)
		if s.file != nil {
			s.file.Repeat(h.head)
		}
		out, put = s.stack.Output(h), putCSV
	}
	lines := mbox.NewLocal[[]byte](s.stack, nil)
	print := func(c *mbox.Context, r *record) {
		line := lines.Of(c)
		*line = append(put((*line)[:0], r), '\n')
		out.Write(c, *line)
	}
	err = sock.Handle(mbox.OnConnEnd, mbox.PostTCP, func(c *mbox.Context) {
		r := rec.last(c)
		print(c, &r)
	})
	if err != nil || how.active == 0 {
		return err
	}
	return sock.Handle(mbox.OnTimer, mbox.PostTCP, func(c *mbox.Context) {
		if r, news := rec.partial(c); news {
			print(c, &r)
		}
	})
}

// putJSON appends a record as a JSON object.
func putJSON(b []byte, r *record) []byte {
	b = append(b, '{')
	put := func(f *field) {
		b = append(append(append(b, '"'), f.name...), '"', ':')
		b = append(f.put(b, r), ',')
	}
	for i := range fields {
		put(&fields[i])
	}
	for i := range fieldsPart {
		if r.how.active > 0 {
			put(&fieldsPart[i])
		}
	}
	for i := range fieldsTCP {
		if r.tcp() {
			put(&fieldsTCP[i])
		}
	}
	for _, d := range sides {
		b = append(append(append(b, '"'), sideNames[d]...), `":{`...)
		for _, f := range sideFields(r.how.hashed) {
			b = append(append(append(b, '"'), f.name...), '"', ':')
			b = append(f.put(b, r, d), ',')
		}
		b = append(b[:len(b)-1], '}', ',')
	}
	return append(b[:len(b)-1], '}')
}

// sideNames are the directions as records name them.
var sideNames = [2]string{mbox.Client: "c2s", mbox.Server: "s2c"}

func sideFields(hashed bool) []sideField {
	if hashed {
		return append(fieldsSide[:len(fieldsSide):len(fieldsSide)], fieldsText...)
	}
	return fieldsSide
}

// csvHead returns the line that names the columns.
func csvHead(how recording) string {
	var names []string
	all := fields[:len(fields):len(fields)]
	if how.active > 0 {
		all = append(all, fieldsPart...)
	}
	for _, f := range append(all, fieldsTCP...) {
		names = append(names, f.name)
	}
	for _, d := range sides {
		for _, f := range sideFields(how.hashed) {
			names = append(names, sideNames[d]+"."+f.name)
		}
	}
	return strings.Join(names, ",") + "\n"
}

// putCSV appends a record as values between commas. None of them holds a comma.
func putCSV(b []byte, r *record) []byte {
	var value [128]byte
	put := func(json []byte) {
		if bytes.HasPrefix(json, []byte("[")) { // a list of one
			json = json[1 : len(json)-1]
		}
		b = append(append(b, bytes.Trim(json, `"`)...), ',')
	}
	for _, f := range fields {
		put(f.put(value[:0], r))
	}
	for i := range fieldsPart {
		if r.how.active > 0 {
			put(fieldsPart[i].put(value[:0], r))
		}
	}
	for _, f := range fieldsTCP {
		if r.tcp() {
			put(bytes.TrimPrefix(f.put(value[:0], r), []byte("null")))
		} else {
			b = append(b, ',')
		}
	}
	for _, d := range sides {
		for _, f := range sideFields(r.how.hashed) {
			put(f.put(value[:0], r, d))
		}
	}
	return b[:len(b)-1]
}

// tableHead names the columns of the table.
const tableHead = "TIME\tPROTO\tCLIENT\tSERVER\t>PACKETS\t>BYTES\t>PACKETS\t>BYTES\t>LASTED\t>RTT\tEND\tNOTES"

// tableUsual is a row as wide as most are.
const tableUsual = "00:00:00.000000\tICMP\t192.168.100.100:65535\t192.168.100.100:65535\t10000\t100KiB\t10000\t100KiB\t100.0ms\t100.0ms\tevicted\t"

// putRow appends a record as a row of the table.
func putRow(b []byte, r *record) []byte {
	b = r.began.UTC().AppendFormat(b, "15:04:05.000000")
	b = append(append(append(b, '\t'), r.flow.Proto().String()...), '\t')
	b = append(r.flow.Client().AppendTo(b), '\t')
	b = append(r.flow.Server().AppendTo(b), '\t')
	for _, d := range sides {
		b = append(strconv.AppendUint(b, r.sent[d].Packets, 10), '\t')
		b = append(append(b, octetsText(r.sent[d].PayloadBytes)...), '\t')
	}
	b = append(append(b, durationText(r.took)...), '\t')
	if rtt := r.rtt.Client + r.rtt.Server; r.rtt.Client > 0 && r.rtt.Server > 0 {
		b = append(b, durationText(rtt)...)
	}
	b = append(append(b, '\t'), r.outcome()...)
	b = append(b, '\t')
	return append(b, strings.Join(r.notes(), " ")...)
}

// outcome says how the flow ended, and where its endpoints stood if not closed.
func (r *record) outcome() string {
	if r.partial {
		return "goes on"
	}
	if !r.tcp() || r.reason == uevents.EndFIN || r.reason == uevents.EndRST {
		return r.reason.String()
	}
	return r.reason.String() + " " + r.state[mbox.Client].String() + "/" + r.state[mbox.Server].String()
}

// notes are what is remarkable about a flow, in words.
func (r *record) notes() (notes []string) {
	note := func(is bool, text string) {
		if is {
			notes = append(notes, text)
		}
	}
	count := func(n uint64, text string) { note(n > 0, text+"="+strconv.FormatUint(n, 10)) }
	e := &r.evidence
	note(r.how.active > 0 && (r.partial || r.part > 1), "part="+strconv.FormatUint(uint64(r.part), 10))
	note(e.Midstream, "midstream")
	note(e.OneSided && r.tcp(), "one-sided")
	note(e.Truncated, "truncated")
	count(r.sent[0].Rexmits+r.sent[1].Rexmits, "rexmits")
	note(e.Conflicts > 0, "CONFLICTS="+conflicts(e))
	note(e.Conflicts == 0 && e.MatchUnknown, "conflicts="+conflicts(e))
	count(e.GapOctets, "gap")
	count(e.Refused, "refused")
	count(uint64(e.BadChecksums), "bad-checksums")
	note(strings.Contains(r.encap, "/"), r.encap)
	return notes
}

// conflicts says how often repeated octets differed: ? stands for those that
// could not be compared, as their originals were no longer held.
func conflicts(e *mbox.Evidence) string {
	n := strconv.FormatUint(uint64(e.Conflicts), 10)
	switch {
	case !e.MatchUnknown:
		return n
	case e.Conflicts == 0:
		return "?"
	}
	return n + "+?"
}

// headed is a writer that puts a line before all else: not before there is
// something to write, so that nothing stands there when the input cannot be
// opened.
type headed struct {
	to   io.Writer
	head string // "" once written
}

// Write implements io.Writer.
func (h *headed) Write(b []byte) (int, error) {
	if err := h.begin(); err != nil {
		return 0, err
	}
	return h.to.Write(b)
}

func (h *headed) begin() error {
	head := h.head
	if h.head = ""; head == "" {
		return nil
	}
	_, err := io.WriteString(h.to, head)
	return err
}

// close writes the head of an output without rows, unless that is so because
// something failed.
func (h *headed) close(failed error) error {
	if failed != nil {
		return nil
	}
	return h.begin()
}
