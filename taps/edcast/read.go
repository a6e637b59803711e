package edcast

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
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
