package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"elt/internal/schedule"
	"elt/state"
)

type startInput struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"Your own name of the request: a second one with it gives the first one's run."`
	Wait string `query:"wait" maxLength:"20" example:"30s" doc:"Answer when the run has ended, or after this time (at most 60s)."`
	Body RunRequest
}

type startOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     RunDetail
}

func accepted(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusAccepted
	return op
}

func startOperation() huma.Operation {
	return accepted(operation(http.MethodPost, "/runs", "run.start", "runs", "Start a run",
		"Puts a run into the queue. 202 with the run; with ?wait 200 when it has ended by then. 422 names what of the request cannot run."))
}

func (s *Server) start(ctx context.Context, in *startInput) (*startOutput, error) {
	wait, err := waitOf(in.Wait)
	if err != nil {
		return nil, err
	}
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	e, err := in.Body.execution(p, plan)
	if err != nil {
		return nil, err
	}
	e.Key = keyOf(in.Key)
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return nil, err
	}
	o.Trace = callOf(ctx).parent
	e.Options = o.JSON()
	return s.enqueue(ctx, e, wait)
}

// enqueue puts an execution into the queue and waits for its end for a time.
func (s *Server) enqueue(ctx context.Context, e state.Execution, wait time.Duration) (*startOutput, error) {
	got, added, err := s.Store.Enqueue(ctx, e)
	if err != nil {
		return nil, err
	}
	note(ctx, got.ID, map[string]any{"name": got.Name, "blocks": got.Blocks, "again": !added, "retry_of": got.RetryOf})
	if !added && !same(got, e) {
		return nil, problem(http.StatusUnprocessableEntity, "key_reused", "the Idempotency-Key was used for another request, run %s", got.ID).
			hint("take a new key for each request; the same only to repeat it")
	}
	if added {
		s.Enqueued()
	}
	if wait > 0 {
		s.watch.wait(ctx, got.ID, wait, s.stop)
	}
	d, err := s.Detail(ctx, got.ID)
	if err != nil {
		return nil, err
	}
	out := &startOutput{Status: http.StatusAccepted, Location: Base + "/runs/" + got.ID, Body: d}
	if d.EndedAt != nil {
		out.Status = http.StatusOK
	}
	return out, nil
}

// keyOf keeps the asker's names of requests apart from elt's own, by which
// retries and chains are enqueued once.
func keyOf(idempotency string) string {
	if idempotency == "" {
		return ""
	}
	return "api " + idempotency
}

// same says whether two requests ask for the same.
func same(a, b state.Execution) bool {
	return a.Name == b.Name && fmt.Sprint(a.Blocks) == fmt.Sprint(b.Blocks) && withoutBackfill(a) == withoutBackfill(b) && a.RetryOf == b.RetryOf
}

// withoutBackfill are the options but for the id that each request gets anew.
func withoutBackfill(e state.Execution) string {
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return string(e.Options)
	}
	o.Backfill, o.Trace = "", ""
	return string(o.JSON())
}

const longestWait = time.Minute

func waitOf(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, problem(http.StatusUnprocessableEntity, "invalid", "wait=%s is no duration", text).hint("as wait=30s; at most 60s")
	}
	return min(d, longestWait), nil
}
