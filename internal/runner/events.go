package runner

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"elt/internal/load"
	"elt/internal/pipe"
	"elt/internal/singer"
	"elt/state"
)

// counts is what is known of a set's streams while it runs: counted by the
// pipe, or told by a built-in target through its events pipe.
type counts struct {
	meter   *pipe.Meter
	started time.Time
	fifo    *os.File // our reading end
	open    *os.File // a writing end, so that there is no end of file before close
	done    chan struct{}

	mu    sync.Mutex
	told  []load.StreamStats
	marks json.RawMessage // newest acknowledged state value
	// schemas are the newest SCHEMA messages by stream.
	schemas map[string]json.RawMessage
}

func newCounts() *counts {
	return &counts{meter: &pipe.Meter{}, started: time.Now(), schemas: map[string]json.RawMessage{}}
}

// listen makes the named pipe for a target's events.
func (c *counts) listen(f *folder) (path string, err error) {
	path = filepath.Join(f.path, "events")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return "", fmt.Errorf("make the pipe for statistics %s: %w", path, err)
	}
	if c.fifo, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return "", fmt.Errorf("open the pipe for statistics: %w", err)
	}
	if c.open, err = os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err != nil {
		c.fifo.Close()
		return "", fmt.Errorf("open the pipe for statistics: %w", err)
	}
	c.done = make(chan struct{})
	go c.read(c.fifo)
	return path, nil
}

func (c *counts) read(fifo *os.File) {
	defer close(c.done)
	in := bufio.NewReaderSize(fifo, 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var s struct {
			load.Stats
			Stream string
		}
		if json.Unmarshal(line, &s) != nil {
			continue
		}
		switch s.Type {
		case load.TypeStats:
			c.mu.Lock()
			c.told = s.Streams
			c.mu.Unlock()
		case "SCHEMA":
			c.schema(s.Stream, line)
		}
	}
}

// close ends listening once the target has ended; what is in the pipe by then
// is still read.
func (c *counts) close() {
	if c.fifo == nil {
		return
	}
	c.open.Close()
	c.fifo.SetReadDeadline(time.Now().Add(time.Second)) // somebody left behind may hold it
	<-c.done
	c.fifo.Close()
}

// acked takes note of an acknowledged state value.
func (c *counts) acked(value json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.marks = value
}

// schema takes note of a SCHEMA message.
func (c *counts) schema(stream string, message json.RawMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schemas[stream] = message
}

// shapes are the newest schemas, as the store keeps them.
func (c *counts) shapes() map[string]state.SchemaVersion {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]state.SchemaVersion{}
	for stream, message := range c.schemas {
		_, shape, err := singer.ShapeOf(message)
		if err != nil {
			continue // the target has said so
		}
		text, err := json.Marshal(shape)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(text)
		out[stream] = state.SchemaVersion{Fingerprint: hex.EncodeToString(sum[:8]), Shape: text}
	}
	return out
}

// bookmark is the newest acknowledged state value, nil for none.
func (c *counts) bookmark() json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.marks
}

// streams are the streams so far, by name.
func (c *counts) streams() []StreamReport {
	c.mu.Lock()
	told, marks := c.told, singer.NewMarks(singer.NewBookmarks(c.marks))
	c.mu.Unlock()
	seconds := time.Since(c.started).Seconds()
	var out []StreamReport
	for _, s := range told {
		if s.Bookmark == nil {
			s.Bookmark = marks.Stream(s.Stream)
		}
		r := StreamReport{StreamStats: state.StreamStats{Stream: s.Stream, Rows: s.Rows, Bytes: s.Bytes,
			Seconds: s.Seconds, Bookmark: s.Bookmark, Error: s.Error}, Rejected: s.Rejected}
		out = append(out, r)
	}
	if told == nil {
		for _, s := range c.meter.Read().Streams {
			out = append(out, StreamReport{StreamStats: state.StreamStats{Stream: s.Stream, Rows: s.Rows, Bytes: s.Bytes,
				Seconds: seconds, Bookmark: marks.Stream(s.Stream)}})
		}
	}
	for i := range out {
		if out[i].Seconds > 0 {
			out[i].RowsPerSecond = float64(out[i].Rows) / out[i].Seconds
		}
	}
	slices.SortFunc(out, func(a, b StreamReport) int { return strings.Compare(a.Stream, b.Stream) })
	return out
}

// passing are the streams as a watcher wants to see them: what has passed the
// pipe, which is ahead of what the target says it has loaded; of a fused pair
// only that is known.
func (c *counts) passing() []StreamReport {
	flow := c.meter.Read()
	if len(flow.Streams) == 0 {
		return c.streams()
	}
	var out []StreamReport
	for _, s := range flow.Streams {
		out = append(out, StreamReport{StreamStats: state.StreamStats{Stream: s.Stream, Rows: s.Rows, Bytes: s.Bytes}})
	}
	return out
}

// changes are the schema changes that a built-in target made.
func (c *counts) changes() []SchemaChanges {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []SchemaChanges
	for _, s := range c.told {
		if len(s.Changes) > 0 {
			out = append(out, SchemaChanges{s.Stream, s.Changes})
		}
	}
	return out
}

// bottleneck is the side that the other waits for.
func (c *counts) bottleneck(set []string) string {
	c.mu.Lock()
	var tap, target int64
	for _, s := range c.told {
		tap += s.WaitTap
		target += s.WaitTarget
	}
	c.mu.Unlock()
	switch {
	case tap+target == 0:
		return c.meter.Read().Bottleneck()
	case tap > target:
		return set[0]
	default:
		return set[len(set)-1]
	}
}
