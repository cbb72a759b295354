package frag

import "github.com/mbox-stack/mbox/wire"

// Hash returns a hash under seed of what names the datagram that the fragment p,
// which lies in data, is a part of: the same for all its fragments. It says who
// of several tables puts the datagram together.
func Hash(p *wire.Packet, data []byte, seed uint64) uint64 {
	f := view(p, data)
	return f.key.hash(seed)
}
