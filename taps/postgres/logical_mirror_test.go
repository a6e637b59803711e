package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/postgres"
)

// mirror is an Output that does to maps what a target does to tables, with
// rows and positions durable at the same time, and what came after the last
// position of a broken stream undone.
type mirror struct {
	t        testing.TB
	parallel int
	acks     chan taps.Position
	hold     time.Duration // once, before the first write
	onRows   func(all int) // before rows are taken, with how many that makes
	breakAt  int           // fail the write that brings this many rows, 0: never

	mu      sync.Mutex
	open    int
	rows    int
	tables  map[string]*mirrored
	marks   map[string]json.RawMessage
	fetched int // positions said
}

type mirrored struct {
	schema   *row.Schema
	rows     map[string]map[string]string // by key; NULL is null
	appended []map[string]string          // without a key
	deletes  int
	updates  int // rows with something unset
	inserts  int
	schemas  int
	whole    bool // rows came that were not from the log
}

func newMirror(t testing.TB) *mirror {
	return &mirror{t: t, parallel: 2, tables: map[string]*mirrored{}, marks: map[string]json.RawMessage{}}
}

func (m *mirror) Parallel() int               { return m.parallel }
func (m *mirror) Acked() <-chan taps.Position { return m.acks }

// state is what the run left as bookmarks.
func (m *mirror) state() string {
	raw, _ := json.Marshal(map[string]any{"bookmarks": m.marks})
	return string(raw)
}

func (m *mirror) Stream(ctx context.Context, s *row.Schema) (taps.Stream, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open++; m.open > m.parallel {
		return nil, fmt.Errorf("%d streams are open", m.open)
	}
	if m.tables[s.Stream] == nil {
		m.tables[s.Stream] = &mirrored{rows: map[string]map[string]string{}}
	}
	m.tables[s.Stream].schema = s
	m.tables[s.Stream].schemas++
	return &mirroring{m: m, of: m.tables[s.Stream], ctx: ctx}, nil
}

type mirroring struct {
	m       *mirror
	of      *mirrored
	ctx     context.Context
	pending []func()
	rows    int64
	version int64
	closed  bool
}

func (s *mirroring) Schema(schema *row.Schema) error {
	s.of.schema = schema
	s.of.schemas++
	return nil
}

var errBroken = errors.New("the destination broke")

func (s *mirroring) Write(b *row.Batch) error {
	defer b.Release()
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	if !b.Schema.Same(s.of.schema) {
		return errors.New("a batch of another schema")
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	time.Sleep(s.m.hold)
	s.m.hold = 0
	if s.m.onRows != nil {
		s.m.onRows(s.m.rows + b.Len())
	}
	if s.m.rows += b.Len(); s.m.breakAt > 0 && s.m.rows >= s.m.breakAt {
		return errBroken
	}
	s.rows += int64(b.Len())
	for i := range b.Len() {
		s.take(b.Schema, b, i)
	}
	return nil
}

func (s *mirroring) take(schema *row.Schema, b *row.Batch, i int) {
	cells, op := map[string]string{}, b.Op(i)
	s.of.whole = s.of.whole || b.Extracted == nil
	unset := map[string]bool{}
	f := b.Fields(i)
	for c := range schema.Columns {
		col := &schema.Columns[c]
		switch field, state := f.Next(); state {
		case row.Value:
			cells[col.Name] = string(row.AppendText(nil, col, field))
		case row.IsNull:
			cells[col.Name] = null
		default:
			unset[col.Name] = true
		}
	}
	var key []string
	for _, k := range schema.Key {
		key = append(key, cells[k])
	}
	at := strings.Join(key, "\x00")
	s.pending = append(s.pending, func() {
		if len(schema.Key) == 0 {
			s.of.appended = append(s.of.appended, cells)
			return
		}
		switch was := s.of.rows[at]; {
		case op == row.Delete:
			s.of.deletes++
			delete(s.of.rows, at)
		default:
			s.of.inserts++
			if len(unset) > 0 {
				s.of.updates++
				was = maps.Clone(was)
				if was == nil {
					was = map[string]string{}
				}
				maps.Copy(was, cells)
				cells = was
			}
			s.of.rows[at] = cells
		}
	})
}

func (s *mirroring) commit() {
	for _, do := range s.pending {
		do()
	}
	s.pending = nil
}

func (s *mirroring) Position(p taps.Position) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if p.Rows != s.rows {
		return fmt.Errorf("a position claims %d rows after %d", p.Rows, s.rows)
	}
	s.commit()
	s.m.marks[p.Stream] = p.Value
	s.m.fetched++
	if s.m.acks != nil {
		s.m.acks <- p
	}
	return nil
}

func (s *mirroring) Activate(v int64) error {
	s.version = v
	return nil
}

func (s *mirroring) End() error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.commit()
	if s.version != 0 && s.rows == 0 { // a table that was emptied
		clear(s.of.rows)
		s.of.appended = nil
	}
	return nil
}

func (s *mirroring) Close() error {
	if !s.closed {
		s.closed = true
		s.m.mu.Lock()
		s.m.open--
		s.m.mu.Unlock()
	}
	return nil
}

// logged is a world whose streams are all LOG_BASED.
type logged struct {
	*world
	out   *mirror
	state string
}

func newLogged(t testing.TB) *logged {
	w := newWorld(t)
	w.cfg["replication_slot_name"] = fmt.Sprintf("elt_test_%s", w.conn.Config().Database)
	w.cfg["connect_retry_seconds"] = 10
	return &logged{world: w, out: newMirror(t)}
}

// run replicates everything; the mirror keeps what earlier runs brought.
func (l *logged) run(more ...string) error {
	l.t.Helper()
	c := l.discover(more...)
	for _, s := range c.Streams {
		s.SetMeta("selected", true)
		s.SetMeta("replication-method", "LOG_BASED")
	}
	return l.sync(c, more...)
}

func (l *logged) sync(c *singer.Catalog, more ...string) error {
	err := postgres.New().Sync(context.Background(), l.config(more...), c, singer.NewBookmarks(json.RawMessage(l.out.state())), l.out)
	return err
}

func (l *logged) must(more ...string) {
	l.t.Helper()
	if err := l.run(more...); err != nil {
		l.t.Fatal(err)
	}
}

// same wants each mirrored table to be what its table is.
func (l *logged) same(tables ...string) {
	l.t.Helper()
	for _, name := range tables {
		full := newRecorder()
		c := l.discover()
		for _, s := range c.Streams {
			s.SetMeta("selected", s.ID() == "public-"+name)
			s.SetMeta("replication-method", "FULL_TABLE")
		}
		if err := postgres.New().Sync(context.Background(), l.config(), c, singer.Bookmarks{}, full); err != nil {
			l.t.Fatal(err)
		}
		want, got := full.streams["public-"+name], l.out.tables["public-"+name]
		if got == nil {
			l.t.Errorf("table %s: nothing came", name)
			continue
		}
		if len(want.rows) != len(got.rows) {
			l.t.Errorf("table %s has %d rows, the mirror %d", name, len(want.rows), len(got.rows))
		}
		bad := 0
		for _, cells := range want.rows {
			var key []string
			for _, k := range want.schema.Key {
				key = append(key, cells[want.schema.Index(k)])
			}
			have := got.rows[strings.Join(key, "\x00")]
			for i, c := range want.schema.Columns {
				value, ok := have[c.Name]
				if !ok {
					value = null
				}
				if value != cells[i] && bad < 10 {
					bad++
					l.t.Errorf("table %s, key %v, column %s: %.80q, the table has %.80q", name, key, c.Name, value, cells[i])
				}
			}
		}
	}
}

func (l *logged) one(sql string, args ...any) (text string) {
	l.t.Helper()
	if err := l.conn.QueryRow(context.Background(), sql, args...).Scan(&text); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return text
}

func (l *logged) slot() string { return l.cfg["replication_slot_name"].(string) }
