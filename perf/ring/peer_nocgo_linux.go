//go:build !cgo

package main

import "errors"

var errNoPeer = errors.New("built without cgo")

// newPeer fails: gopacket's afpacket needs cgo.
func newPeer(*options) (drainer, error) { return nil, errNoPeer }
