package xactly

import (
	"bytes"
	"context"
	"fmt"

	"elt/internal/fault"
	"elt/internal/singer"
)

// pager reads the result of one statement. Rows that sort the same stay
// together, and those at the end of a full result are left for the next one,
// which begins behind the row before them: no row is lost at a border, even if
// the key is not as unique as it should be.
type pager struct {
	r     *reader
	q     query
	take  func(cells [][]byte) bool   // whether a row is meant; nil: all are
	pass  func(sorted [][]byte) error // is told of rows that were sent; may be nil
	place string

	collect func(cell []byte) error
	count   int      // rows of the result
	behind  [][]byte // the sorted cells of the newest rows that are done with, nil when there are none
	cells   [][]byte // of the current row
	held    int      // rows in wait
	sorted  [][]byte // their sorted cells
	wait    []byte   // their records, those that are meant
	ends    []int    // of these
}

// read reads the whole result.
func (p *pager) read(ctx context.Context) error {
	at, err := p.r.api.execute(ctx, p.q.String())
	if err != nil {
		return err
	}
	total := -1
	for start := 0; total < 0 || start < total; {
		n, said, err := p.r.api.piece(ctx, at, start, p.q.limit-start, func(place string, n int, row []byte) error {
			if err := p.parse(place, n, row); err != nil {
				return err
			}
			p.place = place
			return p.row(ctx, start+n)
		})
		if err != nil {
			return err
		}
		said = min(said, p.q.limit) // a service may count what LIMIT leaves out
		if total >= 0 && said != total || n == 0 && start < said || start+n > said {
			return lostRows(max(total, said), said, n, start)
		}
		total, start = said, start+n
	}
	if p.count = total; p.full() {
		return nil // the rows in wait come again
	}
	return p.send(ctx)
}

func lostRows(had, has, n, start int) error {
	return fmt.Errorf("%w: it had %d rows and has %d, and gave %d from %d on", errLost, had, has, n, start)
}

// parse finds the cells of a row; n is its place in the answer.
func (p *pager) parse(place string, n int, row []byte) error {
	if p.collect == nil {
		p.collect = func(cell []byte) error { p.cells = append(p.cells, cell); return nil }
	}
	p.cells = p.cells[:0]
	if row[0] != '[' {
		return shapeError(place, "$.data.rows[%d] is no array", n)
	}
	if err := singer.EachElement(row, p.collect); err != nil {
		return shapeError(place, "$.data.rows[%d] is no JSON", n)
	}
	if len(p.cells) != len(p.r.columns) {
		return shapeError(place, "$.data.rows[%d] has %d values for %d columns", n, len(p.cells), len(p.r.columns))
	}
	return nil
}

// full says whether more rows may follow.
func (p *pager) full() bool { return p.count >= min(p.q.limit, doubtful) }

func shapeError(place, format string, args ...any) error {
	return fault.New(fault.BadInput, "%s: "+format, append([]any{place}, args...)...).WithHint("the shape of the answer changed, or the columns of the stream are others than the table's")
}

// row takes the current row; n is its place in the result.
func (p *pager) row(ctx context.Context, n int) error {
	same := p.held > 0
	for s, i := range p.q.sort {
		if string(p.cells[i]) == "null" {
			return fault.New(fault.BadInput, "row %d of the result has no %s, by which rows are told apart", n, p.q.columns[i]).
				WithHint("name other key columns for the stream in the setting tables")
		}
		same = same && bytes.Equal(p.cells[i], p.sorted[s])
	}
	if !same {
		if err := p.send(ctx); err != nil {
			return err
		}
		if p.sorted == nil {
			p.sorted = make([][]byte, len(p.q.sort))
		}
		for s, i := range p.q.sort {
			p.sorted[s] = append(p.sorted[s][:0], p.cells[i]...)
		}
	}
	p.held++
	if p.take != nil && !p.take(p.cells) {
		return nil
	}
	last, from := 0, len(p.wait)
	if k := len(p.ends); k > 1 {
		last = p.ends[k-2]
	}
	p.wait = p.r.append(p.wait, p.cells)
	if len(p.ends) > 0 && len(p.r.keys) > 0 && !bytes.Equal(p.wait[last:from], p.wait[from:]) {
		return fault.New(fault.BadConfig, "rows that differ have the same key, %s: a target that merges by it would keep only one of them", names(p.r.columns, p.r.keys)).
			WithHint("name key columns that tell them apart for the stream in the setting tables")
	}
	p.ends = append(p.ends, len(p.wait))
	return nil
}

// send sends the rows in wait.
func (p *pager) send(ctx context.Context) error {
	if p.held == 0 {
		return nil
	}
	if p.pass != nil && len(p.ends) > 0 {
		if err := p.pass(p.sorted); err != nil {
			return err
		}
	}
	from := 0
	for _, end := range p.ends {
		if err := p.r.rows.AddDeclared(ctx, p.place, p.wait[from:end]); err != nil {
			return err
		}
		from = end
	}
	p.held, p.wait, p.ends = 0, p.wait[:0], p.ends[:0]
	p.behind, p.sorted = p.sorted, p.behind
	return nil
}
