package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps/httpapi"
)

// reader reads one stream from where it stands to its end.
type reader struct {
	src    *source
	set    *settings
	client *httpapi.Client
	rows   *httpapi.Rows
	from   httpapi.Mark // the bookmark it started from
	high   httpapi.Mark // the greatest replication value so far
	last   httpapi.Mark // of sorted streams, the value before
	empty  map[int]int  // answers that count as empty, by status
}

// span of time that is asked for at once; zero ends are open. What lies
// outside is left out, whatever the API thinks of its own bounds.
type slice struct {
	start, end time.Time
	// least is the bookmark of a replication key that is no time.
	least httpapi.Mark
	// until is what {{ end }} says where the end is open: now.
	until time.Time
}

// unit is what a number in the replication key counts.
func (src *source) unit() string {
	return map[string]string{"unix": "s", "unix_ms": "ms"}[src.Window.Format]
}

func (r *reader) read(ctx context.Context) error {
	for _, s := range r.slices() {
		err := r.contexts(ctx, r.src, func(vars variables, more []byte) error {
			return r.slice(ctx, s, vars, more)
		})
		if err != nil {
			return err
		}
		if err := r.rows.Flush(ctx, r.src.Path); err != nil {
			return err
		}
		if err := r.position(); err != nil {
			return err
		}
	}
	for code, n := range r.empty {
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: %d requests were answered %d and count as empty, as on_status says", r.src.Name, n, code)
	}
	if r.rows.Count == 0 {
		switch r.src.OnEmpty {
		case "fail":
			return fault.New(fault.Failed, "no records came, and on_empty is fail")
		case "warn":
			zerolog.Ctx(ctx).Warn().Msgf("stream %q: no records came", r.src.Name)
		}
	}
	return r.rows.End(ctx)
}

// position says how far the stream is read: to the greatest value seen. Rows
// that have this very value are asked for again, so it is not exact
// (invariant 4).
func (r *reader) position() error {
	if r.src.ReplicationKey == "" {
		return nil
	}
	mark := r.high
	if mark.Less(r.from) {
		mark = r.from
	}
	if mark.IsZero() {
		return nil
	}
	return r.rows.Position(mark, false)
}

// slices cuts the window from the bookmark, less the look-back, to end_date.
func (r *reader) slices() []slice {
	s := slice{start: r.src.start, end: r.set.end, until: r.set.now}
	switch {
	case !r.from.At.IsZero():
		if at := r.from.At.Add(-r.src.lookback); at.After(s.start) {
			s.start = at
		}
	case !r.from.IsZero():
		s.least = r.from
	}
	if !s.end.IsZero() {
		s.until = s.end
	}
	if !s.end.IsZero() && !s.start.Before(s.end) {
		return nil // the bookmark lies behind end_date: all was read
	}
	if r.src.slice == 0 || s.start.IsZero() {
		return []slice{s}
	}
	var all []slice
	for at := s.start; ; {
		end := at.Add(r.src.slice)
		if !end.Before(s.until) {
			return append(all, slice{start: at, end: s.end, until: s.until})
		}
		all = append(all, slice{start: at, end: end, until: end})
		at = end
	}
}

// contexts calls visit once for a stream without parent, else once per record
// of the parent, with variables parent.NAME and members to add to each record.
// The parent is read in full, since an old record may have new children.
func (r *reader) contexts(ctx context.Context, src *source, visit func(vars variables, more []byte) error) error {
	base := variables{"start": nil, "end": nil}
	for name, value := range r.set.Variables {
		text, err := plain(value)
		if err != nil {
			return err
		}
		base[name] = text
	}
	if src.parent == nil {
		return visit(base, nil)
	}
	up := &reader{src: src.parent, set: r.set, client: r.client, empty: r.empty}
	whole := slice{start: src.parent.start, until: r.set.now}
	return up.contexts(ctx, src.parent, func(vars variables, _ []byte) error {
		var below error // of visit, which is no fault of the parent
		p := &pages{src: src.parent, set: r.set, client: r.client, vars: windowed(vars, src.parent, whole)}
		err := p.each(ctx, func(ctx context.Context, pg *page, _ int) (int, error) {
			n := 0
			return n, up.records(pg, func(record []byte) error {
				n++
				own, more, err := src.child(vars, record)
				if err == nil {
					below = visit(own, more)
					err = below
				}
				return err
			})
		})
		if below != nil || err == nil {
			return below
		}
		return fmt.Errorf("parent %q: %w", src.parent.Name, err)
	})
}

// child is what a record of the parent gives to the requests and the records
// of its children.
func (src *source) child(vars variables, record []byte) (variables, []byte, error) {
	own := maps.Clone(vars)
	err := singer.EachMember(record, func(key string, value []byte) error {
		switch value[0] {
		case '{', '[':
		case 'n':
			own["parent."+key] = nil
		default:
			own["parent."+key] = httpapi.Text(value)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var more []byte
	for _, name := range slices.Sorted(maps.Keys(src.fields)) {
		value, err := src.fields[name].Value(record)
		if err != nil {
			return nil, nil, err
		}
		if value == nil {
			value = []byte("null")
		}
		if more != nil {
			more = append(more, ',')
		}
		more = append(append(row.AppendJSONString(more, []byte(name)), ':'), value...)
	}
	return own, more, nil
}

// windowed are vars with start and end of s.
func windowed(vars variables, src *source, s slice) variables {
	own := maps.Clone(vars)
	own["start"], own["end"] = nil, nil
	if !s.start.IsZero() {
		own["start"] = src.instant(s.start)
	} else if !s.least.IsZero() {
		own["start"] = s.least.Text()
	}
	if !s.until.IsZero() {
		own["end"] = src.instant(s.until)
	}
	return own
}

// instant is a time as the API writes it.
func (src *source) instant(t time.Time) any {
	t = t.UTC()
	switch src.Window.Format {
	case "date":
		return t.Format(time.DateOnly)
	case "datetime":
		return t.Format(time.DateTime)
	case "unix":
		return json.Number(strconv.FormatInt(t.Unix(), 10))
	case "unix_ms":
		return json.Number(strconv.FormatInt(t.UnixMilli(), 10))
	}
	return t.Format(time.RFC3339Nano)
}

func (r *reader) slice(ctx context.Context, s slice, vars variables, more []byte) error {
	p := &pages{src: r.src, set: r.set, client: r.client, vars: windowed(vars, r.src, s)}
	return p.each(ctx, func(ctx context.Context, pg *page, number int) (int, error) {
		if pg.res == nil {
			r.empty[pg.code]++
			return 0, nil
		}
		place := fmt.Sprintf("%s, page %d", pg.res.Place, number)
		n := 0
		err := r.records(pg, func(record []byte) error {
			n++
			value, err := r.rows.Look(record)
			if err != nil {
				return err
			}
			wanted, err := r.wanted(value, s)
			if err != nil || !wanted {
				return err
			}
			return r.rows.Append(ctx, place, record, more)
		})
		if err != nil {
			return n, err
		}
		if err := r.rows.Flush(ctx, place); err != nil || !r.src.Sorted {
			return n, err
		}
		return n, r.position()
	})
}

// records calls visit with each record of a page.
func (r *reader) records(pg *page, visit func(record []byte) error) (err error) {
	switch {
	case pg.res == nil:
		r.empty[pg.code]++
		return nil
	case r.src.Response == asCSV:
		err = httpapi.CSV(pg.res.Reader(), rune(r.src.Delimiter[0]), httpapi.StringCell, visit)
	case r.src.Response == asNDJSON:
		err = httpapi.Lines(pg.res.Reader(), visit)
	default:
		err = r.src.records.Records(pg.doc, visit)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", pg.res.Place, err)
	}
	return nil
}

// wanted notes a record's replication value and says whether it lies in the
// slice, its start included and its end not. A record without a value, or
// with one that is no time, is never left out.
func (r *reader) wanted(value []byte, s slice) (bool, error) {
	if r.src.ReplicationKey == "" {
		return true, nil
	}
	if value == nil {
		return false, fault.New(fault.BadInput, "a record lacks the replication key %q", r.src.ReplicationKey).WithKind(fault.KindShape).WithHint("the shape of the answer changed, or replication_key is wrong")
	}
	m := httpapi.ParseMark(value, r.src.unit())
	if m.IsZero() {
		return true, nil
	}
	if r.src.Sorted && m.Less(r.last) {
		return false, fault.New(fault.BadInput, "the records are not sorted by %q, as sorted promises: %s comes after %s", r.src.ReplicationKey, m.JSON, r.last.JSON)
	}
	r.last = m
	switch {
	case m.At.IsZero():
		if m.Less(s.least) {
			return false, nil
		}
	case !s.start.IsZero() && m.At.Before(s.start), !s.end.IsZero() && !m.At.Before(s.end):
		return false, nil
	}
	if r.high.Less(m) {
		r.high = m
	}
	return true, nil
}

// digest tells pages apart, "" where that cannot be told.
func digest(pg *page) string {
	if pg.doc == nil {
		return ""
	}
	sum := sha256.Sum256(pg.doc)
	return string(sum[:])
}
