package main

import (
	"strconv"
	"time"
)

// octetsText returns a number of octets in three digits and a unit.
func octetsText(n uint64) string {
	const step = 1024
	if n < step {
		return strconv.FormatUint(n, 10) + "B"
	}
	v, unit := float64(n), -1
	for v >= step && unit < 3 {
		v /= step
		unit++
	}
	decimals := 0
	if v < 9.95 {
		decimals = 1
	}
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if text == strconv.FormatFloat(float64(int(v)), 'f', 1, 64) {
		text = text[:len(text)-2] // 2.0 is 2
	}
	return text + [...]string{"KiB", "MiB", "GiB", "TiB"}[unit]
}

// durationText returns a duration as a person says it: 12ms, 3.2s, 4m10s.
func durationText(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + durationText(-d)
	case d < time.Microsecond:
		return d.String()
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < time.Hour:
		return d.Round(time.Second).String()
	}
	text := d.Round(time.Minute).String()
	return text[:len(text)-len("0s")]
}

// appendSeconds appends a duration as a decimal number of seconds, exactly.
func appendSeconds(b []byte, d time.Duration) []byte {
	if d < 0 {
		b, d = append(b, '-'), -d
	}
	b = strconv.AppendInt(b, int64(d/time.Second), 10)
	rest := d % time.Second
	if rest == 0 {
		return b
	}
	var digits [9]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = '0' + byte(rest%10)
		rest /= 10
	}
	end := len(digits)
	for digits[end-1] == '0' {
		end--
	}
	return append(append(b, '.'), digits[:end]...)
}

// stampLayout writes times to the nanosecond, all of one length, in UTC, so
// that lines sort by time.
const stampLayout = "2006-01-02T15:04:05.000000000Z"

// appendStamp appends a time in stampLayout.
func appendStamp(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, stampLayout) }
