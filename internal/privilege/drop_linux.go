package privilege

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	abi "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"kernel.org/pub/linux/libs/security/libcap/cap"
)

// setNoNewPrivs is PR_SET_NO_NEW_PRIVS of prctl(2).
const setNoNewPrivs = 38

// Drop gives up everything that w does not need, on all threads of the program.
// If it fails the program is in between, and had better end.
func Drop(w Wish) (r Report, err error) {
	who, err := lookUp(w.User)
	if err != nil {
		return r, err
	}
	have := cap.GetProc()
	keep := []cap.Value{}
	if has(have, cap.NET_RAW) {
		keep = append(keep, cap.NET_RAW)
	}
	r.Landlock = landlockVersion()
	if who == nil && os.Geteuid() == 0 && has(have, cap.DAC_OVERRIDE) && r.Landlock > 0 && slices.ContainsFunc(w.Folders, foreign) {
		keep = append(keep, cap.DAC_OVERRIDE)
	}
	if err := limitFiles(w); err != nil {
		return r, err
	}
	if has(have, cap.SETPCAP) {
		for v := range cap.MaxBits() {
			_ = cap.DropBound(v) // the kernel may know fewer
		}
	}
	if who != nil {
		if err := who.become(have, w.Made); err != nil {
			return r, fmt.Errorf("--user %s: %w", w.User, err)
		}
		r.User = who.name
	}
	if err := keepOnly(keep); err != nil {
		return r, fmt.Errorf("capabilities: %w", err)
	}
	if _, err := cap.Prctlw(setNoNewPrivs, 1); err != nil {
		return r, fmt.Errorf("no_new_privs: %w", err)
	}
	for _, v := range keep {
		r.Kept = append(r.Kept, capabilityName(v))
	}
	return r, nil
}

func has(s *cap.Set, v cap.Value) bool {
	is, err := s.GetFlag(cap.Permitted, v)
	return err == nil && is
}

// capabilityName returns the name that documentation has.
func capabilityName(v cap.Value) string {
	switch v {
	case cap.NET_RAW:
		return "CAP_NET_RAW"
	case cap.DAC_OVERRIDE:
		return "CAP_DAC_OVERRIDE"
	}
	return v.String()
}

// keepOnly gives all capabilities up but some.
func keepOnly(keep []cap.Value) error {
	_ = cap.ResetAmbient() // kernels before 4.3 have none
	s := cap.NewSet()
	if len(keep) > 0 {
		if err := errors.Join(s.SetFlag(cap.Permitted, true, keep...), s.SetFlag(cap.Effective, true, keep...)); err != nil {
			return err
		}
	}
	return s.SetProc()
}

// account is who to become.
type account struct {
	name     string
	uid, gid int
	groups   []int
}

// lookUp finds an account by name or number; "" is none.
func lookUp(name string) (*account, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("--user %s: no such user", name)
		}
	}
	a := &account{name: u.Username}
	if a.uid, err = strconv.Atoi(u.Uid); err == nil {
		a.gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return nil, fmt.Errorf("--user %s: %w", name, err)
	}
	ids, err := u.GroupIds()
	if err != nil {
		ids = nil // its own group will do
	}
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil {
			a.groups = append(a.groups, g)
		}
	}
	return a, nil
}

// become makes the program the account's, without its capabilities being lost:
// those are given up next.
func (a *account) become(have *cap.Set, made []string) error {
	if a.uid == os.Geteuid() && a.uid == os.Getuid() {
		return nil
	}
	if !has(have, cap.SETUID) || !has(have, cap.SETGID) {
		return errors.New("CAP_SETUID and CAP_SETGID are missing: run as root")
	}
	for _, folder := range made {
		if err := os.Lchown(folder, a.uid, a.gid); err != nil {
			return err
		}
	}
	if err := cap.SetGroups(a.gid, a.groups...); err != nil {
		return err
	}
	return cap.SetUID(a.uid)
}

// foreign reports whether root needs a capability to write into a folder.
func foreign(folder string) bool {
	info, err := os.Stat(folder)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || st.Uid != 0 || info.Mode().Perm()&0o300 != 0o300
}

// landlockVersion returns which version of Landlock the kernel has, 0 for none.
func landlockVersion() int {
	v, err := abi.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

// readable is what the program and its runtime read as they go: interfaces,
// their own state, the time zone, how a terminal is written to.
var readable = []string{"/proc", "/sys", "/usr/share/zoneinfo", "/usr/share/terminfo", "/lib/terminfo", "/etc/terminfo"}

// limitFiles restricts what files the program may open, as far as the kernel
// can: nothing is run, and no TCP connection made or taken.
func limitFiles(w Wish) error {
	rules := []landlock.Rule{
		landlock.RODirs(readable...).IgnoreIfMissing(),
		landlock.ROFiles("/etc/localtime").IgnoreIfMissing(),
		landlock.RWFiles("/dev/tty").WithIoctlDev().IgnoreIfMissing(),
	}
	for _, folder := range w.Folders {
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			continue // opening the file will say so
		}
		rules = append(rules, landlock.RWDirs(folder))
	}
	for _, name := range w.Files {
		rules = append(rules, landlock.RWFiles(name).IgnoreIfMissing())
	}
	if err := landlock.V7.BestEffort().Restrict(rules...); err != nil {
		return fmt.Errorf("limit files by Landlock: %w", err)
	}
	return nil
}
