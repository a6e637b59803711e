package postgres_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"testing"

	"elt/internal/pgtest"
	"elt/internal/singer"
	"elt/taps"
	"elt/taps/postgres"
)

// What a run asks of the server is counted: discovery and streams over one
// connection, each with as few round trips as there can be.
func TestRoundTrips(t *testing.T) {
	w := newWorld(t)
	w.exec("create table t (id int primary key, name text); insert into t values (1, 'a'), (2, 'b'); create table bare (name text)")
	u := &url.URL{Scheme: "postgresql", Host: w.cfg["host"].(string) + ":" + strconv.Itoa(w.cfg["port"].(int))}
	traffic, through := pgtest.Count(t, u.String())
	u, _ = url.Parse(through)
	port, _ := strconv.Atoi(u.Port())
	w.cfg["host"], w.cfg["port"] = u.Hostname(), port
	read := func(id, method, key, state string) (found, synced int) {
		t.Helper()
		o, err := taps.Open(t.Context(), postgres.New(), w.config())
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		before := traffic.Trips()
		catalog, err := o.Discover(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found = traffic.Trips() - before
		for _, cs := range catalog.Streams {
			cs.SetMeta("selected", cs.ID() == id)
			cs.SetMeta("replication-method", method)
			cs.SetMeta("replication-key", key)
		}
		out := newRecorder()
		if err := o.Sync(t.Context(), catalog, singer.NewBookmarks(json.RawMessage(state)), out); err != nil {
			t.Fatal(err)
		}
		if out.streams[id] == nil || !out.streams[id].ended {
			t.Errorf("%s was not read", id)
		}
		return found, traffic.Trips() - before - found
	}
	for _, c := range []struct {
		id, method, key, state string
		want                   int // the tables once more, and:
	}{
		{"public-bare", singer.FullTable, "", "", 2},  // the rows
		{"public-t", singer.FullTable, "", "", 3},     // how large the table is; the rows
		{"public-t", singer.Incremental, "id", "", 5}, // who writes, the snapshot, who writes then; the rows
		{"public-t", singer.Incremental, "id", mark, 5},
	} {
		connections := traffic.Connections()
		found, synced := read(c.id, c.method, c.key, c.state)
		if found != 2 || synced != c.want || traffic.Connections() != connections+1 {
			t.Errorf("%s, %s, bookmark %q: discovery took %d round trips, not 2, and reading %d, not %d, over %d connections", c.id, c.method, c.state, found, synced, c.want, traffic.Connections()-connections)
		}
	}
}

const mark = `{"bookmarks":{"public-t":{"replication_key":"id","replication_key_value":2}}}`

// A connection that somebody cut while the run waited for its destination is
// made anew.
func TestCutBetweenDiscoveryAndSync(t *testing.T) {
	w := newWorld(t)
	w.exec("create table t (id int primary key); insert into t values (1)")
	o, err := taps.Open(t.Context(), postgres.New(), w.config())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	catalog, err := o.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, cs := range catalog.Streams {
		cs.SetMeta("selected", true)
	}
	w.exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'elt' and datname = current_database()")
	out := newRecorder()
	if err := o.Sync(t.Context(), catalog, singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
	if rows := out.streams["public-t"].rows; len(rows) != 1 {
		t.Errorf("%d rows", len(rows))
	}
}
