package mboxtest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mbox-stack/mbox"
	"github.com/mbox-stack/mbox/buffers"
	"github.com/mbox-stack/mbox/frag"
)

// setting reads a line that begins with a colon.
func (s *Script) setting(f []string) (err error) {
	if len(f) == 0 {
		return fmt.Errorf("a setting without a name")
	}
	name, arg := f[0], strings.Join(f[1:], " ")
	if on := s.onOff(name); on != nil {
		if arg != "" {
			return fmt.Errorf("%s is written without %q", name, arg)
		}
		*on = true
		return nil
	}
	switch name {
	case "checksums":
		modes := map[string]mbox.Checksums{"label": mbox.ChecksumsLabel, "verify": mbox.ChecksumsVerify, "off": mbox.ChecksumsOff}
		mode, ok := modes[arg]
		if !ok {
			return fmt.Errorf("checksums are label, verify or off, not %q", arg)
		}
		s.cfg.Checksums = mode
	case "policy":
		s.cfg.Policy, err = buffers.ParsePolicy(arg)
	case "history":
		s.cfg.History, err = strconv.ParseUint(arg, 10, 32)
	case "buffer":
		s.cfg.StreamMax, err = strconv.ParseUint(arg, 10, 32)
	case "fragments":
		for p := frag.First; p <= frag.Discard; p++ {
			if p.String() == arg {
				s.cfg.Fragments.PolicyV4, s.cfg.Fragments.PolicyV6 = p, p
				return nil
			}
		}
		return fmt.Errorf("fragments have no policy %q", arg)
	case "timeout":
		return s.timeout(f[1:])
	default:
		return fmt.Errorf("%q is no setting", name)
	}
	return err
}

// onOff returns the setting of a name that stands alone, nil if it is another.
func (s *Script) onOff(name string) *bool {
	return map[string]*bool{"strict": &s.cfg.Strict, "no-pickup": &s.cfg.NoPickup, "no-rexmit": &s.noRexmit,
		"ipv6": &s.ipv6, "show-text": &s.showText}[name]
}

// timeout reads the rest of ": timeout KIND DURATION".
func (s *Script) timeout(f []string) (err error) {
	t := &s.cfg.Timeouts
	if len(f) != 2 {
		return fmt.Errorf("a timeout is written \": timeout closing 10s\"")
	}
	of := map[string]*time.Duration{"embryonic": &t.Embryonic, "established": &t.Established, "closing": &t.Closing,
		"closed": &t.Closed, "datagram": &t.Datagram}[f[0]]
	if of == nil {
		return fmt.Errorf("%q has no timeout: embryonic, established, closing, closed and datagram have", f[0])
	}
	if f[1] == "never" {
		*of = mbox.Never
		return nil
	}
	*of, err = time.ParseDuration(f[1])
	return err
}
