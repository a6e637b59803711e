package statetest

import (
	"fmt"
	"testing"
	"time"

	"elt/state"
)

// finished is a run that has ended, with its streams.
func finished(id, stateID, status string, ended time.Time, streams ...state.StreamStats) state.Run {
	r := start(id, stateID, ended.Add(-time.Minute))
	r.Status, r.Ended, r.Streams = status, &ended, streams
	return r
}

func shape(fingerprint string) state.SchemaVersion {
	return state.SchemaVersion{Fingerprint: fingerprint, Shape: raw(`{"columns":[],"is":"` + fingerprint + `"}`)}
}

func streams(t *testing.T, e env) {
	t0 := time.Date(2024, 2, 29, 12, 0, 0, 123456000, time.UTC)
	one := func(rows int64) state.StreamStats {
		return state.StreamStats{Stream: "a", Rows: rows, Bytes: 10 * rows, Seconds: 2.5}
	}
	first := finished("r1", "x", state.Succeeded, t0, one(5), state.StreamStats{Stream: "b", Rows: 7})
	first.Execution = "e1"
	must(t, e.NoteStreams(e.ctx, first, map[string]state.SchemaVersion{"a": shape("f1"), "gone": shape("f0")}))
	bad := one(1)
	bad.Error = "no such column"
	must(t, e.NoteStreams(e.ctx, finished("r2", "x", state.Failed, t0.Add(time.Hour), bad), nil))
	other := finished("r3", "y", state.Succeeded, t0, one(9))
	other.Environment = "prod"
	must(t, e.NoteStreams(e.ctx, other, nil))
	must(t, e.NoteStreams(e.ctx, finished("r4", "z", state.Failed, t0), nil)) // no streams

	all, err := e.Streams(e.ctx, state.StreamsOf{})
	must(t, err)
	if len(all) != 3 {
		t.Fatalf("%+v", all)
	}
	a := all[0]
	if a.StateID != "x" || a.Stream != "a" || a.RunID != "r2" || a.Execution != "" || a.Status != state.Failed || a.Rows != 1 || a.Bytes != 10 || a.Seconds != 2.5 ||
		a.Error != "no such column" || !a.Ended.Equal(t0.Add(time.Hour)) || a.Succeeded == nil || !a.Succeeded.Equal(t0) || a.FirstSeen.IsZero() ||
		a.Environment != "dev" || a.Name != "tap-x target-y" || a.Schema == nil || a.Schema.Version != 1 || a.Schema.Fingerprint != "f1" || a.Schema.RunID != "r1" ||
		string(a.Schema.Shape) != `{"columns":[],"is":"f1"}` || a.Schema.Seen.IsZero() {
		t.Errorf("%+v %+v", a, a.Schema)
	}
	if b := all[1]; b.Stream != "b" || b.Execution != "e1" || b.Schema != nil || b.Rows != 7 {
		t.Errorf("%+v", b)
	}
	for want, of := range map[string]state.StreamsOf{
		"[x/a x/b]": {Environment: "dev"},
		"[y/a]":     {StateIDs: []string{"y", "none"}},
		"[x/b]":     {StateID: "x", Name: "b"},
		"[x/a]":     {Limit: 1},
		"[x/b y/a]": {After: [2]string{"x", "a"}},
		"[]":        {Environment: "none"},
	} {
		list, err := e.Streams(e.ctx, of)
		must(t, err)
		got := []string{}
		for _, s := range list {
			got = append(got, s.StateID+"/"+s.Stream)
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%+v: %v, want %s", of, got, want)
		}
	}
}

// More streams than one statement writes.
func manyStreams(t *testing.T, e env) {
	var list []state.StreamStats
	schemas := map[string]state.SchemaVersion{}
	for i := range 250 {
		name := fmt.Sprintf("s%03d", i)
		list, schemas[name] = append(list, state.StreamStats{Stream: name, Rows: int64(i)}), shape("f")
	}
	for range 2 {
		must(t, e.NoteStreams(e.ctx, finished("r1", "x", state.Succeeded, time.Now(), list...), schemas))
	}
	all, err := e.Streams(e.ctx, state.StreamsOf{StateID: "x"})
	must(t, err)
	if len(all) != 250 || all[249].Rows != 249 || all[249].Schema.Version != 1 {
		t.Fatalf("%d", len(all))
	}
}

// A version is added when the schema is another, and the oldest go.
func schemas(t *testing.T, e env) {
	for i, fingerprint := range []string{"f1", "f1", "f2", "f1", "f3", "f4", "f5", "f5"} {
		r := finished(fmt.Sprint("r", i), "x", state.Succeeded, time.Now(), state.StreamStats{Stream: "a"})
		must(t, e.NoteStreams(e.ctx, r, map[string]state.SchemaVersion{"a": shape(fingerprint)}))
	}
	list, err := e.Schemas(e.ctx, "x", "a", 0)
	must(t, err)
	got := ""
	for _, v := range list {
		got += fmt.Sprintf("%d %s %s, ", v.Version, v.Fingerprint, v.RunID)
	}
	if got != "6 f5 r6, 5 f4 r5, 4 f3 r4, 3 f1 r3, 2 f2 r2, " {
		t.Error(got)
	}
	if list, err = e.Schemas(e.ctx, "x", "a", 2); err != nil || len(list) != 2 || list[1].Version != 5 {
		t.Errorf("%+v %v", list, err)
	}
	if now, err := e.Streams(e.ctx, state.StreamsOf{}); err != nil || now[0].Schema.Version != 6 {
		t.Errorf("%+v %v", now, err)
	}
}

func daemons(t *testing.T, e env) {
	d := state.Daemon{Name: "host/1/a", Project: "p", Environment: "dev", Host: "host", PID: 1, Version: "v", Roles: []string{"worker"}, Queues: []string{"", "heavy"}, Slots: 4, Executor: "process"}
	other := d
	other.Name, other.Environment = "host/2/b", "prod"
	must(t, e.KeepDaemon(e.ctx, d, time.Hour))
	must(t, e.KeepDaemon(e.ctx, other, time.Hour))
	e.advance(t, time.Minute)
	list, err := e.Daemons(e.ctx, "p", "dev")
	must(t, err)
	if len(list) != 1 || list[0].Name != d.Name || list[0].Silent < time.Minute || list[0].Slots != 4 || fmt.Sprint(list[0].Roles, list[0].Queues) != "[worker] [ heavy]" ||
		list[0].Project != "p" || list[0].Environment != "dev" || list[0].Started.IsZero() {
		t.Fatalf("%+v", list)
	}
	began := list[0].Started
	must(t, e.KeepDaemon(e.ctx, d, time.Hour))
	if list, err = e.Daemons(e.ctx, "p", "dev"); err != nil || list[0].Silent > 30*time.Second || !list[0].Started.Equal(began) {
		t.Fatalf("%+v %v", list, err)
	}
	e.advance(t, 2*time.Hour)
	third := d
	third.Name = "host/3/c"
	must(t, e.KeepDaemon(e.ctx, third, time.Hour)) // forgets those that are silent
	must(t, e.LeaveDaemon(e.ctx, "none"))
	if list, err = e.Daemons(e.ctx, "p", "dev"); err != nil || len(list) != 1 || list[0].Name != third.Name {
		t.Fatalf("%+v %v", list, err)
	}
	must(t, e.LeaveDaemon(e.ctx, third.Name))
	if list, err = e.Daemons(e.ctx, "p", "dev"); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
}

func queues(t *testing.T, e env) {
	now := time.Now().UTC()
	for i, queue := range []string{"", "", "", "heavy", "heavy"} {
		x := request(fmt.Sprint("e", i))
		x.Queue = queue
		if i == 2 {
			x.NotBefore = now.Add(time.Hour)
		}
		e.enqueue(t, x)
	}
	must(t, second(e.Begin(e.ctx, "e3", "w")))
	must(t, second(e.Begin(e.ctx, "e4", "w")))
	list, err := e.QueueStates(e.ctx, "p", "dev")
	must(t, err)
	if len(list) != 2 || list[0].Queue != "" || list[0].Waiting != 2 || list[0].Later != 1 || list[0].Running != 0 || list[0].Oldest == nil || time.Since(*list[0].Oldest).Abs() > time.Minute ||
		list[1].Queue != "heavy" || list[1].Running != 2 || list[1].Waiting != 0 || list[1].Oldest != nil {
		t.Fatalf("%+v", list)
	}
}
