package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
)

// A FULL_TABLE stream that has a key is read in ranges of the table's pages,
// with a position after each, so that a run that dies need not begin again.
//
// The snapshot dies with the run. The next one reads, in a snapshot of its
// own, first of the pages that were read the rows that were written since
// (their xmin is not older than the oldest transaction that was open then),
// and then the other pages. A row that was updated meanwhile has moved to
// another page, so it comes in either part, and its key replaces the older
// one. What the source deleted meanwhile, or gave another key, stays at the
// destination until the next complete run; with table versions that one
// removes it. Pages mean nothing once the table was rewritten (its file is
// another one), and rows of another shape are not those of this run (a column
// was added, or selected): then all is read anew, under a new version.
type partial struct {
	Table   uint32 `json:"table"` // pg_class.oid
	File    uint32 `json:"file"`  // that holds its rows
	Pages   int64  `json:"pages"` // the pages before this one were read
	Shape   string `json:"shape"` // a digest of what was read of each row
	Xmin    int64  `json:"xmin"`  // transactions before this one were over by then
	Version int64  `json:"version,omitempty"`
}

const (
	// rangePages is 64 MiB of the table, what a target commits at once.
	rangePages = 8192
	// oldest is how many transactions may have begun since an interrupted run:
	// xmin has 32 bits and turns over.
	oldest = 1_000_000_000
)

// ranged says that pages of the relation can be told apart and rows that come
// twice are merged.
func (p *plan) ranged() bool {
	return p.rel.kind == "r" && !p.rel.inherited && p.limit == 0 && len(p.schema.Key) > 0
}

// layout is the table as it lies on the server's disk, in this snapshot.
type layout struct {
	partial        // Pages: how many there are
	age     *int64 // since the interrupted run; nil: there was none
}

const layoutSQL = `select c.oid, pg_catalog.pg_relation_filenode(c.oid), pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int8,
	pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()), pg_catalog.age($2::text::xid)
from pg_catalog.pg_class c join pg_catalog.pg_am a on a.oid = c.relam
where c.oid = $1 and a.amname = 'heap' and pg_catalog.current_setting('server_version_num')::int >= 140000`

// whole reads a FULL_TABLE stream.
func (r *reader) whole(ctx context.Context) error {
	p := r.p
	if !p.ranged() {
		return r.last(ctx, -1, p.copyAll())
	}
	now, err := r.layout(ctx)
	if err != nil {
		return explain(err, p)
	}
	from := int64(0)
	if p.interrupted {
		from, err = r.resume(ctx, now)
		if err != nil {
			return err
		}
	}
	if from == 0 && now.Pages < 2*rangePages {
		return r.last(ctx, -1, p.copyAll())
	}
	for ; from+rangePages < now.Pages; from += rangePages {
		if err := r.copy(ctx, -1, p.copyPages(from, from+rangePages)); err != nil {
			return err
		}
		if err := r.reached(now, from+rangePages); err != nil {
			return err
		}
	}
	return r.last(ctx, -1, p.copyPages(from, 0))
}

// layout takes the snapshot and asks for the table's layout in it; it has no
// pages where none can be told apart.
func (r *reader) layout(ctx context.Context) (layout, error) {
	now := layout{partial: partial{Shape: r.p.shape()}}
	var since *string
	if r.p.interrupted {
		text := fmt.Sprint(uint32(r.p.partial.Xmin))
		since = &text
	}
	list := &pgx.Batch{}
	for _, sql := range r.opening() {
		list.Queue(sql)
	}
	list.Queue(layoutSQL, r.p.rel.oid, since).QueryRow(func(row pgx.Row) error {
		err := row.Scan(&now.Table, &now.File, &now.Pages, &now.Xmin, &now.age)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	r.begun = true
	return now, r.w.conn.SendBatch(ctx, list).Close()
}

// shape is a digest of the columns, key and conditions of the stream.
func (p *plan) shape() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %q %q", p.schema.Columns, p.schema.Key, p.where))
	return hex.EncodeToString(sum[:6])
}

// resume says from which page on to read, 0 for all, after what is newer than
// the interrupted run was read of the pages before it.
func (r *reader) resume(ctx context.Context, now layout) (int64, error) {
	p, left := r.p, r.p.partial
	switch {
	case p.activate && left.Version == 0: // its rows have no version: they are to die
	case now.Pages == 0 || left.Table != now.Table || left.File != now.File || left.Shape != now.Shape || left.Pages <= 0 || now.age == nil || *now.age < 0 || *now.age > oldest:
		zerolog.Ctx(ctx).Warn().Msgf("stream %q: its table was rewritten or another part of it selected since the interrupted run, so it is read from the beginning", p.id)
	default:
		return left.Pages, r.goOn(ctx, now)
	}
	if p.activate {
		p.version = newVersion()
	}
	return 0, nil
}

// goOn reads what is newer than an interrupted run in the pages that it has read.
func (r *reader) goOn(ctx context.Context, now layout) error {
	p, left := r.p, r.p.partial
	zerolog.Ctx(ctx).Info().Msgf("stream %q: going on where a run was interrupted, at page %d of %d", p.id, left.Pages, now.Pages)
	if err := r.copy(ctx, -1, p.copyChanged()); err != nil {
		return err
	}
	return r.reached(now, left.Pages)
}

// reached hands on what was read, and that it reaches up to a page.
func (r *reader) reached(now layout, pages int64) error {
	if err := r.flush(); err != nil {
		return err
	}
	at := now.partial
	at.Pages = pages
	pos := r.p.reached(at, r.rows)
	return r.send(piece{position: &pos})
}

// copyPages reads the pages from one up to another, 0 for all there are.
func (p *plan) copyPages(from, to int64) string {
	where := []string{fmt.Sprintf("ctid >= '(%d,0)'", from)}
	if to > 0 {
		where = append(where, fmt.Sprintf("ctid < '(%d,0)'", to))
	}
	return p.copy(where, "", 0)
}

// copyChanged reads of the pages that an interrupted run has read the rows
// that are newer than it.
func (p *plan) copyChanged() string {
	return p.copy([]string{fmt.Sprintf("ctid < '(%d,0)'", p.partial.Pages),
		fmt.Sprintf("pg_catalog.age(xmin) <= pg_catalog.age('%d'::xid)", uint32(p.partial.Xmin))}, "", 0)
}

// newVersion is a table version that no earlier run has used.
func newVersion() int64 { return time.Now().UnixMilli() }
