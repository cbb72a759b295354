package traffic

import (
	"encoding/binary"
	"strings"
)

// dnsQuestion is a query for one name (RFC 1035 §4.1).
type dnsQuestion struct {
	id    uint16
	name  string
	qtype uint16
}

// The record types that the demo asks for (RFC 1035 §3.2.2, RFC 3596 §2.1).
const (
	dnsA    = 1
	dnsTXT  = 16
	dnsAAAA = 28
)

// The flags of a query and of an answer that was looked up for it: RD, and
// QR+RD+RA.
const (
	dnsQueryFlags  = 0x0100
	dnsAnswerFlags = 0x8180
)

// appendQuery appends the message that asks the question.
func (q *dnsQuestion) appendQuery(dst []byte) []byte {
	return q.appendMessage(dst, dnsQueryFlags, 0)
}

// appendAnswer appends the message that answers it with one record for each of
// datas, good for five minutes.
func (q *dnsQuestion) appendAnswer(dst []byte, datas ...[]byte) []byte {
	dst = q.appendMessage(dst, dnsAnswerFlags, uint16(len(datas)))
	for _, data := range datas {
		dst = append(dst, 0xc0, 12) // RFC 1035 §4.1.4: the name is the question's
		dst = binary.BigEndian.AppendUint16(dst, q.qtype)
		dst = append(dst, 0, 1, 0, 0, 300>>8, 300&0xff)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(data)))
		dst = append(dst, data...)
	}
	return dst
}

// appendMessage appends header and question.
func (q *dnsQuestion) appendMessage(dst []byte, flags, answers uint16) []byte {
	for _, field := range [6]uint16{q.id, flags, 1, answers, 0, 0} {
		dst = binary.BigEndian.AppendUint16(dst, field)
	}
	for label := range strings.SplitSeq(q.name, ".") {
		dst = append(append(dst, byte(len(label))), label...)
	}
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint16(dst, q.qtype)
	return append(dst, 0, 1)
}
