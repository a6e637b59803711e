package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"elt/internal/row"
)

var idSchema = &row.Schema{Stream: "a", Key: []string{"id"}, ReplicationKey: "id", Columns: []row.Column{{Name: "id", Kind: row.Int64, Wire: row.WireInt8}}}

func ids(s *row.Schema, from, to int) *row.Batch {
	b := &row.Batch{}
	b.Reset(s)
	for i := from; i < to; i++ {
		b.Begin()
		b.Int8(int64(i))
		b.End()
	}
	return b
}

func lines(t *testing.T, out string) []map[string]any {
	t.Helper()
	if out != "" && !strings.HasSuffix(out, "\n") {
		t.Fatalf("the last line is not complete: %q", out)
	}
	var list []map[string]any
	for line := range strings.Lines(out) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, m)
	}
	return list
}

func TestWriterMessages(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, WriterOptions{Bookmarks: NewBookmarks([]byte(`{"currently_syncing":null,"bookmarks":{"z":{"n":1.50}}}`)), Now: func() time.Time { return time.Unix(946684801, 0) }})
	s, err := w.Stream(t.Context(), idSchema)
	if err != nil {
		t.Fatal(err)
	}
	same := *idSchema
	gone := ids(idSchema, 3, 4)
	gone.Ops = []row.Op{row.Delete}
	for _, err := range []error{
		s.Schema(&same), s.Activate(5), s.Write(ids(&same, 1, 3)), s.Position(Position{Stream: "a", Value: json.RawMessage(`{"id":2}`)}),
		s.Write(gone), s.Position(Position{Value: json.RawMessage(`{"id":3}`)}), s.End(), w.Close(), w.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	schema, _ := SchemaOf(idSchema, false)
	marked, _ := SchemaOf(idSchema, true)
	want := `{"type":"SCHEMA","stream":"a","schema":` + string(schema) + `,"key_properties":["id"],"bookmark_properties":["id"]}
{"type":"RECORD","stream":"a","record":{"id":1}}
{"type":"RECORD","stream":"a","record":{"id":2}}
{"type":"STATE","value":{"bookmarks":{"a":{"id":2},"z":{"n":1.50}}}}
{"type":"SCHEMA","stream":"a","schema":` + string(marked) + `,"key_properties":["id"],"bookmark_properties":["id"]}
{"type":"RECORD","stream":"a","record":{"id":3,"_sdc_deleted_at":"2000-01-01T00:00:01+00:00"}}
{"type":"STATE","value":{"bookmarks":{"a":{"id":3},"z":{"n":1.50}}}}
{"type":"ACTIVATE_VERSION","stream":"a","version":5}
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if c := w.Counts(); len(c) != 1 || c[0].Rows != 3 || c[0].Stream != "a" {
		t.Errorf("counts %v", c)
	}
}

func TestWriterTellsItsPeerWhatMoved(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, WriterOptions{Style: Native})
	s, _ := w.Stream(t.Context(), idSchema)
	if err := errors.Join(s.Position(Position{Value: json.RawMessage(`1`), Exact: true, Rows: 7}), w.Close()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `{"type":"STATE","value":{"bookmarks":{"a":1}},"x-elt-moved":{"stream":"a","exact":true,"rows":7}}`) {
		t.Error(out.String())
	}
	if !strings.HasSuffix(out.String(), `{"type":"ELT_STREAM_END","stream":"a","complete":false}`+"\n") {
		t.Errorf("a stream that was broken off: %s", out.String())
	}
	for style, want := range map[Style]int{Native: 1, Singer: 0} {
		out.Reset()
		w := NewWriter(&out, WriterOptions{Style: style})
		s, _ := w.Stream(t.Context(), idSchema)
		if err := errors.Join(s.Activate(3), s.End(), s.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		got := strings.Count(out.String(), `"version":3}`+"\n"+`{"type":"ELT_STREAM_END","stream":"a","complete":true}`+"\n")
		if got != want || strings.Count(out.String(), "STREAM_END") != want {
			t.Errorf("style %d: %s", style, out.String())
		}
	}
}

// A STATE must follow every record that it covers, and no line may be torn.
func TestWriterWithManyStreams(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, WriterOptions{})
	const streams, batches = 5, 60
	var group sync.WaitGroup
	for n := range streams {
		group.Go(func() {
			schema := *idSchema
			schema.Stream = fmt.Sprint("s", n)
			s, err := w.Stream(t.Context(), &schema)
			if err != nil {
				t.Error(err)
				return
			}
			for i := range batches {
				err = errors.Join(err, s.Write(ids(&schema, i*500, i*500+500)))
				if i%7 == n {
					err = errors.Join(err, s.Position(Position{Value: fmt.Appendf(nil, `%d`, i*500+499)}))
				}
			}
			if err := errors.Join(err, s.Position(Position{Value: fmt.Appendf(nil, `%d`, batches*500-1)}), s.End()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	last := map[string]float64{}
	records := 0
	var state map[string]any
	for _, m := range lines(t, out.String()) {
		switch m["type"] {
		case "RECORD":
			id := m["record"].(map[string]any)["id"].(float64)
			stream := m["stream"].(string)
			if before, ok := last[stream]; id > 0 && (!ok || before != id-1) {
				t.Fatalf("%s: %v after %v", stream, id, before)
			}
			last[stream] = id
			records++
		case "STATE":
			state = m["value"].(map[string]any)["bookmarks"].(map[string]any)
			for stream, v := range state {
				if last[stream] < v.(float64) {
					t.Fatalf("STATE says %v of %s, but only %v was written", v, stream, last[stream])
				}
			}
		}
	}
	if records != streams*batches*500 || len(state) != streams {
		t.Errorf("%d records, last state %v", records, state)
	}
}

func TestWriterFlushesWhatIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, pw := io.Pipe()
		got := make(chan string, 10)
		go func() {
			defer close(got)
			buf := make([]byte, 1<<16)
			for {
				n, err := r.Read(buf)
				if err != nil {
					return
				}
				got <- string(buf[:n])
			}
		}()
		w := NewWriter(pw, WriterOptions{})
		s, err := w.Stream(t.Context(), idSchema)
		if err != nil {
			t.Fatal(err)
		}
		if m := <-got; !strings.Contains(m, "SCHEMA") {
			t.Fatal(m)
		}
		if err := s.Write(ids(idSchema, 1, 2)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(got) != 0 {
			t.Fatal("one record was not buffered")
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(got) != 1 || !strings.Contains(<-got, `"id":1`) {
			t.Fatal("the idle record was not flushed")
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		pw.Close()
		<-got
	})
}

type brokenPipe struct{ after int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.after--; b.after < 0 {
		return 0, syscall.EPIPE
	}
	return len(p), nil
}

func TestWriterErrors(t *testing.T) {
	w := NewWriter(&brokenPipe{after: 1}, WriterOptions{})
	s, err := w.Stream(t.Context(), idSchema)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(ids(idSchema, 0, 20000)); !errors.Is(err, ErrReaderGone) {
		t.Errorf("write: %v", err)
	}
	if err := s.Position(Position{Value: json.RawMessage(`1`)}); !errors.Is(err, ErrReaderGone) {
		t.Errorf("position: %v", err)
	}
	if err := w.Close(); !errors.Is(err, ErrReaderGone) {
		t.Errorf("close: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	w = NewWriter(&out, WriterOptions{})
	s, _ = w.Stream(ctx, idSchema)
	if err := s.Write(ids(idSchema, 1, 2)); err != nil {
		t.Fatal(err)
	}
	other := *idSchema
	other.Columns = []row.Column{{Name: "other", Kind: row.Int64, Wire: row.WireInt8}}
	if err := s.Write(ids(&other, 1, 2)); err == nil {
		t.Error("a batch of an unannounced schema is written")
	}
	cancel()
	if err := s.Write(ids(idSchema, 2, 3)); !errors.Is(err, context.Canceled) {
		t.Errorf("write after cancel: %v", err)
	}
	// What was read before can still be given a position.
	if err := s.Position(Position{Value: json.RawMessage(`1`)}); err != nil {
		t.Errorf("position after cancel: %v", err)
	}
	if err := s.End(); !errors.Is(err, context.Canceled) {
		t.Errorf("end after cancel: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if list := lines(t, out.String()); len(list) != 3 || list[2]["type"] != "STATE" {
		t.Errorf("%v", list)
	}
}

func TestWritingAllocatesNothingPerRow(t *testing.T) {
	w := NewWriter(io.Discard, WriterOptions{})
	defer w.Close()
	s, err := w.Stream(t.Context(), idSchema)
	if err != nil {
		t.Fatal(err)
	}
	b := ids(idSchema, 0, 1000)
	if n := testing.AllocsPerRun(20, func() {
		if err := s.Write(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per 1000 rows", n)
	}
}
