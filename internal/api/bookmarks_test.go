package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"elt/state"
)

func TestBookmarks(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v1/bookmarks/dev:tap-csv-to-target-sqlite"
	w.want(404, "GET", path, "")
	const value = `{"bookmarks":{"a":{"n":9007199254740993,"d":1.10}}}`
	w.want(428, "PUT", path, `{"state":`+value+`}`)
	r := w.want(200, "PUT", path, `{"state":`+value+`}`, `If-Match: "0"`)
	if r.Header.Get("ETag") != `"1"` || !strings.Contains(r.text, `"state":`+value) {
		t.Fatalf("%v %s", r.Header, r.text)
	}
	if p := w.want(412, "PUT", path, `{"state":{"a":1}}`, `If-Match: "0"`).problem(t); p.Code != "edited" {
		t.Errorf("%+v", p)
	}
	w.want(412, "PUT", path, `{"state":{"a":1}}`, `If-Match: "abc"`)
	w.want(422, "PUT", path, `{"state":[1]}`, `If-Match: "1"`)
	w.want(422, "PUT", path, `{"state":null}`, `If-Match: "1"`)
	// What Meltano shows may be put back as it is.
	w.want(200, "PUT", path, `{"state":{"singer_state":{"bookmarks":{"a":{"n":2}}}}}`, `If-Match: "1"`)
	r = w.want(200, "GET", path, "")
	if r.Header.Get("ETag") != `"2"` || !strings.Contains(r.text, `"state":{"bookmarks":{"a":{"n":2}}}`) {
		t.Errorf("%v %s", r.Header, r.text)
	}
	history := into[List[Revision]](t, w.want(200, "GET", path+"/history", ""))
	if len(history.Items) != 2 || history.Items[0].Op != "set" || len(history.Items[0].Changes) != 2 || history.Items[0].Changes[0].Path != "bookmarks.a.d" {
		t.Errorf("%+v", history)
	}
	if d := into[Diff](t, w.want(200, "GET", path+"/diff", "")); len(d.Changes) != 2 || string(d.Changes[1].From) != "9007199254740993" || string(d.Changes[1].To) != "2" {
		t.Errorf("%+v", d)
	}
	w.want(404, "GET", path+"/diff?from=999", "")
	w.want(428, "POST", path+"/rollback", "")
	if r := w.want(200, "POST", path+"/rollback", "", `If-Match: "2"`); !strings.Contains(r.text, value) || r.Header.Get("ETag") != `"3"` {
		t.Error(r.text)
	}
	w.want(412, "POST", path+"/clear", "", `If-Match: "2"`)
	if b := into[Bookmark](t, w.want(200, "POST", path+"/clear", "", "If-Match: *")); string(b.State) != "null" || b.Edit != 4 {
		t.Errorf("%+v", b)
	}
	w.want(404, "POST", path+"/rollback", `{"to":999}`, "If-Match: *")
	first := history.Items[1].Revision
	text, _ := json.Marshal(map[string]int64{"to": first})
	w.want(200, "POST", path+"/rollback", string(text), `If-Match: "4"`)

	if err := w.store.StartRun(t.Context(), state.Run{ID: "r", StateID: "dev:tap-csv-to-target-sqlite", Status: state.Running, Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if b := into[Bookmark](t, w.want(200, "POST", path+"/clear", "", "If-Match: *")); !strings.Contains(b.Warning, "run r is under way") {
		t.Errorf("%+v", b)
	}
	w.want(200, "PUT", "/api/v1/bookmarks/odd%2Fid%20%3F", `{"state":{"a":1}}`, "If-Match: *")
	list := into[List[BookmarkEntry]](t, w.want(200, "GET", "/api/v1/bookmarks?limit=1", ""))
	if len(list.Items) != 1 || list.Items[0].StateID != "odd/id ?" {
		t.Errorf("%+v", list)
	}
	w.want(403, "PUT", path, `{"state":{"a":1}}`, "If-Match: *", "Authorization: Bearer "+w.tokens[ScopeRead])
	deeds := into[List[Deed]](t, w.want(200, "GET", "/api/v1/audit?limit=2", ""))
	if d := deeds.Items[1]; d.Action != "bookmark.set" || d.Object != "odd/id ?" || d.Status != 200 {
		t.Errorf("%+v", d)
	}
}

func TestSchedules(t *testing.T) {
	w := newWorld(t)
	list := into[List[Schedule]](t, w.want(200, "GET", "/api/v1/schedules?fires=3", ""))
	if len(list.Items) != 2 || len(list.Items[0].NextFires) != 3 || list.Items[0].Timezone != "Europe/Berlin" || list.Items[0].Pipeline != "load" || list.Items[0].Catchup != "latest" {
		t.Errorf("%+v", list)
	}
	s := into[Schedule](t, w.want(200, "POST", "/api/v1/schedules/nightly/pause", ""))
	if s.Paused == nil || s.Paused.By != "admin" || len(s.NextFires) != 0 {
		t.Errorf("%+v", s)
	}
	if s = into[Schedule](t, w.want(200, "POST", "/api/v1/schedules/nightly/resume", "")); s.Paused != nil || len(s.NextFires) != 10 {
		t.Errorf("%+v", s)
	}
	for n, outcome := range []string{state.SlotFired, state.SlotMissed} {
		slot := state.Slot{Project: "p", Environment: "dev", Schedule: "nightly", Slot: time.Date(2026, 1, 1+n, 2, 0, 0, 0, time.UTC), Outcome: outcome, Why: "why"}
		if _, err := w.store.Fire(t.Context(), slot, nil, false); err != nil {
			t.Fatal(err)
		}
	}
	slots := into[List[Slot]](t, w.want(200, "GET", "/api/v1/schedules/nightly/slots", ""))
	if len(slots.Items) != 2 || slots.Items[0].Outcome != "missed" {
		t.Errorf("%+v", slots)
	}
	if slots = into[List[Slot]](t, w.want(200, "GET", "/api/v1/schedules/nightly/slots?outcome=fired", "")); len(slots.Items) != 1 {
		t.Errorf("%+v", slots)
	}
	if p := w.want(404, "POST", "/api/v1/schedules/nightli/pause", "").problem(t); p.Hint != `did you mean "nightly"?` {
		t.Errorf("%+v", p)
	}
}

func TestBackfills(t *testing.T) {
	w := newWorld(t)
	from := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	b := state.Backfill{ID: "20240101-abcdef", StateID: "dev:x", Name: "tap-csv target-sqlite", Environment: "dev", From: from, To: from.AddDate(0, 0, 1),
		Chunks: []state.Chunk{{N: 1, From: from, To: from.AddDate(0, 0, 1), StateID: "c"}}}
	if err := w.store.CreateBackfill(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	list := into[List[Backfill]](t, w.want(200, "GET", "/api/v1/backfills", ""))
	if len(list.Items) != 1 || list.Items[0].Status != "interrupted" || list.Items[0].ChunksTotal != 1 {
		t.Errorf("%+v", list)
	}
	d := into[RunDetail](t, w.want(202, "POST", "/api/v1/backfills/"+b.ID+"/resume", ""))
	if d.BackfillID != b.ID {
		t.Errorf("%+v", d)
	}
	if one := into[Backfill](t, w.want(200, "POST", "/api/v1/backfills/"+b.ID+"/cancel", "")); one.Status != "cancelled" {
		t.Errorf("%+v", one)
	}
	w.want(409, "POST", "/api/v1/backfills/"+b.ID+"/cancel", "")
	w.want(409, "POST", "/api/v1/backfills/"+b.ID+"/resume", "")
	w.want(404, "GET", "/api/v1/backfills/none", "")
	d = into[RunDetail](t, w.want(202, "POST", "/api/v1/backfills", `{"blocks":["tap-csv","target-sqlite"],"from":"2024-01-01","to":"2024-02-01","chunk":"1w","parallel":2}`))
	if d.BackfillID == "" || d.Options.Chunk != "1w" {
		t.Errorf("%+v", d)
	}
	w.want(422, "POST", "/api/v1/backfills", `{"blocks":["tap-csv","target-sqlite"],"from":"","to":""}`)
}
