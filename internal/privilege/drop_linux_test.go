package privilege

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// asDropped has the test binary give its privileges up and try what is left.
const asDropped = "PRIVILEGE_TEST_DROPPED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asDropped); dir != "" {
		os.Exit(dropped(dir))
	}
	os.Exit(m.Run())
}

// dropped drops what it can, and prints what it can do then, a word a line.
func dropped(dir string) int {
	w := Wish{User: os.Getenv("PRIVILEGE_TEST_USER")}
	w.Writes(filepath.Join(dir, "file"))
	r, err := Drop(w)
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println("report:", r)
	do := func(name string, err error) {
		if err == nil {
			fmt.Println("can", name)
		}
	}
	read := func(name string) error { _, err := os.ReadFile(name); return err }
	do("write", os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	do("rename", os.Rename(filepath.Join(dir, "file"), filepath.Join(dir, "file.1")))
	do("write elsewhere", os.WriteFile(filepath.Join(filepath.Dir(dir), "file"), nil, 0o600))
	do("read /proc", read("/proc/self/status"))
	do("read elsewhere", read("/etc/passwd"))
	do("run", exec.Command("/bin/true").Run())
	_, err = net.Dial("tcp", os.Getenv("PRIVILEGE_TEST_ADDR"))
	do("connect", err)
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // which Landlock does not know
	l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err == nil {
		l.Close()
	}
	do("listen", err)
	do("become root", syscall.Setuid(0))
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0)
	if err == nil {
		syscall.Close(fd)
	}
	do("capture", err)
	return 0
}

// TestDrop: what is left is what the wish says, whoever the program was and
// becomes.
func TestDrop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("gives privileges up, so it needs root's")
	}
	if landlockVersion() < 4 {
		t.Skip("the kernel has no Landlock, or none that knows TCP")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const raw, override = "CAP_NET_RAW and no other", "CAP_NET_RAW, CAP_DAC_OVERRIDE and no other"
	for _, c := range []struct {
		name, user string
		from       uint32 // who the program is
		owner      int    // of the folder that it writes to
		caps       []uintptr
		kept       string
		can        []string
	}{
		{"root stays root", "", 0, 0, nil, raw, []string{"write", "rename", "read /proc", "become root", "capture"}},
		{"root in another's folder", "", 0, 65534, nil, override, []string{"write", "rename", "read /proc", "become root", "capture"}},
		{"root becomes nobody", "nobody", 0, 65534, nil, "user nobody, " + raw, []string{"write", "rename", "read /proc", "capture"}},
		{"nobody with the capability", "", 65534, 65534, []uintptr{13}, raw, []string{"write", "rename", "read /proc", "capture"}},
		{"nobody", "", 65534, 65534, nil, "no capabilities", []string{"write", "rename", "read /proc"}},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		err := os.Mkdir(dir, 0o755)
		for _, above := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
			err = errors.Join(err, os.Chmod(above, 0o755))
		}
		if err = errors.Join(err, os.Chown(dir, c.owner, c.owner)); err != nil {
			t.Fatal(err)
		}
		self := filepath.Join(filepath.Dir(dir), "test") // where anybody may run it
		program, err := os.ReadFile(os.Args[0])
		if err == nil {
			err = os.WriteFile(self, program, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), asDropped+"="+dir, "PRIVILEGE_TEST_USER="+c.user, "PRIVILEGE_TEST_ADDR="+l.Addr().String())
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.from, Gid: c.from}, AmbientCaps: c.caps}
		out, err := cmd.CombinedOutput()
		report, rest, _ := strings.Cut(string(out), "\n")
		var can []string
		for line := range strings.Lines(rest) {
			can = append(can, strings.TrimSpace(strings.TrimPrefix(line, "can ")))
		}
		if err != nil || !slices.Equal(can, c.can) || !strings.HasPrefix(report, "report: "+c.kept) {
			t.Errorf("%s: %v, %s, can %q, want %s, %q", c.name, err, report, can, c.kept, c.can)
		}
	}
}

// TestDropWhatIsNotThere: a user who does not exist, and one that may not be
// become, are errors that say so.
func TestDropWhatIsNotThere(t *testing.T) {
	if _, err := Drop(Wish{User: "nobodyatall"}); err == nil || err.Error() != "--user nobodyatall: no such user" {
		t.Errorf("%v", err)
	}
}
