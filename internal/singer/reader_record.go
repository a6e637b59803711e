package singer

import (
	"bytes"
	"context"
	"strconv"

	"elt/internal/row"
)

// tail is what follows the record in a RECORD line.
type tail struct {
	text      []byte // as it stood
	version   int64
	extracted int64 // µs since 2000-01-01 UTC
	timed     bool
}

// message takes a RECORD line that begins with the stream's prefix.
func (s *stream) message(ctx context.Context, line []byte) error {
	end, err := s.record(ctx, line, len(s.prefix))
	if err == nil {
		err = s.rest(line, end)
		if err != nil {
			s.batch.Drop()
		}
	}
	if err != nil {
		return s.problem(line, err)
	}
	return s.close(ctx)
}

// envelope takes a RECORD whose parts were found one by one.
func (s *stream) envelope(ctx context.Context, line []byte, m *envelope) error {
	if m.record == nil {
		return s.r.bad(s.name, line, &flaw{text: "a RECORD without a record"})
	}
	t := tail{}
	var ok bool
	if t.version, ok = versionOf(m.version); !ok && m.version != nil && string(m.version) != "null" {
		return s.r.bad(s.name, line, &flaw{text: "its version is no integer"})
	}
	s.time(&t, m.extracted)
	if _, err := s.record(ctx, m.record, 0); err != nil {
		return s.problem(line, err)
	}
	s.tail, s.r.last = t, s
	if len(m.prefix) > 0 {
		s.prefix = string(m.prefix)
	}
	return s.close(ctx)
}

// problem sorts errors of a record: flaws are bad records, the rest is the
// handler's.
func (s *stream) problem(line []byte, err error) error {
	if _, ok := err.(*flaw); !ok {
		return err
	}
	return s.r.bad(s.name, line, err)
}

// record puts the record at line[i] into the stream's batch; its row stays
// open. A value that does not fit widens the schema.
func (s *stream) record(ctx context.Context, line []byte, i int) (end int, err error) {
	if s.check != nil {
		if err := s.check.record(line, i); err != nil {
			return i, err
		}
	}
	if s.batch == nil {
		if s.r.open == mostOpen {
			if err := s.r.handOverAll(ctx); err != nil {
				return i, err
			}
		}
		s.batch = s.r.pool.Get(s.schema)
		s.r.open++
	}
	if end, err = s.dec.record(s.batch, line, i); err == errMisfit {
		return s.widen(ctx, line, i)
	}
	return end, err
}

// rest reads what follows the record in its line: version, time_extracted.
func (s *stream) rest(line []byte, i int) error {
	if len(s.tail.text) > 0 && bytes.Equal(line[i:], s.tail.text) {
		return nil
	}
	t := tail{}
	for n := i; ; {
		n = space(line, n)
		if peek(line, n) == '}' {
			if err := trailing(line, n+1); err != nil {
				return err
			}
			break
		}
		if peek(line, n) != ',' {
			return broken(n, "a comma or brace is missing")
		}
		n = space(line, n+1)
		key, ok := stringAt(line, n)
		if !ok {
			return broken(n, "a key is missing")
		}
		end, _ := scanString(line, n+1)
		if n = space(line, end+1); peek(line, n) != ':' {
			return broken(n, "a colon is missing")
		}
		n = space(line, n+1)
		end, err := skip(line, n)
		if err != nil {
			return err
		}
		value := line[n:end]
		switch string(key) {
		case "version":
			if t.version, ok = versionOf(value); !ok && string(value) != "null" {
				return &flaw{at: n, text: "its version is no integer"}
			}
		case "time_extracted":
			s.time(&t, value)
		case "type", "stream", "record":
			return broken(n, string(key)+" comes twice")
		}
		n = end
	}
	t.text = append(s.tail.text[:0], line[i:]...)
	s.tail = t
	return nil
}

// time reads time_extracted; one that cannot be read counts as none.
func (s *stream) time(t *tail, value []byte) {
	if value == nil || string(value) == "null" {
		return
	}
	if text, ok := stringAt(value, 0); ok {
		if i, ok := row.ParseTimestamp(text); ok {
			i.Nano -= i.Nano % 1000
			if t.extracted, t.timed = i.Micros(); t.timed {
				return
			}
		}
	}
	s.r.warn("time "+s.name, "%s, stream %q: time_extracted is no date and time: ignored", s.r.place(), s.name)
}

func versionOf(raw []byte) (int64, bool) {
	v, err := strconv.ParseInt(string(raw), 10, 64)
	return v, err == nil
}

// close ends the row that record left open, with the operation, version and
// time that the line gave it.
func (s *stream) close(ctx context.Context) error {
	b, t := s.batch, &s.tail
	if b.Len() == 1 {
		b.Version = t.version
	} else if b.Version != t.version || t.timed != (b.Extracted != nil) {
		// Rows of another version, or all rows of a batch or none are timed.
		var err error
		if b, err = s.split(ctx); err != nil {
			return err
		}
		b.Version = t.version
	}
	switch {
	case s.dec.deleted:
		b.EndAs(row.Delete)
	case s.dec.unset:
		b.EndAs(row.Update)
	default:
		b.End()
	}
	if t.timed {
		b.ExtractedAt(t.extracted)
	}
	if len(b.Data) >= s.r.o.BatchBytes {
		return s.handOver(ctx)
	}
	return nil
}

// split moves the open row to a batch of its own and hands over those before.
func (s *stream) split(ctx context.Context) (*row.Batch, error) {
	old := s.batch
	b := s.r.pool.Get(s.schema)
	b.Offsets = append(b.Offsets, 0)
	b.Data = append(b.Data, old.Row(old.Len()-1)...)
	b.Unset = s.dec.unset
	old.Drop()
	s.batch = b
	return b, s.r.h.Write(ctx, old)
}

// handOver gives the open batch to the handler.
func (s *stream) handOver(ctx context.Context) error {
	b := s.batch
	if b == nil {
		return nil
	}
	s.batch = nil
	s.r.open--
	if b.Len() == 0 {
		b.Release()
		return nil
	}
	return s.r.h.Write(ctx, b)
}
