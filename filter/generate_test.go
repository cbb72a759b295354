package filter

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
)

func addr6(s string) [16]byte { return netip.MustParseAddr(s).As16() }

// randomExpr returns an expression of the language, as a person might type it:
// by pcap-filter(7)'s grammar, with inherited qualifiers, all kinds of spelling
// and up to depth levels of parentheses.
func randomExpr(r *rand.Rand, depth int) string {
	var b strings.Builder
	for i := range 1 + r.IntN(3) {
		if i > 0 {
			b.WriteString(pick(r, []string{" and ", " or ", " && ", "||", " or ", " and not ", " or ! "}))
		} else if r.IntN(5) == 0 {
			b.WriteString(pick(r, []string{"not ", "!"}))
		}
		if depth > 0 && r.IntN(3) == 0 {
			b.WriteString("(" + randomExpr(r, depth-1) + ")")
			continue
		}
		b.WriteString(randomPrimitive(r))
	}
	return b.String()
}

func randomPrimitive(r *rand.Rand) string {
	dir := pick(r, []string{"", "", "", "src ", "dst ", "src or dst ", "dst or src ", "src and dst "})
	switch r.IntN(12) {
	case 0:
		return pick(r, []string{"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "vrrp", "ah", "esp", "igrp", "stp"})
	case 1:
		return pick(r, []string{"ether broadcast", "broadcast", "ether multicast", "multicast", "ip multicast", "ip6 multicast"})
	case 2:
		return fmt.Sprintf("%sproto %s", pick(r, []string{"", "ip ", "ip6 "}),
			pick(r, []string{"6", "17", `\tcp`, `\udp`, "58", "44", "0", "1 or 17", "ospf", "not 6"}))
	case 3:
		return "ether proto " + pick(r, []string{"0x800", `\arp`, `\ip6`, "0x86dd", "0x42", "0xaa", "0x9000", "7 or 0x88cc"})
	case 4, 5:
		return pick(r, []string{"", "", "ip ", "arp ", "rarp "}) + dir + pick(r, []string{"host ", "net "}) + someHosts(r)
	case 6:
		return pick(r, []string{"", "ip6 "}) + dir + pick(r, []string{
			"host " + pick(r, pool6), "net fe80::/10", "net 2001:db8::/32 or fe80::1", "net ::/1",
			"net 2001:db8:0:1::/64", "host ::1/128", "net " + pick(r, pool6)})
	case 7:
		return "ether " + dir + "host " + someMAC(r)
	case 8, 9:
		return pick(r, []string{"", "tcp ", "udp ", "sctp "}) + dir + somePorts(r)
	case 10:
		return pick(r, []string{"less ", "greater "}) + fmt.Sprint(r.IntN(90))
	}
	return someArith(r, 1+r.IntN(2)) + pick(r, []string{"=", " == ", "!=", " < ", ">", "<=", " >= "}) +
		pick(r, []string{fmt.Sprint(r.IntN(9)), "0x11", "tcp-syn", "010", someArith(r, 1)})
}

// someHosts returns addresses that follow host or net.
func someHosts(r *rand.Rand) string {
	var one []string
	for range 3 {
		one = append(one, netip.AddrFrom4(pick(r, pool4)).String())
	}
	return pick(r, []string{one[0], one[0], one[0] + " or " + one[1], "(" + one[0] + " or " + one[1] + ")",
		one[0] + " and not " + one[1], "not " + one[2], "10", "192.168", "10.0.0", "0x0a000001",
		"(" + one[0] + " or not " + one[1] + ") and " + one[2]})
}

func someMAC(r *rand.Rand) string {
	m := pick(r, poolMAC)
	form := pick(r, []string{"%x:%x:%x:%x:%x:%x", "%02x-%02x-%02x-%02x-%02x-%02x", "%02x.%02x.%02X.%02x.%02x.%02X", "%02x%02x.%02x%02x.%02x%02x", "%02x%02x%02x%02x%02x%02x"})
	return fmt.Sprintf(form, m[0], m[1], m[2], m[3], m[4], m[5])
}

// somePorts returns port or portrange with what follows it.
func somePorts(r *rand.Rand) string {
	p := pick(r, poolPort)
	return pick(r, []string{fmt.Sprintf("port %d", p), fmt.Sprintf("port 0x%x", p), "port 80 or 443", "port (22 or 53) and not 80",
		fmt.Sprintf("portrange %d-%d", p, pick(r, poolPort)), "portrange 53-80 or 443", fmt.Sprintf("portrange %d", p), "port domain"})
}

// someArith returns an arithmetic expression, its operators up to n deep.
func someArith(r *rand.Rand, n int) string {
	layer := pick(r, []string{"ip", "ip", "tcp", "tcp", "udp", "icmp", "ip6", "icmp6", "arp", "ether", "link", "sctp", "igmp"})
	load := func(index string) string {
		return layer + "[" + index + pick(r, []string{"", "", ":1", ":2", " : 4"}) + "]"
	}
	x := pick(r, []string{"len", load(fmt.Sprint(r.IntN(24))), load(fmt.Sprint(r.IntN(24))),
		load("(" + layer + "[" + fmt.Sprint(r.IntN(14)) + "] & 0xf) << 2"), load("len - " + fmt.Sprint(14+r.IntN(9))),
		"(" + load("0") + ")", "tcp[tcpflags]", "icmp[icmptype]", "- " + load("1")})
	for range n {
		k := fmt.Sprint(1 + r.IntN(7))
		switch op := pick(r, []string{"+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"}); r.IntN(4) {
		case 0:
			x = "(" + x + " " + op + " " + k + ")"
		case 1:
			x += op + " " + k
		case 2:
			x += " " + op + " (" + k + " + " + k + ")"
		case 3:
			if r.IntN(3) == 0 { // another protocol on the right
				layer = pick(r, []string{"ip", "tcp", "udp", "ip6", "icmp6", "arp", "ether"})
				x += " " + op + " " + load(k)
			}
		}
	}
	return x
}
