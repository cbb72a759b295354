package privilege

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestWrites: the folder of a file counts, and that of the file which a link
// leads to; a device counts itself.
func TestWrites(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	far := filepath.Join(dir, "far")
	if err := os.Mkdir(far, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(far, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(far, "file"), link); err != nil {
		t.Skip("no links here: ", err)
	}
	for _, c := range []struct {
		path           string
		folders, files []string
	}{
		{filepath.Join(dir, "new"), []string{dir}, nil},
		{link, []string{dir, far}, nil},
		{os.DevNull, nil, []string{os.DevNull}},
	} {
		var w Wish
		w.Writes(c.path)
		if !slices.Equal(w.Folders, c.folders) || !slices.Equal(w.Files, c.files) {
			t.Errorf("%s: %+v, want %q and %q", c.path, w, c.folders, c.files)
		}
	}
}

func TestReport(t *testing.T) {
	for want, r := range map[string]Report{
		"user nobody, CAP_NET_RAW and no other capability, no new privileges, files limited by Landlock 7":                                    {"nobody", []string{"CAP_NET_RAW"}, 7},
		"no capabilities (an interface that is removed cannot be resumed), no new privileges, files not limited (the kernel has no Landlock)": {},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
