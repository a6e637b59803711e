package edcast

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// mostRows is what Domo's documentation caps the rows of a query at.
const mostRows = 1000000

// reader reads one stream.
type reader struct {
	set    *settings
	client *httpapi.Client
	rows   *httpapi.Rows
	id     string            // of the dataset, "" for the list of all
	types  map[string]string // Domo's, by column
	keyed  bool              // rows get a hash as their key
	key    string            // replication key, "" for a full table
	from   httpapi.Mark
	high   httpapi.Mark
	equal  map[[16]byte]int // how often the same row came in this slice
	tail   tail             // of the slices before
}

// tail are the rows of the greatest time that were sent: the next slice begins
// with them.
type tail struct {
	at   time.Time
	rows map[[16]byte]int
}

// add notes a row that was sent.
func (t *tail) add(at time.Time, id [16]byte) {
	if at.After(t.at) || t.rows == nil {
		t.at, t.rows = at, map[[16]byte]int{}
	}
	if at.Equal(t.at) {
		t.rows[id]++
	}
}

func (r *reader) list(ctx context.Context) error {
	return r.set.pages(ctx, r.client,
		func(place string, item []byte) error { return r.rows.Add(ctx, place, item, nil) },
		func(place string) error { return r.rows.Flush(ctx, place) })
}

// export reads the whole dataset as CSV.
func (r *reader) export(ctx context.Context) error {
	u := r.set.at("v1", "datasets", r.id, "data")
	u.RawQuery = "includeHeader=true&fileName=export.csv"
	res, err := r.client.Do(ctx, &httpapi.Request{Method: "GET", URL: u, Header: http.Header{"Accept": {"text/csv"}}})
	if err != nil {
		return err
	}
	defer res.Close()
	r.equal = map[[16]byte]int{}
	first := true
	var names []string
	var texts [][]byte
	value := func(dst []byte, column, text string) []byte {
		at := len(dst)
		dst = cell(dst, r.types[column], []byte(text), true)
		names, texts = append(names, column), append(texts, bytes.Clone(dst[at:]))
		return dst
	}
	err = httpapi.CSV(res.Reader(), ',', value, func(record []byte) error {
		if first && !slices.ContainsFunc(names, func(n string) bool { return r.types[n] != "" }) {
			return fault.New(fault.BadInput, "the export has no header with the dataset's columns")
		}
		first = false
		more := r.hashed(digest(names, texts))
		names, texts = names[:0], texts[:0]
		return r.rows.Add(ctx, res.Place, record, more)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", res.Place, err)
	}
	return r.rows.Flush(ctx, res.Place)
}

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

// position says how far the stream is read: to the greatest time seen. Rows
// of this very time are read again, so it is not exact (invariant 4).
func (r *reader) position() error {
	mark := r.high
	if mark.Less(r.from) {
		mark = r.from
	}
	if mark.IsZero() {
		return nil
	}
	return r.rows.Position(mark, false)
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

// inside notes the row's time and returns it; zero when it lies outside of
// [at, to), whatever the server takes its comparisons for.
func (r *reader) inside(names []string, values [][]byte, at, to time.Time) (time.Time, error) {
	var none time.Time
	i := slices.Index(names, r.key)
	if i < 0 {
		return none, errNoTime(r.key)
	}
	m := httpapi.ParseMark(values[i], "")
	if m.At.IsZero() {
		return none, fault.New(fault.BadInput, "a row has %s as its %s, which is no time", kindOf(values[i]), r.key)
	}
	if m.At.Before(at) || !m.At.Before(to) {
		return none, nil
	}
	if r.high.Less(m) {
		r.high = m
	}
	return m.At, nil
}

func kindOf(value []byte) string {
	if string(value) == "null" {
		return "nothing"
	}
	return "a text or a number"
}

func (r *reader) value(dst []byte, c column, raw json.RawMessage) []byte {
	domo := r.types[c.name]
	if domo == "" {
		domo = c.kind
	}
	switch {
	case string(raw) == "null":
		return append(dst, "null"...)
	case raw[0] == '"':
		return cell(dst, domo, []byte(httpapi.Text(raw)), true)
	case raw[0] == '{', raw[0] == '[':
		return append(dst, raw...)
	}
	return cell(dst, domo, raw, false)
}

// hashed is the member with the row's hash; a row that is the same as another
// of its slice gets a number, so that neither is lost.
func (r *reader) hashed(id [16]byte) []byte {
	if !r.keyed {
		return nil
	}
	text := hex.EncodeToString(id[:])
	if r.equal[id]++; r.equal[id] > 1 {
		text += fmt.Sprintf("-%d", r.equal[id])
	}
	return []byte(`"` + rowHash + `":"` + text + `"`)
}

// digest is of all columns that have a value, whatever their order.
func digest(names []string, values [][]byte) [16]byte {
	order := make([]int, len(names))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(names[a], names[b]) })
	sum := sha256.New()
	for _, i := range order {
		if string(values[i]) != "null" {
			part(sum, []byte(names[i]))
			part(sum, values[i])
		}
	}
	return [16]byte(sum.Sum(nil))
}

// part hashes a text with its length, so that texts cannot run together.
func part(sum hash.Hash, text []byte) {
	fmt.Fprintf(sum, "%d:", len(text)) // a hash never fails
	sum.Write(text)
}

// column is one of an answer.
type column struct {
	name, kind string
	json       []byte // the name as JSON
}
