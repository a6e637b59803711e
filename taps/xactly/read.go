package xactly

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// reader reads one stream.
type reader struct {
	set     *settings
	api     *api
	rows    *httpapi.Rows
	table   string
	columns []selected
	keys    []int // of columns
	date    int   // of columns, -1 for a full table
	mark    bookmark
	newest  [][]byte // date and key of the newest row sent, as JSON
	read    moment   // that date
	cell    []byte   // the date last looked at, as JSON
	looked  moment   // and as it is
}

// doubtful is how many rows a result may have and be the last one on its own
// word: the service may cap results, and no document says at how many.
const doubtful = 1000

// tries is how often a statement is executed again without a row of progress.
const tries = 3

func (r *reader) query() query {
	q := query{table: r.table, sort: r.keys, limit: r.set.PageSize}
	for _, c := range r.columns {
		q.columns = append(q.columns, c.name)
	}
	return q
}

// dated reads the rows of the window by date and key, from the bookmark on.
func (r *reader) dated(ctx context.Context) error {
	q := r.query()
	q.sort = append([]int{r.date}, r.keys...)
	name := r.columns[r.date].name
	from := name + " >= " + instant(r.set.start)
	if m := r.mark.moment; m.text != "" && (m.at.IsZero() || !m.at.Before(r.set.start)) {
		from = name + " >= " + quoted(m.text)
		if back := m.at.Add(-httpapi.Seconds(r.set.Lookback)); r.set.Lookback > 0 && !m.at.IsZero() {
			from = name + " >= " + quoted(alike(m.text, back))
		} else if len(r.mark.After) > 0 && len(r.mark.After) == len(r.keys) {
			cells := [][]byte{r.mark.Value}
			for _, value := range r.mark.After {
				cells = append(cells, value)
			}
			q.after = r.literals(q, cells)
		}
	}
	q.where = []string{name + " < " + instant(r.set.end)}
	return r.pages(ctx, q, from, r.inWindow, r.advance)
}

// undated reads the rows without a date, by key. They are in no window, and
// their changes leave no trace, so they are read once.
func (r *reader) undated(ctx context.Context) error {
	q := r.query()
	q.where = []string{r.columns[r.date].name + " IS NULL"}
	err := r.pages(ctx, q, "", func(cells [][]byte) bool { return string(cells[r.date]) == "null" }, nil)
	var status *httpapi.StatusError
	if errors.As(err, &status) && status.Status == http.StatusBadRequest {
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: rows without %s, if there are any, were not read: %v", r.table, r.columns[r.date].name, err)
		return nil
	}
	if err == nil {
		r.mark.Undated = true
	}
	return err
}

// inWindow says whether a row belongs to the window, whatever the service
// takes its comparisons for. A date without a zone is the service's business.
func (r *reader) inWindow(cells [][]byte) bool {
	m := r.moment(cells[r.date])
	return !m.zone || !m.at.Before(r.set.start) && m.at.Before(r.set.end)
}

// moment is momentOf, for dates that are looked at several times in a row.
func (r *reader) moment(cell []byte) moment {
	if !bytes.Equal(cell, r.cell) {
		r.cell, r.looked = append(r.cell[:0], cell...), momentOf(cell)
	}
	return r.looked
}

// advance notes up to where rows were sent.
func (r *reader) advance(sorted [][]byte) error {
	if r.newest == nil {
		r.newest = make([][]byte, len(sorted))
	}
	if !bytes.Equal(sorted[0], r.newest[0]) {
		m := r.moment(sorted[0])
		if !m.at.IsZero() && m.at.Before(r.read.at) {
			return fault.New(fault.BadInput, "rows do not come in the order of %s, which they were asked for", r.columns[r.date].name)
		}
		r.read = m
	}
	for n, cell := range sorted {
		r.newest[n] = append(r.newest[n][:0], cell...)
	}
	return nil
}

// full reads a whole table by key.
func (r *reader) full(ctx context.Context) error { return r.pages(ctx, r.query(), "", nil, nil) }

// pages reads q to its end, statement by statement, each from behind the last
// row of the one before; from is where the first begins.
func (r *reader) pages(ctx context.Context, q query, from string, take func([][]byte) bool, pass func([][]byte) error) error {
	for lost := 0; ; {
		p := &pager{r: r, q: q, take: take, pass: pass}
		if from != "" && q.after == nil {
			p.q.where = append([]string{from}, q.where...)
		}
		err := p.read(ctx)
		if err != nil && !errors.Is(err, errLost) {
			return err
		}
		lost++
		if p.behind != nil {
			after := r.literals(q, p.behind)
			if strings.Join(after, ",") == strings.Join(q.after, ",") {
				return fault.New(fault.BadInput, "the service gives the same rows again and again: it does not heed the condition by which pages follow each other")
			}
			q.after, lost = after, 0
		}
		if err := r.rows.Flush(ctx, r.table); err != nil {
			return err
		}
		if pass != nil && r.newest != nil {
			r.pin()
			if err := r.position(); err != nil {
				return err
			}
		}
		switch {
		case lost == tries:
			return fmt.Errorf("%d times in a row: %w", tries, err)
		case err != nil: // once more, from behind the last row
		case !p.full():
			return nil
		case p.behind == nil:
			return fault.New(fault.BadConfig, "%d rows are the same in %s, by which pages follow each other", p.count, names(r.columns, q.sort)).
				WithHint("raise page_size, or name columns that tell rows apart as keys of the stream in the setting tables")
		}
	}
}

// pin moves the bookmark to the last row sent, unless it stands further.
func (r *reader) pin() {
	if r.read.at.Before(r.mark.moment.at) {
		return // in the look-back
	}
	r.mark.moment, r.mark.After = r.read, nil
	if r.set.Lookback == 0 {
		for _, cell := range r.newest[1:] {
			r.mark.After = append(r.mark.After, json.RawMessage(bytes.Clone(cell)))
		}
	}
}

// literals are cells of the sorted columns as a statement has them.
func (r *reader) literals(q query, cells [][]byte) []string {
	var out []string
	for n, i := range q.sort {
		if i == r.date {
			out = append(out, quoted(momentOf(cells[n]).text))
		} else {
			out = append(out, literal(cells[n], r.columns[i].kind))
		}
	}
	return out
}

func names(columns []selected, at []int) string {
	var out []string
	for _, i := range at {
		out = append(out, columns[i].name)
	}
	return strings.Join(out, ", ")
}
