package edcast

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// slices reads from the bookmark, less the look-back, to the end of the
// window in slices of time: as long as answers allow, halved when one is too
// large or takes too long. A bookmark follows each.
func (r *reader) slices(ctx context.Context) error {
	at, end := r.set.start, r.set.end
	if back := r.from.At.Add(-httpapi.Seconds(r.set.Lookback)); !r.from.At.IsZero() && back.After(at) {
		at = back
	}
	// A slice begins at the last time seen, not where the one before ended: what
	// a growing dataset got meanwhile below that end would be passed over by the
	// first row above it.
	for from, done, width := at, at, end.Sub(at); done.Before(end); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		to := end
		if width < end.Sub(done) {
			to = done.Add(width)
		}
		n, err := r.slice(ctx, from, to)
		if errors.Is(err, errTooMuch) {
			if to.Sub(done) > shortest {
				width = max((to.Sub(done) / 2).Truncate(time.Second), shortest)
			} else {
				from, r.tail = done, tail{} // what is asked for again is too much beside it
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s from %s to %s: %w", r.key, literal(from), literal(to), err)
		}
		if err := r.position(); err != nil {
			return err
		}
		done = to
		switch {
		case to.Sub(from) <= shortest: // its rows may be too many to be asked for with others
			from, r.tail = to, tail{}
		case r.tail.at.After(from):
			from = r.tail.at
		}
		if n < r.set.SliceRows/4 && width < end.Sub(done) {
			width *= 2
		}
	}
	return nil
}

// errTooMuch says that a slice must be halved.
var errTooMuch = errors.New("the slice is too large")

// shortest is a slice that is not halved any more.
const shortest = time.Second

// slice reads the rows of [at, to). None is sent of a slice that must be halved.
func (r *reader) slice(ctx context.Context, at, to time.Time) (int, error) {
	limit, last := r.set.SliceRows, to.Sub(at) <= shortest
	if last {
		limit = mostRows // it cannot be halved
	}
	res, seen, err := r.query(ctx, at, to, limit, 0, last)
	if err != nil {
		if !last && ctx.Err() == nil && tookTooLong(err) {
			return 0, errTooMuch
		}
		return 0, err
	}
	defer res.Close()
	whole := seen.rows < limit && seen.said <= seen.rows
	if whole && seen.rows >= doubtful {
		if whole, err = r.confirmed(ctx, seen, to); err != nil {
			return 0, err
		}
	}
	if !whole && last {
		return 0, fault.New(fault.Failed, "more than %d rows have the same time: Domo gives no more at once, so none is taken", seen.rows)
	}
	if !whole {
		return 0, errTooMuch
	}
	n := seen.rows
	r.equal = map[[16]byte]int{}
	sent := tail{r.tail.at, maps.Clone(r.tail.rows)}
	var record []byte
	var names []string
	var values [][]byte
	if _, err := answer(res.Reader(), func(columns []column, fields []json.RawMessage) error {
		record, names, values = append(record[:0], '{'), names[:0], values[:0]
		for i, raw := range fields {
			if i > 0 {
				record = append(record, ',')
			}
			record = append(append(record, columns[i].json...), ':')
			from := len(record)
			record = r.value(record, columns[i], raw)
			names, values = append(names, columns[i].name), append(values, bytes.Clone(record[from:]))
		}
		when, err := r.inside(names, values, at, to)
		if err != nil || when.IsZero() {
			return err
		}
		id := digest(names, values)
		more := r.hashed(id)
		if when.Equal(sent.at) && sent.rows[id] > 0 {
			sent.rows[id]--
			return nil
		}
		r.tail.add(when, id)
		return r.rows.Add(ctx, res.Place, append(record, '}'), more)
	}); err != nil {
		return 0, fmt.Errorf("%s: %w", res.Place, err)
	}
	return n, r.rows.Flush(ctx, res.Place)
}

// doubtful is how many rows an answer may have without being doubted. The cap
// is documented, not known, and an answer does not say that it was cut.
const doubtful = 1000

// tally is what a first look at an answer says.
type tally struct {
	rows, said int
	last       []byte // the time of the last row
	equal      int    // rows at the end that have it
}

// query asks for rows of [at, to) and counts them. Unless it is the last
// resort, a query that takes too long is not repeated.
func (r *reader) query(ctx context.Context, at, to time.Time, limit, offset int, last bool) (*httpapi.Response, tally, error) {
	var seen tally
	sql := fmt.Sprintf("SELECT * FROM table WHERE %s >= '%s' AND %s < '%s' ORDER BY %s LIMIT %d",
		quoted(r.key), literal(at), quoted(r.key), literal(to), quoted(r.key), limit)
	if offset > 0 {
		sql += fmt.Sprintf(" OFFSET %d", offset)
	}
	body, err := json.Marshal(map[string]string{"sql": sql})
	if err != nil {
		return nil, seen, err
	}
	req := &httpapi.Request{Method: "POST", URL: r.set.at("v1", "datasets", "query", "execute", r.id), Body: body,
		Header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}}
	if !last {
		req.Once = tookTooLong
	}
	res, err := r.client.Do(ctx, req)
	if err != nil {
		return nil, seen, err
	}
	seen.said, err = answer(res.Reader(), func(columns []column, fields []json.RawMessage) error {
		i := slices.IndexFunc(columns, func(c column) bool { return c.name == r.key })
		if i < 0 {
			return errNoTime(r.key)
		}
		if seen.rows++; !bytes.Equal(seen.last, fields[i]) {
			seen.last, seen.equal = append(seen.last[:0], fields[i]...), 0
		}
		seen.equal++
		return nil
	})
	if err != nil {
		res.Close()
		return nil, seen, fmt.Errorf("%s: %w", res.Place, err)
	}
	return res, seen, nil
}

// confirmed says whether nothing follows the last row of an answer: asked
// from that row's time on for what comes after those that were given, the
// server has none.
func (r *reader) confirmed(ctx context.Context, seen tally, to time.Time) (bool, error) {
	m := httpapi.ParseMark(r.value(nil, column{name: r.key, kind: "DATETIME"}, seen.last), "")
	if m.At.IsZero() || !m.At.Before(to) {
		return true, nil // inside will say what is wrong with it
	}
	res, rest, err := r.query(ctx, m.At, to, 1, seen.equal, true)
	if err != nil {
		return false, err
	}
	res.Close()
	return rest.rows == 0, nil
}

func errNoTime(key string) error {
	return fault.New(fault.BadInput, "the answer lacks the column %q", key).WithHint("the dataset changed: run discovery again")
}

// tookTooLong says whether a query was given up for the time it takes.
func tookTooLong(err error) bool {
	var status *httpapi.StatusError
	if errors.As(err, &status) && status.Status != http.StatusTooManyRequests {
		text := strings.ToLower(status.Body)
		if strings.Contains(text, "timeout") || strings.Contains(text, "timed out") || strings.Contains(text, "time-out") {
			return true
		}
	}
	return httpapi.TimedOut(err)
}
