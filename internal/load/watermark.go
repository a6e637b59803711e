package load

import "encoding/json"

// watermark finds the newest STATE that may be acknowledged (invariant 2).
// Everything that arrives, rows and STATE, gets a number; a STATE counts once
// nothing with a smaller number is uncommitted. (The idea is datamill-co's
// stream tracker.)
type watermark struct {
	states  []stamped
	barrier int64 // number of the last row that a later commit may leave out
}

type stamped struct {
	at    int64
	value json.RawMessage
}

// push takes note of a STATE. One that no possible commit could tell from its
// successor is forgotten, so the list stays as short as the number of batches
// held back.
func (w *watermark) push(at int64, value json.RawMessage) {
	if n := len(w.states); n > 0 && w.barrier < w.states[n-1].at {
		w.states[n-1] = stamped{at, value}
		return
	}
	w.states = append(w.states, stamped{at, value})
}

// newest is the latest STATE before number limit, nil when there is none.
func (w *watermark) newest(limit int64) json.RawMessage {
	var value json.RawMessage
	for _, s := range w.states {
		if s.at < limit {
			value = s.value
		}
	}
	return value
}

// forget drops every STATE before number limit: it was acknowledged, or a newer one was.
func (w *watermark) forget(limit int64) {
	n := 0
	for n < len(w.states) && w.states[n].at < limit {
		n++
	}
	w.states = append(w.states[:0], w.states[n:]...)
}
