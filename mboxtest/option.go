package mboxtest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mbox-stack/mbox/internal/craft"
	"github.com/mbox-stack/mbox/wire"
)

// options reads what stands behind the fields of a line.
func (l *line) options(fields []string) error {
	for _, f := range fields {
		name, arg, has := strings.Cut(f, "=")
		if has == flagOptions[name] {
			return fmt.Errorf("%s: no option is written like this", f)
		}
		if err := l.option(name, arg); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

// flagOptions are the options without a value.
var flagOptions = map[string]bool{"sackok": true, "tfo": true, "badsum": true, "offload": true, "drop": true}

// option applies one option to the line.
func (l *line) option(name, arg string) (err error) {
	switch name {
	case "t":
		return duration(&l.after, arg)
	case "data":
		var s string
		if s, err = strconv.Unquote(arg); err == nil {
			l.data = append([]byte{}, s...)
		}
		return err
	case "text":
		n, err := strconv.ParseUint(arg, 10, 8)
		l.salt = byte(n % 26)
		return err
	case "cut":
		return number(&l.cut, arg)
	case "badsum":
		l.fault |= craft.BadChecksum
	case "offload":
		l.fault |= craft.PartialChecksum
	case "drop":
		l.drop = true
	case "frag":
		return l.frag.read(arg)
	default:
		return l.header(name, arg)
	}
	return nil
}

// header applies an option that is part of the TCP header.
func (l *line) header(name, arg string) error {
	if l.kind != kindSegment {
		return fmt.Errorf("only segments have it")
	}
	t := &l.tcp
	switch name {
	case "win":
		return field16(&t.Wnd, arg)
	case "urg":
		t.Flags |= wire.URG
		return field16(&t.Urg, arg)
	case "mss":
		t.Opts |= wire.OptMSS
		return field16(&t.MSS, arg)
	case "ws":
		t.Opts |= wire.OptWScale
		n, err := strconv.ParseUint(arg, 10, 8)
		t.WScale = uint8(n)
		return err
	case "sackok":
		t.Opts |= wire.OptSACKOK
	case "tfo":
		t.Opts |= wire.OptTFO
		t.Cookie = []byte("mboxtest")
	case "ts":
		t.Opts |= wire.OptTimestamp
		val, ecr, ok := strings.Cut(arg, "/")
		a, err := strconv.ParseUint(val, 10, 32)
		if err != nil || !ok {
			return fmt.Errorf("timestamps are written ts=VAL/ECR")
		}
		b, err := strconv.ParseUint(ecr, 10, 32)
		t.TSVal, t.TSEcr = uint32(a), uint32(b)
		return err
	default:
		return fmt.Errorf("no such option")
	}
	return nil
}

func field16(to *uint16, s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	*to = uint16(n)
	return err
}

// The ways to send fragments.
const (
	fragReversed = "reversed"
	fragLost     = "lost"
	fragTwice    = "twice"
	fragOverlap  = "overlap"
	fragConflict = "conflict"
)

// read reads "OCTETS" or "OCTETS/HOW".
func (f *fragmentation) read(arg string) error {
	octets, how, _ := strings.Cut(arg, "/")
	switch how {
	case "", fragReversed, fragLost, fragTwice, fragOverlap, fragConflict:
	default:
		return fmt.Errorf("fragments do not come %q", how)
	}
	f.how = how
	if err := number(&f.octets, octets); err != nil {
		return err
	}
	if f.octets < 8 || f.octets%8 != 0 {
		return fmt.Errorf("fragments carry a multiple of 8 octets")
	}
	return nil
}
