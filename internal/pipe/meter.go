package pipe

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Meter counts what passes through a chain. It may be read at any time.
type Meter struct {
	mu      sync.Mutex
	streams map[string]*StreamCount
	bytes   int64
	lines   int64
	hops    []hopTimes
}

// StreamCount is what passed of one stream.
type StreamCount struct {
	Stream string
	Rows   int64 // RECORD messages
	Bytes  int64 // of those
}

// Flow is a reading of a Meter.
type Flow struct {
	Streams []StreamCount // by name
	Bytes   int64         // towards the target, all lines
	Lines   int64
	Hops    []HopFlow
}

// HopFlow says how long the bytes between two stages waited, and for whom.
type HopFlow struct {
	From, To string
	Starved  time.Duration // nothing to read: From was slow
	Blocked  time.Duration // no room to write: To was slow
}

// Bottleneck names the stage that the others wait for most; "" before
// anything ran.
func (f Flow) Bottleneck() string {
	if len(f.Hops) == 0 {
		return ""
	}
	name, most := f.Hops[0].From, f.Hops[0].Starved
	for i, h := range f.Hops {
		waited := h.Blocked
		if i+1 < len(f.Hops) {
			waited = (waited + f.Hops[i+1].Starved) / 2
		}
		if waited > most {
			name, most = h.To, waited
		}
	}
	return name
}

// hopTimes is a HopFlow with the wait under way.
type hopTimes struct {
	HopFlow
	waiting wait
	since   time.Time
}

type wait int

const (
	waitNone wait = iota
	waitRead
	waitWrite
)

func (m *Meter) addHop(from, to string) (index int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hops = append(m.hops, hopTimes{HopFlow: HopFlow{From: from, To: to}})
	return len(m.hops) - 1
}

// wait says what hop i does from now on.
func (m *Meter) wait(i int, w wait) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &m.hops[i]
	h.settle(now)
	h.waiting, h.since = w, now
}

func (h *hopTimes) settle(now time.Time) {
	switch h.waiting {
	case waitRead:
		h.Starved += now.Sub(h.since)
	case waitWrite:
		h.Blocked += now.Sub(h.since)
	}
	h.since = now
}

// add takes over what a hop counted in one block.
func (m *Meter) add(t *tally) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += t.bytes
	m.lines += t.lines
	t.bytes, t.lines = 0, 0
	for _, s := range t.touched {
		c := m.streams[s.Stream]
		if c == nil {
			if m.streams == nil {
				m.streams = map[string]*StreamCount{}
			}
			c = &StreamCount{Stream: s.Stream}
			m.streams[s.Stream] = c
		}
		c.Rows += s.Rows
		c.Bytes += s.Bytes
		s.Rows, s.Bytes, s.touched = 0, 0, false
	}
	t.touched = t.touched[:0]
}

// Read is the present reading.
func (m *Meter) Read() Flow {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	f := Flow{Bytes: m.bytes, Lines: m.lines}
	for _, s := range m.streams {
		f.Streams = append(f.Streams, *s)
	}
	slices.SortFunc(f.Streams, func(a, b StreamCount) int { return cmp.Compare(a.Stream, b.Stream) })
	for i := range m.hops {
		h := m.hops[i]
		h.settle(now)
		f.Hops = append(f.Hops, h.HopFlow)
	}
	return f
}

// tally is what one hop has counted since it last told its Meter.
type tally struct {
	bytes, lines int64
	touched      []*streamTally
	streams      map[string]*streamTally
}

type streamTally struct {
	StreamCount
	touched bool
}

// of finds the tally of a stream by its raw name in the message.
func (t *tally) of(raw []byte) *streamTally {
	s := t.streams[string(raw)]
	if s == nil {
		if t.streams == nil {
			t.streams = map[string]*streamTally{}
		}
		s = &streamTally{StreamCount: StreamCount{Stream: unquote(raw)}}
		t.streams[string(raw)] = s
	}
	return s
}

func (t *tally) record(s *streamTally, bytes int) {
	s.Rows++
	s.Bytes += int64(bytes)
	t.touch(s)
}

func (t *tally) touch(s *streamTally) {
	if !s.touched {
		s.touched = true
		t.touched = append(t.touched, s)
	}
}
