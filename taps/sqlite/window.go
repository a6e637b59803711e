package sqlite

import (
	"bytes"
	"math"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
)

// window says which rows of an INCREMENTAL stream are read. SQLite has no
// instants: they are text, spelled with T or a blank, with a zone or without,
// and the order of texts is theirs only where all are spelled alike. So where
// a key is compared with instants, SQL selects by day, with room for the
// zones, and takes decides.
type window struct {
	timed     bool // the key is read as an instant
	set       bool // by settings, not by a bookmark only
	from, to  row.Instant
	hasTo     bool
	hasFrom   bool
	mark      []byte // the bookmark as text
	markAt    row.Instant
	hasMarkAt bool
}

// open takes the window of the settings, if the key can be compared with it.
func (w *window) open(s settings, key *attribute) error {
	switch key.Kind {
	case row.Date, row.Timestamp, row.TimestampTZ:
		w.timed = true
	}
	if s.start.IsZero() && s.end.IsZero() {
		return nil
	}
	if !w.timed && key.Kind != row.Text {
		return fault.New(fault.BadConfig, "start_date and end_date cannot window it: its replication key %q is of type %s, no date or timestamp as text", key.Name, key.sqlType).
			WithHint("deselect the stream, or choose another replication-key")
	}
	w.timed, w.set = true, true
	if !s.start.IsZero() {
		w.from, w.hasFrom = instant(s.start), true
	}
	if !s.end.IsZero() {
		w.to, w.hasTo = instant(s.end), true
	}
	return nil
}

func instant(t time.Time) row.Instant {
	return row.Instant{Sec: t.Unix(), Nano: int32(t.Nanosecond())}
}

// resume takes the text of a bookmark and returns the literal from which SQL
// is to read. A row is read when its text or its instant is not before it.
func (w *window) resume(text []byte) string {
	if w.timed {
		at, ok := row.ParseTimestamp(text)
		if ok && at.Sec != math.MaxInt64 && at.Sec != math.MinInt64 {
			w.mark, w.markAt, w.hasMarkAt = text, at, true
			if day := day(at, -1); day < string(text) {
				return "'" + day + "'"
			}
		}
	}
	return textLiteral(text)
}

// day is the UTC day of an instant, moved by some days.
func day(at row.Instant, days int) string {
	return time.Unix(at.Sec, 0).UTC().AddDate(0, 0, days).Format(time.DateOnly)
}

// where are the coarse conditions on the key.
func (w *window) where(key string) (clauses []string) {
	if w.hasFrom {
		clauses = append(clauses, key+" >= '"+day(w.from, -1)+"'")
	}
	if w.hasTo {
		clauses = append(clauses, key+" < '"+day(w.to, 2)+"'")
		if !w.hasFrom {
			clauses = append(clauses, key+" >= ''") // neither NULL nor a number
		}
	}
	return clauses
}

// takes says whether a row with this key is to be read, and at which instant it stands.
func (w *window) takes(tag byte, v []byte) (take bool, at row.Instant, parsed bool, err error) {
	if !w.timed || tag != tagText {
		return true, at, false, nil
	}
	at, parsed = row.ParseTimestamp(v)
	if w.set {
		if !parsed {
			return false, at, false, fault.New(fault.BadInput, "start_date and end_date cannot be compared with a replication key that is no date or timestamp").
				WithHint("deselect the stream, or choose another replication-key")
		}
		if w.hasFrom && earlier(at, w.from) || w.hasTo && !earlier(at, w.to) {
			return false, at, true, nil
		}
	}
	if w.hasMarkAt && bytes.Compare(v, w.mark) < 0 && (!parsed || earlier(at, w.markAt)) {
		return false, at, parsed, nil
	}
	return true, at, parsed, nil
}

func earlier(a, b row.Instant) bool { return a.Sec < b.Sec || a.Sec == b.Sec && a.Nano < b.Nano }
