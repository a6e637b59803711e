package rest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// reader reads one stream from where it stands to its end.
type reader struct {
	src     *source
	set     *settings
	client  *httpapi.Client
	rows    *httpapi.Rows
	from    httpapi.Mark   // the bookmark it started from
	high    httpapi.Mark   // the greatest replication value so far
	last    httpapi.Mark   // of sorted streams, the value before
	empty   *tally         // answers that count as empty, by status
	spool   *httpapi.Spool // of a window that may prove too large
	passed  int            // parents that were read
	skipped int            // parents that were skipped, as on_error says
	first   error          // of those
}

// tally counts by status; requests of several goroutines add to it.
type tally struct {
	mu sync.Mutex
	of map[int]int
}

func newTally() *tally { return &tally{of: map[int]int{}} }

func (t *tally) add(code int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.of[code]++
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

// sending is an error of the way to the destination, which no policy skips.
type sending struct{ error }

func (s *sending) Unwrap() error { return s.error }

func sent(err error) error {
	if err == nil {
		return nil
	}
	return &sending{err}
}

// skippable says that a policy may pass over an error: not over the user's own
// mistake or a refused login, which the other streams share, and not over what
// happened on the way to the destination.
func skippable(ctx context.Context, err error) bool {
	var s *sending
	return ctx.Err() == nil && !errors.As(err, &s) && fault.CodeOf(err) != fault.BadConfig
}

func (r *reader) read(ctx context.Context) error {
	if r.src.halves() {
		var err error
		if r.spool, err = httpapi.NewSpool(); err != nil {
			return err
		}
		defer r.spool.Close()
	}
	for work := r.slices(); len(work) > 0; {
		s := work[0]
		work = work[1:]
		err := r.whole(ctx, s)
		var much *tooMuch
		if errors.As(err, &much) {
			halves, err := r.halve(s, much)
			if err != nil {
				return err
			}
			work = append(halves, work...)
			continue
		}
		if err != nil {
			return err
		}
		if err := r.rows.Flush(ctx, r.src.Path); err != nil {
			return sent(err)
		}
		if err := r.position(); err != nil {
			return sent(err)
		}
	}
	r.say(ctx)
	if r.rows.Count == 0 {
		switch r.src.OnEmpty {
		case "fail":
			return fault.New(fault.Failed, "no records came, and on_empty is fail")
		case "warn":
			zerolog.Ctx(ctx).Warn().Msgf("stream %q: no records came", r.src.Name)
		}
	}
	return sent(r.rows.End(ctx))
}

// say tells what was passed over, with its count.
func (r *reader) say(ctx context.Context) {
	log := zerolog.Ctx(ctx).Warn
	for code, n := range r.empty.of {
		log().Msgf("stream %q: %d requests were answered %d and count as empty, as on_status says", r.src.Name, n, code)
	}
	if r.skipped > 0 {
		log().Msgf("stream %q: %d of %d parents were skipped, as on_error says, and its bookmark stays where it was; the first: %s", r.src.Name, r.skipped, r.passed, r.set.secrets.Hide(r.first.Error()))
	}
}

// whole reads one slice.
func (r *reader) whole(ctx context.Context, s slice) error {
	high, last := r.high, r.last
	err := r.each(ctx, s)
	if r.spool == nil {
		return err
	}
	if err != nil {
		r.high, r.last = high, last
		return errors.Join(err, r.spool.Forget())
	}
	return r.spool.Each(func(place string, record, more []byte) error {
		return sent(r.rows.Append(ctx, place, record, more))
	})
}

// each reads one slice, of each parent where there are parents.
func (r *reader) each(ctx context.Context, s slice) error {
	if r.src.parent == nil || r.src.Concurrency == 1 {
		return r.contexts(ctx, r.src, func(vars variables, more []byte) error {
			p := r.pages(vars, s)
			return r.parent(ctx, r.judged(s, p.each(ctx, r.page(s, more))))
		})
	}
	return r.together(ctx, s)
}

// parent counts a parent that was read, and skips one that failed where
// on_error says so.
func (r *reader) parent(ctx context.Context, err error) error {
	var much *tooMuch
	r.passed++
	if err == nil || r.src.OnError != skipParent || errors.As(err, &much) || !skippable(ctx, err) {
		return err
	}
	if r.skipped++; r.first == nil {
		r.first = err
	}
	return nil
}

func (r *reader) pages(vars variables, s slice) *pages {
	p := &pages{src: r.src, set: r.set, client: r.client, vars: windowed(vars, r.src, s)}
	if r.halvable(s) {
		p.once = r.much
	}
	return p
}

// position says how far the stream is read: to the greatest value seen. Rows
// that have this very value are asked for again, so it is not exact
// (invariant 4).
func (r *reader) position() error {
	if r.src.ReplicationKey == "" || r.skipped > 0 {
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

// page sends the records of a page that lie in s; more are members to add.
func (r *reader) page(s slice, more []byte) func(context.Context, *page, int) (int, error) {
	all := 0 // records of all pages
	return func(ctx context.Context, pg *page, number int) (int, error) {
		if pg.res == nil {
			r.empty.add(pg.code)
			return 0, nil
		}
		place := fmt.Sprintf("%s, page %d", pg.res.Place, number)
		n := 0
		err := r.records(pg, func(record []byte) error {
			n++
			value, err := r.rows.Look(record)
			if err != nil {
				return fmt.Errorf("record %d at %s: %w", n, r.src.records, err)
			}
			wanted, err := r.wanted(value, s)
			if err != nil || !wanted {
				return err
			}
			if r.spool != nil {
				return sent(r.spool.Add(place, record, more))
			}
			return sent(r.rows.Append(ctx, place, record, more))
		})
		all += n
		if err == nil && r.spool != nil {
			err = r.capped(pg, all)
		}
		if err != nil || r.spool != nil {
			return n, err
		}
		if err := r.rows.Flush(ctx, place); err != nil {
			return n, sent(err)
		}
		if r.src.Sorted {
			return n, sent(r.position())
		}
		return n, nil
	}
}

// records calls visit with each record of a page.
func (r *reader) records(pg *page, visit func(record []byte) error) (err error) {
	if pg.res == nil {
		r.empty.add(pg.code)
		return nil
	}
	if *r.src.Flatten || r.src.raw {
		inner, f := visit, newFlattener(r.src)
		visit = func(record []byte) error {
			flat, err := f.record(record)
			if err != nil {
				return err
			}
			return inner(flat)
		}
	}
	if r.src.lastOf != nil {
		inner := visit
		visit = func(record []byte) error {
			pg.last = append(pg.last[:0], record...)
			return inner(record)
		}
	}
	switch r.src.Response {
	case asCSV:
		err = httpapi.CSV(pg.res.Reader(), rune(r.src.Delimiter[0]), r.src.cell, visit)
	case asNDJSON:
		err = httpapi.Lines(pg.res.Reader(), visit)
	case asXML:
		err = httpapi.XMLRecords(pg.res.Reader(), r.src.records, r.src.Arrays, r.src.cell, visit)
	default:
		err = r.src.records.Records(pg.doc, visit)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", pg.res.Place, err)
	}
	return nil
}

// cell is a text of CSV or XML as the schema wants it: numbers and truth
// values bare, an empty text as null where no text is wanted. What does not
// look like its type stays a text.
func (src *source) cell(dst []byte, column, text string) []byte {
	kind := src.kinds[column]
	switch trimmed := strings.TrimSpace(text); {
	case kind == "":
	case trimmed == "":
		return append(dst, "null"...)
	case (kind == "integer" || kind == "number") && json.Valid([]byte(trimmed)) && strings.Trim(trimmed, "0123456789.+-eE") == "":
		return append(dst, trimmed...)
	case kind == "boolean" && (strings.EqualFold(trimmed, "true") || trimmed == "1"):
		return append(dst, "true"...)
	case kind == "boolean" && (strings.EqualFold(trimmed, "false") || trimmed == "0"):
		return append(dst, "false"...)
	}
	return httpapi.StringCell(dst, column, text)
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
