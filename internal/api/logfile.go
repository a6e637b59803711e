package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"strings"
	"time"

	"elt/state"
)

// LogLine is one line of a run's log.
type LogLine struct {
	ID        int64           `json:"id" doc:"Where the line ends in the log: the cursor that goes on after it."`
	At        *time.Time      `json:"at,omitempty"`
	Level     string          `json:"level" enum:"debug,info,warning,error,critical" doc:"info where the line does not say."`
	Plugin    string          `json:"plugin,omitempty" doc:"The process that said it; elt itself where absent."`
	RunID     string          `json:"run_id,omitempty" doc:"The step."`
	Text      string          `json:"text"`
	Fields    json.RawMessage `json:"fields,omitempty" doc:"What else the line says."`
	Truncated bool            `json:"truncated,omitempty" doc:"The line is longer than what is shown."`
}

const (
	// longLine is how much of a line is shown.
	longLine = 64 << 10
	// endless is where a line that does not end is cut in two.
	endless = 1 << 20
	// scanned is how much of a log one request reads: a search in a large one
	// goes on with the next page.
	scanned = 64 << 20
)

// openLog opens the log of a run, and says whether the run has ended; nil
// where it has not said anything yet.
func (s *Server) openLog(ctx context.Context, id string) (log logSource, over bool, err error) {
	e, err := s.Store.Execution(ctx, id)
	switch {
	case err == nil:
		log, err = s.sourceOf(ctx, e.ID)
		over = e.Over()
	case errors.Is(err, state.ErrNotFound):
		var r state.Run
		if r, err = s.Store.Run(ctx, id); errors.Is(err, state.ErrNotFound) {
			return nil, false, problem(http.StatusNotFound, "not_found", "there is no run %q", id).hint("GET %s/runs lists them", Base)
		}
		if err == nil {
			var f *os.File
			f, err = os.Open(r.LogPath)
			log, over = logFile{f}, r.Ended != nil
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return log, over, err
	}
	if e.Status == state.Queued || e.Status == state.Running && e.Started != nil && time.Since(*e.Started) < 15*time.Second || e.ID != "" && e.Worker == "" {
		return nil, over, nil
	}
	p := problem(http.StatusNotFound, "no_log", "the log of run %s is not on this machine", id)
	if e.Worker != "" {
		return nil, over, p.hint("it was removed, or lies on the machine of its worker, %s", e.Worker)
	}
	return nil, over, p.hint("it was removed, or lies on the machine where the run was")
}

// lineReader reads lines from a place on, and holds one at a time.
type lineReader struct {
	log logSource
	r   *bufio.Reader
	at  int64 // the end of the last whole line
	all int64 // how much was read
	buf []byte
}

func newLineReader(log logSource, from int64) *lineReader {
	l := &lineReader{log: log, r: bufio.NewReaderSize(nil, longLine), at: from}
	l.again()
	return l
}

// again goes back to the end of the last whole line, to read what came since.
func (l *lineReader) again() { l.r.Reset(io.NewSectionReader(l.log, l.at, math.MaxInt64-l.at)) }

// skip goes on after a gap, and says so in the place of a line.
func (l *lineReader) skip(g *gap) []byte {
	left := g.next - l.at
	l.at = g.next
	l.again()
	return fmt.Appendf(l.buf[:0], `{"level":"warning","event":"here %d KiB of the log are left out; all of it is on the machine of its worker"}`, (left+1023)/1024)
}

// next is the next whole line without its end; io.EOF where the log has no
// more. A line that is being written is not whole.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	l.buf = l.buf[:0]
	read := int64(0)
	var left *gap
	for {
		part, err := l.r.ReadSlice('\n')
		read += int64(len(part))
		if room := longLine - len(l.buf); room > 0 {
			l.buf = append(l.buf, part[:min(room, len(part))]...)
		}
		switch {
		case err == nil:
			l.at, l.all = l.at+read, l.all+read
			return bytes.TrimRight(l.buf, "\r\n"), read > longLine, nil
		case errors.As(err, &left):
			return l.skip(left), false, nil
		case err != bufio.ErrBufferFull:
			return nil, false, err
		case read >= endless:
			l.at, l.all = l.at+read, l.all+read
			return l.buf, true, nil
		}
	}
}

// logFilter says which lines are asked for.
type logFilter struct {
	level int
	text  string // lower case
}

var levels = []string{"debug", "info", "warning", "error", "critical"}

func levelOf(name string) int {
	switch name {
	case "warn":
		name = "warning"
	case "fatal", "panic":
		name = "critical"
	}
	for i, l := range levels {
		if l == name {
			return i
		}
	}
	return 1
}

func newLogFilter(level, text string) logFilter {
	f := logFilter{text: strings.ToLower(text)}
	if level != "" {
		f.level = levelOf(level)
	}
	return f
}

// line reads a line as the runner writes it; others are their own text.
func (s *Server) line(raw []byte, end int64, cut bool) LogLine {
	v := LogLine{ID: end, Level: "info", Truncated: cut}
	var fields map[string]json.RawMessage
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &fields) != nil {
		v.Text = s.Mask(strings.ToValidUTF8(string(raw), "\uFFFD"))
		return v
	}
	take := func(names ...string) (text string) {
		for _, name := range names {
			if text == "" && json.Unmarshal(fields[name], &text) == nil {
				delete(fields, name)
			}
		}
		return text
	}
	v.Level = levels[levelOf(take("level"))]
	v.Text, v.Plugin, v.RunID = s.Mask(take("event", "message")), take("plugin"), take("run_id")
	if at, err := time.Parse(time.RFC3339Nano, take("timestamp", "time")); err == nil {
		at = at.UTC()
		v.At = &at
	}
	if len(fields) > 0 {
		v.Fields = json.RawMessage(s.Mask(string(jsonOf(fields))))
	}
	return v
}

func (f logFilter) takes(v LogLine) bool {
	if levelOf(v.Level) < f.level {
		return false
	}
	return f.text == "" || strings.Contains(strings.ToLower(v.Text), f.text) || strings.Contains(strings.ToLower(string(v.Fields)), f.text) ||
		strings.Contains(strings.ToLower(v.Plugin), f.text)
}

// tailFrom is where the last n lines of a log begin; it reads backwards, by
// blocks, up to a gap.
func tailFrom(log logSource, n int) (int64, error) {
	size, err := log.Size()
	if err != nil {
		return 0, err
	}
	const block = 64 << 10
	buf := make([]byte, block)
	end, seen := size, 0
	for end > 0 && size-end < scanned {
		from, begins := max(0, end-block), false
		var left *gap
		_, err := log.ReadAt(buf[:end-from], from)
		if errors.As(err, &left) { // the log begins after it, for us
			from, begins = min(left.next, end), true
			_, err = log.ReadAt(buf[:end-from], from)
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
		part := buf[:end-from]
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' || from+int64(i) == size-1 {
				continue
			}
			if seen++; seen == n {
				return from + int64(i) + 1, nil
			}
		}
		if end = from; begins {
			break
		}
	}
	return end, nil
}

// lastLines are the last lines of a log, where it is here.
func (s *Server) lastLines(path string) []string {
	const n = 20
	out := []string{}
	f, err := os.Open(path)
	if err != nil {
		return out
	}
	defer f.Close()
	from, err := tailFrom(logFile{f}, n)
	if err != nil {
		return out
	}
	r := newLineReader(logFile{f}, from)
	for len(out) < n {
		line, _, err := r.next()
		if err != nil {
			break
		}
		out = append(out, s.Mask(strings.ToValidUTF8(string(line), "\uFFFD")))
	}
	return out
}
