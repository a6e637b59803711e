package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"elt/internal/fault"
	"elt/internal/schedule"
	"elt/internal/worker"
	"elt/state"
)

// startTime is how long the start of a run is waited for before the worker is
// given time for a sign of life.
const startTime = 3 * time.Second

// Executor is the executor whose runs are Jobs.
type Executor struct {
	client   *Client
	template *template
	settings Settings
	args     func(state.Execution) ([]string, error)
}

// New is an executor; args is the command line of an execution, without elt.
func New(c *Client, t *template, s Settings, args func(state.Execution) ([]string, error)) *Executor {
	return &Executor{client: c, template: t, settings: s, args: args}
}

// Outlives implements worker.Executor.
func (*Executor) Outlives() bool { return true }

// Start implements worker.Executor.
func (x *Executor) Start(ctx context.Context, e state.Execution, log *worker.Log) (worker.Run, error) {
	name, err := jobName(e)
	if err != nil {
		return nil, err
	}
	args, err := x.args(e)
	if err != nil {
		return nil, err
	}
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return nil, fmt.Errorf("the options of the run: %w", err)
	}
	job, err := x.template.job(name, e, x.settings, args, o.Env, o.Timeout)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	err = x.client.call(ctx, http.MethodPost, jobs, "jobs", nil, job, nil)
	if is(err, http.StatusConflict) {
		err = x.adopt(ctx, name, e)
	}
	switch {
	case passing(err):
		return nil, &worker.Unready{Err: err}
	case err != nil:
		return nil, x.client.explain(err)
	}
	log.Again()
	return follow(x.client, name, x.template.container["name"].(string), x.settings, log), nil
}

// adopt makes sure that the Job that is there is this execution's, begun by a
// worker before or by a request whose answer got lost. One of an earlier try
// is deleted first.
func (x *Executor) adopt(ctx context.Context, name string, e state.Execution) error {
	var job object
	err := x.client.call(ctx, http.MethodGet, jobs, "jobs/"+name, nil, nil, &job)
	switch {
	case is(err, http.StatusNotFound):
		return &worker.Unready{Err: fmt.Errorf("Job %s has just gone", name)}
	case err != nil:
		return err
	case job.Metadata.Annotations[startedKey] == "":
		return fault.New(fault.Failed, "there is a Job %s that is not elt's", name).WithHint("kubectl delete job %s", name)
	case job.Metadata.Annotations[startedKey] == startedOf(e) && job.Metadata.Deleted == nil:
		return nil
	}
	if err := x.client.delete(ctx, name); err != nil {
		return err
	}
	return &worker.Unready{Err: fmt.Errorf("Job %s of an earlier try is being deleted", name)}
}

// delete asks for the end of a Job and its pod; the Job stays until the pod is gone.
func (c *Client) delete(ctx context.Context, name string) error {
	err := c.call(ctx, http.MethodDelete, jobs, "jobs/"+name, url.Values{"propagationPolicy": {"Foreground"}}, nil, nil)
	if is(err, http.StatusNotFound) {
		return nil
	}
	return err
}
