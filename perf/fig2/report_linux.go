package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// machine names what this was measured on.
func machine() string {
	cpu := "CPUs of type " + runtime.GOARCH
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := "?"
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel, _, _ = strings.Cut(strings.TrimSpace(string(b)), "-")
	}
	return fmt.Sprintf("%d × %s, Linux %s, %s", runtime.NumCPU(), cpu, kernel, runtime.Version())
}

// at returns a measurement.
func (b *bench) at(mode string, octets int, keep bool) *cell {
	for _, c := range b.cells {
		if c.Mode == mode && c.Octets == octets && c.Keep == keep {
			return c
		}
	}
	return nil
}

// command returns the command that repeats this.
func (b *bench) command() string { return strings.TrimSpace("go run ./perf/fig2 " + b.arguments) }

// markdown returns the table.
func (b *bench) markdown() []byte {
	var w bytes.Buffer
	fmt.Fprintf(&w, "# Figure 2, on this machine\n\n")
	fmt.Fprintf(&w, "%s; %s.\n\n", machine(), b.began.UTC().Format(time.DateOnly))
	fmt.Fprintf(&w, "`%s`: HTTP over a veth pair, %d requests a second offered by %d clients, %g s each; %s.\n",
		b.command(), b.rate, b.workers, b.seconds, b.reached())
	fmt.Fprintf(&w, "Server, clients and monitor share the CPUs. Each count of the monitor, connections opened and closed, was the\nserver's own%s.\n", b.repeated())
	for _, keep := range []bool{false, true} {
		fmt.Fprintf(&w, "\n## %s\n\n", strings.ToUpper(manner(keep)[:1])+manner(keep)[1:])
		fmt.Fprintf(&w, "| octets | requests/s | | | | CPU of all, µs a request | | | | of the monitor, user + system | | |\n")
		fmt.Fprintf(&w, "|---|---|---|---|---|---|---|---|---|---|---|---|\n")
		fmt.Fprintf(&w, "| | none | packet | flow | stream | none | packet | flow | stream | packet | flow | stream |\n")
		for _, octets := range b.sizes {
			fmt.Fprintf(&w, "| %d ", octets)
			for _, mode := range modes {
				fmt.Fprintf(&w, "| %.0f ", b.at(mode, octets, keep).rate())
			}
			for _, mode := range modes {
				c := b.at(mode, octets, keep)
				fmt.Fprintf(&w, "| %.0f ", c.perRequest(c.Others+c.Monitor.User+c.Monitor.System))
			}
			for _, mode := range modes[1:] {
				c := b.at(mode, octets, keep)
				fmt.Fprintf(&w, "| %.1f + %.1f ", c.perRequest(c.Monitor.User), c.perRequest(c.Monitor.System))
			}
			fmt.Fprintf(&w, "|\n")
		}
	}
	fmt.Fprintf(&w, "\n![The same as a plot](figure2.svg)\n")
	return w.Bytes()
}

// repeated says how many measurements had to be taken again.
func (b *bench) repeated() string {
	if b.again == 0 {
		return ""
	}
	return fmt.Sprintf("; %d measurements in which frames were missed, and counted as such, were taken again", b.again)
}

// reached says whether the offered rate was.
func (b *bench) reached() string {
	most := [2]float64{}
	for _, c := range b.cells {
		if c.Mode == modes[0] {
			i := 0
			if c.Keep {
				i = 1
			}
			most[i] = max(most[i], c.rate())
		}
	}
	for _, m := range most {
		if m < 0.98*float64(b.rate) {
			return fmt.Sprintf("without a monitor the machine reaches %.0f with %s and %.0f with %s",
				most[0], manner(false), most[1], manner(true))
		}
	}
	return "the machine reaches it without a monitor"
}
