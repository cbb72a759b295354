// Package fuzz fuzzes whole stacks: octets become frames, frames go through
// every floor, and what handlers are told must be the same for any number of
// shards and any batches, break no rule of the contract, and leave nothing behind.
//
//	go test ./fuzz                            the seeds
//	go test -fuzz FuzzStack ./fuzz            until it finds something
//	go test -tags mboxdebug -fuzz FuzzStack ./fuzz   the same with all invariants on
//
// The input of FuzzStack is a program for a [Mutator]: which frames of some
// conversations come next, in which order, how often, cut and changed where, and
// which octets come as frames of their own. Two more numbers choose the stack's
// configuration and what its handlers do to it.
package fuzz
