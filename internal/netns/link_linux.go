package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoKind says that this kernel was built without devices of a kind.
var ErrNoKind = errors.New("netns: the kernel has no such devices")

// End is one end of a cable, or an address plan for a device on top of one.
type End struct {
	In    *Namespace
	Name  string   // of the interface
	Addrs []string // prefixes such as 10.0.0.1/24 and fd00::1/64; none: no IP there
}

// Cable describes a veth pair. Frames that enter at one end leave at the other.
type Cable struct {
	A, B       End
	Queues     int // of either end, each way; 0: 1
	MTU        int // 0: 1500
	NoOffloads bool
}

// lastIndex numbers the A ends of cables. If both ends had the same number, each
// in its namespace, the kernel would not know a pair and let a second pass before
// it uses it.
var lastIndex atomic.Int32

// Connect lays the cable: it makes the pair, gives it its addresses, switches it
// on, and waits until frames pass.
func Connect(c Cable) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Index = c.A.Name, c.MTU, int(1000+lastIndex.Add(1))
	attrs.NumTxQueues, attrs.NumRxQueues = max(c.Queues, 1), max(c.Queues, 1)
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerNamespace = c.B.Name, netlink.NsFd(c.B.In.fd)
	if err := c.A.In.link.LinkAdd(veth); err != nil {
		return fmt.Errorf("netns: %s and %s: %w", c.A.Name, c.B.Name, kindError(err))
	}
	for _, e := range []End{c.A, c.B} {
		if c.NoOffloads {
			if err := e.In.Offloads(e.Name, false); err != nil {
				return err
			}
		}
		if err := e.open(); err != nil {
			return err
		}
	}
	for range connectTries {
		a, errA := c.A.In.device(c.A.Name)
		b, errB := c.B.In.device(c.B.Name)
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if a.Attrs().OperState == netlink.OperUp && b.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("netns: %s and %s: the link does not come up", c.A.Name, c.B.Name)
}

// connectTries is how many times, a millisecond apart, a cable is looked at.
const connectTries = 5000

// open gives a device its addresses and switches it on.
func (e *End) open() error {
	l, err := e.In.device(e.Name)
	if err != nil {
		return err
	}
	for _, s := range e.Addrs {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("netns: %s: %w", e.Name, err)
		}
		a := &netlink.Addr{IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD // nobody else can have it
		}
		if err := e.In.link.AddrAdd(l, a); err != nil {
			return fmt.Errorf("netns: %s on %s: %w", s, e.Name, err)
		}
	}
	return e.In.Up(e.Name)
}

// VLAN puts a device e on top of the device parent of its namespace: what leaves
// through e is tagged. A kernel without such devices is ErrNoKind.
func VLAN(parent string, id int, e End) error {
	under, err := e.In.device(parent)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.ParentIndex = e.Name, under.Attrs().Index
	if err := e.In.link.LinkAdd(&netlink.Vlan{LinkAttrs: attrs, VlanId: id, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}); err != nil {
		return fmt.Errorf("netns: %s: %w", e.Name, kindError(err))
	}
	return e.open()
}

// VXLAN makes a device e whose frames travel in UDP between two addresses that
// its namespace has a way to.
func VXLAN(id int, local, remote netip.Addr, e End) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = e.Name
	v := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: id, SrcAddr: local.AsSlice(), Group: remote.AsSlice(), Port: vxlanPort}
	if err := e.In.link.LinkAdd(v); err != nil {
		return fmt.Errorf("netns: %s: %w", e.Name, kindError(err))
	}
	return e.open()
}

// vxlanPort is where RFC 7348 §5 has VXLAN.
const vxlanPort = 4789

// kindError tells a kernel without a kind of device from other failures.
func kindError(err error) error {
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("%w: %w", ErrNoKind, err)
	}
	return err
}

// device finds a device by its name.
func (n *Namespace) device(name string) (netlink.Link, error) {
	l, err := n.link.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("netns: %s in %s: %w", name, n.name, err)
	}
	return l, nil
}

// change applies f to the device of that name.
func (n *Namespace) change(name string, f func(netlink.Link) error) error {
	l, err := n.device(name)
	if err == nil {
		if err = f(l); err != nil {
			err = fmt.Errorf("netns: %s in %s: %w", name, n.name, err)
		}
	}
	return err
}

// Up switches a device on.
func (n *Namespace) Up(name string) error { return n.change(name, n.link.LinkSetUp) }

// Down switches a device off.
func (n *Namespace) Down(name string) error { return n.change(name, n.link.LinkSetDown) }

// Remove removes a device, and of a cable both ends.
func (n *Namespace) Remove(name string) error { return n.change(name, n.link.LinkDel) }

// Rename gives a device another name; it must be down on older kernels.
func (n *Namespace) Rename(name, to string) error {
	return n.change(name, func(l netlink.Link) error { return n.link.LinkSetName(l, to) })
}

// MAC returns a device's link address.
func (n *Namespace) MAC(name string) (mac net.HardwareAddr, err error) {
	err = n.change(name, func(l netlink.Link) error {
		mac = l.Attrs().HardwareAddr
		return nil
	})
	return mac, err
}

// Counters are the kernel's counts of a device's frames.
type Counters struct{ Received, Sent, DroppedReceiving, DroppedSending uint64 }

// Counters returns a device's counts.
func (n *Namespace) Counters(name string) (c Counters, err error) {
	err = n.change(name, func(l netlink.Link) error {
		if s := l.Attrs().Statistics; s != nil {
			c = Counters{s.RxPackets, s.TxPackets, s.RxDropped, s.TxDropped}
		}
		return nil
	})
	return c, err
}

// offloads are the features that make frames differ from what a wire would carry:
// longer than it takes, and with checksums that nobody has filled in.
var offloads = []string{
	"tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6", "tx-checksum-sctp",
	"tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation",
	"tx-generic-segmentation", "tx-udp-segmentation", "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation",
	"rx-gro", "rx-checksum", "tx-vlan-hw-insert", "rx-vlan-hw-parse",
}

// Offloads switches all offloads of a device on or off, as far as it has them.
func (n *Namespace) Offloads(name string, on bool) error {
	return n.Do(func() error {
		e, err := ethtool.NewEthtool()
		if err != nil {
			return fmt.Errorf("netns: %s: %w", name, err)
		}
		defer e.Close()
		has, err := e.FeaturesWithState(name)
		if err != nil {
			return fmt.Errorf("netns: features of %s: %w", name, err)
		}
		change := map[string]bool{}
		for _, f := range offloads {
			if s, ok := has[f]; ok && s.Available && s.Active != on {
				change[f] = on
			}
		}
		if len(change) == 0 {
			return nil
		}
		if err := e.Change(name, change); err != nil {
			return fmt.Errorf("netns: features of %s: %w", name, err)
		}
		return nil
	})
}
