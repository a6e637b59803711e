package postgres

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"elt/internal/fault"
)

// window is the part of an INCREMENTAL stream that is read: from <= key < to;
// "" is open.
type window struct{ from, to string }

func (w window) set() bool { return w != window{} }

// checkWindow refuses bounds that are no times. The server reads them, so they
// are handed on as written; what it would read otherwise is refused here.
func (s *settings) checkWindow() error {
	var bounds [2]time.Time
	for i, b := range []struct{ setting, text string }{{"start_date", s.Start}, {"end_date", s.End}} {
		if b.text == "" {
			continue
		}
		var err error
		if bounds[i], err = parseBound(b.text); err != nil {
			return fault.New(fault.BadConfig, "tap-postgres: %s is %q, which is no date", b.setting, b.text).
				WithHint("write it like 2024-01-31 or 2024-01-31T00:00:00Z")
		}
	}
	if s.Start != "" && s.End != "" && !bounds[0].Before(bounds[1]) {
		return fault.New(fault.BadConfig, "tap-postgres: start_date %s is not before end_date %s", s.Start, s.End)
	}
	// In UTC, so that a key without zone is compared with UTC's clock.
	if s.Start != "" {
		s.Start = bounds[0].Format(time.RFC3339Nano)
	}
	if s.End != "" {
		s.End = bounds[1].Format(time.RFC3339Nano)
	}
	return nil
}

func parseBound(text string) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return t, err
}

// fits says whether a replication key can be compared with the bounds.
func (w window) fits(db *database, key *column) error {
	if !w.set() {
		return nil
	}
	oid, _ := db.resolve(key.typ, -1)
	switch oid {
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return nil
	}
	return fault.New(fault.BadConfig, "start_date and end_date cannot window it: its replication key %q is of type %s, no date or timestamp", key.name, key.sqlType).
		WithHint("deselect the stream, or choose another replication-key")
}

// where are the conditions on p's replication key.
func (w window) where(p *plan) (clauses []string) {
	for _, bound := range []struct{ operator, text string }{{">=", w.from}, {"<", w.to}} {
		if bound.text != "" {
			clauses = append(clauses, fmt.Sprintf("%s %s %s::%s", p.qualified(), bound.operator, literal(bound.text), p.db.castType(p.key.typ)))
		}
	}
	return clauses
}
