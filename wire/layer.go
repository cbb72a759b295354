package wire

import "strings"

// Layer names one header of a packet's stack, outermost first. The zero value
// is no layer.
type Layer uint8

// The layers. Those under the first group are link headers, of which a frame
// has one; a marker has no octets of its own and says how the next header was
// reached.
const (
	LayerNone Layer = iota

	LayerEthernet
	LayerSLL
	LayerSLL2
	LayerNull
	LayerCHDLC
	LayerFrameRelay
	LayerRadiotap
	LayerPrism
	LayerAVS
	LayerPPI
	LayerPFLOG
	LayerTokenRing
	LayerATM
	LayerPKTAP
	LayerIEEE1394
	LayerERF

	LayerLLC
	LayerPPP
	LayerWiFi
	LayerVLAN
	LayerPBB
	LayerVNTag
	LayerETag
	LayerFabricPath
	LayerNSH
	LayerMPLS
	LayerPW // Ethernet pseudowire, its control word included
	LayerPPPoE
	LayerTEB // an Ethernet frame as the payload of a tunnel

	LayerIPv4
	LayerIPv6
	LayerAH

	LayerIPIP   // marker: IP protocol 4
	Layer6in4   // marker: IP protocol 41
	LayerMPLSIP // marker: IP protocol 137
	LayerEtherIP
	LayerGRE
	LayerERSPAN1 // marker: GRE without a sequence number, no ERSPAN header
	LayerERSPAN
	LayerERSPAN3
	LayerAruba // marker: an 802.11 frame in GRE
	LayerWCCP
	LayerVXLAN
	LayerVXLANGPE
	LayerGENEVE
	LayerGTPU
	LayerTeredo
	LayerL2TP
	LayerAYIYA
	LayerMPLSUDP // marker: UDP port 6635
	LayerTZSP

	LayerTCP
	LayerUDP
	LayerSCTP
	LayerICMP
	LayerICMPv6
	LayerOther // any other IP protocol

	layerCount

	// layerIP is what a rule names where either version may follow; the first
	// nibble decides. It never stands in a Stack.
	layerIP
)

// layerRules gives each Layer its name, and says whether Encap writes it: headers
// that say how a packet travels, not those that each frame has anyway.
var layerRules = [layerCount]struct {
	name  string
	encap bool
}{
	LayerNone:       {"none", false},
	LayerEthernet:   {"ether", false},
	LayerSLL:        {"sll", false},
	LayerSLL2:       {"sll2", false},
	LayerNull:       {"null", false},
	LayerCHDLC:      {"chdlc", false},
	LayerFrameRelay: {"frelay", false},
	LayerRadiotap:   {"radiotap", false},
	LayerPrism:      {"prism", false},
	LayerAVS:        {"avs", false},
	LayerPPI:        {"ppi", false},
	LayerPFLOG:      {"pflog", false},
	LayerTokenRing:  {"tokenring", false},
	LayerATM:        {"atm", false},
	LayerPKTAP:      {"pktap", false},
	LayerERF:        {"erf", false},
	LayerIEEE1394:   {"ieee1394", false},
	LayerLLC:        {"llc", false},
	LayerPPP:        {"ppp", false},
	LayerWiFi:       {"wifi", true},
	LayerVLAN:       {"vlan", true},
	LayerPBB:        {"pbb", true},
	LayerVNTag:      {"vntag", true},
	LayerETag:       {"etag", true},
	LayerFabricPath: {"fpath", true},
	LayerNSH:        {"nsh", true},
	LayerMPLS:       {"mpls", true},
	LayerPW:         {"pw", true},
	LayerPPPoE:      {"pppoe", true},
	LayerTEB:        {"teb", true},
	LayerIPv4:       {"ip4", true},
	LayerIPv6:       {"ip6", true},
	LayerAH:         {"ah", true},
	LayerIPIP:       {"ipip", true},
	Layer6in4:       {"6in4", true},
	LayerMPLSIP:     {"mplsip", true},
	LayerEtherIP:    {"etherip", true},
	LayerGRE:        {"gre", true},
	LayerERSPAN1:    {"erspan1", true},
	LayerERSPAN:     {"erspan", true},
	LayerERSPAN3:    {"erspan3", true},
	LayerAruba:      {"aruba", true},
	LayerWCCP:       {"wccp", true},
	LayerVXLAN:      {"vxlan", true},
	LayerVXLANGPE:   {"vxlangpe", true},
	LayerGENEVE:     {"geneve", true},
	LayerGTPU:       {"gtpu", true},
	LayerTeredo:     {"teredo", true},
	LayerL2TP:       {"l2tp", true},
	LayerAYIYA:      {"ayiya", true},
	LayerMPLSUDP:    {"mplsudp", true},
	LayerTZSP:       {"tzsp", true},
	LayerTCP:        {"tcp", false},
	LayerUDP:        {"udp", false},
	LayerSCTP:       {"sctp", false},
	LayerICMP:       {"icmp", false},
	LayerICMPv6:     {"icmp6", false},
	LayerOther:      {"other", false},
}

// String returns the layer's name, as Encap writes it.
func (l Layer) String() string {
	if l < layerCount {
		return layerRules[l].name
	}
	return "layer-" + decimal(uint16(l))
}

// Encap returns the chain of headers that led to the innermost packet, such as
// "vlan100/ip4/gre/ip4": tunnels, tags and IP versions, without the link header
// and the transport. It remembers what Stack and VLANs do.
func (p *Packet) Encap() string {
	var b strings.Builder
	tags := uint8(0)
	for _, l := range p.Stack[:p.Depth] {
		if !layerRules[l].encap {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(layerRules[l].name)
		if l == LayerVLAN {
			if tags < vlanMax {
				b.WriteString(decimal(p.VLANs[tags]))
			}
			tags++
		}
	}
	return b.String()
}
