package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

type logsInput struct {
	ID     string `path:"id" maxLength:"100"`
	Limit  int    `query:"limit" minimum:"1" maximum:"5000" default:"500" doc:"How many lines at most."`
	Cursor int64  `query:"cursor" minimum:"0" doc:"The next_cursor of the page before, or the id of a line: what comes after it. A stream may begin there too."`
	Tail   int    `query:"tail" minimum:"0" maximum:"100000" doc:"Begin this many lines before the end."`
	Level  string `query:"level" enum:"debug,info,warning,error,critical" doc:"Only lines of this level or above."`
	Text   string `query:"text" maxLength:"200" doc:"Only lines with this text; case does not count."`
	Format string `query:"format" enum:"json,text" default:"json" doc:"text: all of the log in one answer, a line of text for each, as a file."`
}

// LogPage is a page of a log.
type LogPage struct {
	Items      []LogLine `json:"items"`
	NextCursor int64     `json:"next_cursor" doc:"Goes on after what was read, matching or not. While the run goes on there may be more later."`
	Complete   bool      `json:"complete" doc:"The run has ended and nothing comes after this page."`
	Size       int64     `json:"size" doc:"Of the log in bytes; next_cursor is a place in it."`
}

func (s *Server) logRoutes() {
	op := operation(http.MethodGet, "/runs/{id}/logs", "run.logs", "runs", "Read or follow the log of a run",
		"A page of lines; with format=text all of it as a file; or, asked with Accept: text/event-stream, a stream: events \"log\" with a LogLine and its id, events \"progress\" with a "+
			"Progress every few seconds while rows move, comments as a heartbeat, "+
			"and one event \"end\" with the run when it has ended. A stream that was cut goes on after Last-Event-ID.")
	op.Middlewares = huma.Middlewares{s.followed}
	op.Responses = map[string]*huma.Response{"200": {Description: "A page, or a stream.", Content: map[string]*huma.MediaType{
		"application/json":  {Schema: s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[LogPage](), true, "LogPage")},
		"text/plain":        {Schema: &huma.Schema{Type: "string"}},
		"text/event-stream": {Schema: &huma.Schema{Type: "string"}}}}}
	route(s, ScopeRead, op, s.readLog)
}

func (s *Server) readLog(ctx context.Context, in *logsInput) (*body[LogPage], error) {
	f, over, err := s.openLog(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	page := LogPage{Items: []LogLine{}, NextCursor: in.Cursor, Complete: over}
	if f == nil {
		return answer(page), nil
	}
	defer f.Close()
	from, err := begin(f, in.Cursor, in.Tail)
	if err != nil {
		return nil, err
	}
	r := newLineReader(f, from)
	filter := newLogFilter(in.Level, in.Text)
	for len(page.Items) < in.Limit && r.all < scanned && ctx.Err() == nil {
		raw, cut, err := r.next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("read the log: %w", err)
			}
			break
		}
		if v := s.line(raw, r.at, cut); filter.takes(v) {
			page.Items = append(page.Items, v)
		}
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	page.NextCursor, page.Size, page.Complete = r.at, size, over && r.at >= size
	return answer(page), nil
}

// begin is where to read: after a cursor, or some lines before the end.
func begin(f logSource, cursor int64, tail int) (int64, error) {
	if cursor == 0 && tail > 0 {
		return tailFrom(f, tail)
	}
	return cursor, nil
}

// followed answers those who ask for a stream, or for all of it as text.
func (s *Server) followed(c huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(c)
	q := r.URL.Query()
	if q.Get("format") == "text" {
		if err := s.download(r.Context(), w, c.Param("id"), newLogFilter(q.Get("level"), q.Get("text"))); err != nil {
			s.write(w, r, s.problem(r.Context(), err).(*Problem))
		}
		return
	}
	if !strings.Contains(c.Header("Accept"), "text/event-stream") {
		next(c)
		return
	}
	t := tail{Server: s, id: c.Param("id"), filter: newLogFilter(q.Get("level"), q.Get("text")),
		w: w, out: bufio.NewWriterSize(w, 32<<10), control: http.NewResponseController(w)}
	for _, text := range []string{r.Header.Get("Last-Event-ID"), q.Get("cursor")} {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
			t.from = n
			break
		}
	}
	t.last, _ = strconv.Atoi(q.Get("tail"))
	if err := t.follow(r.Context()); err != nil {
		s.write(w, r, s.problem(r.Context(), err).(*Problem))
	}
}

// tail is one stream of a log.
type tail struct {
	*Server
	id      string
	from    int64
	last    int
	filter  logFilter
	w       http.ResponseWriter
	out     *bufio.Writer
	control *http.ResponseController
}

const (
	// freshLines is how often a log is looked at for new lines.
	freshLines = 250 * time.Millisecond
	heartbeat  = 15 * time.Second
	// slow is how long an asker may take to read.
	slow = 30 * time.Second
)

// follow streams until the run has ended, the asker hangs up or the daemon
// stops. An error comes only before the stream has begun.
func (t *tail) follow(ctx context.Context) error {
	if t.isStopping() {
		p := problem(http.StatusServiceUnavailable, "stopping", "the daemon stops")
		p.retry = 5
		return p
	}
	f, _, err := t.openLog(ctx, t.id)
	if err != nil {
		return err
	}
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	h := t.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	t.w.WriteHeader(http.StatusOK)
	if t.send("retry: 1000\n\n") != nil {
		return nil
	}
	done, release := t.watch.ended(t.id)
	defer release()
	progress, unlook := t.watch.progress(t.id)
	defer unlook()
	var told string
	tick, beat := time.NewTicker(freshLines), time.NewTicker(heartbeat)
	defer tick.Stop()
	defer beat.Stop()
	opened := time.Now()
	var r *lineReader
	for over := false; ; {
		if f == nil && (over || time.Since(opened) > freshSize) { // the run has not begun to speak
			if f, _, err = t.openLog(ctx, t.id); err != nil {
				return nil
			}
			opened = time.Now()
		}
		if f != nil && r == nil {
			if t.from, err = begin(f, t.from, t.last); err != nil {
				return nil
			}
			r = newLineReader(f, t.from)
		}
		if r != nil && t.lines(ctx, f, r) != nil {
			return nil
		}
		if over {
			t.end(ctx)
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.stop:
			return nil
		case <-done:
			over = true // and its last lines
			if f != nil {
				f.Now()
			}
		case steps := <-progress:
			if now := string(jsonOf(t.progressOf(steps))); now != told {
				told = now
				if t.send("event: progress\ndata: "+now+"\n\n") != nil {
					return nil
				}
			}
		case <-beat.C:
			if t.send(": heartbeat\n\n") != nil {
				return nil
			}
			if f, r = t.elsewhere(ctx, f, r); r == nil {
				opened = time.Time{}
			}
		case <-tick.C:
		}
	}
}

// elsewhere closes a file that another machine's worker goes on with: the
// store's copy is longer by now, and is opened next.
func (t *tail) elsewhere(ctx context.Context, f logSource, r *lineReader) (logSource, *lineReader) {
	file, ok := f.(logFile)
	if !ok || r == nil {
		return f, r
	}
	stored, err := t.Store.LogSize(ctx, t.id)
	own, bad := file.Size()
	if err != nil || bad != nil || stored <= own {
		return f, r
	}
	f.Close()
	t.from, t.last = r.at, 0
	return nil, nil
}

// lines sends the lines that have come.
func (t *tail) lines(ctx context.Context, f logSource, r *lineReader) error {
	size, err := f.Size()
	if err != nil || size <= r.at {
		return err
	}
	r.again()
	for ctx.Err() == nil && !t.isStopping() {
		raw, cut, err := r.next()
		if err != nil {
			return t.flush() // no more for now
		}
		v := t.line(raw, r.at, cut)
		if !t.filter.takes(v) {
			continue
		}
		if err := t.write("id: " + strconv.FormatInt(v.ID, 10) + "\nevent: log\ndata: " + string(jsonOf(v)) + "\n\n"); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// end tells how the run ended.
func (t *tail) end(ctx context.Context) {
	if d, err := t.Detail(ctx, t.id); err == nil {
		_ = t.send("event: end\ndata: " + string(jsonOf(d.Run)) + "\n\n") // whoever hung up does not want it
	}
}

// send writes at once.
func (t *tail) send(text string) error {
	if err := t.write(text); err != nil {
		return err
	}
	return t.flush()
}

// write holds back what is small; an asker who reads too slowly is cut off,
// and may come again.
func (t *tail) write(text string) error {
	_ = t.control.SetWriteDeadline(time.Now().Add(slow)) // not all writers can
	_, err := t.out.WriteString(text)
	return err
}

func (t *tail) flush() error {
	if err := t.out.Flush(); err != nil {
		return err
	}
	return t.control.Flush()
}
