package rx

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mbox-stack/mbox/internal/sys"
)

// CPU returns the CPU that the ring's receive goroutine is pinned to, -1 if to
// none. See RingConfig.CPUs.
func (r *Ring) CPU() int {
	nth := r.cfg.Ahead + r.index
	if n := len(r.cfg.CPUs); n > 0 {
		return r.cfg.CPUs[nth%n]
	}
	allowed := sys.CPUs()
	if len(allowed) == 0 {
		return -1
	}
	switch r.cfg.Fanout {
	case FanoutQueue:
		if cpu, ok := QueueCPU(r.cfg.Interface, r.index); ok {
			return cpu
		}
		return allowed[nth%len(allowed)]
	case FanoutCPU:
		return allowed[r.index%len(allowed)]
	}
	return allowed[len(allowed)-1-nth%len(allowed)] // the first ones mostly serve interrupts
}

// QueueCPU returns the CPU that handles what an interface's receive queue brings,
// and whether that can be found out: the first one of its RPS mask, or the one
// that the queue's interrupt goes to.
func QueueCPU(name string, queue int) (cpu int, ok bool) {
	if name != filepath.Base(name) {
		return 0, false
	}
	device := filepath.Join("/sys/class/net", name)
	mask, err := os.ReadFile(filepath.Join(device, "queues", fmt.Sprintf("rx-%d", queue), "rps_cpus"))
	if err != nil {
		return 0, false
	}
	if cpu, ok := firstOfMask(strings.TrimSpace(string(mask))); ok {
		return cpu, true
	}
	table, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		return 0, false
	}
	irq, ok := queueInterrupt(string(table), interruptsOf(device), name, queue)
	if !ok {
		return 0, false
	}
	list, err := os.ReadFile(fmt.Sprintf("/proc/irq/%d/effective_affinity_list", irq))
	if err != nil {
		return 0, false
	}
	first := strings.FieldsFunc(string(list), func(c rune) bool { return c < '0' || c > '9' })
	if len(first) == 0 {
		return 0, false
	}
	cpu, err = strconv.Atoi(first[0])
	return cpu, err == nil
}

// interruptsOf returns the numbers of a device's MSI interrupts. A virtio device
// has them one level up, at its PCI function.
func interruptsOf(device string) map[int]bool {
	found := map[int]bool{}
	path, err := filepath.EvalSymlinks(filepath.Join(device, "device"))
	if err != nil {
		return found
	}
	entries, err := os.ReadDir(filepath.Join(path, "msi_irqs"))
	if err != nil {
		entries, _ = os.ReadDir(filepath.Join(filepath.Dir(path), "msi_irqs"))
	}
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			found[n] = true
		}
	}
	return found
}

// queueInterrupt finds the interrupt of a receive queue in /proc/interrupts:
// among those of the device, or those named after the interface, the one whose
// name ends in the queue's number and is not for sending or configuration alone
// (eth0-TxRx-3, virtio0-input.3, mlx5_comp3@pci:..., ens5-rx-3).
func queueInterrupt(table string, own map[int]bool, name string, queue int) (irq int, ok bool) {
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !strings.HasSuffix(fields[0], ":") {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSuffix(fields[0], ":"))
		action := fields[len(fields)-1]
		if err != nil || !own[n] && !strings.HasPrefix(action, name+"-") {
			continue
		}
		action, _, _ = strings.Cut(action, "@")
		what := strings.ToLower(strings.TrimRight(action, "0123456789"))
		receives := strings.Contains(what, "rx") || strings.Contains(what, "input") || strings.Contains(what, "comp") ||
			strings.EqualFold(what, name+"-") || strings.Contains(what, "-q") || strings.Contains(what, "queue")
		if at, err := strconv.Atoi(action[len(what):]); err == nil && receives && at == queue {
			return n, true
		}
	}
	return 0, false
}

// firstOfMask returns the lowest CPU of a mask in the kernel's form: words of 32
// bits in hexadecimal, the highest first, with commas between them.
func firstOfMask(mask string) (cpu int, ok bool) {
	words := strings.Split(mask, ",")
	for i := range words {
		w, err := strconv.ParseUint(words[len(words)-1-i], 16, 32)
		if err != nil {
			return 0, false
		}
		for bit := range 32 {
			if w>>bit&1 != 0 {
				return i*32 + bit, true
			}
		}
	}
	return 0, false
}
