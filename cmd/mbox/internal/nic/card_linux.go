package nic

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"

	"github.com/mbox-stack/mbox/rx"
)

// Look returns what is known of the card of an interface.
func Look(name string) (c Card) {
	if name != filepath.Base(name) {
		return c
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return c
	}
	c.State = link.Attrs().OperState.String()
	c.Queues = Queues{link.Attrs().NumRxQueues, link.Attrs().NumTxQueues}
	device := filepath.Join("/sys/class/net", name)
	if text(filepath.Join(device, "ifindex")) == strconv.Itoa(link.Attrs().Index) { // sysfs may be that of another namespace
		c.fromSysfs(device)
	}
	if c.Queues.Receive == 1 {
		c.Balance = Symmetric
	}
	if symmetric, known := rx.SymmetricQueues(name); known && c.Queues.Receive > 1 {
		if c.Balance = Asymmetric; symmetric {
			c.Balance = Symmetric
		}
	}
	e, err := ethtool.NewEthtool()
	if err != nil {
		return c
	}
	defer e.Close()
	if c.Driver, err = e.DriverName(name); err != nil {
		c.Driver = ""
	}
	if on, err := e.Features(name); err == nil {
		for _, m := range merging {
			if on[m.feature] {
				c.Merges = append(c.Merges, m.name)
			}
		}
	}
	return c
}

// fromSysfs adds what only sysfs knows: the speed of the link, and how many
// queues are in use of those that there is room for.
func (c *Card) fromSysfs(device string) {
	if n, err := strconv.Atoi(text(filepath.Join(device, "speed"))); err == nil && n > 0 {
		c.Mbits = n
	}
	queues, err := os.ReadDir(filepath.Join(device, "queues"))
	if err != nil {
		return
	}
	c.Queues = Queues{}
	for _, q := range queues {
		if strings.HasPrefix(q.Name(), "rx-") {
			c.Queues.Receive++
		} else {
			c.Queues.Send++
		}
	}
}

// merging are the features that change what a capture sees: frames put together
// that never were one on the wire, and checksums that are not filled in yet.
var merging = []struct{ feature, name string }{
	{"rx-gro", "gro"}, {"rx-gro-hw", "gro-hw"}, {"rx-lro", "lro"}, {"tx-generic-segmentation", "gso"}, {"tx-tcp-segmentation", "tso"},
	{"tx-checksum-ip-generic", "tx-checksum"}, {"tx-checksum-ipv4", "tx-checksum"}, {"rx-vlan-hw-parse", "rx-vlan"},
}

// text returns what a file of sysfs says, "" if nothing.
func text(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
