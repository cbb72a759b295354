package wire

// UDPTunnelPorts returns the UDP ports behind which the parser looks for a
// packet, in no particular order: what is sent to or from them may be a tunnel.
func UDPTunnelPorts() []uint16 {
	var ports []uint16
	for _, t := range udpTunnels {
		if t.port != 0 {
			ports = append(ports, t.port)
		}
	}
	return ports
}
