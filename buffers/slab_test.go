package buffers

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

type testRecord struct {
	id uint64
	x  [3]uint32
}

// TestSlabAgainstMap gives out and takes back records at random; a map says
// what each must hold.
func TestSlabAgainstMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewSlab[testRecord](5000)
	want := map[uint32]uint64{}
	var handles []uint32
	for i := range uint64(60000) {
		grow := i/10000%2 == 0
		if n := rng.IntN(10); n < 7 == grow || len(handles) == 0 {
			h, p := s.New()
			if len(handles) == s.Limit() {
				if h != 0 || p != nil {
					t.Fatalf("a record beyond the limit: %d", h)
				}
				continue
			}
			if _, used := want[h]; used || h == 0 {
				t.Fatalf("handle %d given out twice, or 0", h)
			}
			if *p != (testRecord{}) {
				t.Fatalf("record %d is not zero: %+v", h, *p)
			}
			p.id, p.x[2] = i, 1
			want[h] = i
			handles = append(handles, h)
		} else {
			j := rng.IntN(len(handles))
			h := handles[j]
			if s.At(h).id != want[h] {
				t.Fatalf("record %d holds %d, want %d", h, s.At(h).id, want[h])
			}
			s.Free(h)
			delete(want, h)
			handles[j] = handles[len(handles)-1]
			handles = handles[:len(handles)-1]
		}
		if i%5000 == 0 {
			s.Trim()
		}
		if s.Len() != len(handles) || s.Cap() < s.Len() {
			t.Fatalf("Len %d, Cap %d, want %d", s.Len(), s.Cap(), len(handles))
		}
	}
	for _, h := range handles {
		if s.At(h).id != want[h] {
			t.Fatalf("record %d holds %d, want %d", h, s.At(h).id, want[h])
		}
		s.Free(h)
	}
	before := s.Bytes()
	if freed := s.Trim(); freed != before || s.Bytes() != 0 || s.Cap() != 0 {
		t.Fatalf("Trim of an empty slab freed %d of %d octets", freed, before)
	}
	if h, p := s.New(); h == 0 || *p != (testRecord{}) {
		t.Fatal("a trimmed slab gives out records again")
	}
}

// TestSlabHas: a record is there from New to Free.
func TestSlabHas(t *testing.T) {
	s := NewSlab[[4]uint64](0)
	a, _ := s.New()
	b, _ := s.New()
	s.Free(a)
	if s.Has(a) || !s.Has(b) || s.Has(b+1) || s.Has(1<<31) {
		t.Errorf("%v of a record that was freed, %v of one in use, %v and %v of none", s.Has(a), s.Has(b), s.Has(b+1), s.Has(1<<31))
	}
	s.Free(b)
	if s.Trim(); s.Has(b) {
		t.Error("a record whose memory was given back is there")
	}
}

func TestSlabTrimKeepsWhatIsUsed(t *testing.T) {
	s := NewSlab[testRecord](0)
	var hs []uint32
	for range 3 * slabLen {
		h, p := s.New()
		p.id = uint64(h)
		hs = append(hs, h)
	}
	stay := hs[2*slabLen]
	for _, h := range hs {
		if h != stay {
			s.Free(h)
		}
	}
	s.Trim()
	if s.Cap() != slabLen || s.At(stay).id != uint64(stay) {
		t.Fatalf("Cap %d, record %d holds %d", s.Cap(), stay, s.At(stay).id)
	}
	if !testing.Short() {
		for range 3 * slabLen {
			if h, _ := s.New(); h == stay {
				t.Fatal("a record in use is given out")
			}
		}
	}
}

func TestSlabRefusesPointers(t *testing.T) {
	wantPanic := func(name string, f func()) {
		t.Helper()
		defer func() {
			if msg, _ := recover().(string); !strings.Contains(msg, "pointers") {
				t.Errorf("%s: panic %q", name, msg)
			}
		}()
		f()
	}
	wantPanic("slice", func() { NewSlab[struct{ b []byte }](0) })
	wantPanic("string in an array", func() { NewSlab[[2]struct{ s string }](0) })
	wantPanic("interface", func() { NewSlab[struct{ e error }](0) })
	wantPanic("unsafe.Pointer", func() { NewSlab[unsafe.Pointer](0) })
	NewSlab[struct {
		a [0]*int
		b [4]complex128
		c bool
	}](0)
}

// TestSizes holds what is accounted for records, and promised for values that
// others embed, against what they take.
func TestSizes(t *testing.T) {
	const link = 2 // a record's place in its slab's free list
	for _, c := range []struct {
		name      string
		size, max uintptr
	}{
		{"Stream", unsafe.Sizeof(Stream{}), 24},
		{"piece", unsafe.Sizeof(piece{}) + link, pieceOctets},
		{"hold", unsafe.Sizeof(hold{}) + link, holdCharge},
		{"Piece", unsafe.Sizeof(Piece{}), 40},
	} {
		if c.size > c.max {
			t.Errorf("%s takes %d octets, at most %d are promised", c.name, c.size, c.max)
		}
	}
}
