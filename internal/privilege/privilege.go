package privilege

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Wish is what a program still has to do. The zero value stays who it is and
// writes nothing.
type Wish struct {
	User    string   // name or number of who to become; "": nobody else
	Folders []string // whose files will be written, made, renamed and removed
	Files   []string // devices and pipes that will be written to
	Made    []string // folders that were made for this, and become the user's
}

// Writes adds the place of a file that will be written, under that name or one
// that begins with it. A link leads to where its file is.
func (w *Wish) Writes(path string) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		w.Files = append(w.Files, path)
		return
	}
	w.Folders = append(w.Folders, filepath.Dir(path))
	if real, err := filepath.EvalSymlinks(path); err == nil {
		w.Folders = append(w.Folders, filepath.Dir(real))
	}
}

// Report is what is left.
type Report struct {
	User     string   // who the program has become; "": who it was
	Kept     []string // capabilities
	Landlock int      // version of the interface; 0: the kernel has none
}

// String returns the report in one line.
func (r Report) String() string {
	var b strings.Builder
	if r.User != "" {
		fmt.Fprintf(&b, "user %s, ", r.User)
	}
	if len(r.Kept) == 0 {
		b.WriteString("no capabilities (an interface that is removed cannot be resumed)")
	} else {
		fmt.Fprintf(&b, "%s and no other capability", strings.Join(r.Kept, ", "))
	}
	b.WriteString(", no new privileges, ")
	if r.Landlock == 0 {
		b.WriteString("files not limited (the kernel has no Landlock)")
	} else {
		fmt.Fprintf(&b, "files limited by Landlock %d", r.Landlock)
	}
	return b.String()
}
