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
	From bool   `query:"from_state" doc:"Start from the bookmarks as they were before that run, instead of as they are now: what came since is loaded again."`
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
	e, err := Again(ctx, s.Store, in.ID, in.From)
	if err != nil {
		return nil, err
	}
	e.Key = keyOf(in.Key)
	return s.enqueue(ctx, e, wait)
}

// Again is the execution that repeats one that has ended; fromState: from the
// bookmarks as they were before it.
func Again(ctx context.Context, store Store, id string, fromState bool) (state.Execution, error) {
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
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return e, err
	}
	if o.StateOf = ""; fromState {
		if err := startable(ctx, store, id, o); err != nil {
			return e, err
		}
		o.StateOf = id
	}
	return state.Execution{ID: schedule.NewID(), Project: e.Project, Environment: e.Environment, Name: e.Name, Blocks: e.Blocks, Options: o.JSON(),
		Trigger: "retry", Schedule: e.Schedule, Slot: e.Slot, Lock: e.Lock, Queue: e.Queue, Priority: e.Priority, Attempt: e.Attempt + 1,
		RetryOf: e.ID, Digest: e.Digest}, nil
}

// startable says why an execution cannot be repeated from where it began.
func startable(ctx context.Context, store Store, id string, o schedule.Options) error {
	if o.From != "" {
		return problem(http.StatusConflict, "window", "run %s is of a backfill, which does not start from a bookmark", id).hint("without from_state it goes on with the chunks that are left")
	}
	steps, err := store.RunsOf(ctx, id)
	if err != nil {
		return err
	}
	for _, r := range steps {
		if d := detailOf(r); d != nil && d.Start != nil {
			return nil
		}
	}
	return problem(http.StatusConflict, "no_start", "run %s keeps no bookmark to start from", id).hint("it never began to load; repeat it without from_state")
}
