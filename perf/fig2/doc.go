//go:build linux

// Fig2 makes Figure 2 of the 2015 paper anew, on this machine: what a web server's
// throughput, and the CPU, have to pay for a monitor that looks at each packet,
// follows connections, or reads streams.
//
//	go run ./perf/fig2            as root; under four minutes
//	go run ./perf/fig2 -quick     fewer sizes, a second each
//
// A server and its clients stand in two network namespaces joined by a veth pair,
// and mbox web watches the server's end. Response sizes go from 64 octets to 64
// KiB, once with a connection for each request and once with connections kept;
// 16,000 requests a second are offered, or what the machine reaches. Server,
// clients and monitor are processes of their own, so that the kernel says what
// each has used, and all share the machine's CPUs.
//
// The monitor's counts must be the server's: connections it has accepted and
// connections it has closed (in packet mode SYN-ACKs and FINs, which may have been
// sent more than once). Where they differ and the monitor says that it missed
// frames, as on a machine that does other things, the measurement is taken again,
// up to seven times; else the run has failed.
//
// It writes figure2.md and figure2.svg into docs, or the directory that -o names.
package main
