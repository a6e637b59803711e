package load

import (
	"encoding/json"
	"strings"
	"testing"

	"elt/internal/singer"
	"elt/targets"
)

func marks(s string) singer.Bookmarks { return singer.NewBookmarks(json.RawMessage(s)) }

func TestDecide(t *testing.T) {
	const storeMark, destMark = `{"bookmarks":{"a":{"v":1}}}`, `{"bookmarks":{"a":{"v":2}}}`
	found := func(epoch, edit int64, b string) targets.Fence {
		return targets.Fence{Found: true, Epoch: epoch, Edit: edit, Seq: 9, Bookmarks: marks(b)}
	}
	gone := func(b string) targets.Fence {
		return targets.Fence{Found: true, Epoch: 4, Bookmarks: marks(b), Gone: "a.jsonl"}
	}
	cases := []struct {
		name   string
		req    ClaimRequest
		found  targets.Fence
		epoch  int64
		edit   int64
		marks  string
		source Source
		note   string // part of it
		err    string
	}{
		{name: "first run", req: ClaimRequest{Epoch: 1}, epoch: 2, source: FromNone},
		{name: "first run here, the store has a bookmark", req: ClaimRequest{Epoch: 4, Edit: 2, Bookmarks: json.RawMessage(storeMark)},
			epoch: 5, edit: 2, marks: storeMark, source: FromStore},
		{name: "both agree", req: ClaimRequest{Epoch: 4, Bookmarks: json.RawMessage(`{"bookmarks":{"a":{"v":2.0}}}`), HadDestination: true}, found: found(4, 0, destMark),
			epoch: 5, marks: destMark, source: FromDestination},
		{name: "the destination is ahead of the store", req: ClaimRequest{Epoch: 3, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: found(7, 0, destMark),
			epoch: 8, marks: destMark, source: FromDestination, note: "differs"},
		{name: "the destination was restored", req: ClaimRequest{Epoch: 9, Edit: 1, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: found(2, 1, destMark),
			epoch: 10, edit: 1, marks: destMark, source: FromDestination, note: "restored"},
		{name: "the destination was restored to before any commit", req: ClaimRequest{Epoch: 9, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: found(2, 0, ""),
			epoch: 10, source: FromNone, note: "differs"},
		{name: "a user edited the bookmark", req: ClaimRequest{Epoch: 4, Edit: 3, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: found(4, 2, destMark),
			epoch: 5, edit: 3, marks: storeMark, source: FromStore},
		{name: "a user cleared the bookmark", req: ClaimRequest{Epoch: 4, Edit: 3, HadDestination: true}, found: found(4, 2, destMark),
			epoch: 5, edit: 3, source: FromNone},
		{name: "the store was lost", req: ClaimRequest{Epoch: 1}, found: found(8, 2, destMark),
			epoch: 9, edit: 2, marks: destMark, source: FromDestination, note: "store was lost"},
		{name: "the row is gone", req: ClaimRequest{StateID: "dev:x", Epoch: 4, Bookmarks: json.RawMessage(storeMark), HadDestination: true},
			err: `state id "dev:x": the destination has lost the position`},
		{name: "a file is gone", req: ClaimRequest{StateID: "dev:x", Epoch: 4, Bookmarks: json.RawMessage(destMark), HadDestination: true}, found: gone(destMark),
			err: `state id "dev:x": a.jsonl is gone, with rows that the bookmark counts as loaded`},
		{name: "a file is gone, but no stream had a position", req: ClaimRequest{Epoch: 4, HadDestination: true}, found: gone(""), epoch: 5, source: FromNone, note: "a.jsonl is gone"},
		{name: "a file is gone, trust the state", req: ClaimRequest{Epoch: 4, Bookmarks: json.RawMessage(destMark), HadDestination: true, TrustState: true}, found: gone(destMark),
			epoch: 5, marks: destMark, source: FromDestination, note: "a.jsonl is gone; going on"},
		{name: "a file is gone, full refresh", req: ClaimRequest{Epoch: 4, HadDestination: true, FullRefresh: true}, found: gone(destMark), epoch: 5, source: FromNone},
		{name: "a file is gone, and the user has set the bookmark", req: ClaimRequest{Epoch: 4, Edit: 1, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: gone(destMark),
			epoch: 5, edit: 1, marks: storeMark, source: FromStore},
		{name: "the row is gone, but no stream had a position", req: ClaimRequest{Epoch: 4, Bookmarks: json.RawMessage(`{"bookmarks":{"a":{}}}`), HadDestination: true},
			epoch: 5, marks: `{"bookmarks":{"a":{}}}`, source: FromStore, note: "all rows come again"},
		{name: "the row is gone, trust the store", req: ClaimRequest{Epoch: 4, Edit: 1, Bookmarks: json.RawMessage(storeMark), HadDestination: true, TrustState: true},
			epoch: 5, edit: 1, marks: storeMark, source: FromStore, note: "--trust-state"},
		{name: "the row is gone, full refresh", req: ClaimRequest{Epoch: 4, Edit: 2, HadDestination: true, FullRefresh: true},
			epoch: 5, edit: 2, source: FromNone},
		{name: "full refresh", req: ClaimRequest{Epoch: 4, Edit: 2, HadDestination: true, FullRefresh: true}, found: found(6, 1, destMark),
			epoch: 7, edit: 2, source: FromNone},
		{name: "full refresh after the store was lost", req: ClaimRequest{Epoch: 1, Edit: 1, FullRefresh: true}, found: found(6, 5, destMark),
			epoch: 7, edit: 5, source: FromNone},
		{name: "a destination that keeps nothing", req: ClaimRequest{Epoch: 4, Edit: 2, Bookmarks: json.RawMessage(storeMark), HadDestination: true}, found: targets.Fence{Keepless: true},
			epoch: 5, edit: 2, marks: storeMark, source: FromStore},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			fence, d, err := Decide(c.req, c.found)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if fence.Epoch != c.epoch || fence.Edit != c.edit || string(fence.Bookmarks.Raw()) != c.marks || fence.Seq != 0 {
				t.Errorf("fence %+v (%s), want epoch %d, edit %d, %s", fence, fence.Bookmarks.Raw(), c.epoch, c.edit, c.marks)
			}
			if string(d.Bookmarks.Raw()) != c.marks || d.Source != c.source {
				t.Errorf("decided for %s's %s, want %s's %s", d.Source, d.Bookmarks.Raw(), c.source, c.marks)
			}
			if (c.note == "") != (d.Note == "") || !strings.Contains(d.Note, c.note) {
				t.Errorf("note %q, want %q", d.Note, c.note)
			}
		})
	}
}

func TestClaimIsTheFirstLine(t *testing.T) {
	f := newFakeSink()
	f.fence = targets.Fence{Found: true, Epoch: 3, Bookmarks: marks(`{"b":1}`)}
	out := &honest{f: f}
	s := NewSession(f, defaults(), out, nil, t.Logf)
	defer s.Close()
	d, err := s.Claim(t.Context(), ClaimRequest{StateID: "dev:x", Epoch: 5})
	if err != nil || d.Source != FromDestination {
		t.Fatal(d, err)
	}
	want := `{"type":"ELT_CLAIM","state_id":"dev:x","epoch":6,"edit":0,"bookmarks":{"b":1},"source":"destination","note":"` + d.Note + `","kept":true,"lanes":1}`
	if out.all() != want || f.fence.Epoch != 6 {
		t.Errorf("printed %s, want %s", out.all(), want)
	}
}
