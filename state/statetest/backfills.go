package statetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"elt/state"
)

// weeks is a backfill of three chunks.
func weeks(id, stateID string) state.Backfill {
	from := time.Date(2024, 2, 26, 0, 0, 0, 0, time.UTC)
	b := state.Backfill{ID: id, StateID: stateID, Name: "tap-x target-y", Environment: "dev",
		From: from, To: from.AddDate(0, 0, 20), Options: raw(`{"parallel":2}`), Plan: raw(`{"streams":["a"]}`)}
	for n := range 3 {
		b.Chunks = append(b.Chunks, state.Chunk{N: n + 1, StateID: fmt.Sprintf("%s:backfill:%s:%d", stateID, id, n+1),
			From: from.AddDate(0, 0, 7*n), To: from.AddDate(0, 0, 7*n+7)})
	}
	return b
}

func backfills(t *testing.T, e env) {
	if _, err := e.Backfill(e.ctx, "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	must(t, e.CreateBackfill(e.ctx, weeks("b1", "s")))
	if err := e.CreateBackfill(e.ctx, weeks("b1", "s")); err == nil {
		t.Fatal("two backfills of one id")
	}
	e.advance(t, time.Second)
	must(t, e.CreateBackfill(e.ctx, weeks("b2", "other")))
	b, err := e.Backfill(e.ctx, "b1")
	must(t, err)
	want := weeks("b1", "s")
	if b.Status != state.Running || b.Alive || b.StateID != "s" || b.Environment != "dev" || !b.From.Equal(want.From) || !b.To.Equal(want.To) ||
		string(b.Options) != string(want.Options) || string(b.Plan) != string(want.Plan) || len(b.Chunks) != 3 || b.Done() != 0 || b.Created.IsZero() {
		t.Fatalf("%+v", b)
	}
	for i, c := range b.Chunks {
		w := want.Chunks[i]
		if c.N != w.N || c.StateID != w.StateID || !c.From.Equal(w.From) || !c.To.Equal(w.To) || c.Status != state.Pending || c.Attempts != 0 {
			t.Fatalf("%+v", c)
		}
	}
	list, err := e.Backfills(e.ctx, 0)
	must(t, err)
	if len(list) != 2 || list[0].ID != "b2" || list[1].ID != "b1" || len(list[1].Chunks) != 3 {
		t.Fatalf("%+v", list)
	}
	if list, err = e.Backfills(e.ctx, 1); err != nil || len(list) != 1 || len(list[0].Chunks) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}

	lease := e.acquire(t, "s", "b1.x")
	must(t, e.StartChunk(e.ctx, lease, "b1", 1, "r1"))
	must(t, e.StartChunk(e.ctx, lease, "b1", 2, "r2"))
	streams := []state.StreamStats{{Stream: "a", Rows: 3}, {Stream: "b", Rows: 4}}
	must(t, e.FinishChunk(e.ctx, lease, "b1", state.Chunk{N: 1, RunID: "r1", Status: state.Succeeded, Streams: streams}))
	must(t, e.FinishChunk(e.ctx, lease, "b1", state.Chunk{N: 2, RunID: "r2", Status: state.Failed, Cause: "why"}))
	b, err = e.Backfill(e.ctx, "b1")
	must(t, err)
	one, two := b.Chunks[0], b.Chunks[1]
	if !b.Alive || b.Done() != 1 || one.Rows() != 7 || one.RunID != "r1" || one.Ended == nil || one.Started == nil || two.Cause != "why" || two.Status != state.Failed {
		t.Fatalf("%+v", b)
	}
	if err := e.StartChunk(e.ctx, lease, "b1", 1, "r3"); !errors.Is(err, state.ErrEnded) {
		t.Fatalf("a chunk that is done is run again: %v", err)
	}
	must(t, e.StartChunk(e.ctx, lease, "b1", 3, "r4")) // and is cut
	must(t, e.EndBackfill(e.ctx, lease, "b1", state.Failed, "chunk 2"))
	must(t, e.ResumeBackfill(e.ctx, lease, "b1"))
	b, err = e.Backfill(e.ctx, "b1")
	must(t, err)
	if got := fmt.Sprint(b.Status, b.Cause, b.Ended, b.Chunks[0].Status, b.Chunks[1].Status, b.Chunks[2].Status); got != "running<nil>succeededpendingpending" {
		t.Fatal(got)
	}
	// What a run says that is not the chunk's latest changes nothing.
	must(t, e.StartChunk(e.ctx, lease, "b1", 3, "r5"))
	must(t, e.FinishChunk(e.ctx, lease, "b1", state.Chunk{N: 3, RunID: "r4", Status: state.Succeeded}))
	b, err = e.Backfill(e.ctx, "b1")
	must(t, err)
	if c := b.Chunks[2]; c.Status != state.Running || c.Attempts != 2 {
		t.Fatalf("%+v", c)
	}
	must(t, e.EndBackfill(e.ctx, lease, "b1", state.Succeeded, ""))
	if err := e.ResumeBackfill(e.ctx, lease, "b1"); !errors.Is(err, state.ErrEnded) {
		t.Fatalf("a backfill that has succeeded is resumed: %v", err)
	}
	if err := e.CancelBackfill(e.ctx, "b1"); !errors.Is(err, state.ErrEnded) {
		t.Fatalf("a backfill that has succeeded is cancelled: %v", err)
	}
	must(t, e.Release(e.ctx, lease))
	if b, err = e.Backfill(e.ctx, "b1"); err != nil || b.Alive || b.Ended == nil {
		t.Fatalf("%+v, %v", b, err)
	}
}

func cancelledBackfill(t *testing.T, e env) {
	must(t, e.CreateBackfill(e.ctx, weeks("b1", "s")))
	lease := e.acquire(t, "s", "b1.x")
	must(t, e.StartChunk(e.ctx, lease, "b1", 1, "r1"))
	must(t, e.CancelBackfill(e.ctx, "b1"))
	if err := e.StartChunk(e.ctx, lease, "b1", 2, "r2"); !errors.Is(err, state.ErrEnded) {
		t.Fatalf("a chunk starts of a cancelled backfill: %v", err)
	}
	must(t, e.FinishChunk(e.ctx, lease, "b1", state.Chunk{N: 1, RunID: "r1", Status: state.Succeeded}))
	if err := e.EndBackfill(e.ctx, lease, "b1", state.Failed, ""); !errors.Is(err, state.ErrEnded) {
		t.Fatal(err)
	}
	b, err := e.Backfill(e.ctx, "b1")
	must(t, err)
	if b.Status != state.Cancelled || b.Done() != 1 {
		t.Fatalf("%+v", b)
	}
	if err := e.CancelBackfill(e.ctx, "b1"); !errors.Is(err, state.ErrEnded) {
		t.Fatal(err)
	}
	if err := e.CancelBackfill(e.ctx, "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
}

func fencedBackfill(t *testing.T, e env) {
	must(t, e.CreateBackfill(e.ctx, weeks("b1", "s")))
	stale := e.acquire(t, "s", "b1.x")
	must(t, e.StartChunk(e.ctx, stale, "b1", 1, "r1"))
	fresh, err := e.Acquire(e.ctx, "s", state.Holder{RunID: "b1.y"}, time.Minute, "b1.x")
	must(t, err)
	for what, err := range map[string]error{
		"starts a chunk":   e.StartChunk(e.ctx, stale, "b1", 2, "r2"),
		"finishes a chunk": e.FinishChunk(e.ctx, stale, "b1", state.Chunk{N: 1, RunID: "r1", Status: state.Succeeded}),
		"resumes":          e.ResumeBackfill(e.ctx, stale, "b1"),
		"ends":             e.EndBackfill(e.ctx, stale, "b1", state.Succeeded, ""),
	} {
		if !errors.Is(err, state.ErrFenced) {
			t.Errorf("one without the lease %s: %v", what, err)
		}
	}
	must(t, e.StartChunk(e.ctx, fresh, "b1", 1, "r3"))
}
