// Package examples holds small programs on mbox, one in each directory, to be
// read, run and copied:
//
//	synrexmit   SYNs that are sent again: Listing 1 of the 2015 paper
//	conflict    retransmissions whose octets are not the ones that came first
//	webmonitor  connections to web servers: new, closed and ongoing, by second
//	perhost     what each host has sent
//	stopside    only what clients send is put in order
//	pattern     a text in streams, wherever segments cut it
//	assets      which systems there are, by their SYNs and banners
//
// Each is one file with the same three parts: main takes a capture's name, run
// is all that a program on mbox has to do, and register is the program itself:
// it opens a socket of its own on the stack it is given. So any of them can run
// beside any other, in one stack, and prints what it prints alone: that is what
// this directory's test shows.
//
// Without -r they read day.pcap.gz, the day of a small office that `mbox demo`
// tells of as well.
package examples
