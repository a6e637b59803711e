package statetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"elt/state"
)

func token(name string) state.Token {
	return state.Token{ID: "id-" + name, Name: name, Scope: "run", Hash: "hash-" + name, Creator: "tester"}
}

func (e env) token(t *testing.T, k state.Token) state.Token {
	t.Helper()
	got, err := e.CreateToken(e.ctx, k)
	must(t, err)
	return got
}

func tokens(t *testing.T, e env) {
	if _, err := e.TokenOf(e.ctx, "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	k := e.token(t, token("ci"))
	if k.ID != "id-ci" || k.Scope != "run" || k.Over || k.Expires != nil || k.Used != nil || k.Creator != "tester" || time.Since(k.Created).Abs() > time.Minute {
		t.Fatalf("%+v", k)
	}
	again := token("ci")
	again.ID, again.Hash = "id-2", "hash-2"
	if _, err := e.CreateToken(e.ctx, again); !errors.Is(err, state.ErrTaken) {
		t.Fatalf("two tokens of one name: %v", err)
	}

	must(t, e.UseToken(e.ctx, k.ID, time.Minute))
	got, err := e.TokenOf(e.ctx, "hash-ci")
	must(t, err)
	if got.Used == nil || got.Over {
		t.Fatalf("%+v", got)
	}
	first := *got.Used
	must(t, e.UseToken(e.ctx, k.ID, time.Minute))
	if got, _ = e.TokenOf(e.ctx, "hash-ci"); !got.Used.Equal(first) {
		t.Error("its use is noted more often than asked for")
	}

	soon := time.Now().Add(time.Hour)
	if got, err = e.ExpireToken(e.ctx, k.ID, &soon); err != nil || got.Over || got.Expires == nil {
		t.Fatalf("%+v, %v", got, err)
	}
	e.advance(t, 2*time.Hour)
	if got, err = e.TokenOf(e.ctx, "hash-ci"); err != nil || !got.Over {
		t.Fatalf("it has expired and is not over: %+v, %v", got, err)
	}
	if got, err = e.ExpireToken(e.ctx, k.ID, nil); err != nil || got.Over {
		t.Fatalf("%+v, %v", got, err)
	}

	got, err = e.RevokeToken(e.ctx, k.ID)
	must(t, err)
	at := got.Revoked
	if !got.Over || at == nil {
		t.Fatalf("%+v", got)
	}
	if got, err = e.RevokeToken(e.ctx, k.ID); err != nil || !got.Revoked.Equal(*at) {
		t.Fatalf("revoked twice: %+v, %v", got, err)
	}
	e.token(t, again) // the name is free again, at once
	list, err := e.Tokens(e.ctx, false)
	must(t, err)
	if len(list) != 2 || list[0].ID != "id-2" || list[1].ID != "id-ci" || !list[1].Over || list[0].Over {
		t.Fatalf("%+v", list)
	}
	if _, err := e.RevokeToken(e.ctx, "none"); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := e.ExpireToken(e.ctx, "none", nil); !errors.Is(err, state.ErrNotFound) {
		t.Fatal(err)
	}
	e.advance(t, 48*time.Hour)
	must(t, e.PruneTokens(e.ctx, 24*time.Hour))
	if list, err = e.Tokens(e.ctx, false); err != nil || len(list) != 1 || list[0].ID != "id-2" {
		t.Fatalf("%+v, %v", list, err)
	}
}

func sessions(t *testing.T, e env) {
	parent := e.token(t, token("person"))
	for _, id := range []string{"s1", "s2"} { // two browsers
		e.token(t, state.Token{ID: id, Name: "person", Scope: "run", Hash: "hash-" + id, Parent: parent.ID, Session: true})
	}
	if list, err := e.Tokens(e.ctx, false); err != nil || len(list) != 1 {
		t.Fatalf("sessions are listed as tokens: %+v, %v", list, err)
	}
	if list, err := e.Tokens(e.ctx, true); err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := e.RevokeToken(e.ctx, "s1"); err != nil {
		t.Fatal(err)
	}
	over := func(hash string) bool {
		t.Helper()
		k, err := e.TokenOf(e.ctx, hash)
		must(t, err)
		return k.Over
	}
	if !over("hash-s1") || over("hash-s2") || over("hash-person") {
		t.Fatal("a logout ends its own session and nothing else")
	}
	if _, err := e.RevokeToken(e.ctx, parent.ID); err != nil {
		t.Fatal(err)
	}
	if !over("hash-s2") {
		t.Fatal("the token is revoked, its session lives")
	}
	must(t, e.PruneTokens(e.ctx, time.Hour))
	if list, err := e.Tokens(e.ctx, true); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}

func audit(t *testing.T, e env) {
	for n := range 3 {
		must(t, e.AddDeed(e.ctx, state.Deed{Who: "ci", Token: "id", From: "127.0.0.1", What: "run.start", Object: fmt.Sprint(n), Trace: "t",
			Result: 202, Detail: raw(`{"blocks":["load"]}`)}))
	}
	list, err := e.Deeds(e.ctx, 0, 2)
	must(t, err)
	if len(list) != 2 || list[0].Object != "2" || list[0].Who != "ci" || list[0].Result != 202 || string(list[0].Detail) != `{"blocks":["load"]}` || list[0].At.IsZero() {
		t.Fatalf("%+v", list)
	}
	if list, err = e.Deeds(e.ctx, list[1].ID, 0); err != nil || len(list) != 1 || list[0].Object != "0" {
		t.Fatalf("%+v, %v", list, err)
	}
	e.advance(t, 2*time.Hour)
	must(t, e.AddDeed(e.ctx, state.Deed{Who: "x", What: "y"}))
	must(t, e.PruneDeeds(e.ctx, time.Hour))
	if list, err = e.Deeds(e.ctx, 0, 0); err != nil || len(list) != 1 || list[0].Who != "x" {
		t.Fatalf("%+v, %v", list, err)
	}
}

func callbacks(t *testing.T, e env) {
	x := state.Execution{ID: "a", Project: "p", Environment: "dev", Name: "load", Blocks: []string{"load"}, Callback: "http://caller"}
	_, _, err := e.Enqueue(e.ctx, x)
	must(t, err)
	x.ID, x.Callback = "b", ""
	_, _, err = e.Enqueue(e.ctx, x)
	must(t, err)
	take := func() []state.Callback {
		t.Helper()
		list, err := e.TakeCallbacks(e.ctx, "p", "dev", 10, time.Minute)
		must(t, err)
		return list
	}
	if list := take(); len(list) != 0 {
		t.Fatalf("told before the end: %+v", list)
	}
	for _, id := range []string{"a", "b"} {
		_, err = e.CancelExecution(e.ctx, id, "by a test")
		must(t, err)
	}
	list := take()
	if len(list) != 1 || list[0].Execution.ID != "a" || list[0].Attempt != 1 || list[0].Execution.Status != state.Cancelled {
		t.Fatalf("%+v", list)
	}
	if list := take(); len(list) != 0 {
		t.Fatalf("taken twice: %+v", list)
	}
	e.advance(t, 2*time.Minute) // whoever took it is dead
	if list = take(); len(list) != 1 || list[0].Attempt != 2 {
		t.Fatalf("%+v", list)
	}
	must(t, e.EndCallback(e.ctx, "a", "503", time.Minute))
	if list := take(); len(list) != 0 {
		t.Fatalf("repeated too soon: %+v", list)
	}
	e.advance(t, 2*time.Minute)
	if list = take(); len(list) != 1 || list[0].Attempt != 3 {
		t.Fatalf("%+v", list)
	}
	must(t, e.EndCallback(e.ctx, "a", "200", 0))
	e.advance(t, time.Hour)
	if list := take(); len(list) != 0 {
		t.Fatalf("told again after the answer: %+v", list)
	}
}
