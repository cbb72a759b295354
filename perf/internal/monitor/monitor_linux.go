package monitor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox/internal/netns"
)

// Build builds mbox into a directory and returns the program's path.
func Build(dir string) (string, error) {
	name := filepath.Join(dir, "mbox")
	cmd := exec.Command("go", "build", "-o", name, "github.com/mbox-stack/mbox/cmd/mbox")
	cmd.Stderr = os.Stderr
	return name, cmd.Run()
}

// Counted is what mbox web counts over its whole time.
type Counted struct {
	Total          bool // it is of the whole time
	Opened, Closed uint64
	SYNACK, FIN    uint64 // in packet mode, instead of these
	C2S, S2C       struct{ Packets uint64 }
}

// Result is what a monitor has counted, missed and used.
type Result struct {
	Counted
	RingDrops, MailboxDrops uint64 // frames for which there was no room
	User, System            time.Duration
}

// Missed returns how many frames were not counted, in words; "" if none was missed.
func (r *Result) Missed() string {
	if r.RingDrops+r.MailboxDrops == 0 {
		return ""
	}
	return fmt.Sprintf("%d frames dropped by the ring, %d by the mailbox", r.RingDrops, r.MailboxDrops)
}

// Monitor is mbox web while it runs. One goroutine uses it.
type Monitor struct {
	cmd   *exec.Cmd
	out   bytes.Buffer  // what it says on standard output
	said  bytes.Buffer  // and on standard error
	ended chan error    // carries how it ended, once
	quiet chan struct{} // closed when said is complete
	over  bool
}

// startMax is how long a monitor may take to begin.
const startMax = 20 * time.Second

// Start runs mbox web on a device of a namespace, with one shard unless args say
// otherwise, and waits until it captures.
func Start(in *netns.Namespace, program, device, mode string, args ...string) (*Monitor, error) {
	args = append([]string{"web", "-i", device, "--mode", mode, "--format", "jsonl", "--rows", "1", "--stats", "--shards", "1"}, args...)
	m := &Monitor{cmd: exec.Command(program, args...), ended: make(chan error, 1), quiet: make(chan struct{})}
	m.cmd.Stdout = &m.out
	stderr, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	m.cmd.Stderr = w
	err = in.Start(m.cmd)
	w.Close()
	if err != nil {
		return nil, errors.Join(err, stderr.Close())
	}
	go func() { m.ended <- m.cmd.Wait() }()
	first := make(chan struct{})
	go func() { // its first line says what it captures on, or what is wrong
		defer close(m.quiet)
		defer stderr.Close()
		r := bufio.NewReader(stderr)
		line, _ := r.ReadString('\n')
		m.said.WriteString(line)
		close(first)
		_, _ = io.Copy(&m.said, r)
	}()
	select {
	case <-first:
		return m, nil
	case <-time.After(startMax):
		m.Kill()
		return nil, errors.New("mbox web does not begin")
	}
}

// Resident returns how much memory the monitor has resident, in octets.
func (m *Monitor) Resident() (uint64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib uint64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0, fmt.Errorf("VmRSS in /proc/PID/status: %w", err)
	}
	return kib << 10, nil
}

// Stop interrupts the monitor and returns what it has done.
func (m *Monitor) Stop() (*Result, error) {
	if err := m.cmd.Process.Signal(os.Interrupt); err != nil {
		return nil, err
	}
	err := m.wait()
	r := &Result{User: m.cmd.ProcessState.UserTime(), System: m.cmd.ProcessState.SystemTime()}
	if err == nil {
		lines := bytes.Split(bytes.TrimSpace(m.out.Bytes()), []byte("\n"))
		err = json.Unmarshal(lines[len(lines)-1], &r.Counted)
	}
	if err == nil && !r.Total {
		err = errors.New("no object of the whole time")
	}
	if err != nil {
		return nil, fmt.Errorf("mbox web: %w: %s", err, m.said.String())
	}
	for line := range strings.Lines(m.said.String()) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseUint(fields[len(fields)-1], 10, 64)
		switch strings.Join(fields[:len(fields)-1], " ") {
		case "dropped: ring was full":
			r.RingDrops = n
		case "mailbox-full":
			r.MailboxDrops = n
		}
	}
	return r, nil
}

// Kill ends a monitor that has not ended.
func (m *Monitor) Kill() {
	if !m.over {
		_ = m.cmd.Process.Kill() // if it has ended meanwhile, so much the better
		_ = m.wait()
	}
}

func (m *Monitor) wait() error {
	m.over = true
	err := <-m.ended
	<-m.quiet
	return err
}
