package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/schedule"
	"elt/state"
)

// Workers is who works on the queue, and what waits in it.
type Workers struct {
	Daemons []DaemonStatus `json:"daemons" doc:"By name; one that vanished is shown for a day."`
	Queues  []QueueStatus  `json:"queues" doc:"Those of the project, of daemons, and any in which something waits or runs."`
}

// DaemonStatus is one process of elt daemon.
type DaemonStatus struct {
	Name        string        `json:"name" doc:"As worker of the runs that it runs."`
	Host        string        `json:"host"`
	PID         int           `json:"pid"`
	Version     string        `json:"version" doc:"Of elt."`
	Roles       []string      `json:"roles" doc:"scheduler, worker, api."`
	Alive       bool          `json:"alive" doc:"It was heard of within the last half minute."`
	StartedAt   time.Time     `json:"started_at"`
	HeartbeatAt time.Time     `json:"heartbeat_at"`
	Executor    string        `json:"executor,omitempty" doc:"process or kubernetes; of workers."`
	Queues      []string      `json:"queues" doc:"That it takes from; none: all."`
	Slots       int           `json:"slots" doc:"Runs at the same time; 0: it is no worker."`
	Running     []RunOfWorker `json:"running"`
}

// RunOfWorker is what a worker runs.
type RunOfWorker struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Queue     string     `json:"queue"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	Seconds   float64    `json:"seconds"`
}

// QueueStatus is one queue.
type QueueStatus struct {
	Name             string     `json:"name"`
	Limit            *int       `json:"limit" doc:"How many of its runs may go on at the same time, all workers together; null: no limit."`
	Running          int        `json:"running"`
	Waiting          int        `json:"waiting" doc:"Due, and not begun."`
	Later            int        `json:"later" doc:"Not due yet: retries, jitter."`
	OldestWaitingAt  *time.Time `json:"oldest_waiting_at,omitempty" doc:"Since when the first of them is due."`
	OldestWaitSecond float64    `json:"oldest_waiting_seconds"`
	Workers          int        `json:"workers" doc:"Daemons that are alive and take from it: with 0 nothing of it begins."`
}

const (
	// Heartbeat is how often a daemon says that it is there.
	Heartbeat = 10 * time.Second
	// ForgetDaemon is how long one that vanished is known.
	ForgetDaemon = 24 * time.Hour
	alive        = 3 * Heartbeat
)

func (s *Server) workerRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/workers", "worker.list", "workers", "List daemons with what they run, and queues",
		""), func(ctx context.Context, _ *struct{}) (*body[Workers], error) {
		_, plan, err := s.Now(ctx)
		if err != nil {
			return nil, err
		}
		return one(s.workers(ctx, plan))
	})
}

func (s *Server) workers(ctx context.Context, plan schedule.Plan) (w Workers, err error) {
	w = Workers{Daemons: []DaemonStatus{}, Queues: []QueueStatus{}}
	daemons, err := s.Store.Daemons(ctx, plan.Project, plan.Environment)
	if err != nil {
		return w, err
	}
	going, err := s.Store.Executions(ctx, state.Which{Project: plan.Project, Environment: plan.Environment, Status: state.Running})
	if err != nil {
		return w, err
	}
	states, err := s.Store.QueueStates(ctx, plan.Project, plan.Environment)
	if err != nil {
		return w, err
	}
	runs := map[string][]RunOfWorker{}
	for _, e := range slices.Backward(going) { // oldest first
		runs[e.Worker] = append(runs[e.Worker], RunOfWorker{e.ID, e.Name, queueName(e.Queue), e.Started, between(e.Started, nil)})
	}
	names := map[string]bool{"": true}
	for name := range plan.Limits {
		names[name] = true
	}
	for _, d := range plan.Dispatch {
		names[d.Queue] = true
	}
	for _, q := range states {
		names[q.Queue] = true
	}
	for _, d := range daemons {
		one := DaemonStatus{Name: d.Name, Host: d.Host, PID: d.PID, Version: d.Version, Roles: some(d.Roles), Alive: d.Silent <= alive, StartedAt: d.Started,
			HeartbeatAt: time.Now().Add(-d.Silent).UTC().Truncate(time.Millisecond), Executor: d.Executor, Queues: []string{}, Slots: d.Slots, Running: []RunOfWorker{}}
		for _, q := range d.Queues {
			names[q] = true
			one.Queues = append(one.Queues, queueName(q))
		}
		one.Running = append(one.Running, runs[d.Name]...)
		w.Daemons = append(w.Daemons, one)
	}
	for name := range names {
		w.Queues = append(w.Queues, queueStatus(name, plan, states, daemons))
	}
	slices.SortFunc(w.Queues, func(a, b QueueStatus) int { return strings.Compare(a.Name, b.Name) })
	return w, nil
}

func queueStatus(name string, plan schedule.Plan, states []state.QueueState, daemons []state.Daemon) QueueStatus {
	v := QueueStatus{Name: queueName(name)}
	if limit, ok := plan.Limits[name]; ok {
		v.Limit = &limit
	}
	if i := slices.IndexFunc(states, func(q state.QueueState) bool { return q.Queue == name }); i >= 0 {
		q := states[i]
		v.Running, v.Waiting, v.Later, v.OldestWaitingAt = q.Running, q.Waiting, q.Later, q.Oldest
		if q.Oldest != nil {
			v.OldestWaitSecond = between(q.Oldest, nil)
		}
	}
	for _, d := range daemons {
		if d.Slots > 0 && d.Silent <= alive && (len(d.Queues) == 0 || slices.Contains(d.Queues, name)) {
			v.Workers++
		}
	}
	return v
}

// queueName is a queue's name as users know it: the store's nameless one is "default".
func queueName(name string) string { return or(name, "default") }
