package singer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"elt/internal/row"

	"go.uber.org/goleak"
)

func TestTypeOfALine(t *testing.T) {
	for line, want := range map[string]MessageType{
		`{"type": "RECORD", "stream": "a", "record": {}}`:                   RecordMessage,
		`{"type":"STATE","value":{}}`:                                       StateMessage,
		`{"type" : "schema"}`:                                               SchemaMessage,
		`{"type":"Activate_Version","version":1}`:                           ActivateMessage,
		`{"type":"BATCH"}`:                                                  BatchMessage,
		`{"type":"ELT_END"}`:                                                EndMessage,
		`{"type":"LOG"}`:                                                    OtherMessage,
		`{"record":{"type":"STATE"},"stream":"}\"{","type":"RECORD"}`:       RecordMessage,
		` { "a" : [ "type" , { "type" : "STATE" } ] , "type" : "RECORD" } `: RecordMessage,
		`{"\u0074ype":"STATE"}`:                                             StateMessage,
		`{"type":"STATE`:                                                    NoMessage,
		`{"type":5}`:                                                        NoMessage,
		`{"type":`:                                                          NoMessage,
		`{"a":"type","b":"RECORD"}`:                                         NoMessage,
		`{"a":{"type":"RECORD"}}`:                                           NoMessage,
		`["type","RECORD"]`:                                                 NoMessage,
		`Hello`:                                                             NoMessage,
		``:                                                                  NoMessage,
	} {
		if got := Type([]byte(line)); got != want {
			t.Errorf("%s is %q, want %q", line, got, want)
		}
	}
}

// everything is input of all sorts, for tests that cut it differently.
func everything() string {
	return lineitemSchema + "\n" + string(lineitemLines(300, false)) + keyedSchema + "\n" + recordOf(`"id":1,"v":"`+strings.Repeat("x", 3*blockSize)+`"`) + "\n" +
		nestedSchema + "\n" + recordOf(`"id":99999999999999999999,"a":{"x":"é\u00e9"}`) + "\n\n" + `{"type":"STATE","value":{"a":1}}` + "\n" + recordOf(`"z":"last","id":7`) + "\n" + EndLine
}

func TestAnySplitOfTheInputReadsTheSame(t *testing.T) {
	defer goleak.VerifyNone(t)
	want, end, err := read(t, ReaderOptions{}, strings.NewReader(everything()))
	if err != nil || !end.Said {
		t.Fatal(err, end)
	}
	for name, in := range map[string]io.Reader{
		"half":    iotest.HalfReader(strings.NewReader(everything())),
		"dataerr": iotest.DataErrReader(strings.NewReader(everything())),
		"sevens":  &chunks{text: everything(), sizes: []int{7, 1, 4096, 13}},
	} {
		got, _, err := read(t, ReaderOptions{}, in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		same(t, got, want...)
	}
}

// chunks hands out text in pieces of the given sizes, again and again.
type chunks struct {
	text  string
	sizes []int
	n     int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.text == "" {
		return 0, io.EOF
	}
	size := 1
	if len(c.sizes) > 0 {
		size = max(1, c.sizes[c.n%len(c.sizes)])
		c.n++
	}
	n := copy(p, c.text[:min(size, len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

func TestErrorsEndTheRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	broken := errors.New("disk on fire")
	if _, _, err := read(t, ReaderOptions{}, io.MultiReader(strings.NewReader(keyedSchema+"\n"), iotest.ErrReader(broken))); err != broken {
		t.Errorf("a failing input: %v", err)
	}
	p := &tape{fail: errors.New("no space")}
	if _, err := NewReader(strings.NewReader(everything()), ReaderOptions{}).Run(context.Background(), p); err != p.fail {
		t.Errorf("a failing handler: %v", err)
	}
}

func TestRunEndsWithItsContextWhileTheInputIsSilent(t *testing.T) {
	defer goleak.VerifyNone(t)
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("asked to stop")
	cancel(stop)
	if _, err := NewReader(in, ReaderOptions{}).Run(ctx, &tape{}); err != stop {
		t.Errorf("%v", err)
	}
}

func TestASilentInputIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := io.Pipe()
		p := &ticking{started: time.Now()}
		go func() {
			io.WriteString(out, keyedSchema+"\n"+recordOf(`"id":1`)+"\n"+recordOf(`"id":2`)[:20])
			time.Sleep(10 * time.Second)
			io.WriteString(out, recordOf(`"id":2`)[20:]+"\n")
			out.Close()
		}()
		if _, err := NewReader(in, ReaderOptions{}).Run(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		if p.rows != 2 || p.firstRow > time.Second || p.ticks < 10 {
			t.Errorf("%d rows, the first after %v, %d ticks in 10 s", p.rows, p.firstRow, p.ticks)
		}
	})
}

type ticking struct {
	tape
	started  time.Time
	firstRow time.Duration
	rows     int
}

func (p *ticking) Write(_ context.Context, b *row.Batch) error {
	if p.rows == 0 {
		p.firstRow = time.Since(p.started)
	}
	p.rows += b.Len()
	b.Release()
	return nil
}

// giant is an input with one very long line, made up as it is read.
type giant struct {
	head, tail string
	fill       int
}

func (g *giant) Read(p []byte) (n int, err error) {
	if n = copy(p, g.head); n > 0 {
		g.head = g.head[n:]
		return n, nil
	}
	if g.fill > 0 {
		n = min(len(p), g.fill)
		for i := range p[:n] {
			p[i] = 'x'
		}
		g.fill -= n
		return n, nil
	}
	if n = copy(p, g.tail); n > 0 {
		g.tail = g.tail[n:]
		return n, nil
	}
	return 0, io.EOF
}

// measuring looks at the memory that stays in use after the giant line.
type measuring struct {
	sink
	longest int
	live    uint64
}

func (m *measuring) Write(_ context.Context, b *row.Batch) error {
	m.longest = max(m.longest, len(b.Data))
	m.rows += b.Len()
	b.Release()
	return nil
}

func (m *measuring) State(_ context.Context, _ json.RawMessage) error {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m.live = s.HeapAlloc
	return nil
}

func TestALineOf100MB(t *testing.T) {
	const size = 100 << 20
	g := &giant{head: keyedSchema + "\n" + recordOf(`"id":1,"v":"`)[:len(recordOf(`"id":1,"v":"`))-2], fill: size,
		tail: "\"}}\n" + recordOf(`"id":2`) + "\n" + strings.Repeat(recordOf(`"id":3`)+"\n", 3) + `{"type":"STATE","value":{"a":1}}` + "\n"}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := &measuring{}
	if _, err := NewReader(g, ReaderOptions{}).Run(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	if m.rows != 5 || m.longest < size {
		t.Errorf("%d rows, longest batch %d", m.rows, m.longest)
	}
	// Allocated in all: the line and the row, each grown step by step.
	if total := after.TotalAlloc - before.TotalAlloc; total > 12*size {
		t.Errorf("%d MB were allocated for it", total>>20)
	}
	if m.live > before.HeapAlloc+16<<20 {
		t.Errorf("%d MB are still held after it", (m.live-before.HeapAlloc)>>20)
	}
}

func TestNoAllocationPerRecord(t *testing.T) {
	for name, c := range map[string]struct{ schema, record string }{
		"lineitem": {lineitemSchema, string(bytes.TrimSpace(lineitemLines(1, false)))},
		"compact":  {lineitemSchema, string(bytes.TrimSpace(lineitemLines(1, true)))},
		"disorder": {keyedSchema, recordOf(`"v":"x","id":1,"unknown":{"a":[1,2]}`)},
		"escapes":  {keyedSchema, recordOf(`"id":1,"v":"a\n\u00e9é"`)},
		"odd":      {keyedSchema, recordOf(`"id":1.0,"v":12`)},
		"nested":   {nestedSchema, recordOf(`"id":1,"a":{"x" : "1", "b":{"y":[1, 2, {"k":null}]}}`)},
	} {
		r := NewReader(nil, ReaderOptions{})
		r.h = &sink{}
		ctx := context.Background()
		schema, line := []byte(c.schema), []byte(c.record)
		for _, l := range [][]byte{schema, line, line} {
			if err := r.message(ctx, l); err != nil {
				t.Fatal(name, err)
			}
		}
		for range 2000 { // all buffers grow to their size
			_ = r.message(ctx, line)
		}
		if n := testing.AllocsPerRun(3000, func() {
			if err := r.message(ctx, line); err != nil {
				t.Fatal(err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations per record", name, n)
		}
	}
}
