package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
	"elt/state/sqlite"
)

// desk is a store with an execution that workers have, one after the other.
type desk struct {
	t     *testing.T
	store state.Store
}

func newDesk(t *testing.T) *desk {
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, _, err := s.Enqueue(t.Context(), state.Execution{ID: "x", Project: "p", Name: "n", Blocks: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	return &desk{t, s}
}

// work lets a worker have the execution, with logs in a folder, while f writes.
func (d *desk) work(worker, dir string, tail int64, f func(*Log)) {
	d.t.Helper()
	e, err := d.store.Begin(d.t.Context(), "x", worker)
	if err != nil {
		d.t.Fatal(err)
	}
	w := New(Worker{Name: worker, Copies: Copies{d.store, tail}, Log: zerolog.New(zerolog.TestWriter{T: d.t})})
	log, err := OpenLog(filepath.Join(dir, "x.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	finish := w.ship(d.t.Context(), e, log)
	f(log)
	finish(time.Minute)
	w.book.ships.Wait()
	if err := d.store.HandBack(d.t.Context(), "x", worker); err != nil {
		d.t.Fatal(err)
	}
}

// copied are the parts of the copy, and where the first gap is.
func (d *desk) copied() (text string, size, gap int64) {
	d.t.Helper()
	var all strings.Builder
	gap = -1
	for {
		p, err := d.store.LogPart(d.t.Context(), "x", size)
		if errors.Is(err, state.ErrNotFound) {
			return all.String(), size, gap
		}
		if err != nil {
			d.t.Fatal(err)
		}
		if p.Start > size {
			gap = size
		}
		z, err := gzip.NewReader(bytes.NewReader(p.Gzip))
		if err != nil {
			d.t.Fatal(err)
		}
		n, err := io.Copy(&all, z)
		if err != nil || n != p.Size {
			d.t.Fatalf("part at %d: %d of %d, %v", p.Start, n, p.Size, err)
		}
		size = p.Start + p.Size
	}
}

// A run that goes from machine to machine has one log in the store.
func TestLogOverMachines(t *testing.T) {
	d := newDesk(t)
	here, there := t.TempDir(), t.TempDir()
	say := func(text string) func(*Log) { return func(l *Log) { l.Line([]byte(text)) } }
	d.work("w1", here, 1<<20, say("one"))
	d.work("w2", there, 1<<20, say("two"))
	d.work("w3", here, 1<<20, func(l *Log) { l.Line([]byte("three")); l.Write([]byte("no end")) })
	if text, _, _ := d.copied(); text != "one\ntwo\nthree\nno end" {
		t.Errorf("%q", text)
	}
	d.work("w4", there, 1<<20, func(l *Log) { l.Again(); l.Line([]byte("all of it")) })
	if text, _, _ := d.copied(); text != "all of it\n" {
		t.Errorf("%q", text)
	}
}

// A log that is longer than the store keeps: its beginning and its end are
// there, the middle is not, and no line is cut.
func TestLongLog(t *testing.T) {
	d := newDesk(t)
	const tail, lines = 1 << 20, 60_000
	line := func(n int) string { return fmt.Sprintf("%08d %s", n, strings.Repeat("x", 90)) }
	d.work("w1", t.TempDir(), tail, func(l *Log) {
		for n := range lines {
			l.Line([]byte(line(n)))
		}
	})
	text, size, gap := d.copied()
	if size != int64(lines*len(line(0)+"\n")) || gap < HeadOfLog || len(text) > HeadOfLog+tail+2*largePart || len(text) < HeadOfLog+tail/4 {
		t.Fatalf("%d bytes are kept of %d, gap at %d", len(text), size, gap)
	}
	kept := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, one := range kept {
		if len(one) != len(line(0)) {
			t.Fatalf("a cut line: %q", one)
		}
	}
	if kept[0] != line(0) || kept[len(kept)-1] != line(lines-1) {
		t.Errorf("%q … %q", kept[0], kept[len(kept)-1])
	}
}

// A store that is away, or is another's, harms nothing, and the same part is tried again.
func TestLogOfAStoreThatIsAway(t *testing.T) {
	d := newDesk(t)
	flaky := &flakyLogs{Logs: d.store, fail: 3}
	e, err := d.store.Begin(t.Context(), "x", "w1")
	if err != nil {
		t.Fatal(err)
	}
	log, err := OpenLog(filepath.Join(t.TempDir(), "x.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w := New(Worker{Name: "w1", Copies: Copies{flaky, 1 << 20}, Log: zerolog.Nop()})
	finish := w.ship(t.Context(), e, log)
	log.Line([]byte("one"))
	finish(0)           // does not wait
	w.book.ships.Wait() // and goes on trying
	if text, _, _ := d.copied(); text != "one\n" || flaky.fail != 0 {
		t.Errorf("%q, %d", text, flaky.fail)
	}
	if err := d.store.HandBack(t.Context(), "x", "w1"); err != nil {
		t.Fatal(err)
	}
	finish = w.ship(t.Context(), e, log)
	log.Line([]byte("of a zombie"))
	finish(time.Minute)
	if text, _, _ := d.copied(); text != "one\n" {
		t.Errorf("%q", text)
	}
}

// flakyLogs fails some times.
type flakyLogs struct {
	state.Logs
	fail int
}

func (f *flakyLogs) AddLogPart(ctx context.Context, id, worker string, p state.LogPart, head, tail int64) error {
	if f.fail > 0 {
		f.fail--
		return errors.New("the store is away")
	}
	return f.Logs.AddLogPart(ctx, id, worker, p, head, tail)
}
