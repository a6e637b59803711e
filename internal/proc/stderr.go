package proc

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// StderrLimit bounds what a process may say on standard error. Beyond it
// lines are counted, not handed on, and a note says how many.
type StderrLimit struct {
	PerSecond int   // lines per second, with a burst of ten seconds' worth; 0 is 1000
	Bytes     int64 // in all; 0 is 256 MiB
}

const (
	maxStderrLine = 64 << 10 // longer lines are cut
	tailLines     = 20
	tailLine      = 4 << 10
)

// drain reads standard error as fast as it comes, so that a process never
// blocks on it, however much it says.
type drain struct {
	to      func([]byte)
	limit   StderrLimit
	dropped *atomic.Int64
	tail    *tail

	tokens  float64
	filled  time.Time
	bytes   int64
	pending int64 // dropped lines that no note has named yet
}

func newDrain(to func([]byte), limit StderrLimit) drain {
	if to == nil {
		to = func([]byte) {}
	}
	if limit.PerSecond == 0 {
		limit.PerSecond = 1000
	}
	if limit.Bytes == 0 {
		limit.Bytes = 256 << 20
	}
	return drain{
		to: to, limit: limit, dropped: new(atomic.Int64), tail: new(tail),
		tokens: 10 * float64(limit.PerSecond), filled: time.Now(),
	}
}

// run reads r to its end. A line is cut at maxStderrLine; its rest is counted.
func (d *drain) run(r io.Reader) {
	buf := make([]byte, 32<<10)
	line := make([]byte, 0, 4<<10)
	var cut int64
	flush := func() {
		if cut > 0 {
			line = fmt.Appendf(line, " … (%d bytes cut)", cut)
		}
		d.line(bytes.TrimSuffix(line, []byte("\r")))
		line, cut = line[:0], 0
	}
	for {
		n, err := r.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			end := bytes.IndexByte(b, '\n')
			part, rest := b, []byte(nil)
			if end >= 0 {
				part, rest = b[:end], b[end+1:]
			}
			room := min(len(part), maxStderrLine-len(line))
			line = append(line, part[:room]...)
			cut += int64(len(part) - room)
			if end >= 0 {
				flush()
			}
			b = rest
		}
		if err != nil {
			break
		}
	}
	if len(line) > 0 {
		flush()
	}
	d.note()
}

func (d *drain) line(line []byte) {
	d.tail.add(line)
	if !d.allowed(len(line)) {
		d.pending++
		d.dropped.Add(1)
		return
	}
	d.note()
	d.to(line)
}

// allowed is a token bucket over lines, and a budget of bytes.
func (d *drain) allowed(n int) bool {
	if d.bytes+int64(n) > d.limit.Bytes {
		return false
	}
	if d.tokens < 1 {
		now := time.Now()
		rate := float64(d.limit.PerSecond)
		d.tokens = min(10*rate, d.tokens+now.Sub(d.filled).Seconds()*rate)
		d.filled = now
		if d.tokens < 1 {
			return false
		}
	}
	d.tokens--
	d.bytes += int64(n)
	return true
}

func (d *drain) note() {
	if d.pending > 0 {
		d.to(fmt.Appendf(nil, "%d lines dropped", d.pending))
		d.pending = 0
	}
}

// tail keeps the last lines, so that a crash can be explained after a flood.
type tail struct {
	ring [tailLines][]byte
	next int
}

func (t *tail) add(line []byte) {
	slot := &t.ring[t.next%tailLines]
	*slot = append((*slot)[:0], line[:min(len(line), tailLine)]...)
	t.next++
}

func (t *tail) lines() []string {
	var out []string
	for i := max(0, t.next-tailLines); i < t.next; i++ {
		out = append(out, string(t.ring[i%tailLines]))
	}
	return out
}
