package filter

import "github.com/mbox-stack/mbox/wire"

// Protocol numbers that the language names and wire does not.
const (
	protoIGMP = 2
	protoIGRP = 9
	protoESP  = 50
	protoPIM  = 103
	protoVRRP = 112 // CARP uses VRRP's number
)

// EtherTypes that the language names.
const (
	etherIPv4     = 0x0800
	etherARP      = 0x0806
	etherRARP     = 0x8035
	etherIPv6     = 0x86dd
	etherLoopback = 0x9000
	// etherLengthMax is the last value that is the length of an 802.3 frame,
	// behind which an LLC header stands, and no EtherType.
	etherLengthMax = 1500
	dsapSTP        = 0x42
)

// isTag reports whether an EtherType announces a VLAN tag.
func isTag(etherType uint32) bool {
	return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100
}

// layer is a protocol as the language uses it: as a primitive of its own
// ("tcp"), before a qualifier ("tcp port"), before an offset ("tcp[13]").
type layer struct {
	name     string
	families family     // where IP protocol `proto` makes it; 0 if it is none
	proto    wire.Proto // valid iff families is not 0
	ether    uint16     // its EtherType; 0 if it has none
	load     base       // what offsets count from
}

// base is where the octets of an accessor lie.
type base uint8

const (
	baseNone  base = iota // the protocol has no accessor
	baseEther             // the innermost Ethernet header
	baseNet               // what stands behind the link layer: IP or ARP header
	baseIPv4              // what stands behind the IPv4 header; not in later fragments
	baseIPv6              // what stands behind the fixed IPv6 header
)

// layers are the protocols of the language. libpcap reads transport headers of
// IPv4 only (tcp[], udp[], ...), and those of ICMPv6 behind the fixed header.
var layers = map[string]*layer{
	"ether": {name: "ether", load: baseEther},
	"link":  {name: "ether", load: baseEther},
	"ip":    {name: "ip", ether: etherIPv4, load: baseNet},
	"ip6":   {name: "ip6", ether: etherIPv6, load: baseNet},
	"arp":   {name: "arp", ether: etherARP, load: baseNet},
	"rarp":  {name: "rarp", ether: etherRARP, load: baseNet},
	"tcp":   {name: "tcp", families: inIP | inIP6, proto: wire.ProtoTCP, load: baseIPv4},
	"udp":   {name: "udp", families: inIP | inIP6, proto: wire.ProtoUDP, load: baseIPv4},
	"sctp":  {name: "sctp", families: inIP | inIP6, proto: wire.ProtoSCTP, load: baseIPv4},
	"pim":   {name: "pim", families: inIP | inIP6, proto: protoPIM, load: baseIPv4},
	"ah":    {name: "ah", families: inIP | inIP6, proto: wire.ProtoAH},
	"esp":   {name: "esp", families: inIP | inIP6, proto: protoESP},
	"icmp":  {name: "icmp", families: inIP, proto: wire.ProtoICMP, load: baseIPv4},
	"igmp":  {name: "igmp", families: inIP, proto: protoIGMP, load: baseIPv4},
	"igrp":  {name: "igrp", families: inIP, proto: protoIGRP, load: baseIPv4},
	"vrrp":  {name: "vrrp", families: inIP, proto: protoVRRP, load: baseIPv4},
	"carp":  {name: "vrrp", families: inIP, proto: protoVRRP, load: baseIPv4},
	"icmp6": {name: "icmp6", families: inIP6, proto: wire.ProtoICMPv6, load: baseIPv6},
}

// qualifiers are the keywords that are no protocol and no refusal.
var qualifiers = []string{
	"src", "dst", "host", "net", "port", "portrange", "proto", "mask", "and", "or", "not",
	"less", "greater", "len", "length", "vlan", "broadcast", "multicast", "stp",
}

// Reasons why a keyword of pcap-filter(7) is refused.
const (
	onlyEther   = "not supported: of link layers only ether is"
	onlyInner   = "not supported: expressions read the innermost headers, behind encapsulations"
	onlyLive    = "not supported: captures do not say it"
	onlyPF      = "not supported: pf's log headers are not parsed"
	only80211   = "not supported: 802.11 headers are not parsed"
	onlyATM     = "not supported: ATM headers are not parsed"
	onlyIP      = "not supported: of network protocols only ip, ip6, arp and rarp are"
	noResolve   = "not supported: it would need names resolved"
	noChain     = "not supported: protocol chains are not followed; use proto"
	noByte      = "not supported: use ether[offset]"
	noSS7       = "not supported: SS7 headers are not parsed"
	noISO       = "not supported: OSI headers are not parsed"
	noLLC       = "not supported: use ether proto with the DSAP's number"
	noDirection = "not supported: use src or dst"
)

// refused are the keywords of pcap-filter(7) that mean something there, and
// nothing here, with the reason.
var refused = map[string]string{
	"gateway": noResolve, "protochain": noChain, "byte": noByte, "llc": noLLC,
	"mpls": onlyInner, "pppoed": onlyInner, "pppoes": onlyInner, "geneve": onlyInner,
	"inbound": onlyLive, "outbound": onlyLive, "ifindex": onlyLive, "dir": noDirection,
	"ifname": onlyPF, "on": onlyPF, "rnr": onlyPF, "rulenum": onlyPF, "reason": onlyPF,
	"rset": onlyPF, "ruleset": onlyPF, "srnr": onlyPF, "subrulenum": onlyPF, "action": onlyPF,
	"type": only80211, "subtype": only80211, "ra": only80211, "ta": only80211,
	"addr1": only80211, "addr2": only80211, "addr3": only80211, "addr4": only80211,
	"fddi": onlyEther, "tr": onlyEther, "wlan": onlyEther, "ppp": onlyEther, "slip": onlyEther,
	"radio": only80211, "atalk": onlyIP, "aarp": onlyIP, "decnet": onlyIP, "ipx": onlyIP,
	"netbeui": onlyIP, "lat": onlyIP, "sca": onlyIP, "moprc": onlyIP, "mopdl": onlyIP,
	"iso": noISO, "clnp": noISO, "esis": noISO, "isis": noISO, "es-is": noISO, "is-is": noISO,
	"l1": noISO, "l2": noISO, "iih": noISO, "lsp": noISO, "snp": noISO, "csnp": noISO, "psnp": noISO,
	"vpi": onlyATM, "vci": onlyATM, "lane": onlyATM, "metac": onlyATM, "bcc": onlyATM,
	"oam": onlyATM, "oamf4": onlyATM, "oamf4ec": onlyATM, "oamf4sc": onlyATM, "sc": onlyATM,
	"ilmic": onlyATM, "connectmsg": onlyATM, "metaconnect": onlyATM,
	"fisu": noSS7, "lssu": noSS7, "lsu": noSS7, "msu": noSS7, "hfisu": noSS7, "hlssu": noSS7,
	"hmsu": noSS7, "sio": noSS7, "opc": noSS7, "dpc": noSS7, "sls": noSS7, "hsio": noSS7,
	"hopc": noSS7, "hdpc": noSS7, "hsls": noSS7,
}

// keywords are all words that cannot be names.
var keywords = allKeywords()

func allKeywords() map[string]bool {
	all := make(map[string]bool)
	for w := range layers {
		all[w] = true
	}
	for w := range refused {
		all[w] = true
	}
	for _, w := range qualifiers {
		all[w] = true
	}
	return all
}

// constants are the numbers that the language has names for.
var constants = map[string]uint32{
	"tcpflags": 13, "icmptype": 0, "icmpcode": 1, "icmp6type": 0, "icmp6code": 1,
	"tcp-fin": 0x01, "tcp-syn": 0x02, "tcp-rst": 0x04, "tcp-push": 0x08,
	"tcp-ack": 0x10, "tcp-urg": 0x20, "tcp-ece": 0x40, "tcp-cwr": 0x80,

	"icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5,
	"icmp-echo": 8, "icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11,
	"icmp-paramprob": 12, "icmp-tstamp": 13, "icmp-tstampreply": 14, "icmp-ireq": 15,
	"icmp-ireqreply": 16, "icmp-maskreq": 17, "icmp-maskreply": 18,

	"icmp6-destinationunreach": 1, "icmp6-packettoobig": 2, "icmp6-timeexceeded": 3,
	"icmp6-parameterproblem": 4, "icmp6-echo": 128, "icmp6-echoreply": 129,
	"icmp6-multicastlistenerquery": 130, "icmp6-multicastlistenerreportv1": 131,
	"icmp6-multicastlistenerdone": 132, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
	"icmp6-routerrenum": 138, "icmp6-nodeinformationquery": 139,
	"icmp6-nodeinformationresponse": 140, "icmp6-ineighbordiscoverysolicit": 141,
	"icmp6-ineighbordiscoveryadvert": 142, "icmp6-multicastlistenerreportv2": 143,
	"icmp6-homeagentdiscoveryrequest": 144, "icmp6-homeagentdiscoveryreply": 145,
	"icmp6-mobileprefixsolicit": 146, "icmp6-mobileprefixadvert": 147,
	"icmp6-certpathsolicit": 148, "icmp6-certpathadvert": 149,
	"icmp6-multicastrouteradvert": 151, "icmp6-multicastroutersolicit": 152,
	"icmp6-multicastrouterterm": 153,
}

// protocols are the names that `ip proto`, `ip6 proto` and `proto` know, as the
// IANA registry of protocol numbers and /etc/protocols have them.
var protocols = map[string]uint32{
	"ip": 0, "hopopt": 0, "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "egp": 8, "igp": 9,
	"udp": 17, "dccp": 33, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "rsvp": 46, "gre": 47,
	"esp": 50, "ah": 51, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "eigrp": 88,
	"ospf": 89, "ipip": 94, "etherip": 97, "pim": 103, "ipcomp": 108, "vrrp": 112, "l2tp": 115,
	"sctp": 132, "udplite": 136, "mpls-in-ip": 137, "hip": 139,
}

// etherTypes are the names that `ether proto` knows.
var etherTypes = map[string]uint32{
	"ip": etherIPv4, "ip6": etherIPv6, "arp": etherARP, "rarp": etherRARP,
	"loopback": etherLoopback, "stp": dsapSTP,
}
