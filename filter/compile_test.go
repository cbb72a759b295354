package filter

import (
	"errors"
	"strings"
	"testing"
)

// accepted are expressions and their canonical forms: qualifiers inherited,
// names made numbers, precedence made visible.
var accepted = []struct{ text, canonical string }{
	{"", ""},
	{"  \t\n", ""},
	{"tcp", "tcp"},
	{"tcp port 80", "tcp port 80"},

	// Inheritance: the last qualifiers go on, negation does not.
	{"port 80 or 443", "port 80 or port 443"},
	{"tcp port 80 or 443", "tcp port 80 or tcp port 443"},
	{"not port 80 and 443", "not port 80 and port 443"},
	{"src host 10.0.0.1 or 10.0.0.2", "src host 10.0.0.1 or src host 10.0.0.2"},
	{"port (80 or 443)", "port 80 or port 443"},
	{"host not 10.0.0.1", "not host 10.0.0.1"},
	{"host 10.0.0.1 and (10.0.0.2 or not 10.0.0.3)", "host 10.0.0.1 and (host 10.0.0.2 or not host 10.0.0.3)"},
	{"port 80 or (udp or port 5) or 81", "port 80 or (udp or port 5) or port 81"},
	{"src net fe80::/10 or 10.0.0.0/8", "src net fe80::/10 or src net 10.0.0.0/8"},
	{"ip proto 6 or 17", "ip proto 6 or ip proto 17"},

	// Precedence: and and or alike, to the left; not binds tightest.
	{"tcp or udp and icmp", "(tcp or udp) and icmp"},
	{"tcp and udp or icmp", "(tcp and udp) or icmp"},
	{"not tcp and udp", "not tcp and udp"},
	{"not (tcp and udp)", "not (tcp and udp)"},
	{"!tcp&&!udp||icmp", "(not tcp and not udp) or icmp"},
	{"not not tcp", "not not tcp"},

	// Hosts, nets and ports in all their forms.
	{"host 10", "host 0.0.0.10"},
	{"host 0x0a000001", "host 10.0.0.1"},
	{"host 10.1", "net 10.1.0.0/16"},
	{"net 10", "net 10.0.0.0/8"},
	{"net 0", "host 0.0.0.0"},
	{"net 192.168", "net 192.168.0.0/16"},
	{"net 10.1.0/16", "net 10.1.0.0/16"},
	{"net 0.0.0.0/0", "net 0.0.0.0/0"},
	{"net 10 mask 255.0.0.0", "net 10.0.0.0/8"},
	{"net 10.0.0.0 mask 255.0.255.0", "net 10.0.0.0 mask 255.0.255.0"},
	{"src 10.0.0.1", "src host 10.0.0.1"},
	{"src or dst 10.0.0.1", "host 10.0.0.1"},
	{"dst and src host ::1", "src and dst host ::1"},
	{"ip6 host ::ffff:1.2.3.4", "host ::ffff:1.2.3.4"},
	{"net fe80::1", "host fe80::1"},
	{"arp net 10", "arp net 10.0.0.0/8"},
	{"ether host 1:2:3:4:5:6", "ether host 01:02:03:04:05:06"},
	{"ether src 0102.0304.0506 or 1-2-3-4-5-6", "ether src host 01:02:03:04:05:06 or ether src host 01:02:03:04:05:06"},
	{"ether dst 010203040506", "ether dst host 01:02:03:04:05:06"},
	{"port http or domain or ntp", "tcp port 80 or port 53 or udp port 123"},
	{`tcp port \domain`, "tcp port 53"},
	{"portrange 90-80", "portrange 80-90"},
	{"portrange ftp-http", "tcp portrange 21-80"},
	{"portrange 80", "port 80"},
	{"port 0x50 or 0120", "port 80 or port 80"},

	// Protocols.
	{`ip proto \tcp`, "ip proto 6"},
	{`proto \tcp`, "tcp"},
	{"proto ospf", "proto 89"},
	{`ether proto \arp`, "arp"},
	{"ether proto 0x86dd", "ip6"},
	{"ether proto loopback", "ether proto 0x9000"},
	{"stp", "ether proto 66"},
	{"carp", "vrrp"},
	{"broadcast", "ether dst host ff:ff:ff:ff:ff:ff"},
	{"multicast", "(ether[0] & 1) != 0"},
	{"ip multicast or ip6 multicast", "ip[16] >= 224 or ip6[24] = 255"},
	{"vlan and vlan (5)", "vlan and vlan 5"},
	{"less 100 or greater 0x10", "len <= 100 or len >= 16"},

	// Arithmetic: strength, left to right, and the odd two.
	{"len + 1 * 2 - 3 = 4", "((len + 2) - 3) = 4"},
	{"len | 1 & len << 2 > 0", "(len | (1 & (len << 2))) > 0"},
	{"len << 2 >> 1 + 1 = len", "((len << 2) >> 2) = len"},
	{"len & 3 >> len - 1 * len / 2 = 0", "(len & (3 >> (len - ((1 * len) / 2)))) = 0"},
	{"len % 3 * 2 != 0", "(len % 6) != 0"},
	{"len * 2 ^ 3 + 1 <= 0", "(len * 6) <= 0"},
	{"len ^ 3 ^ len >= 0", "(len ^ (3 ^ len)) >= 0"},
	{"-len * 2 < 0", "((-len) * 2) < 0"},
	{"- len ^ 1 < 0", "(-(len ^ 1)) < 0"},
	{"(5) < len", "5 < len"},
	{"((len)) > (5)", "len > 5"},
	{"not len > 5", "not len > 5"},
	{"tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn", "(tcp[13] & 18) = 2"},
	{"ip[6:2] & 0x1fff != 0", "(ip[6:2] & 8191) != 0"},
	{"tcp[(tcp[12]&0xf0)>>2:4] = 0x47455420", "tcp[((tcp[12] & 240) >> 2):4] = 1195725856"},
	{"icmp[icmptype] = icmp-echo", "icmp[0] = 8"},
	{"tcp[0] + ip[0] = link[0]", "(tcp[0] + ip[0]) = ether[0]"},
	{"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
		"tcp port 80 and ((ip[2:2] - ((ip[0] & 15) << 2)) - ((tcp[12] & 240) >> 2)) != 0"},
}

func TestAccepts(t *testing.T) {
	for _, c := range accepted {
		p, err := Compile(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := p.String(); got != c.canonical {
			t.Errorf("%q is %q, want %q", c.text, got, c.canonical)
		}
		if again, err := Compile(c.canonical); err != nil || again.String() != c.canonical {
			t.Errorf("%q, the canonical form of %q, is %q: %v", c.canonical, c.text, again, err)
		}
	}
}

// rejected are expressions that are refused, and how: each error names the word
// that is to blame.
var rejected = []struct {
	text   string
	column int // 0: any
	word   string
	reason string // a part of it
}{
	// Words.
	{"vlann 5", 1, "vlann", "did you mean vlan?"},
	{"tcp and prot 80", 9, "prot", "did you mean port?"},
	{"HOST 10.0.0.1", 1, "HOST", "did you mean host?"},
	{"sophisticated", 1, "sophisticated", "unknown word"},
	{"tcp.port == 80", 1, "tcp.port", "unknown word"},
	{"tcp ~ 5", 5, "~", "no character"},
	{"tcp or ü", 8, "ü", "no character"},
	{"host 10.0.0.1 ä tcp", 15, "ä", "no character"},
	{`proto \ `, 7, `\`, "backslash"},
	{"len = 08", 7, "08", "number"},
	{"len = 4294967296", 7, "4294967296", "number"},
	{"ip[len-2] = 0", 4, "len-2", "spaces"},

	// Structure.
	{"not", 4, "", "missing"},
	{"tcp and", 8, "", "missing"},
	{"tcp udp", 5, "udp", "joined"},
	{"tcp port 80 port 81", 13, "port", "joined"},
	{"(tcp", 1, "(", "never closed"},
	{"tcp)", 4, ")", "closes nothing"},
	{"ip[0) = 1", 5, ")", "column 3"},
	{"()", 2, ")", "not expected"},
	{"and tcp", 1, "and", "no primitive"},
	{strings.Repeat("(", nestMax+1), nestMax + 1, "(", "nested"},
	{strings.Repeat("!", nestMax+1) + "tcp", nestMax + 1, "!", "nested"},
	{"len " + strings.Repeat("^ 1", nestMax+1), 5 + 3*nestMax, "^", "nested"},
	{strings.Repeat(" ", lengthMax) + "tcp", 1, "                    ...", "longer"},

	// Qualifiers.
	{"80", 1, "80", "nothing says what"},
	{"10.0.0.1", 1, "10.0.0.1", "nothing says what"},
	{`\tcp`, 1, `\tcp`, "nothing says what"},
	{"tcp and 80", 9, "80", "nothing says what"},
	{"(port 80) or 443", 14, "443", "nothing says what"},
	{"tcp[0] = 5 or 6", 15, "6", "nothing says what"},
	{"src and port 5", 9, "port", "only dst"},
	{"src or src port 5", 8, "src", "only dst"},
	{"src proto 6", 5, "proto", "no direction"},
	{"icmp port 80", 1, "icmp", "port"},
	{"tcp host 10.0.0.1", 1, "tcp", "host"},
	{"tcp src 10.0.0.1", 1, "tcp", "host"},
	{"arp proto 5", 1, "arp", "proto"},
	{"ether net 10", 1, "ether", "net"},
	{"ether", 1, "ether", "followed"},
	{"port 80 or tcp-", 15, "-", "joined"},
	{"ip proto tcp", 10, "tcp", `\tcp`},

	// Addresses, ports and numbers.
	{"host mail.example", 6, "mail.example", "not resolved"},
	{"host 300.1.1.1", 6, "300.1.1.1", "no IPv4 address"},
	{"host 10.0.0.1.1", 6, "10.0.0.1.1", "not resolved"},
	{"host 1::2::3", 6, "1::2::3", "neither"},
	{"host 1:2:3:4:5:6", 6, "1:2:3:4:5:6", "ether"},
	{"host 1-2-3-4-5-6", 6, "1-2-3-4-5-6", "ether"},
	{"ether host 10.0.0.1", 12, "10.0.0.1", "no Ethernet"},
	{"ether host 1:2:3:4:5", 12, "1:2:3:4:5", "neither"},
	{"ip host ::1", 9, "::1", "does not go with ip"},
	{"ip6 host 10.0.0.1", 10, "10.0.0.1", "does not go with ip6"},
	{"host 10.0.0.0/8", 6, "10.0.0.0", "net"},
	{"net 10.0.0.1/8", 5, "10.0.0.1", "beyond"},
	{"net 10.0.0.0/33", 14, "33", "32 bits"},
	{"net 10/8", 5, "10", "two parts"},
	{"net ::1/64", 5, "::1", "beyond"},
	{"net ::/129", 8, "129", "128 bits"},
	{"net 10.0.0.0/tcp", 14, "tcp", "number"},
	{"net 10.0.0.0 mask 255", 19, "255", "255.0.0.0"},
	{"net 10.0.0.0 mask 255.0.0", 19, "255.0.0", "four parts"},
	{"host 10.0.0.0 mask 255.0.0.0", 20, "255.0.0.0", "net"},
	{"port 65536", 6, "65536", "65535"},
	{"port foo", 6, "foo", "no port"},
	{"port 80-90", 6, "80-90", "no port"},
	{"portrange 80-70000", 11, "80-70000", "65535"},
	{"portrange 1-2-3", 11, "1-2-3", "no port"},
	{"udp port http", 10, "http", "tcp"},
	{"ip proto 256", 10, "256", "255"},
	{"proto foo", 7, "foo", "no protocol"},
	{"ether proto 0x10000", 13, "0x10000", "0xffff"},
	{"ether proto 0x8100", 13, "0x8100", "vlan"},
	{"ether proto 1000", 13, "1000", "DSAP"},
	{"ether proto 0xe0", 13, "0xe0", "not supported"},
	{"vlan 4096", 6, "4096", "4095"},
	{"less tcp", 6, "tcp", "number"},

	// Not supported.
	{"gateway foo", 1, "gateway", "not supported"},
	{"ip protochain 6", 4, "protochain", "not supported"},
	{"ip broadcast", 4, "broadcast", "not supported"},
	{"tcp and mpls 100", 9, "mpls", "not supported"},
	{"pppoes", 1, "pppoes", "not supported"},
	{"inbound", 1, "inbound", "not supported"},
	{"wlan host 1:2:3:4:5:6", 1, "wlan", "not supported"},
	{"decnet host 1.2", 1, "decnet", "not supported"},
	{"len = byte", 7, "byte", "not supported"},
	{"arp multicast", 1, "arp", "multicast"},
	{"tcp broadcast", 1, "tcp", "broadcast"},
	{"(vlan 5 or ip) and vlan 6", 20, "vlan", "which tag"},
	{"vlan and vlan and vlan and vlan", 28, "vlan", "more than 3"},

	// Arithmetic.
	{"tcp[13] & 2", 12, "", "comparison"},
	{"1 < 2 < 3", 7, "<", "joined"},
	{"ip[0:3] = 1", 6, "3", "1, 2 or 4"},
	{"ip[] = 1", 4, "]", "number is missing"},
	{"ip[0 1] = 1", 6, "1", "missing"},
	{"(len 5) = 1", 6, "5", "missing"},
	{"tcp = 5", 5, "=", "joined"},
	{"len = tcp", 10, "", "["},
	{"ah[0] = 1", 1, "ah", "cannot be reached"},
	{"ip[65536] = 1", 4, "65536", "65535"},
	{"ip[-1] = 1", 4, "-", "65535"},
	{"len / 0 = 1", 5, "/", "division"},
	{"len % (3 - 3) = 1", 5, "%", "division"},
	{"len << 32 = 1", 5, "<<", "31 bits"},
	{"len = " + strings.Repeat("len - (len ^ ", 8) + "1" + strings.Repeat(")", 8), 0, "len", "intermediate"},
}

func TestRejects(t *testing.T) {
	for _, c := range rejected {
		_, err := Compile(c.text)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: %v, want an error about %q", c.text, err, c.word)
			continue
		}
		if c.column != 0 && e.Column != c.column || e.Word != c.word || !strings.Contains(e.Reason, c.reason) {
			t.Errorf("%.60q: %v; want column %d, %q, %q", c.text, e, c.column, c.word, c.reason)
		}
		if strings.Contains(e.Error(), "\n") {
			t.Errorf("%.60q: more than a line: %q", c.text, e)
		}
	}
}

// TestFlowOnly has expressions that a flow's key decides, and those that need
// the packet, with the word that does.
func TestFlowOnly(t *testing.T) {
	for _, text := range []string{
		"", "tcp", "icmp or icmp6", "ip", "ip6 and not udp", "tcp port 80", "src portrange 1-1023 and dst net 10",
		"host 10.0.0.1 or fe80::1", "ip proto 89", "ip6 proto 6", "proto 47", "src and dst port domain", "1 = 1", "esp and not ip host 10.0.0.1",
	} {
		p, err := Compile(text)
		if err != nil || p.FlowOnly() != nil {
			t.Errorf("%q: %v, %v", text, err, p.FlowOnly())
		}
	}
	for _, c := range []struct {
		text   string
		column int
		word   string
	}{
		{"tcp and vlan 5", 9, "vlan"},
		{"tcp port 80 and tcp[13] = 2", 17, "tcp"},
		{"port 80 or (udp and len > 100)", 21, "len"},
		{"tcp and greater 100", 9, "greater"},
		{"ether host 1:2:3:4:5:6", 12, "1:2:3:4:5:6"},
		{"tcp or arp", 8, "arp"},
		{"arp host 10.0.0.1", 10, "10.0.0.1"},
		{"ip multicast", 1, "ip"},
		{"broadcast", 1, "broadcast"},
		{"stp", 1, "stp"},
		{"ip6 proto 44", 11, "44"},
		{"ether proto 0x9000", 13, "0x9000"},
		{"esp or ah", 8, "ah"},
		{"ip proto 51", 10, "51"},
		{"proto 135", 7, "135"},
	} {
		p, err := Compile(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var e *Error
		if !errors.As(p.FlowOnly(), &e) || e.Column != c.column || e.Word != c.word {
			t.Errorf("%q: %v, want column %d, %q", c.text, p.FlowOnly(), c.column, c.word)
		}
	}
}

// TestErrorText shows what a user reads.
func TestErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"tcp and vlann 5": `column 9: "vlann": unknown word; did you mean vlan?`,
		"tcp and":         `column 8: end of expression: something is missing here`,
	} {
		if _, err := Compile(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestLongExpression compiles the longest lists that the limit lets through.
func TestLongExpression(t *testing.T) {
	list := "tcp port 1"
	for len(list) < lengthMax-len(" or 65535") {
		list += " or 65535"
	}
	sum := "ip[0]"
	for len(sum) < lengthMax-len("+ip[0]=1") {
		sum += "+ip[0]"
	}
	for _, text := range []string{list, sum + "=1", strings.Repeat("tcp or udp and ", lengthMax/16) + "tcp"} {
		p, err := Compile(text)
		if err != nil {
			t.Errorf("%.30q...: %v", text, err)
			continue
		}
		if p.entry <= 0 || p.String() == "" {
			t.Errorf("%.30q...: nothing compiled", text)
		}
	}
}
