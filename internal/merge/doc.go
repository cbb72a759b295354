// Package merge writes what several shards have to say in one order.
//
// Each shard's own output is in the order of uevents.Order already. At each
// mark of the source every shard hands over what it has; as everything before a
// mark has been raised by then, what the shards handed over can be merged and
// written, and what comes later belongs behind it.
//
//	shard 0 ──chunks──┐
//	shard 1 ──chunks──┼─▶ Writer.Run ──▶ io.Writer
//	shard 2 ──chunks──┘
//
// So two runs over a capture write the same octets, for any number of shards.
// Live sources, of which no two runs are alike, write what comes as it comes.
package merge
