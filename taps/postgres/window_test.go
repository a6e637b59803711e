package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"elt/internal/fault"
)

// Every row is in exactly one of windows that meet, whatever the type of the
// key, the server's zone, and the fractions of a second.
func TestWindowsMeetWithoutGapOrOverlap(t *testing.T) {
	w := newWorld(t)
	w.exec(`set timezone = 'Asia/Kolkata'; create domain moment as timestamptz;
		create table t (id int primary key, tz timestamptz, ts timestamp, d date, own moment);
		insert into t select n, at, at at time zone 'UTC', (at at time zone 'UTC')::date, at
			from (select n, timestamptz '2024-01-01 00:00:00Z' + n * interval '5 hours 59 minutes 59.999999 seconds' as at from generate_series(0, 40) n) x;
		insert into t values (97, '2024-01-08 00:00:00Z', '2024-01-08', '2024-01-08', '2024-01-08 00:00:00Z'), (98, 'infinity', 'infinity', 'infinity', 'infinity'), (99, null, null, null, null)`)
	for _, key := range []string{"tz", "ts", "d", "own"} {
		t.Run(key, func(t *testing.T) {
			c := w.catalog("{}", "public-t="+key)
			read := func(start, end string) []string {
				var ids []string
				for _, r := range w.mustSync(c, "", fmt.Sprintf(`{"start_date": %q, "end_date": %q}`, start, end)).streams["public-t"].rows {
					ids = append(ids, r[0])
				}
				slices.Sort(ids)
				return ids
			}
			whole := read("2024-01-01", "2024-01-11T12:00:00Z")
			if len(whole) != 42 {
				t.Fatalf("%d rows: %v", len(whole), whole)
			}
			var parts []string
			for _, bounds := range [][2]string{{"2024-01-01", "2024-01-03T01:30:00+05:30"}, {"2024-01-02T20:00:00Z", "2024-01-08"}, {"2024-01-08", "2024-01-11T12:00:00Z"}} {
				parts = append(parts, read(bounds[0], bounds[1])...)
			}
			slices.Sort(parts)
			if !slices.Equal(parts, whole) {
				t.Errorf("in parts %v\nwhole %v", parts, whole)
			}
			if boundary := read("2024-01-08", "2024-01-08T00:00:00.000001Z"); key != "d" && !slices.Equal(boundary, []string{"97"}) {
				t.Errorf("the row on the boundary: %v", boundary)
			}
		})
	}
}

// A bookmark within the window is gone on from; one of an open end reads on.
func TestWindowAndBookmark(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, at timestamptz); insert into t select n, timestamptz '2024-01-01 00:00Z' + n * interval '1 day' from generate_series(0, 9) n; insert into t values (99, null)`)
	c := w.catalog("{}", "public-t=at")
	mark := `{"bookmarks":{"public-t":{"replication_key":"at","replication_key_value":"2024-01-03T00:00:00+00:00"}}}`
	for _, x := range []struct{ state, settings, want string }{
		{mark, `{"start_date": "2024-01-02", "end_date": "2024-01-05"}`, "2 3"},
		{mark, `{"start_date": "2024-01-04"}`, "3 4 5 6 7 8 9"},
		{"", `{"end_date": "2024-01-03"}`, "0 1"},
		{"", `{}`, "99 0 1 2 3 4 5 6 7 8 9"},
	} {
		var ids []string
		for _, r := range w.mustSync(c, x.state, x.settings).streams["public-t"].rows {
			ids = append(ids, r[0])
		}
		if got := strings.Join(ids, " "); got != x.want {
			t.Errorf("%s %s: %s, want %s", x.state, x.settings, got, x.want)
		}
	}
}

func TestWindowMistakes(t *testing.T) {
	w := newWorld(t)
	w.exec(`create table t (id int primary key, at timestamptz)`)
	for _, x := range []struct{ key, settings, want string }{
		{"id", `{"start_date": "2024-01-02"}`, `its replication key "id" is of type integer`},
		{"at", `{"start_date": "soon"}`, `start_date is "soon"`},
		{"at", `{"start_date": "2024-01-02", "end_date": "2024-01-02T00:00:00Z"}`, "is not before"},
	} {
		_, err := w.sync(w.catalog("{}", "public-t="+x.key), "", x.settings)
		if err == nil || !strings.Contains(err.Error(), x.want) || fault.CodeOf(err) != fault.BadConfig {
			t.Errorf("%s %s: %v", x.key, x.settings, err)
		}
	}
}
