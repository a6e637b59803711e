package xactly

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/rs/zerolog"

	"elt/internal/fault"
)

// whole reads a table without key and date by one statement, since there is
// nothing to go on from: sorted by all columns, so that a result that is lost
// on the way can be executed again and passed over up to the row that was sent
// last. Rows that changed meanwhile fail the stream: nothing else can be told
// from them.
func (r *reader) whole(ctx context.Context) error {
	q := r.query()
	q.limit = 0
	statement := q.String() + " ORDER BY " + strings.Join(q.columns, ", ")
	seed := maphash.MakeSeed()
	sent, total, sum := 0, -1, uint64(0)
	for lost := 0; ; {
		before := sent
		err := r.snapshot(ctx, statement, seed, &sent, &total, &sum)
		if !errors.Is(err, errLost) {
			return err
		}
		if lost++; sent > before {
			lost = 0
		}
		if lost == tries {
			return fmt.Errorf("%d times in a row: %w", tries, err)
		}
		zerolog.Ctx(ctx).Info().Msgf("stream %q: %v: it is executed again", r.table, err)
	}
}

// snapshot reads the result of a statement. sent, total and sum are how many
// rows were sent, of how many, and what they hash to.
func (r *reader) snapshot(ctx context.Context, statement string, seed maphash.Seed, sent, total *int, sum *uint64) error {
	changed := func() error {
		return fault.New(fault.Failed, "the table changed after %d of its rows were sent and the result of the query was lost", *sent).
			WithHint("it has no key to go on from: run it again")
	}
	at, err := r.api.execute(ctx, statement)
	if err != nil {
		return err
	}
	p := &pager{r: r}
	running, result := uint64(0), -1
	for start := 0; result < 0 || start < result; {
		n, said, err := r.api.piece(ctx, at, start, r.set.PageSize, func(place string, n int, row []byte) error {
			if err := p.parse(place, n, row); err != nil {
				return err
			}
			if running = running*1099511628211 ^ maphash.Bytes(seed, row); start+n+1 < *sent {
				return nil
			} else if start+n+1 == *sent {
				if running != *sum {
					return changed()
				}
				return nil
			}
			*sent, *sum = *sent+1, running
			p.wait = r.append(p.wait[:0], p.cells)
			return r.rows.AddDeclared(ctx, place, p.wait)
		})
		if err != nil {
			return err
		}
		if result >= 0 && said != result || n == 0 && start < said {
			return lostRows(max(result, said), said, n, start)
		}
		if *sent > 0 && *total >= 0 && said != *total {
			return changed()
		}
		result, *total, start = said, said, start+n
		if err := r.rows.Flush(ctx, r.table); err != nil {
			return err
		}
	}
	return nil
}
