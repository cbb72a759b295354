package filter

// plainExprs are expressions that are compared with tcpdump, one a line: those
// that people use, and every corner of the grammar that one thought of. Some
// are errors, here and there.
const plainExprs = `
ip
ip6
arp
rarp
tcp
udp
sctp
icmp
icmp6
igmp
igrp
pim
vrrp
carp
ah
esp
stp
not ip and not ip6 and not arp
host 10.0.0.1
src host 10.0.0.1
dst host 10.0.0.1
src and dst host 10.0.0.1
src or dst host 10.0.0.1
dst or src host 10.0.0.1
ip host 10.0.0.1
arp host 10.0.0.1
rarp src host 10.0.0.1
src 10.0.0.1
src 10.0.0.1 or 10.0.0.2
host 10.0.0.1 or 10.0.0.2 and not 10.1.2.3
host 10.0.0.1 and (10.0.0.2 or 192.168.1.1)
host 10
host 10.1
host 10.0.0
host 0x0a000001
host 012.0.0.1
host 255.255.255.255
host 1.2.3.256
net 10
net 192.168
net 192.168.1
net 192.168.1.1
net 0
net 1
net 256
net 0.0.0.0/0
net 0.0.0.0/1
net 10.0.0.0/8
net 10.0.0.1/8
net 10.0.0.0/33
net 10.0.0.0 mask 255.0.0.0
net 10.0.0.0 mask 255.0.0.255
net 10.0.0.1 mask 255.0.0.0
net 10.0.0.0/8 or 192.168
src net 10.0.0.0/8 and dst net 192.168
src and dst net 10
ip net 10
arp net 10
ip6 net 10
host 10.0.0.0/8
host fe80::1
ip6 host fe80::1
src host fe80::1 or ::1
dst host ff02::5
src and dst host ::1
net fe80::/10
net 2001:db8::/32
net 2001:db8:0:1::/64
net 2001:db8::1/64
net 2001:db8::1/128
net ::/0
net ::/129
host ::ffff:10.0.0.1
host 10.0.0.1 or fe80::1
ip host ::1
arp host ::1
port 80
src port 80
dst port 80
src and dst port 80
tcp port 80
udp port 53
sctp port 80
tcp src port 80
tcp src or dst port 80
udp dst port 53 or 80
port 80 or 443 or 22
port (80 or 443) and not 22
not port 80
not port 80 and 443
not (port 80 or 443)
port http
port https or ssh
port domain
tcp port domain
udp port http
port ntp
tcp port ftp or ftp-data
port 0
port 65535
port 65536
port 0x50
port 0120
port 99999
icmp port 80
ip port 80
port 80-90
portrange 80-90
portrange 90-80
portrange 0-65535
src portrange 1-1023
tcp dst portrange 1000-2000
portrange 80
portrange 80-90 or 443
portrange ftp-http
portrange 80-70000
ip proto 6
ip proto \tcp
ip proto tcp
ip6 proto 6
ip6 proto 44
ip6 proto 0
ip6 proto 58
proto 17
proto \udp or \tcp
proto ospf
ip proto 6 or 17
proto 6 and not ip proto 6
tcp proto 6
arp proto 6
src proto 6
ether proto 0x800
ether proto \ip
ether proto \arp or \rarp
ether proto 0x86dd
ether proto 0x9000
ether proto loopback
ether proto 0x42
ether proto 0xaa
ether proto 7
ether host 2:0:0:0:0:1
ether src 2:0:0:0:0:1
ether dst host 02-00-00-00-00-01
ether src 0200.0000.0001 or 020000000002
ether src and dst host 2:0:0:0:0:1
not ether host 2:0:0:0:0:1
host 2:0:0:0:0:1
ether host 10.0.0.1
ether port 80
ether
broadcast
ether broadcast
multicast
ether multicast
ip multicast
ip6 multicast
arp multicast
tcp broadcast
less 60
greater 60
less 0x3c
len > 60
len <= 60
len = 60 or len == 61
length != 60
len & 1 = 0
tcp[13] = 2
tcp[13] & 2 != 0
tcp[tcpflags] & tcp-syn != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not src and dst net 10
tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn
tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)
tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)
tcp[(tcp[12]&0xf0)>>2:4] = 0x47455420
tcp[0:2] = 80 or tcp[2:2] = 80
tcp[4:4] > 0
ip[0] & 0xf != 5
ip[6:2] & 0x1fff = 0
ip[6:2] & 0x1fff != 0
ip[6] & 0x20 != 0
ip[2:2] > 40
ip[8] < 5
ip[9] = 6
ip[12:4] = 0x0a000001
ip[16] >= 224
ip6[6] = 6
ip6[6] == 17 and ip6[40:2] > 1000
ip6[4:2] < 30
udp[4:2] > 8
udp[8:4] = 0
icmp[icmptype] = icmp-echo
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp[icmpcode] = 1
icmp6[icmp6type] = icmp6-neighborsolicit
icmp6[icmp6type] = icmp6-echo or icmp6[icmp6code] != 0
sctp[0:2] = 80
igmp[0] = 0
pim[0] != 0
vrrp[1] >= 0
arp[6:2] = 1
arp[6:2] = 2 and arp[14:4] = 0x0a000001
rarp[7] = 1
ether[0] & 1 = 0 and ip[16] >= 224
ether[12:2] = 0x800
ether[6:4] = 0x02000000
link[0] = 255
ah[0] = 1
ip[0:3] = 1
ip[len - 20:4] != 0
ip[ip[0]] = 0
tcp[tcp[0]] = 0
ip[(ip[0] & 0xf) * 4] = 0
ip[0] + tcp[0] = 69
tcp[0] + ip[0] = 69
1 + tcp[0] = 1
ip[0] = tcp[0]
ip[0] = icmp6[0]
tcp[0] = udp[0] or ip6[0] = 0x60
len - ip[2:2] = 14
len / 2 * 2 = len
len % 2 = 0
len % 3 * 2 = 0
len ^ 1 ^ 2 > 60
len * 2 % 7 + 1 > 3
len | 1 & 2 ^ 3 > 60
len << 2 >> 1 + 1 = len
len - 20 - 10 > 30
len * 3 / 2 - 1 > 80
0 - len > 5
len - - len = len * 2
len / (len - 60) > 1
len % (ip[8] & 1) = 0
len << (ip[8] & 63) = 0
len >> ip[9] = 0
len / 0 = 1
len % 0 = 1
len << 32 = 1
ip[0:4] - 1 = 0x44ffffff
len > 5 > 3
(5) < len
((5)) = 5
((len)) > (60)
(len > 60)
5 = 5
5 < 4
1 = 2 or tcp
1 = 1 and tcp
(tcp)
((tcp) or (udp))
not not tcp
! tcp && ! udp
!tcp
tcp||udp
tcp&&ip
tcp or udp and ip6
ip6 and tcp or udp
tcp and not port 80 or 443
tcp or port 80 or 81
port 80 or (udp) or 81
port 80 or (udp or port 22) or 53
port 80 or (not 22 or 53)
port 80 or ((80) or (53))
host (10.0.0.1 or not 10.0.0.2)
host not 10.0.0.1
host not (10.0.0.1 or 10.0.0.2)
(port 80) or 443
tcp and 80
tcp or 80
80
10.0.0.1
tcp udp
tcp port 80 port 81
src and port 80
not
()
(tcp
tcp)
and tcp
tcp and
tcp[13
tcp[] = 1
tcp[13] & 2
tcp[13] ~ 2
tcp.port = 80
len = 08
len = 0x
len = 4294967295
len = 4294967296
TCP
Host 10.0.0.1
host example
vlan 4096
mask 255.0.0.0
proto foo
port foo
`
