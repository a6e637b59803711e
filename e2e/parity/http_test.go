package parity

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"elt/internal/fake/domo"
	"elt/internal/fake/xactly"
)

// httpSources are the taps over HTTP.
func httpSources() []source {
	return []source{
		{name: "edcast", open: edcastSource},
		{name: "xactly", open: xactlySource},
		{name: "rest, inferred", open: func(t *testing.T) reading { return restSource(t, "{}") }},
		{name: "rest, with a schema", open: func(t *testing.T) reading {
			return restSource(t, `{properties: {id: {type: integer}, at: {type: string, format: date-time}, n: {type: [number, "null"]}, big: {type: [number, "null"]}, t: {type: [string, "null"]}, o: {type: [object, "null"]}, u: {type: [string, integer, "null"]}, l: {type: [array, "null"]}}}`)
		}},
	}
}

// edcastSource has doubles, odd column names and texts of several lines, an
// incremental dataset and an exported one.
func edcastSource(t *testing.T) reading {
	users := &domo.Dataset{ID: "u-1", Name: "300121_Glue_ Users", Columns: [][2]string{{"User ID", "LONG"}, {"Title", "STRING"}, {"Score", "DECIMAL"}, {"Is Public?", "STRING"}, {"Hired", "DATE"}},
		Rows: [][]string{{"1", "Head of\n\"Data\"", "12.50", "true", "2024-02-29"}, {"2", "", "", "", ""}, {"9007199254740993", "x", "-0.10", "", "0001-01-01"}}}
	server := domo.Start(domo.Behaviour{}, domo.Explorer(300), users)
	t.Cleanup(server.Close)
	return reading{
		tap: "tap-edcast", metadata: "{}",
		config: fmt.Sprintf("{username: %s, password: %q, url_base: %q, start_date: '2021-12-01T00:00:00Z', end_date: '2022-02-01T00:00:00Z', slice_rows: 100}", domo.Client, domo.Secret, server.URL),
		change: func(t *testing.T) {
			server.Change(func(_ *domo.Behaviour, sets *[]*domo.Dataset) {
				for n := 300; n < 320; n++ {
					(*sets)[0].Rows = append((*sets)[0].Rows, domo.ExplorerRow(n))
				}
				(*sets)[1].Rows = append((*sets)[1].Rows, []string{"4", "new", "1e3", "", ""})
			})
		},
	}
}

// xactlySource has ids of fifteen digits and such that are texts, decimals,
// keys of three columns, rows without a date, and a table without a key.
func xactlySource(t *testing.T) reading {
	tables := xactly.Tables(60, "xc_credit", "xc_quota_hist", "xc_quota_relationship", "xc_quota_summary")
	server := xactly.Start(xactly.Behaviour{}, tables...)
	t.Cleanup(server.Close)
	chosen := "{'*': {selected: false}"
	for _, table := range tables {
		chosen += ", " + table.Name + ": {selected: true}"
	}
	return reading{
		tap: "tap-xactly", metadata: chosen + "}",
		config: fmt.Sprintf("{username: %s, password: %q, client_id: %s, consumer: %s, url_base: %q, page_size: 25}", xactly.User, xactly.Password, xactly.ClientID, xactly.Consumer, server.URL),
		change: func(t *testing.T) {
			server.Change(func(_ *xactly.Behaviour, tables *[]*xactly.Table) {
				for n, more := range xactly.Tables(70, "xc_credit", "xc_quota_hist", "xc_quota_relationship", "xc_quota_summary") {
					(*tables)[n].Rows = append((*tables)[n].Rows, more.Rows[60:]...)
				}
				changed := (*tables)[0].Rows[3]
				changed[2], changed[len(changed)-7] = `"changed"`, `"2025-01-01T00:00:00Z"`
			})
		},
	}
}

// restSource has pages, windows, children, and types that a later page widens.
func restSource(t *testing.T, schema string) reading {
	var changed atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := r.URL.Query().Get("page")
		var rows []string
		switch {
		case r.URL.Path == "/orders" && page == "1":
			rows = []string{`{"id":1,"at":"2024-02-29T12:34:56.789+02:00","n":12.50,"big":12345678901234567890.123456789,"t":"Łukasz \"the\" \ud83d\ude00\t\n","o":{"x":{"y":1.10,"z":[1,null]}},"u":1,"l":[]}`,
				`{"id":2,"at":"2024-03-01T00:00:00Z","n":null,"big":-1e30,"t":"","o":{},"u":"1","l":["a",1,{}]}`}
		case r.URL.Path == "/orders" && page == "2":
			rows = []string{`{"id":3,"at":"2024-03-02","n":0}`}
			if changed.Load() {
				rows = append(rows, `{"id":1,"at":"2024-03-03T00:00:00Z","t":"changed"}`, `{"id":4,"at":"2024-03-04T00:00:00Z","n":7,"t":"new","u":null}`)
			}
		case r.URL.Path == "/kinds" && page == "1":
			for n := range 3000 {
				rows = append(rows, fmt.Sprintf(`{"id":%d,"v":%d}`, n, n))
			}
		case r.URL.Path == "/kinds" && page == "2":
			rows = []string{`{"id":3000,"v":1.5,"w":true}`, `{"id":3001,"v":{"x":1}}`}
		case strings.HasPrefix(r.URL.Path, "/orders/") && page == "1":
			rows = []string{`{"line":1,"sku":"a"}`, `{"line":2,"sku":null}`}
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"data":[%s]}`, strings.Join(rows, ","))
	}))
	t.Cleanup(server.Close)
	return reading{
		tap: "tap-rest", metadata: "{}",
		config: fmt.Sprintf(`
      url_base: %q
      start_date: '2024-01-01T00:00:00Z'
      defaults: {records_path: '$.data[*]', pagination: {type: page}}
      streams:
      - {name: orders, path: /orders, primary_keys: [id], replication_key: at, window: {start_param: since}, schema: %s}
      - {name: kinds, path: /kinds, primary_keys: [id]}
      - {name: lines, path: '/orders/{{ parent.id }}/lines', primary_keys: [order_id, line], parent: {stream: orders, fields: {order_id: $.id}}}`, server.URL, strings.Replace(schema, "{}", "''", 1)),
		change: func(*testing.T) { changed.Store(true) },
	}
}
