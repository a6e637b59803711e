package api

import (
	"context"
	"errors"
	"net/http"

	"elt/internal/schedule"
	"elt/state"
)

type retryInput struct {
	RunPath
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Your own name of the request: a second one with it gives the first one's run."`
	Wait string `query:"wait" maxLength:"20" example:"30s" doc:"Answer when the run has ended, or after this time (at most 60s)."`
}

func (s *Server) cancel(ctx context.Context, in *RunPath) (*body[RunDetail], error) {
	note(ctx, in.ID, nil)
	if err := Cancel(ctx, s.Store, in.ID, callOf(ctx).who.name); err != nil {
		return nil, err
	}
	s.Enqueued() // a queued one may have held up others
	return one(s.Detail(ctx, in.ID))
}

// Cancel ends a run for somebody.
func Cancel(ctx context.Context, store Store, id, who string) error {
	_, err := store.CancelExecution(ctx, id, "cancelled by "+who)
	if errors.Is(err, state.ErrEnded) {
		return problem(http.StatusConflict, "ended", "run %s has ended already", id)
	}
	if errors.Is(err, state.ErrNotFound) {
		return notHere(ctx, store, id, "cancelled", "stop it there, as with Ctrl-C")
	}
	return err
}

// notHere says why a run that is no execution cannot be worked on.
func notHere(ctx context.Context, store Store, id, verb, hint string) error {
	if _, err := store.Run(ctx, id); err == nil {
		return problem(http.StatusConflict, "local_run", "run %s was typed on a machine and cannot be %s from here", id, verb).hint("%s", hint)
	} else if !errors.Is(err, state.ErrNotFound) {
		return err
	}
	return problem(http.StatusNotFound, "not_found", "there is no run %q", id).hint("GET %s/runs lists them", Base)
}

func (s *Server) retry(ctx context.Context, in *retryInput) (*startOutput, error) {
	note(ctx, in.ID, nil)
	wait, err := waitOf(in.Wait)
	if err != nil {
		return nil, err
	}
	e, err := Again(ctx, s.Store, in.ID)
	if err != nil {
		return nil, err
	}
	e.Key = keyOf(in.Key)
	return s.enqueue(ctx, e, wait)
}

// Again is the execution that repeats one that has ended.
func Again(ctx context.Context, store Store, id string) (state.Execution, error) {
	e, err := store.Execution(ctx, id)
	if errors.Is(err, state.ErrNotFound) {
		return e, notHere(ctx, store, id, "repeated", "POST "+Base+"/runs with its blocks")
	}
	if err != nil {
		return e, err
	}
	if !e.Over() {
		return e, problem(http.StatusConflict, "not_ended", "run %s is %s", id, e.Status).hint("cancel it first, or wait for its end")
	}
	return state.Execution{ID: schedule.NewID(), Project: e.Project, Environment: e.Environment, Name: e.Name, Blocks: e.Blocks, Options: e.Options,
		Trigger: "retry", Schedule: e.Schedule, Slot: e.Slot, Lock: e.Lock, Queue: e.Queue, Priority: e.Priority, Attempt: e.Attempt + 1,
		RetryOf: e.ID, Digest: e.Digest}, nil
}
