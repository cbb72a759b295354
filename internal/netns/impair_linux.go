package netns

import "math/rand/v2"

// Impairment is what a network does to frames, as shares of them.
type Impairment struct {
	Lose, Repeat, Delay float64
	// Behind is how many later frames of its direction a delayed frame lets pass,
	// at most; 0: 3. It waits for them, however long they take.
	Behind int
	Seed   uint64
}

// Pass returns what a Hop does to frames so that they suffer the impairment. It
// draws the same numbers for the same frames.
func (i Impairment) Pass() func(from int, f *Frame, send func(*Frame)) {
	var lanes [2]lane
	for d := range lanes {
		lanes[d] = lane{Impairment: i, rng: rand.New(rand.NewPCG(i.Seed, uint64(d)))}
	}
	return func(from int, f *Frame, send func(*Frame)) { lanes[from].pass(f, send) }
}

// lane is one direction of an impaired hop.
type lane struct {
	Impairment
	rng  *rand.Rand
	held []waiting
}

// waiting is a frame that lets so many others pass.
type waiting struct {
	*Frame
	more int
}

func (l *lane) pass(f *Frame, send func(*Frame)) {
	switch x := l.rng.Float64(); {
	case x < l.Lose:
	case x < l.Lose+l.Repeat:
		send(f)
		send(f)
	case x < l.Lose+l.Repeat+l.Delay:
		behind := l.Behind
		if behind == 0 {
			behind = 3
		}
		l.held = append(l.held, waiting{f.Clone(), 1 + l.rng.IntN(behind)})
		return
	default:
		send(f)
	}
	kept := l.held[:0]
	for _, w := range l.held {
		if w.more--; w.more > 0 {
			kept = append(kept, w)
		} else {
			send(w.Frame)
		}
	}
	clear(l.held[len(kept):])
	l.held = kept
}
