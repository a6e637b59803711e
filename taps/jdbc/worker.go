package jdbc

import (
	"context"
	"errors"
	"strconv"

	"github.com/rs/zerolog"

	"elt/internal/row"
	"elt/taps"
)

// worker reads one stream after the other over a bridge of its own.
type worker struct {
	set    *settings
	bridge *bridge // nil: to be started
	out    taps.Output
	pool   *row.Pool
	warned map[string]bool
}

// connect makes sure that there is a bridge with a connection.
func (w *worker) connect(ctx context.Context) error {
	if w.bridge != nil {
		return nil
	}
	b, err := launch(ctx, w.set)
	if err != nil {
		return err
	}
	if err := b.open(); err != nil {
		b.close()
		return err
	}
	zerolog.Ctx(ctx).Debug().Msgf("connected to %s %s by %s, Java %s", b.product, b.version, b.driver, b.java)
	w.bridge = b
	return nil
}

func (w *worker) close() {
	if w.bridge != nil {
		w.bridge.close()
		w.bridge = nil
	}
}

// sync reads one stream.
func (w *worker) sync(ctx context.Context, p *plan) (err error) {
	if err := w.connect(ctx); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, w.bridge.process.Kill)()
	s := &sender{ctx: ctx, plan: p, out: w.out, pool: w.pool, warned: w.warned, keyAt: -1}
	defer s.drop()
	defer func() {
		if err != nil && w.bridge.gone {
			w.close()
		}
	}()
	if err := p.prepare(w.bridge); err != nil {
		return err
	}
	if p.asked() {
		if err := s.announce(p.taken()); err != nil {
			return err
		}
	}
	if p.replica != nil && p.from == "" && p.to == "" && p.replica.Nullable {
		if err := w.pages(p, s, part{nulls: true}); err != nil {
			return err
		}
	}
	var of part
	if p.paged() && p.replica != nil {
		var none bool
		if of.most, none, err = w.most(ctx, p); err != nil {
			return err
		}
		if none {
			return s.finish()
		}
	}
	if err := w.pages(p, s, of); err != nil {
		return err
	}
	return s.finish()
}

// pages reads a part, page by page where the plan says so.
func (w *worker) pages(p *plan, s *sender, of part) error {
	for {
		st, err := p.read(of)
		if err != nil {
			return err
		}
		n, err := w.query(p, st, s.announce, s.take)
		if err != nil {
			return err
		}
		if !p.paged() || n < int64(p.set.Page) {
			return nil
		}
		if err := s.flush(); err != nil {
			return err
		}
		if of.after, err = s.last(p.orderOf(of)); err != nil {
			return err
		}
	}
}

// query runs a statement and hands its frames on; it returns how many rows there were.
func (w *worker) query(p *plan, st statement, announce func([]column) error, take func([]byte) error) (int64, error) {
	most := 0
	if p.paged() {
		most = p.set.Page
	}
	words := append([]string{"read", st.sql, strconv.Itoa(p.set.Fetch), strconv.Itoa(most)}, st.params...)
	if err := w.bridge.ask(words...); err != nil {
		return 0, err
	}
	var failed error // then the rest of the rows is not wanted
	stopped := false
	for {
		kind, payload, err := w.bridge.next()
		switch {
		case err != nil && failed != nil:
			return 0, failed
		case err != nil:
			return 0, p.explain(err)
		case kind == 'E' && failed != nil:
			return 0, failed
		case kind == 'E':
			return strconv.ParseInt(texts(payload)[0], 10, 64)
		case failed != nil: // rows that were on their way
		case kind == 'T':
			var columns []column
			if columns, failed = columnsOf(payload); failed == nil {
				failed = announce(columns)
			}
		case kind == 'B':
			failed = take(payload)
		}
		if failed != nil && !stopped {
			stopped = true
			if err := w.bridge.ask("stop"); err != nil {
				return 0, failed
			}
		}
	}
}

// most is the greatest replication key there is, as a parameter; none: no row
// has one. A database that cannot say it is read without that bound.
func (w *worker) most(ctx context.Context, p *plan) (text string, none bool, err error) {
	st, err := p.greatest()
	if err != nil {
		return "", false, err
	}
	none = true
	_, err = w.query(p, st, func([]column) error { return nil }, func(tuple []byte) error {
		b := row.Batch{Data: tuple, Offsets: []int32{0}}
		f := b.Fields(0)
		field, state := f.Next()
		if none = state == row.IsNull; none {
			return nil
		}
		if p.replica.Kind == row.Numeric {
			text = string(field)
		} else {
			text = string(row.AppendText(nil, &p.replica.Column, field))
		}
		return nil
	})
	if r := (*refusal)(nil); errors.As(err, &r) && r.kind != "died" {
		zerolog.Ctx(ctx).Warn().Msgf("stream %s: %v; rows that change while its pages are read may be missed: set lookback_seconds", p.id, err)
		return "", false, nil
	}
	return text, none, err
}
