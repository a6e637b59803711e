package secret

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
)

// MinLength is the length below which a value is not masked: a secret "abc"
// would mask every "abc" and make logs unreadable.
const MinLength = 6

// Mask stands in for a secret.
const Mask = "***"

// Redactor masks registered values. The zero value masks nothing yet; all
// methods are safe for concurrent use.
type Redactor struct {
	mu    sync.Mutex
	known map[string]bool
	found atomic.Pointer[automaton]
}

// Add registers values; those shorter than MinLength are left out. Each line
// of a value of several lines (a private key) is masked by itself too.
func (r *Redactor) Add(values ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.known)
	for _, v := range values {
		r.add(v)
		if strings.Contains(strings.TrimSpace(v), "\n") {
			for line := range strings.Lines(v) {
				if line = strings.TrimSpace(line); len(line) >= 2*MinLength {
					r.add(line)
				}
			}
		}
	}
	if len(r.known) != before {
		patterns := make([]string, 0, len(r.known))
		for p := range r.known {
			patterns = append(patterns, p)
		}
		r.found.Store(newAutomaton(patterns))
	}
}

func (r *Redactor) add(value string) {
	if len(value) < MinLength {
		return
	}
	if r.known == nil {
		r.known = map[string]bool{}
	}
	for _, p := range forms(value) {
		if len(p) >= MinLength {
			r.known[p] = true
		}
	}
}

// String is text with every registered value masked.
func (r *Redactor) String(text string) string {
	a := r.found.Load()
	if a == nil {
		return text
	}
	var out strings.Builder
	s := scanner{automaton: a}
	s.write([]byte(text), &out)
	s.flush(&out)
	return out.String()
}

// Writer masks what is written to w. Bytes that may be the beginning of a
// value are held back until the next write decides; Flush lets them go.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{r: r, w: w} }

// Writer is a masking io.Writer, safe for concurrent use.
type Writer struct {
	r  *Redactor
	w  io.Writer
	mu sync.Mutex
	s  scanner
}

// Write masks p and writes what is decided. It reports all of p as written.
func (w *Writer) Write(p []byte) (int, error) {
	a := w.r.found.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	if a != w.s.automaton {
		if err := w.flush(); err != nil {
			return 0, err
		}
		w.s = scanner{automaton: a}
	}
	if a == nil {
		return w.w.Write(p)
	}
	var out writeBuffer
	w.s.write(p, &out)
	if len(out) > 0 {
		if _, err := w.w.Write(out); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Flush writes what is held back: no more of a value will come.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Writer) flush() error {
	if w.s.automaton == nil {
		return nil
	}
	var out writeBuffer
	w.s.flush(&out)
	if len(out) == 0 {
		return nil
	}
	_, err := w.w.Write(out)
	return err
}

type writeBuffer []byte

func (b *writeBuffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }
