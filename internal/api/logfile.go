package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
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

// logPath is where the log of a run is, and whether the run has ended.
func (s *Server) logPath(ctx context.Context, id string) (path string, over bool, err error) {
	e, err := s.Store.Execution(ctx, id)
	if err == nil {
		return s.LogPath(e.ID), e.Over(), nil
	}
	if !errors.Is(err, state.ErrNotFound) {
		return "", false, err
	}
	r, err := s.Store.Run(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return "", false, problem(http.StatusNotFound, "not_found", "there is no run %q", id).hint("GET %s/runs lists them", Base)
	}
	return r.LogPath, r.Ended != nil, err
}

// openLog opens the log of a run; nil where there is none yet.
func (s *Server) openLog(ctx context.Context, id string) (*os.File, bool, error) {
	path, over, err := s.logPath(ctx, id)
	if err != nil {
		return nil, over, err
	}
	f, err := os.Open(path)
	if path == "" || errors.Is(err, fs.ErrNotExist) {
		e, err := s.Store.Execution(ctx, id)
		if err == nil && (e.Status == state.Queued || e.Status == state.Running && e.Started != nil && time.Since(*e.Started) < 5*time.Second) || err == nil && e.Worker == "" {
			return nil, over, nil // it has not said anything yet
		}
		p := problem(http.StatusNotFound, "no_log", "the log of run %s is not on this machine", id)
		if e.Worker != "" {
			return nil, over, p.hint("it was removed, or lies on the machine of its worker, %s", e.Worker)
		}
		return nil, over, p.hint("it was removed, or lies on the machine where the run was")
	}
	return f, over, err
}

// lineReader reads lines from a place on, and holds one at a time.
type lineReader struct {
	r   *bufio.Reader
	at  int64 // the end of the last whole line
	buf []byte
}

func newLineReader(f io.ReadSeeker, from int64) (*lineReader, error) {
	l := &lineReader{r: bufio.NewReaderSize(f, longLine), at: from}
	return l, l.again(f)
}

// again goes back to the end of the last whole line, to read what came since.
func (l *lineReader) again(f io.ReadSeeker) error {
	_, err := f.Seek(l.at, io.SeekStart)
	l.r.Reset(f)
	return err
}

// next is the next whole line without its end; io.EOF where the log has no
// more. A line that is being written is not whole.
func (l *lineReader) next() (line []byte, cut bool, err error) {
	l.buf = l.buf[:0]
	read := int64(0)
	for {
		part, err := l.r.ReadSlice('\n')
		read += int64(len(part))
		if room := longLine - len(l.buf); room > 0 {
			l.buf = append(l.buf, part[:min(room, len(part))]...)
		}
		switch {
		case err == nil:
			l.at += read
			return bytes.TrimRight(l.buf, "\r\n"), read > longLine, nil
		case err != bufio.ErrBufferFull:
			return nil, false, err
		case read >= endless:
			l.at += read
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

// tailFrom is where the last n lines of a log begin; it reads backwards, by blocks.
func tailFrom(f *os.File, n int) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	const block = 64 << 10
	buf := make([]byte, block)
	end, seen := info.Size(), 0
	for end > 0 && info.Size()-end < scanned {
		from := max(0, end-block)
		part := buf[:end-from]
		if _, err := f.ReadAt(part, from); err != nil && err != io.EOF {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' || from+int64(i) == info.Size()-1 {
				continue
			}
			if seen++; seen == n {
				return from + int64(i) + 1, nil
			}
		}
		end = from
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
	from, err := tailFrom(f, n)
	if err != nil {
		return out
	}
	r, err := newLineReader(f, from)
	if err != nil {
		return out
	}
	for len(out) < n {
		line, _, err := r.next()
		if err != nil {
			break
		}
		out = append(out, s.Mask(strings.ToValidUTF8(string(line), "\uFFFD")))
	}
	return out
}
