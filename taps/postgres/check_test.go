package postgres_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/taps"
	"elt/taps/postgres"
)

// checks runs the tap under --check, and again with catalog unless it is "":
// the names of the checks, failures with their kinds, and all that was said.
func (w *world) checks(catalog string, more map[string]any) (names, said string) {
	w.t.Helper()
	cfg := map[string]any{}
	for _, m := range []map[string]any{w.cfg, more} {
		for k, v := range m {
			cfg[k] = v
		}
	}
	raw, _ := json.Marshal(cfg)
	path := filepath.Join(w.t.TempDir(), "config.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
	args := []string{"--config", path, "--check"}
	if catalog != "" {
		args = append(args, "--catalog", catalog)
	}
	var out, errs bytes.Buffer
	taps.Serve(w.t.Context(), postgres.New(), args, taps.IO{Out: &out, Err: &errs}, nil)
	var got []string
	for line := range strings.Lines(out.String()) {
		var r check.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			w.t.Fatal(err)
		}
		if !r.Passed {
			r.Check += ":" + string(r.Kind)
		}
		got = append(got, r.Check)
	}
	return strings.Join(got, " "), out.String()
}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	w.exec(`create schema shut; create table shut.orders (id int); create table items (id int); insert into items values (1), (2);
		create role clerk login; create role stranger login; grant select on items to clerk`)
	t.Cleanup(func() { w.exec("drop owned by clerk; drop owned by stranger; drop role clerk; drop role stranger") })
	for _, c := range []struct {
		more       map[string]any
		want, said string
	}{
		{nil, "settings connect login permission discover", "may read 2 tables"},
		{map[string]any{"user": "clerk"}, "settings connect login permission discover", "may read 1 table, but not shut.orders"},
		{map[string]any{"user": "stranger"}, "settings connect login permission:permission", `may read none of 2 tables: public.items, shut.orders`},
		{map[string]any{"filter_schemas": []string{"nosuch"}}, "settings connect login permission:path", "no schema of the database"},
		{map[string]any{"user": "nosuch"}, "settings connect login:auth", "pg_hba.conf"},
		{map[string]any{"database": "nosuch"}, "settings connect login:path", "check the setting database"},
		{map[string]any{"ssl_enable": true, "ssl_mode": "require"}, "settings connect login:tls", "refused TLS"},
		{map[string]any{"port": 1}, "settings connect:connect", "127.0.0.1:1"},
		{map[string]any{"host": ""}, "settings:settings", "missing"},
	} {
		if names, said := w.checks("", c.more); names != c.want || !strings.Contains(said, c.said) {
			t.Errorf("%v: %s, want %s with %q\n%s", c.more, names, c.want, c.said, said)
		}
	}
	catalog := func(schema, table string) string {
		path := filepath.Join(t.TempDir(), "catalog.json")
		text := `{"streams":[{"tap_stream_id":"` + schema + `-` + table + `","stream":"` + schema + `-` + table + `","table_name":"` + table + `","schema":{"type":"object","properties":{"id":{"type":["null","integer"]}}},
			"metadata":[{"breadcrumb":[],"metadata":{"selected":true,"schema-name":"` + schema + `"}},{"breadcrumb":["properties","id"],"metadata":{"selected":true}}]}]}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	clerk := map[string]any{"user": "clerk"}
	for _, c := range []struct{ schema, table, want string }{
		{"public", "items", "read"},
		{"shut", "orders", "read:permission"},
		{"public", "nosuch", "read:path"},
	} {
		if names, said := w.checks(catalog(c.schema, c.table), clerk); names != c.want {
			t.Errorf("%s.%s: %s, want %s\n%s", c.schema, c.table, names, c.want, said)
		}
	}
}
