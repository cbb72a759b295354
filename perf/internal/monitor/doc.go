// Package monitor runs mbox web as a process of its own in a network namespace,
// for benchmarks of live capture: the kernel says what it has used, and it says
// itself what it has counted and missed. It is for Linux; elsewhere it is empty.
package monitor
