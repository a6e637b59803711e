package postgres_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"elt/internal/singer"
	"elt/taps/postgres"
)

// What the role may not read is named at discovery, with the rest as streams.
func TestTablesThatMayNotBeReadAreNamed(t *testing.T) {
	w := newWorld(t)
	role := strings.Replace(w.cfg["database"].(string), "elt", "reader", 1)
	w.exec(`create schema shut; create table shut.t (id int); create table open (id int); create table part (id int, secret text); create table "No Grant" (id int);
		create role ` + role + ` login; grant select on open to ` + role + `; grant select (id) on part to ` + role)
	t.Cleanup(func() { w.exec("drop owned by " + role + "; drop role " + role) })
	discover := func(settings string) (streams, said string) {
		var log bytes.Buffer
		logger := zerolog.New(&log)
		c, err := postgres.New().Discover(logger.WithContext(context.Background()), w.config(settings))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Streams {
			streams += s.ID() + " "
		}
		return streams, log.String()
	}
	streams, said := discover(`{"user": "` + role + `"}`)
	if streams != "public-open public-part " || strings.Count(said, "\n") != 1 || !strings.Contains(said, `public.No Grant, shut.t (grant`) {
		t.Errorf("streams %s, said %s", streams, said)
	}
	if streams, said = discover(`{"filter_schemas": ["public", "nowhere"]}`); streams != "public-No Grant public-open public-part " || strings.Count(said, "\n") != 1 || !strings.Contains(said, `\"nowhere\"`) {
		t.Errorf("streams %s, said %s", streams, said)
	}
}

// Columns of types that nobody here knows are named once, and read as text.
func TestUnknownTypesAreNamed(t *testing.T) {
	w := newWorld(t)
	w.exec(`create extension seg; create domain span as seg; create type mood as enum ('ok');
		create table t (id int primary key, s seg, many seg[], d span, m mood, r int4range); insert into t values (1, '1 .. 2', '{1}', '3', 'ok', '[1,2)')`)
	var log bytes.Buffer
	logger := zerolog.New(&log)
	out := newRecorder()
	if err := postgres.New().Sync(logger.WithContext(context.Background()), w.config(), w.catalog("{}"), singer.Bookmarks{}, out); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(out.streams["public-t"].rows[0], "|"); got != `1|1 .. 2|["1"]|3|ok|[1,2)` {
		t.Errorf("row %s", got)
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "s (public.seg), many (public.seg), d (public.seg)\"") {
		t.Errorf("said %s", said)
	}
}
