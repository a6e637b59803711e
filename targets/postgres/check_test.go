package postgres

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/internal/fault"
	"elt/targets"
)

// checks are the names of a target's checks, failures with their kinds, and
// the last error and hint.
func checks(t *testing.T, cfg map[string]any) (names, last string) {
	t.Helper()
	raw, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	resolved, _, err := New().Spec().Resolve(raw)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	New().(targets.Checker).Check(t.Context(), resolved, check.NewReport(0, func(r check.Result) {
		if !r.Passed {
			r.Check += ":" + string(r.Kind)
		}
		got = append(got, r.Check)
		last = r.Error + "; " + r.Hint
	}))
	return strings.Join(got, " "), last
}

func TestCheck(t *testing.T) {
	d := newDB(t)
	d.exec(`create role reader login; create role loader login; create schema closed; create schema open; grant usage, create on schema open to loader;
		create schema others; grant usage, create on schema others to loader; create table others._elt_state (state_id text, part text, primary key (state_id, part))`)
	t.Cleanup(func() { d.exec("drop owned by loader; drop owned by reader; drop role reader; drop role loader") })
	before := d.rows("select count(*) from pg_class")
	as := func(role string, with ...string) string {
		u, err := url.Parse(d.url)
		if err != nil {
			t.Fatal(err)
		}
		if role != "" {
			u.User = url.User(role)
		}
		q := u.Query()
		for i := 0; i < len(with); i += 2 {
			q.Set(with[i], with[i+1])
		}
		u.RawQuery = q.Encode()
		return u.String()
	}
	for _, c := range []struct {
		name, url, schema string
		want, last        string
	}{
		{"sound, new schema", d.url, "fresh", "settings connect login write", ""},
		{"sound, a schema that is there", as("loader"), "open", "settings connect login write", ""},
		{"may not create schemas", as("reader"), "fresh", "settings connect login write:permission", "grant create on database"},
		{"may not create tables", as("loader"), "closed", "settings connect login write:permission", `grant usage, create on schema "closed" to loader`},
		{"another's state table", as("loader"), "others", "settings connect login write:permission", "another role made it"},
		{"no such role", as("nosuch"), "fresh", "settings connect login:auth", "pg_hba.conf"},
		{"no TLS there", as("", "sslmode", "require"), "fresh", "settings connect login:tls", "refused TLS"},
		{"a replica", as("", "default_transaction_read_only", "on"), "fresh", "settings connect login write:permission", "read-only"},
	} {
		names, last := checks(t, map[string]any{"sqlalchemy_url": c.url, "default_target_schema": c.schema})
		if names != c.want || !strings.Contains(last, c.last) {
			t.Errorf("%s: %s, want %s; %s", c.name, names, c.want, last)
		}
	}
	if after := d.rows("select count(*) from pg_class"); after != before || d.rows("select count(*) from pg_namespace where nspname = 'fresh'") != "0" {
		t.Errorf("a check left something behind: %s relations, %s before", after, before)
	}
	if names, _ := checks(t, map[string]any{"host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}); names != "settings connect:"+string(fault.KindConnect) {
		t.Error(names)
	}
	if names, _ := checks(t, map[string]any{"dialect": "pipelinewise", "host": "127.0.0.1", "port": 1, "user": "u", "database": "d"}); names != "settings:settings" {
		t.Error(names)
	}
}
