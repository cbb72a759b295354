package filter

import "github.com/mbox-stack/mbox/wire"

// service is a port that has a name. As in tcpdump, a name that only one
// protocol uses stands for that protocol too: `port ntp` is `udp port ntp`.
type service struct {
	port  uint16
	proto wire.Proto // 0 if the name is used with more than one protocol
}

// The protocols of a service.
const (
	onTCP  = wire.ProtoTCP
	onUDP  = wire.ProtoUDP
	onBoth = wire.Proto(0)
)

// services are the well-known ports by name: a table of our own, so that an
// expression means the same on every machine. Ports without a name here are
// written as numbers.
var services = map[string]service{
	"echo": {7, onBoth}, "discard": {9, onBoth}, "daytime": {13, onBoth}, "chargen": {19, onBoth},
	"ftp-data": {20, onTCP}, "ftp": {21, onTCP}, "ssh": {22, onTCP}, "telnet": {23, onTCP},
	"smtp": {25, onTCP}, "mail": {25, onTCP}, "time": {37, onBoth}, "whois": {43, onTCP},
	"tacacs": {49, onBoth}, "domain": {53, onBoth}, "bootps": {67, onUDP}, "bootpc": {68, onUDP},
	"tftp": {69, onUDP}, "gopher": {70, onTCP}, "finger": {79, onTCP}, "http": {80, onTCP},
	"www": {80, onTCP}, "kerberos": {88, onBoth}, "pop3": {110, onTCP}, "sunrpc": {111, onBoth},
	"auth": {113, onTCP}, "ident": {113, onTCP}, "nntp": {119, onTCP}, "ntp": {123, onUDP},
	"epmap": {135, onTCP}, "netbios-ns": {137, onUDP}, "netbios-dgm": {138, onUDP},
	"netbios-ssn": {139, onTCP}, "imap": {143, onTCP}, "imap2": {143, onTCP},
	"snmp": {161, onBoth}, "snmp-trap": {162, onBoth}, "snmptrap": {162, onBoth},
	"xdmcp": {177, onUDP}, "bgp": {179, onTCP}, "ptp-event": {319, onUDP},
	"ptp-general": {320, onUDP}, "ldap": {389, onBoth}, "svrloc": {427, onBoth},
	"https": {443, onBoth}, "microsoft-ds": {445, onTCP}, "kpasswd": {464, onBoth},
	"submissions": {465, onTCP}, "isakmp": {500, onUDP}, "exec": {512, onTCP},
	"login": {513, onTCP}, "who": {513, onUDP}, "shell": {514, onTCP}, "printer": {515, onTCP},
	"syslog": {514, onBoth}, "talk": {517, onUDP}, "route": {520, onUDP}, "dhcpv6-client": {546, onUDP},
	"dhcpv6-server": {547, onUDP}, "rtsp": {554, onBoth}, "submission": {587, onTCP},
	"ipp": {631, onTCP}, "ldaps": {636, onBoth}, "ldp": {646, onBoth}, "domain-s": {853, onBoth},
	"rsync": {873, onTCP}, "ftps-data": {989, onTCP}, "ftps": {990, onTCP},
	"telnets": {992, onTCP}, "imaps": {993, onTCP}, "pop3s": {995, onTCP}, "socks": {1080, onTCP},
	"openvpn": {1194, onBoth}, "ms-sql-s": {1433, onTCP}, "ms-sql-m": {1434, onUDP},
	"l2f": {1701, onUDP}, "radius": {1812, onBoth}, "radius-acct": {1813, onBoth},
	"nfs": {2049, onBoth}, "iscsi-target": {3260, onTCP}, "mysql": {3306, onTCP},
	"ms-wbt-server": {3389, onTCP}, "svn": {3690, onTCP}, "ipsec-nat-t": {4500, onUDP},
	"sip": {5060, onBoth}, "sip-tls": {5061, onBoth}, "xmpp-client": {5222, onTCP},
	"xmpp-server": {5269, onTCP}, "mdns": {5353, onUDP}, "postgresql": {5432, onTCP},
	"amqps": {5671, onTCP}, "x11": {6000, onTCP}, "redis": {6379, onTCP}, "ircd": {6667, onTCP},
	"ircs-u": {6697, onTCP}, "http-alt": {8080, onTCP}, "git": {9418, onTCP},
}
