package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"elt/internal/singer"
)

// acks prints STATE lines: whole value, one line, one write, no repeats,
// never {} or null (invariant 2).
//
// A value costs whoever reads it as much as it is long, and it is as long as
// there are streams. So one of more than freeSize bytes is followed by a pause
// in which newer ones replace each other: what a run says of its bookmarks
// grows with time, not with streams times commits. Nothing is lost by a value
// that was not printed: the destination has it (invariant 3), and the newest
// is printed before the run ends.
type acks struct {
	mu    sync.Mutex
	out   io.Writer
	marks *singer.Marks // of streams that are acknowledged one by one

	last  []byte
	whole json.RawMessage // waits to be printed
	dirty bool            // marks waits to be printed
	next  time.Time       // when the pause is over
	timer *time.Timer     // nil: nothing waits
	err   error           // of what was printed after a pause
}

const (
	freeSize = 4 << 10
	// ackRate is how many bytes of large values are printed in a second.
	ackRate = 256 << 10
	// longestPause is how old a bookmark may get on the way.
	longestPause = time.Second
)

// say prints a line that is no STATE, after what waits.
func (a *acks) say(line string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.settle(); err != nil {
		return err
	}
	if _, err := io.WriteString(a.out, line+"\n"); err != nil {
		return fmt.Errorf("print what the destination keeps: %w", err)
	}
	return nil
}

// print acknowledges a state value; what is committed may be lost to the
// reader, so a failing stdout is an error of the run.
func (a *acks) print(value json.RawMessage) error {
	if singer.NewBookmarks(value).IsZero() {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.whole = value
	return a.soon(len(value))
}

// moved acknowledges the position of one stream; the others stay.
func (a *acks) moved(stream string, value json.RawMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.marks.Set(stream, value); err != nil {
		return err
	}
	a.dirty = true
	return a.soon(a.marks.Size())
}

// soon prints what waits now, or when the pause is over; a.mu is held.
func (a *acks) soon(size int) error {
	wait := time.Until(a.next)
	if size <= freeSize || wait <= 0 {
		return a.settle()
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(wait, func() { _ = a.flush() }) // the next call meets the error
	}
	return a.err
}

// flush prints what waits.
func (a *acks) flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settle()
}

// settle prints what waits; a.mu is held.
func (a *acks) settle() error {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	value := a.whole
	if a.dirty {
		value = a.marks.Raw()
	}
	a.whole, a.dirty = nil, false
	if value != nil && a.err == nil {
		a.err = a.line(value)
	}
	return a.err
}

func (a *acks) line(value json.RawMessage) error {
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return fmt.Errorf("STATE value: %w", err)
	}
	if bytes.Equal(line.Bytes(), a.last) {
		return nil
	}
	a.last = bytes.Clone(line.Bytes())
	line.WriteByte('\n')
	if _, err := a.out.Write(line.Bytes()); err != nil {
		return fmt.Errorf("print STATE: %w", err)
	}
	if n := len(a.last); n > freeSize {
		a.next = time.Now().Add(min(time.Duration(n)*time.Second/ackRate, longestPause))
	}
	return nil
}
