package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// A page of records of about 1 KB each, as many APIs have them: numbers,
// times, texts, some nested values.
const (
	benchPages = 40
	benchRows  = 100
)

func benchPage(page int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"data":[`)
	for n := range benchRows {
		if n > 0 {
			b.WriteByte(',')
		}
		id := page*benchRows + n
		fmt.Fprintf(&b, `{"id":%d,"created_at":"2024-01-02T03:04:05Z","updated_at":"2024-02-03T04:%02d:%02d.123Z","status":"open","total":%d.25,"currency":"EUR","paid":true,"note":null,`, id, n%60, id%60, id)
		for f := range 12 {
			fmt.Fprintf(&b, `"field_%02d":"%s %d",`, f, strings.Repeat("lorem ipsum ", 3), id)
		}
		fmt.Fprintf(&b, `"address":{"street":"Main Street %d","city":"Berlin","zip":"10115"},"tags":["a","b","c"],"score":0.5}`, n)
	}
	b.WriteString(`],"next":null}`)
	return b.Bytes()
}

// benchServer serves the pages by a raw write, so that most of what is
// measured is the client's.
func benchServer(b *testing.B) (*httptest.Server, int) {
	var pages [][]byte
	size := 0
	for n := range benchPages {
		pages = append(pages, benchPage(n))
		size += len(pages[n])
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("page"))
		body := []byte(`{"data":[]}`)
		if n >= 1 && n <= benchPages {
			body = pages[n-1]
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}))
	b.Cleanup(s.Close)
	return s, size
}

// cpu is what the process has used, in user and kernel.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func measured(b *testing.B, size int, once func()) {
	once() // connections and caches are warm
	b.SetBytes(int64(size))
	b.ResetTimer()
	before := cpu()
	for b.Loop() {
		once()
	}
	b.ReportMetric(float64(cpu()-before)/1000/float64(b.N)/benchPages/benchRows, "cpu-µs/record")
}

// BenchmarkPages is tap-rest from the server to batches of rows.
func BenchmarkPages(b *testing.B) {
	s, size := benchServer(b)
	for name, more := range map[string]object{"full table": {}, "incremental": {"replication_key": "updated_at", "start_date": "2020-01-01"}} {
		b.Run(name, func(b *testing.B) {
			stream := object{"name": "orders", "path": "/orders", "records_path": "$.data[*]", "primary_keys": []any{"id"}, "pagination": object{"type": "page"}}
			for k, v := range more {
				stream[k] = v
			}
			raw, err := json.Marshal(object{"url_base": s.URL, "streams": []any{stream}})
			if err != nil {
				b.Fatal(err)
			}
			cfg, _, err := New().Spec().Resolve(raw)
			if err != nil {
				b.Fatal(err)
			}
			catalog, err := New().Discover(b.Context(), cfg)
			if err != nil {
				b.Fatal(err)
			}
			measured(b, size, func() {
				var out discard
				if err := New().Sync(b.Context(), cfg, catalog, singer.Bookmarks{}, &out); err != nil || out.rows != benchPages*benchRows {
					b.Fatal(err, out.rows)
				}
			})
		})
	}
}

// BenchmarkPagesFloor fetches the same bytes and reads them to their end.
func BenchmarkPagesFloor(b *testing.B) {
	s, size := benchServer(b)
	measured(b, size, func() {
		for n := range benchPages + 1 {
			res, err := http.Get(s.URL + "/orders?page=" + strconv.Itoa(n+1))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				b.Fatal(err)
			}
			res.Body.Close()
		}
	})
}

// discard is an Output that counts rows and forgets them.
type discard struct{ rows int }

func (d *discard) Stream(context.Context, *row.Schema) (taps.Stream, error) { return d, nil }
func (d *discard) Parallel() int                                            { return 1 }
func (d *discard) Acked() <-chan taps.Position                              { return nil }
func (d *discard) Schema(*row.Schema) error                                 { return nil }
func (d *discard) Position(taps.Position) error                             { return nil }
func (d *discard) Activate(int64) error                                     { return nil }
func (d *discard) End() error                                               { return nil }
func (d *discard) Close() error                                             { return nil }

func (d *discard) Write(b *row.Batch) error {
	d.rows += b.Len()
	b.Release()
	return nil
}
