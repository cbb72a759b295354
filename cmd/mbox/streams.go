package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/mbox-stack/mbox"
)

// streams returns the command that writes each stream to a file.
func (p *program) streams() *cobra.Command {
	o := newOptions()
	dir := ""
	cmd := &cobra.Command{
		Use:   "streams -r FILE | -i IFACE -d DIR [flags] [filter expression]",
		Short: "Each direction's octets to a file",
		Long: `Write what each side of each TCP connection said to a file in DIR, which is made
if need be and must be empty. Files are named as tcpflow names them, the sender
first:

  192.168.001.002.01234-010.000.000.001.00080      from .2 to .1, IPv4
  2001_0db8_..._0011.41010-2001_0db8_..._0001.00080
  192.168.001.002.01234-010.000.000.001.00080_2    the second connection of these ends

Octets that were given up leave no trace in the file: what is printed says
where. A file has its name once its stream has ended; until then, and if the
program is killed, ".part" stands behind it. A stream without octets has none.`,
		Example: `  mbox streams -r trace.pcap -d out
  mbox streams -r trace.pcap -d out port 80 | grep gap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return errors.New("streams: nowhere to write to: -d DIR names a folder")
			}
			s, err := p.session(o, args, func(c *mbox.Config) { c.Memory = keeping(c.Memory, 25) })
			if err != nil {
				return err
			}
			return s.writeStreams(cmd.Context(), dir)
		},
	}
	cmd.Flags().StringVarP(&dir, "dir", "d", "", "the folder `DIR` that files are written to")
	o.common(cmd)
	return cmd
}

// saver writes streams to files.
type saver struct {
	dir   string
	out   *mbox.Output
	open  mbox.Key[saved]
	files fileCache
	stop  context.CancelCauseFunc // ends the run
	// broken is set once a file could not be written: what ends from then on
	// ends because of that, and keeps its ".part".
	broken atomic.Bool
}

func (w *saver) fail(err error) {
	w.broken.Store(true)
	w.stop(failure{err})
}

// saved are the two files of a connection.
type saved struct{ file [2]streamFile }

// writeStreams has every stream of the captures written to dir.
func (s *session) writeStreams(ctx context.Context, dir string) error {
	made, err := emptyDir(dir)
	if err != nil {
		return failure{err}
	}
	if s.folders = append(s.folders, dir); made {
		s.made = append(s.made, dir)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w := &saver{dir: dir, out: s.stack.Output(s.out), open: mbox.NewKey[saved](), files: fileCache{limit: filesMax}, stop: stop}
	sock := s.stack.Monitor(mbox.Stream)
	if err := sock.Bind("tcp"); err != nil {
		return err
	}
	for _, on := range []struct {
		event mbox.Event
		do    mbox.Handler
	}{{mbox.OnNewData, w.data}, {mbox.OnGap, w.gap}, {mbox.OnConnEnd, w.end}} {
		if err := sock.Handle(on.event, mbox.PostTCP, on.do); err != nil {
			return err
		}
	}
	s.atEnd(func(error) error {
		var broken failure
		if errors.As(context.Cause(ctx), &broken) {
			return errors.Join(broken, removeParts(dir))
		}
		return nil
	})
	err = s.play(ctx)
	if err != nil && made {
		os.Remove(dir) // which it refuses unless the folder is empty
	}
	return err
}

// emptyDir makes a folder, or sees that it is empty: files of two runs in one
// folder could not be told apart.
func emptyDir(dir string) (made bool, err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		made = true
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return made, err
	}
	there, err := os.ReadDir(dir)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("%s: the folder is not empty (%s)", dir, there[0].Name())
	}
	return made, err
}

// removeParts removes the files of streams that had not ended when writing
// failed.
func removeParts(dir string) error {
	parts, err := filepath.Glob(filepath.Join(dir, "*"+partSuffix))
	for _, p := range parts {
		err = errors.Join(err, os.Remove(p))
	}
	return err
}

func (w *saver) data(c *mbox.Context) {
	if w.broken.Load() {
		return
	}
	f := &w.open.Of(c).file[c.Side()]
	if f.path == "" {
		name, err := w.name(c)
		if err != nil {
			w.fail(err)
			return
		}
		f.path = name
	}
	if err := w.files.append(f, c.Payload()); err != nil {
		w.fail(err)
	}
}

func (w *saver) gap(c *mbox.Context) {
	f := &w.open.Of(c).file[c.Side()]
	g := c.Gap()
	if f.gapCount++; f.gapCount <= gapsMax {
		f.gaps = append(f.gaps, fmt.Sprintf("gap=%d+%d", f.octets, g.Len)...)
		f.gaps = append(f.gaps, ' ')
	}
}

// gapsMax bounds the gaps of a stream that are listed one by one: more make no
// line that anybody reads.
const gapsMax = 16

// end gives both files their names and says what is in them.
func (w *saver) end(c *mbox.Context) {
	both := w.open.Get(c)
	if both == nil || w.broken.Load() {
		return
	}
	for _, d := range sides {
		f := &both.file[d]
		if f.path == "" {
			continue
		}
		if err := w.files.finish(f); err != nil {
			w.fail(err)
			return
		}
		line := fmt.Appendf(nil, "%s octets=%d end=%s", filepath.Base(f.path), f.octets, c.Reason())
		if f.gapCount > 0 {
			line = fmt.Appendf(line, " gaps=%d %s", f.gapCount, strings.TrimSpace(string(f.gaps)))
		}
		w.out.Write(c, append(line, '\n'))
	}
}

// name returns the path of a stream's file, one that is not taken. Connections
// of one key are followed by one shard, one after the other, so that nobody else
// takes it.
func (w *saver) name(c *mbox.Context) (string, error) {
	f := c.Flow()
	from, to := f.Client(), f.Server()
	if c.Side() == mbox.Server {
		from, to = to, from
	}
	base := endpointName(from) + "-" + endpointName(to)
	if f.Key.Scope != 0 {
		base += "~" + strconv.FormatUint(f.Key.Scope, 16)
	}
	for n := 1; n <= namesakesMax; n++ {
		path := filepath.Join(w.dir, base)
		if n > 1 {
			path += "_" + strconv.Itoa(n)
		}
		_, ended := os.Lstat(path)
		_, open := os.Lstat(path + partSuffix)
		if ended != nil && open != nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: more than %d streams of this name", base, namesakesMax)
}

// namesakesMax bounds the search for a name that is not taken.
const namesakesMax = 1 << 16

// endpointName writes an endpoint as a part of a file name: digits only, of one
// length, so that names sort by address.
func endpointName(a netip.AddrPort) string {
	if a.Addr().Is4() {
		b := a.Addr().As4()
		return fmt.Sprintf("%03d.%03d.%03d.%03d.%05d", b[0], b[1], b[2], b[3], a.Port())
	}
	return strings.ReplaceAll(a.Addr().StringExpanded(), ":", "_") + fmt.Sprintf(".%05d", a.Port())
}
