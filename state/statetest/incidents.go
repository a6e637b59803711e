package statetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"elt/state"
)

func incident(id, key string) state.Incident {
	return state.Incident{ID: id, Project: "p", Environment: "dev", Key: key, Kind: "failure", Pipeline: "nightly",
		Summary: "nightly failed", Detail: "no such host", Run: "r1"}
}

func incidents(t *testing.T, e env) {
	ok, err := e.OpenIncident(e.ctx, incident("a", "failure nightly"), []string{"ops", "mail"}, time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err = e.OpenIncident(e.ctx, incident("b", "failure nightly"), []string{"ops"}, 0); err != nil || ok {
		t.Fatalf("a second incident of one key was opened: %v", err)
	}
	elsewhere := incident("c", "failure nightly")
	elsewhere.Environment = "prod"
	if ok, err = e.OpenIncident(e.ctx, elsewhere, []string{"ops"}, 0); err != nil || !ok {
		t.Fatal(ok, err)
	}
	list, err := e.Incidents(e.ctx, "p", "dev", true, 0)
	must(t, err)
	if len(list) != 1 || list[0].Opened.IsZero() || list[0].Summary != "nightly failed" || list[0].Run != "r1" || list[0].Resolved != nil {
		t.Fatalf("%+v", list)
	}
	claim := func(channel string) []state.Notice {
		t.Helper()
		got, err := e.ClaimNotices(e.ctx, "p", "dev", channel, 5*time.Minute, time.Minute)
		must(t, err)
		return got
	}
	if got := claim("ops"); len(got) != 0 {
		t.Fatalf("told before it is due: %+v", got)
	}
	e.advance(t, 2*time.Minute)
	soon := incident("e", "stale nightly")
	if ok, err = e.OpenIncident(e.ctx, soon, []string{"late"}, 0); err != nil || !ok {
		t.Fatal(ok, err)
	}
	soon = incident("f", "silent nightly")
	if ok, err = e.OpenIncident(e.ctx, soon, []string{"late"}, time.Hour); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if got := claim("late"); len(got) != 2 { // in one message with what is due
		t.Fatalf("%+v", got)
	}
	for _, id := range []string{"e", "f"} {
		if _, err := e.ResolveIncident(e.ctx, id, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	got := claim("ops")
	if len(got) != 1 || got[0].What != state.NoticeOpened || got[0].Attempts != 1 || got[0].Key != "failure nightly" || got[0].Channel != "ops" {
		t.Fatalf("%+v", got)
	}
	if again := claim("ops"); len(again) != 0 {
		t.Fatalf("told by two: %+v", again)
	}
	// The channel was away: due again later.
	must(t, e.NoticesDone(e.ctx, "ops", got, "503", 3*time.Minute))
	if again := claim("ops"); len(again) != 0 {
		t.Fatalf("%+v", again)
	}
	e.advance(t, 4*time.Minute)
	if got = claim("ops"); len(got) != 1 || got[0].Attempts != 2 || got[0].Error != "503" {
		t.Fatalf("%+v", got)
	}
	must(t, e.NoticesDone(e.ctx, "ops", got, "", 0))
	ok, err = e.ResolveIncident(e.ctx, "a", []string{"ops"}, 0)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err = e.ResolveIncident(e.ctx, "a", []string{"ops"}, 0); err != nil || ok {
		t.Fatalf("resolved twice: %v", err)
	}
	if got := claim("ops"); len(got) != 0 {
		t.Fatalf("not quiet: %+v", got)
	}
	e.advance(t, 6*time.Minute)
	if got = claim("ops"); len(got) != 1 || got[0].What != state.NoticeResolved || got[0].Resolved == nil {
		t.Fatalf("%+v", got)
	}
	must(t, e.NoticesDone(e.ctx, "ops", got, "", 0))
	if all, err := e.NoticesOf(e.ctx, "a"); err != nil || len(all) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	must(t, e.NoticesDone(e.ctx, "mail", claim("mail"), "given up", 0))
	e.advance(t, time.Hour)
	must(t, e.PruneIncidents(e.ctx, time.Minute))
	if list, err = e.Incidents(e.ctx, "p", "dev", false, 0); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	if list, err = e.Incidents(e.ctx, "p", "prod", true, 0); err != nil || len(list) != 1 {
		t.Fatalf("an open incident was pruned: %+v %v", list, err)
	}
	// The key is free again.
	if ok, err = e.OpenIncident(e.ctx, incident("d", "failure nightly"), nil, 0); err != nil || !ok {
		t.Fatal(ok, err)
	}
}

// oneIncident: several daemons see the same things; each is opened once and
// told once.
func oneIncident(t *testing.T, e env) {
	const daemons, things = 4, 15
	var mu sync.Mutex
	var all sync.WaitGroup
	told := map[string]int{}
	for n := range daemons {
		store := e.Open(t, e.place)
		all.Go(func() {
			for i := range things {
				if _, err := store.OpenIncident(e.ctx, incident(fmt.Sprintf("%d-%d", i, n), fmt.Sprint("thing ", i)), []string{"ops"}, 0); err != nil {
					t.Error(err)
					return
				}
				got, err := store.ClaimNotices(e.ctx, "p", "dev", "ops", 0, time.Hour)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, x := range got {
					told[x.Key]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	list, err := e.Incidents(e.ctx, "p", "dev", true, 0)
	must(t, err)
	if len(list) != things || len(told) != things {
		t.Fatalf("%d incidents, %d told, want %d", len(list), len(told), things)
	}
	for key, n := range told {
		if n != 1 {
			t.Errorf("%s was told %d times", key, n)
		}
	}
}
