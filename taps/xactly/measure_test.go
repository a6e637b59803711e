package xactly

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	fake "elt/internal/fake/xactly"
	"elt/internal/row"
	"elt/internal/singer"
	"elt/taps"
)

// nowhere is an Output that keeps nothing.
type nowhere struct{ written func(*row.Batch) }

func (n nowhere) Stream(context.Context, *row.Schema) (taps.Stream, error) { return n, nil }
func (nowhere) Parallel() int                                              { return 1 }
func (nowhere) Acked() <-chan taps.Position                                { return nil }
func (nowhere) Schema(*row.Schema) error                                   { return nil }
func (n nowhere) Write(b *row.Batch) error                                 { n.written(b); b.Release(); return nil }
func (nowhere) Position(taps.Position) error                               { return nil }
func (nowhere) Activate(int64) error                                       { return nil }
func (nowhere) End() error                                                 { return nil }
func (nowhere) Close() error                                               { return nil }

// canned is a server whose n-th result is what page makes, counted from 0.
func canned(t testing.TB, page func(n int) []byte) *httptest.Server {
	t.Helper()
	asked := -1
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/token"):
			fmt.Fprint(w, `{"access_token":"token"}`)
		case strings.HasSuffix(r.URL.Path, "/execute"):
			asked++
			w.Header().Set("Location", "/connect/v1/xdbc/"+strconv.Itoa(asked))
			w.WriteHeader(201)
		default:
			_, _ = w.Write(page(asked))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// sheet is an answer with rows of a table, ids and dates counting from first on.
func sheet(table *fake.Table, first int) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"data":{"totalRows":%d,"rows":[`, len(table.Rows))
	for n, cells := range table.Rows {
		for i, name := range table.Columns {
			b.WriteString([]string{",", "],[", "["}[map[bool]int{i == 0: 1}[true]+map[bool]int{i == 0 && n == 0: 1}[true]])
			switch {
			case i == 0:
				b.WriteString(strconv.Itoa(220000000000000 + first + n))
			case name == "MODIFIED_DATE":
				b.WriteString(fake.Date(first + n))
			default:
				b.WriteString(cells[i])
			}
		}
	}
	b.WriteString("]]}}")
	return b.Bytes()
}

const none = `{"data":{"totalRows":0,"rows":[]}}`

// read syncs one stream.
func read(t testing.TB, server *httptest.Server, stream string, more object, out taps.Output) {
	t.Helper()
	settings := object{"username": "u", "password": "p", "client_id": "c", "consumer": "c", "url_base": server.URL, "undated_rows": "never", "end_date": "2200-01-01"}
	for k, v := range more {
		settings[k] = v
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := New().Spec().Resolve(raw)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := New().Discover(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range catalog.Streams {
		st.SetMeta("selected", st.ID() == stream)
	}
	if err := New().Sync(t.Context(), cfg, catalog, singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
}

// A page is all that is held, however many there are.
func TestMemoryIsThatOfAPage(t *testing.T) {
	table := fake.Tables(1000, "xc_role")[0]
	peak := func(pages int) uint64 {
		server := canned(t, func(n int) []byte {
			if n == pages {
				return []byte(none)
			}
			return sheet(table, n*999)
		})
		var most, count uint64
		read(t, server, "xc_role", object{"page_size": 1000}, nowhere{func(b *row.Batch) {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most, count = max(most, m.HeapAlloc), count+uint64(b.Len())
		}})
		if count < uint64(pages*999) {
			t.Errorf("%d rows", count)
		}
		return most >> 10
	}
	few, many := peak(2), peak(40)
	if many > few+1024 {
		t.Errorf("2 pages take %d KiB, 40 take %d", few, many)
	}
}

// BenchmarkRows is the cost of 10 000 rows of 20 columns in one page, reading
// them from the network and handing them on as rows included.
func BenchmarkRows(b *testing.B) {
	table := fake.Tables(10000, "xc_quota_assignment")[0]
	page := sheet(table, 0)
	server := canned(b, func(n int) []byte {
		if n%2 == 1 {
			return []byte(none)
		}
		return page
	})
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		read(b, server, "xc_quota_assignment", nil, nowhere{func(b *row.Batch) { rows += b.Len() }})
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
