package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"elt/internal/singer"
)

// acks prints STATE lines: whole value, one line, one write, no repeats,
// never {} or null (invariant 2).
type acks struct {
	mu   sync.Mutex
	out  io.Writer
	last []byte
}

// say prints a line that is no STATE.
func (a *acks) say(line string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
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
	var line bytes.Buffer
	if err := json.Compact(&line, value); err != nil {
		return fmt.Errorf("STATE value: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.Equal(line.Bytes(), a.last) {
		return nil
	}
	a.last = bytes.Clone(line.Bytes())
	line.WriteByte('\n')
	if _, err := a.out.Write(line.Bytes()); err != nil {
		return fmt.Errorf("print STATE: %w", err)
	}
	return nil
}
