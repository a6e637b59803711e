package postgres

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/rs/zerolog"

	"elt/internal/row"
)

// A replication key is given to a row before the row is committed, so rows
// may appear below a bookmark: those of transactions that were open when the
// bookmark's run took its snapshot. The bookmark then says so in elt_late,
// and the next run reads, besides what is beyond it, the rows below it that
// the earlier snapshot did not see (by their xmin): each exactly once.
//
// That the server need not look through the whole table for them, it is told
// from which key on they can be. The rule is that a transaction gives no key
// that is older than its begin (times), or than those that were visible when
// it first wrote to the table (everything else: sequences). So a time goes
// back by the age of the oldest open transaction, and by standstill. Elsewhere,
// and where the role may not see how old transactions are, it is the bookmark
// before this one, provided that none of the transactions that were open then
// still is.
type late struct {
	Snapshot string `json:"snapshot"` // xmin:xmax:xip,…
	// Back is how many µs below the bookmark late keys may be; 0: From says it.
	Back int64 `json:"back_us,omitempty"`
	// From is the least key that may come late; nil is not known.
	From json.RawMessage `json:"from,omitempty"`
	Open []string        `json:"open,omitempty"` // virtual transactions that were open

	begin time.Time // of the oldest, where Back is known
	quiet time.Time // when nothing was seen to be open; zero: something was
}

//go:embed late.sql
var lateSQL string

// look is what can be seen of other transactions.
type look struct {
	snapshot string
	at       time.Time
	standby  bool
	open     []string
	oldest   *time.Time // when the oldest of open began; nil: not known
	gone     bool       // a transaction that the snapshot calls open has ended since
	heap     bool       // rows have an xmin
}

// look looks once. It is blind on a server that only speaks like PostgreSQL
// and has no transactions to look at.
func (r *reader) look(ctx context.Context) (l look, blind bool, err error) {
	err = r.w.conn.QueryRow(ctx, lateSQL, r.p.rel.oid, r.p.timed()).Scan(&l.snapshot, &l.at, &l.standby, &l.open, &l.oldest, &l.gone, &l.heap)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "42") || pg.Code == "0A000") {
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: this server does not show open transactions (%s), so rows that are committed late may be missed; see incremental_lookback", r.p.id, pg.Message)
		return l, true, nil
	}
	if err != nil {
		err = fmt.Errorf("look for open transactions: %w", explain(err, r.p))
	}
	return l, false, err
}

// timed says that replication keys are times.
func (p *plan) timed() bool {
	switch p.keyType() {
	case pgtype.DateOID, pgtype.TimestampOID, pgtype.TimestamptzOID:
		return true
	}
	return false
}

func (p *plan) keyType() uint32 {
	oid, _ := p.db.resolve(p.key.typ, -1)
	return oid
}

// standstill is how long a backend may stand still, on a busy machine, between
// taking the time of its begin and showing its transaction to others.
const standstill = 10 * time.Second

// latecomers is what the run's bookmarks say of transactions that are open at
// its snapshot, nil if there are none. before was looked ahead of it, now in it.
func (p *plan) latecomers(before, now look) *late {
	if !now.heap {
		return nil
	}
	open := slices.Compact(slices.Sorted(slices.Values(slices.Concat(before.open, now.open))))
	quiet := len(open) == 0 && (p.timed() && before.snapshot == now.snapshot || !p.timed() && !now.gone)
	if now.standby { // the primary's transactions show in the snapshot only
		xmin, xmax := bounds(now.snapshot)
		quiet = xmin == xmax
	}
	if quiet && (now.standby || !p.timed()) {
		return nil
	}
	l := &late{Snapshot: now.snapshot, Open: now.open}
	if quiet {
		l.quiet = now.at
	}
	known := (len(before.open) == 0 || before.oldest != nil) && (len(now.open) == 0 || now.oldest != nil)
	if p.timed() && known && !now.standby {
		begin := before.at
		for _, t := range []*time.Time{before.oldest, now.oldest} {
			if t != nil && t.Before(begin) {
				begin = *t
			}
		}
		begin = begin.Add(-standstill)
		l.Back, l.Open, l.begin = now.at.Sub(begin).Microseconds(), nil, begin
		return l
	}
	if p.resumed {
		if l.From = p.mark.Value; p.late != nil && p.late.lasts(before) {
			l.From = p.late.From
		}
	}
	return l
}

// anyZone is how far apart two clocks may be that show no time zone.
const anyZone = 26 * time.Hour

// lateBelow is what may come below a bookmark with the given key, nil for nothing.
func (p *plan) lateBelow(key string) *late {
	if p.open == nil || p.open.Back == 0 {
		return p.open
	}
	at, ok := row.ParseTimestamp([]byte(key))
	micros, exact := at.Micros()
	if !ok || !exact {
		return p.open
	}
	zoned := p.keyType() == pgtype.TimestamptzOID
	last := time.UnixMicro(micros).Add(sinceUnix)
	begin := p.open.begin
	if !zoned {
		begin = begin.Add(-anyZone)
	}
	if last.Before(begin) || !p.open.quiet.IsZero() && !justBefore(p.open.quiet, last, zoned) {
		return nil // what is open writes greater keys
	}
	return p.open
}

// sinceUnix is from 1970, where Go's microseconds begin, to 2000, where PostgreSQL's do.
const sinceUnix = 946684800 * time.Second

// justBefore says that key may be a time within standstill before now. One
// that shows no zone may be off by any number of quarters of an hour.
func justBefore(now, key time.Time, zoned bool) bool {
	age := now.Sub(key)
	if zoned {
		return age >= 0 && age <= standstill
	}
	const quarter = 15 * time.Minute
	return age.Abs() <= 2*anyZone && (age%quarter+quarter)%quarter <= standstill
}

// lasts says that a transaction that was open then may still be.
func (l *late) lasts(now look) bool {
	if now.standby {
		xmin, _ := bounds(now.snapshot)
		_, xmax := bounds(l.Snapshot)
		return xmax > xmin
	}
	return slices.ContainsFunc(now.open, func(t string) bool { // a prepared one had another name before
		return strings.HasPrefix(t, "-1/") || slices.Contains(l.Open, t)
	})
}

// bounds are a snapshot's xmin and xmax.
func bounds(snapshot string) (xmin, xmax int64) {
	parts := strings.SplitN(snapshot, ":", 3)
	if len(parts) == 3 {
		xmin, _ = strconv.ParseInt(parts[0], 10, 64)
		xmax, _ = strconv.ParseInt(parts[1], 10, 64)
	}
	return xmin, xmax
}

// copyLate reads the rows below the bookmark that its snapshot did not see.
func (p *plan) copyLate(now look) string {
	key, kind := p.qualified(), p.db.castType(p.key.typ)
	where := []string{key + " < " + p.start()}
	switch {
	case p.late.Back > 0:
		where = append(where, fmt.Sprintf("%s >= (%s::%[3]s - '%[4]d us'::interval)::%[3]s", key, literal(p.from), kind, p.late.Back))
	case p.late.From != nil:
		if from, ok, err := (bookmark{Value: p.late.From}).text(); ok && err == nil {
			where = append(where, fmt.Sprintf("%s >= %s::%s", key, literal(from), kind))
		}
	}
	xmin, _ := bounds(p.late.Snapshot)
	_, next := bounds(now.snapshot)
	where = append(where, fmt.Sprintf("pg_catalog.age(xmin) <= pg_catalog.age('%d'::xid)", uint32(xmin)))
	if !now.standby { // whose snapshots do not list what is open
		where = append(where, fmt.Sprintf("NOT pg_catalog.txid_visible_in_snapshot(%d - ((%[1]d - xmin::text::int8) & 4294967295), %s)", next, literal(p.late.Snapshot)))
	}
	return p.copy(where, p.qualified(), 0)
}
