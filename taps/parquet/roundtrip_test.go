package parquet

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
	"elt/targets"
	written "elt/targets/parquet"
)

// kinds are the types that rows from PostgreSQL have, with values of all their range.
var kinds = []struct {
	column row.Column
	value  func(t *rapid.T) []byte
}{
	{row.Column{Kind: row.Bool, Wire: row.WireBool}, func(t *rapid.T) []byte { return []byte{byte(rapid.IntRange(0, 1).Draw(t, "b"))} }},
	{row.Column{Kind: row.Int64, Wire: row.WireInt2}, fixed(2)},
	{row.Column{Kind: row.Int64, Wire: row.WireInt4}, fixed(4)},
	{row.Column{Kind: row.Int64, Wire: row.WireInt8}, fixed(8)},
	{row.Column{Kind: row.Float64, Wire: row.WireFloat4}, fixed(4)},
	{row.Column{Kind: row.Float64, Wire: row.WireFloat8}, fixed(8)},
	{row.Column{Kind: row.Numeric, Wire: row.WireNumeric}, number(40, 30)},
	{row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: 9, Scale: 2}, number(7, 2)},
	{row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: 18, Scale: 7}, number(11, 7)},
	{row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: 38, Scale: 10}, number(28, 10)},
	{row.Column{Kind: row.Numeric, Wire: row.WireNumeric, Precision: 60, Scale: 1}, number(59, 1)},
	{row.Column{Kind: row.Text, Wire: row.WireText}, func(t *rapid.T) []byte { return []byte(rapid.StringN(0, 40, -1).Draw(t, "text")) }},
	{row.Column{Kind: row.Bytes, Wire: row.WireBytea}, func(t *rapid.T) []byte { return rapid.SliceOf(rapid.Byte()).Draw(t, "bytes") }},
	{row.Column{Kind: row.Date, Wire: row.WireDate}, func(t *rapid.T) []byte {
		days := rapid.OneOf(rapid.Int32Range(-2451545, 2145031948), rapid.SampledFrom([]int32{math.MaxInt32, math.MinInt32})).Draw(t, "days")
		return binary.BigEndian.AppendUint32(nil, uint32(days))
	}},
	{row.Column{Kind: row.Time, Wire: row.WireTime}, func(t *rapid.T) []byte {
		return binary.BigEndian.AppendUint64(nil, uint64(rapid.Int64Range(0, 86400e6).Draw(t, "time")))
	}},
	{row.Column{Kind: row.Timestamp, Wire: row.WireTimestamp}, micros},
	{row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampTZ}, micros},
	{row.Column{Kind: row.Timestamp, Wire: row.WireTimestampExt, Unit: row.Nanos}, nanos(row.NoOffset)},
	{row.Column{Kind: row.TimestampTZ, Wire: row.WireTimestampExt, Unit: row.Nanos}, nanos(0)},
	{row.Column{Kind: row.UUID, Wire: row.WireUUID}, fixed(16)},
	{row.Column{Kind: row.JSON, Wire: row.WireJSON}, document},
	{row.Column{Kind: row.JSON, Wire: row.WireJSONB}, func(t *rapid.T) []byte { return append([]byte{1}, document(t)...) }},
}

func fixed(n int) func(*rapid.T) []byte {
	return func(t *rapid.T) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bits") }
}

func number(whole, frac int) func(*rapid.T) []byte {
	return func(t *rapid.T) []byte {
		text := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) string {
				return rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign") + rapid.StringMatching(fmt.Sprintf(`[0-9]{1,%d}\.[0-9]{%d}`, whole, frac)).Draw(t, "digits")
			}), rapid.SampledFrom([]string{"NaN", "Infinity", "-Infinity", "0." + strings.Repeat("0", frac)})).Draw(t, "number")
		field, ok := row.AppendNumeric(nil, []byte(text))
		if !ok {
			t.Fatalf("%s is no number", text)
		}
		return field
	}
}

func micros(t *rapid.T) []byte {
	v := rapid.OneOf(rapid.Int64Range(-211813488000000000, 9223371331200000000-1), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64})).Draw(t, "micros")
	return binary.BigEndian.AppendUint64(nil, uint64(v))
}

// nanos are instants, of which some are beyond what 64 bits of nanoseconds hold.
func nanos(offset int32) func(*rapid.T) []byte {
	return func(t *rapid.T) []byte {
		sec := rapid.OneOf(rapid.Int64Range(-9223372036, 9223372036), rapid.Int64Range(-9223372038, -9223372034), rapid.Int64Range(9223372034, 9223372038),
			rapid.Just(int64(16725225600))).Draw(t, "sec") // the last is of the year 2500
		return row.AppendTimestampExt(nil, row.Instant{Sec: sec, Nano: rapid.Int32Range(0, 999_999_999).Draw(t, "nano"), Offset: offset})
	}
}

func document(t *rapid.T) []byte {
	raw, err := json.Marshal(map[string]any{rapid.String().Draw(t, "key"): rapid.String().Draw(t, "value")})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What target-parquet writes, tap-parquet reads back bit for bit, whatever
// the values, in partitions or not; where the wire is another one, its text is the same.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := &row.Schema{Stream: "s", Columns: []row.Column{{Name: "n", Kind: row.Int64, Wire: row.WireInt8}}}
		var values []func(*rapid.T) []byte
		var by []string
		for i, k := range rapid.SliceOfN(rapid.IntRange(0, len(kinds)-1), 1, 6).Draw(t, "columns") {
			c := kinds[k].column
			c.Name, c.Nullable = fmt.Sprintf("c%d", i), true
			s.Columns, values = append(s.Columns, c), append(values, kinds[k].value)
			if c.Kind != row.Float64 && c.Kind != row.Bytes && c.Kind != row.JSON && rapid.IntRange(0, 2).Draw(t, "partition") == 0 {
				by = append(by, c.Name)
			}
		}
		want := map[int64][][]byte{}
		var batches []*row.Batch
		n := int64(0)
		for range rapid.IntRange(1, 4).Draw(t, "batches") {
			b := &row.Batch{Schema: s}
			for range rapid.IntRange(1, 5).Draw(t, "rows") {
				n++
				b.Begin()
				b.Int8(n)
				want[n] = append(want[n], binary.BigEndian.AppendUint64(nil, uint64(n)))
				for _, value := range values {
					if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
						b.Null()
						want[n] = append(want[n], nil)
						continue
					}
					field := value(t)
					b.Field(field)
					want[n] = append(want[n], append([]byte{}, field...))
				}
				b.End()
			}
			batches = append(batches, b)
		}
		out, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		fill(t, out, s, by, batches)
		got := readBack(t, out)
		if len(got.rows) != len(want) {
			t.Fatalf("%d rows, want %d", len(got.rows), len(want))
		}
		for n, fields := range want {
			for i, field := range fields {
				from := s.Columns[i]
				at := got.schema.Index(from.Name)
				if at < 0 {
					t.Fatalf("there is no column %s", from.Name)
				}
				have, to := got.rows[n][at], got.schema.Columns[at]
				switch {
				case (field == nil) != (have == nil):
					t.Fatalf("row %d, %s: %x, want %x", n, from.Name, have, field)
				case field == nil:
				case from.Kind != to.Kind:
					t.Fatalf("%s is %s, want %s", from.Name, to.Kind, from.Kind)
				case from.Wire == to.Wire && !bytes.Equal(have, field),
					!bytes.Equal(row.AppendText(nil, &to, have), row.AppendText(nil, &from, field)):
					t.Fatalf("row %d, %s %s: %s, want %s", n, from.Name, from.Kind, row.AppendText(nil, &to, have), row.AppendText(nil, &from, field))
				}
			}
		}
	})
}

func fill(t *rapid.T, dir string, s *row.Schema, by []string, batches []*row.Batch) {
	cfg, _, err := written.New().Spec().Resolve([]byte(`{"destination_path":"` + dir + `","partition_cols":"` + strings.Join(by, ",") + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	sink, err := written.New().Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Abort()
	lane, err := sink.Lane(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer lane.Close()
	loader, err := lane.Stream(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		if err := loader.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := lane.Commit(context.Background(), targets.Commit{}); err != nil {
		t.Fatal(err)
	}
}

// memory is a taps.Output that keeps rows by their first column.
type memory struct {
	schema *row.Schema
	rows   map[int64][][]byte
}

func (m *memory) Stream(_ context.Context, s *row.Schema) (taps.Stream, error) {
	m.schema = s
	return m, nil
}
func (m *memory) Parallel() int                { return 1 }
func (m *memory) Acked() <-chan taps.Position  { return nil }
func (m *memory) Schema(*row.Schema) error     { panic("no schema changes on the way") }
func (m *memory) Position(taps.Position) error { return nil }
func (m *memory) Activate(int64) error         { return nil }
func (m *memory) End() error                   { return nil }
func (m *memory) Close() error                 { return nil }

func (m *memory) Write(b *row.Batch) error {
	for i := range b.Len() {
		var values [][]byte
		fields := b.Fields(i)
		for range b.Schema.Columns {
			v, state := fields.Next()
			if state != row.Value {
				values = append(values, nil)
			} else {
				values = append(values, append([]byte{}, v...))
			}
		}
		m.rows[int64(binary.BigEndian.Uint64(values[0]))] = values
	}
	return nil
}

func readBack(t *rapid.T, dir string) *memory {
	cfg, _, err := New().Spec().Resolve([]byte(`{"files":[{"entity":"s","path":"` + dir + `/**/*.parquet"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{rows: map[int64][][]byte{}}
	if err := New().Sync(context.Background(), cfg, nil, singer.NewBookmarks(nil), m); err != nil {
		t.Fatal(err)
	}
	return m
}
