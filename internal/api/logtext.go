package api

import (
	"bufio"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// download writes a log as text, from its beginning to what is there now; one
// line at a time is in memory. An error comes only before the text has begun.
func (s *Server) download(ctx context.Context, w http.ResponseWriter, id string, filter logFilter) error {
	f, _, err := s.openLog(ctx, id)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="run-`+fileName(id)+`.log"`)
	w.WriteHeader(http.StatusOK)
	if f == nil { // it has not said anything yet
		return nil
	}
	defer f.Close()
	t := tail{Server: s, w: w, out: bufio.NewWriterSize(w, 32<<10), control: http.NewResponseController(w)}
	for r := newLineReader(f, 0); ctx.Err() == nil && !s.isStopping(); {
		raw, cut, err := r.next()
		if err != nil {
			break // there is no more, or it cannot be read: it ends here
		}
		if v := s.line(raw, r.at, cut); filter.takes(v) {
			if err := t.write(v.String()); err != nil {
				return nil // whoever hung up does not want it
			}
		}
	}
	_ = t.flush() // as above
	return nil
}

// fileName is an id as it may stand in a header.
func fileName(id string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, id)
}

// String is the line as text: time, level, who said it, what, and its fields.
func (v LogLine) String() string {
	var b strings.Builder
	if v.At != nil {
		b.WriteString(v.At.Format(time.RFC3339Nano) + " ")
	}
	who := v.Plugin
	if who == "" {
		who = "elt"
	}
	b.WriteString(v.Level + " " + who + " " + v.Text)
	var fields map[string]json.RawMessage
	if json.Unmarshal(v.Fields, &fields) == nil {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			value := string(fields[name])
			if text := ""; json.Unmarshal(fields[name], &text) == nil {
				value = text
			}
			b.WriteString(" " + name + "=" + value)
		}
	}
	if v.Truncated {
		b.WriteString(" …")
	}
	return b.String() + "\n"
}
