package rx

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/big"

	"github.com/mbox-stack/mbox/wire"
)

// slowRead is the obvious reader: the whole capture as one slice, one record
// after the other, times in arithmetic without limits. It reports whether the
// capture is whole.
func slowRead(data []byte) (frames []Frame, whole bool) {
	if bytes.HasPrefix(data, magicGzip) && len(data) >= 4 {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, false
		}
		text, err := io.ReadAll(z)
		if bytes.HasPrefix(text, magicGzip) {
			return nil, false
		}
		frames, whole := slowRead(text)
		return frames, whole && err == nil
	}
	if len(data) < 4 {
		return nil, false
	}
	if string(data[:4]) == "\x0a\x0d\x0d\x0a" {
		return slowPcapng(data)
	}
	var o binary.ByteOrder = binary.LittleEndian
	if data[0] == 0xa1 {
		o = binary.BigEndian
	}
	unit, header := int64(1000), 16
	switch o.Uint32(data) {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = 1
	case 0xa1b2cd34:
		header = 24
	default:
		return nil, false
	}
	if len(data) < 24 {
		return nil, false
	}
	link := wire.LinkType(o.Uint32(data[20:]))
	data = data[24:]
	for len(data) >= header {
		n := o.Uint32(data[8:])
		if n > 262144*8 || int(n) > len(data)-header {
			return frames, false
		}
		frames = append(frames, Frame{
			Data:      data[header : header+int(n)],
			Timestamp: int64(o.Uint32(data))*1e9 + int64(o.Uint32(data[4:]))*unit,
			WireLen:   max(n, o.Uint32(data[12:])),
			Link:      link,
		})
		data = data[header+int(n):]
	}
	return frames, len(data) == 0
}

type slowPort struct {
	link   uint16
	snap   uint32
	unit   *big.Rat // seconds
	offset int64    // seconds
}

func slowPcapng(data []byte) (frames []Frame, whole bool) {
	var o binary.ByteOrder
	var ports []slowPort
	for len(data) >= 12 {
		section := string(data[:4]) == "\x0a\x0d\x0d\x0a"
		if section {
			switch string(data[8:12]) {
			case "\x4d\x3c\x2b\x1a":
				o = binary.LittleEndian
			case "\x1a\x2b\x3c\x4d":
				o = binary.BigEndian
			default:
				return frames, false
			}
			ports = nil
		}
		kind, total := o.Uint32(data), o.Uint32(data[4:])
		if total < 12 || total%4 != 0 || uint64(total) > uint64(len(data)) {
			return frames, false
		}
		packet := kind == 2 || kind == 3 || kind == 6
		if packet && total > recordMax {
			return frames, false
		}
		body := data[8 : total-4]
		data = data[total:]
		switch {
		case section:
		case kind == 1 && len(body) >= 8:
			ports = append(ports, slowInterface(o, body))
		case kind == 6 && len(body) >= 20:
			id, n := o.Uint32(body), o.Uint32(body[12:])
			if int64(id) >= int64(len(ports)) || int64(n) > int64(len(body)-20) || n > frameMax {
				return frames, false
			}
			frames = append(frames, ports[id].frame(o, body, n))
		case kind == 2 && len(body) >= 20:
			id, n := o.Uint16(body), min(o.Uint32(body[12:]), uint32(len(body)-20))
			if int(id) < len(ports) && n <= frameMax {
				frames = append(frames, ports[id].frame(o, body, n))
			}
		case kind == 3 && len(body) >= 4 && len(ports) > 0:
			n := min(o.Uint32(body), uint32(len(body)-4), frameMax)
			if s := ports[0].snap; s != 0 && s < n {
				n = s
			}
			frames = append(frames, Frame{Data: body[4 : 4+n], WireLen: o.Uint32(body), Link: wire.LinkType(ports[0].link)})
		}
	}
	return frames, len(data) == 0
}

func (p slowPort) frame(o binary.ByteOrder, body []byte, n uint32) Frame {
	units := uint64(o.Uint32(body[4:]))<<32 + uint64(o.Uint32(body[8:]))
	t := new(big.Rat).SetInt(new(big.Int).SetUint64(units))
	t.Mul(t, p.unit)
	t.Mul(t, big.NewRat(1e9, 1))
	ns := new(big.Int).Quo(t.Num(), t.Denom())
	if limit := big.NewInt(timestampMax); ns.Cmp(limit) > 0 {
		ns = limit
	}
	ns.Add(ns, new(big.Int).Mul(big.NewInt(p.offset), big.NewInt(1e9)))
	switch {
	case ns.Sign() < 0:
		ns.SetInt64(0)
	case ns.Cmp(big.NewInt(timestampMax)) > 0:
		ns = big.NewInt(timestampMax)
	}
	return Frame{
		Data:      body[20 : 20+n],
		Timestamp: ns.Int64(),
		WireLen:   max(n, o.Uint32(body[16:])),
		Link:      wire.LinkType(p.link),
	}
}

func slowInterface(o binary.ByteOrder, body []byte) slowPort {
	p := slowPort{link: o.Uint16(body), snap: o.Uint32(body[4:]), unit: big.NewRat(1, 1_000_000)}
	for at := 8; at+4 <= len(body); {
		code, n := o.Uint16(body[at:]), int(o.Uint16(body[at+2:]))
		at += 4
		if code == 0 || at+n > len(body) {
			break
		}
		if code == 9 && n >= 1 {
			base := big.NewInt(10)
			if body[at]&0x80 != 0 {
				base = big.NewInt(2)
			}
			units := new(big.Int).Exp(base, big.NewInt(int64(body[at]&0x7f)), nil)
			p.unit = new(big.Rat).SetFrac(big.NewInt(1), units)
		}
		if code == 14 && n >= 8 {
			p.offset = int64(o.Uint64(body[at:]))
		}
		at += (n + 3) &^ 3
	}
	return p
}
