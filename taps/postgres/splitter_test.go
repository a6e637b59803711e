package postgres

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"elt/internal/row"
)

// stream is a binary COPY stream of rows; a nil field is NULL.
func copyStream(rows [][][]byte) []byte {
	out := append([]byte{}, signature...)
	out = append(out, 0, 0, 0, 0, 0, 0, 0, 0)
	for _, r := range rows {
		out = binary.BigEndian.AppendUint16(out, uint16(len(r)))
		for _, f := range r {
			if f == nil {
				out = append(out, 0xff, 0xff, 0xff, 0xff)
				continue
			}
			out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
			out = append(out, f...)
		}
	}
	return append(out, 0xff, 0xff)
}

func textSchema(columns int) *row.Schema {
	s := &row.Schema{Stream: "s"}
	for i := range columns {
		s.Columns = append(s.Columns, row.Column{Name: string(rune('a' + i)), Kind: row.Text, Wire: row.WireText, Nullable: true})
	}
	return s
}

func TestAnyPiecesGiveTheSameRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 4).Draw(t, "columns")
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []byte {
			if rapid.Bool().Draw(t, "null") {
				return nil
			}
			return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(t, "field")...)
		}), columns, columns), 0, 20).Draw(t, "rows")
		var got []byte
		s := &splitter{schema: textSchema(columns), keyAt: -1, pool: row.NewPool(64)}
		s.full = func(b *row.Batch, _ []byte) error {
			for i := range b.Len() {
				got = append(got, b.Row(i)...)
			}
			b.Release()
			return nil
		}
		s.start(-1)
		whole := copyStream(rows)
		for rest := whole; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if err := s.take(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := errors.Join(s.finish(), s.flush()); err != nil {
			t.Fatal(err)
		}
		if want := whole[headerSize : len(whole)-2]; string(got) != string(want) {
			t.Fatalf("got %x, want %x", got, want)
		}
	})
}

func TestBrokenStreamsAreErrors(t *testing.T) {
	good := copyStream([][][]byte{{[]byte("ab"), nil}})
	for name, c := range map[string]struct {
		stream []byte
		want   string
	}{
		"no header":        {[]byte("COPY something else ...."), "something else than binary COPY"},
		"cut in a row":     {good[:headerSize+7], "middle of a row"},
		"no trailer":       {good[:len(good)-2], "middle of a row"},
		"more fields":      {copyStream([][][]byte{{nil, nil, nil}}), "3 fields instead of 2"},
		"negative length":  {append(append([]byte{}, good[:headerSize]...), 0, 2, 0xff, 0xff, 0xff, 0xfe), "negative length"},
		"after the end":    {append(append([]byte{}, good...), 0, 0), "fields instead of 2"},
		"nothing":          {nil, "middle of a row"},
		"header only half": {good[:8], "middle of a row"},
	} {
		s := &splitter{schema: textSchema(2), keyAt: -1, pool: row.NewPool(64), full: func(*row.Batch, []byte) error { return nil }}
		s.start(-1)
		err := s.take(c.stream)
		if err == nil {
			err = s.finish()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBrokenArraysAreErrors(t *testing.T) {
	int4 := &row.Column{Kind: row.Int64, Wire: row.WireInt4}
	words := func(w ...uint32) (out []byte) {
		for _, x := range w {
			out = binary.BigEndian.AppendUint32(out, x)
		}
		return out
	}
	for name, field := range map[string][]byte{
		"short":           words(1, 0),
		"dimensions":      words(7, 0, 23),
		"no elements":     words(1, 0, 23, 2, 1),
		"cut element":     words(1, 0, 23, 1, 1, 4),
		"negative length": words(1, 0, 23, 1, 1, 0xfffffffe, 1),
		"too many":        words(1, 0, 23, 1, 1, 4, 7, 4, 8),
		"endless":         words(2, 0, 23, 0x7fffffff, 1, 0, 1),
		"overflow":        words(6, 0, 23, 1<<30, 1, 1<<30, 1, 1<<30, 1, 1<<30, 1, 1<<30, 1, 16, 1),
	} {
		if out, err := appendArray(nil, field, int4); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
	if out, err := appendArray(nil, words(2, 1, 23, 1, 1, 2, 1, 4, 7, 0xffffffff), int4); err != nil || string(out) != "[[7,null]]" {
		t.Errorf("%s, %v", out, err)
	}
}

// A position stands before the first row of a new key: the rows before it
// all have smaller keys, so >= repeats none and misses none.
func TestPositionsStandBetweenKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		every := rapid.Int64Range(1, 5).Draw(t, "every")
		keys := rapid.SliceOf(rapid.IntRange(0, 1)).Draw(t, "steps")
		var rows [][][]byte
		key := 0
		for _, step := range keys {
			key += step
			rows = append(rows, [][]byte{{byte(key)}})
		}
		s := &splitter{schema: textSchema(1), every: every, pool: row.NewPool(64)}
		var seen []byte
		positions := 0
		s.full = func(b *row.Batch, at []byte) error {
			for i := range b.Len() {
				f := b.Fields(i)
				v, _ := f.Next()
				seen = append(seen, v[0])
			}
			b.Release()
			if at != nil {
				positions++
				if len(seen) > 0 && seen[len(seen)-1] >= at[0] || int(s.rows) != len(seen) {
					t.Fatalf("position %d after %v", at[0], seen)
				}
			}
			return nil
		}
		s.start(0)
		if err := s.take(copyStream(rows)); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(); err != nil || len(seen) != len(rows) {
			t.Fatalf("%d rows of %d, %v", len(seen), len(rows), err)
		}
		if key >= 1 && int64(len(rows)) > every && int64(len(rows))/every > 0 && positions == 0 && lastChange(keys) >= int(every) {
			t.Fatalf("no position in %d rows", len(rows))
		}
	})
}

func lastChange(steps []int) int {
	for i := len(steps) - 1; i > 0; i-- {
		if steps[i] > 0 {
			return i
		}
	}
	return -1
}

// lineitem is a COPY stream as the server sends TPC-H's lineitem: 16 fields,
// four integers, four numerics, three dates, texts; one piece per row.
func lineitem(rows int) (pieces [][]byte, bytes int, schema *row.Schema) {
	schema = textSchema(16)
	numeric, _ := row.AppendNumeric(nil, []byte("21168.23"))
	small, _ := row.AppendNumeric(nil, []byte("0.04"))
	date := []byte{0xff, 0xff, 0xf6, 0x3a}
	one := [][]byte{{0, 0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 2, 0x5f, 1}, {0, 0, 0, 0, 0, 0, 0x1e, 5}, {0, 0, 0, 1}, numeric, numeric, small, small,
		[]byte("N"), []byte("O"), date, date, date, []byte("DELIVER IN PERSON        "), []byte("TRUCK     "), []byte("egular courts above the")}
	tuple := copyStream([][][]byte{one})
	tuple = tuple[headerSize : len(tuple)-2]
	pieces = append(pieces, copyStream(nil)[:headerSize])
	for range rows {
		pieces = append(pieces, tuple)
		bytes += len(tuple)
	}
	return append(pieces, []byte{0xff, 0xff}), bytes, schema
}

func feed(s *splitter, pieces [][]byte, keyAt int) error {
	s.start(keyAt)
	for _, p := range pieces {
		if err := s.take(p); err != nil {
			return err
		}
	}
	return errors.Join(s.finish(), s.flush())
}

func TestRowsAllocateNothing(t *testing.T) {
	pieces, _, schema := lineitem(10_000)
	arrays := make([]*row.Column, 16)
	for name, s := range map[string]*splitter{
		"forwarded": {keyAt: -1},
		"watched":   {keyAt: 0, every: 1000},
		"rebuilt":   {keyAt: -1, elements: arrays},
	} {
		keyAt := s.keyAt
		s.schema, s.pool = schema, row.NewPool(batchBytes+batchBytes/8)
		s.full = func(b *row.Batch, _ []byte) error { b.Release(); return nil }
		run := func() {
			if err := feed(s, pieces, keyAt); err != nil {
				t.Fatal(err)
			}
		}
		run()
		if n := testing.AllocsPerRun(20, run); n > 50 { // the pool may lose a batch to the garbage collector
			t.Errorf("%s: %.0f allocations for 10,000 rows", name, n)
		}
	}
}

func BenchmarkSplitter(b *testing.B) {
	pieces, bytes, schema := lineitem(10_000)
	s := &splitter{schema: schema, pool: row.NewPool(batchBytes + batchBytes/8), full: func(b *row.Batch, _ []byte) error { b.Release(); return nil }}
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		if err := feed(s, pieces, -1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
