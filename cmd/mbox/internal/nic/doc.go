// Package nic says what matters about a network card to who captures on it: its
// driver and queues, what it and the kernel do to frames before they are seen,
// and whether the hash that deals them out to queues is symmetric.
//
// Everything is read (sysfs, ioctls of the ethtool kind) and nothing changed. What
// a card does not say is left out: virtual ones say little.
package nic
