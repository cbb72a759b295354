package netns

// TB is what ForTest needs of a testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Skip(...any)
	Fatal(...any)
}

// ForTest returns namespaces of those names that end with the test, and skips
// the test, with the reason, where there cannot be any.
func ForTest(t TB, names ...string) []*Namespace {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	var all []*Namespace
	for _, name := range names {
		n, err := New(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
		})
		all = append(all, n)
	}
	return all
}

// PairForTest returns a client and a server namespace joined by the cable, whose
// ends it fills in: c0 with 10.0.0.1 and fd00::1, s0 with 10.0.0.2 and fd00::2.
func PairForTest(t TB, c Cable) (client, server *Namespace) {
	t.Helper()
	ns := ForTest(t, "client", "server")
	c.A = End{In: ns[0], Name: "c0", Addrs: []string{"10.0.0.1/24", "fd00::1/64"}}
	c.B = End{In: ns[1], Name: "s0", Addrs: []string{"10.0.0.2/24", "fd00::2/64"}}
	if err := Connect(c); err != nil {
		t.Fatal(err)
	}
	return ns[0], ns[1]
}
