package api

import (
	"context"
	"net/http"
	"time"

	"elt/internal/metrics"
	"elt/internal/runner"
	"elt/internal/schedule"
	"elt/state"
)

// Metrics are what Prometheus scrapes. What the store knows is asked at each
// scrape; what happens in this process (its runs' durations and rows) is
// counted as it happens, so that several daemons can be summed.
type Metrics struct {
	store                 Store
	plan                  func(context.Context) (schedule.Plan, error)
	version               string
	started               time.Time
	duration, rows, ended *metrics.Vec
	behind                *metrics.Vec // replication slots
}

// NewMetrics makes metrics with a registry of their own.
func NewMetrics(store Store, plan func(context.Context) (schedule.Plan, error), version string) *Metrics {
	run := []string{"pipeline", "status"}
	return &Metrics{store: store, plan: plan, version: version, started: time.Now(),
		duration: metrics.NewVec(metrics.Family{Name: "elt_run_duration_seconds", Help: "Duration of runs that ended in this daemon.", Kind: metrics.Histogram, Labels: run},
			1, 5, 15, 60, 300, 900, 3600, 3*3600, 12*3600),
		rows: metrics.NewVec(metrics.Family{Name: "elt_rows_total", Help: "Rows loaded by runs that ended in this daemon.", Kind: metrics.Counter, Labels: run[:1]}),
		behind: metrics.NewVec(metrics.Family{Name: "elt_replication_slot_lag_bytes", Help: "How much of its log a source keeps for a replication slot, as the last run saw it that ended in this daemon.",
			Kind: metrics.Gauge, Labels: []string{"pipeline", "slot"}}),
		ended: metrics.NewVec(metrics.Family{Name: "elt_runs_ended_total", Help: "Runs that ended in this daemon.", Kind: metrics.Counter, Labels: run}),
	}
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	out := metrics.NewWriter(w)
	m.write(r.Context(), out)
	_ = out.Flush() // who asked is gone
}

// Ended counts a run that ended in this process.
func (m *Metrics) Ended(e state.Execution) {
	m.ended.Add(1, e.Name, e.Status)
	if e.Started != nil && e.Ended != nil {
		m.duration.Add(max(0, e.Ended.Sub(*e.Started).Seconds()), e.Name, e.Status)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	runs, err := m.store.RunsOf(ctx, e.ID)
	if err != nil {
		return // the number is lost, the run is not
	}
	for _, r := range runs {
		rows, _ := moved(r)
		m.rows.Add(float64(rows), e.Name)
		for _, g := range runner.GaugesOf(r.Detail) {
			if g.Metric == runner.SlotLagBytes {
				m.behind.Set(g.Value, e.Name, g.Tags["slot"])
			}
		}
	}
}

// scrape is how long the store may take.
const scrape = 5 * time.Second

// What the store says.
var (
	build      = metrics.Family{Name: "elt_build_info", Help: "1, with the version.", Kind: metrics.Gauge, Labels: []string{"version"}}
	up         = metrics.Family{Name: "elt_store_up", Help: "1 if the state store answers.", Kind: metrics.Gauge}
	executions = metrics.Family{Name: "elt_runs", Help: "Runs of the queue that the store has, by status.", Kind: metrics.Gauge, Labels: []string{"status"}}
	queued     = metrics.Family{Name: "elt_queue_length", Help: "Runs that are due and wait for a worker.", Kind: metrics.Gauge}
	oldest     = metrics.Family{Name: "elt_queue_oldest_seconds", Help: "How long the oldest of them has waited.", Kind: metrics.Gauge}
	lag        = metrics.Family{Name: "elt_slot_lag_seconds", Help: "How late a schedule is: since its newest time that should have a record.", Kind: metrics.Gauge, Labels: []string{"schedule"}}
)

// write writes all. A store that is away costs its own metrics only.
func (m *Metrics) write(ctx context.Context, w *metrics.Writer) {
	w.One(build, 1, m.version)
	m.duration.Write(w)
	m.rows.Write(w)
	m.ended.Write(w)
	m.behind.Write(w)
	metrics.WriteProcess(w, m.started)

	ctx, cancel := context.WithTimeout(ctx, scrape)
	defer cancel()
	plan, err := m.plan(ctx)
	if err != nil {
		return
	}
	counts, err := m.store.CountExecutions(ctx, plan.Project, plan.Environment)
	if err != nil {
		w.One(up, 0)
		return
	}
	w.One(up, 1)
	w.Family(executions)
	for _, status := range []string{state.Queued, state.Running, state.Succeeded, state.Failed, state.Cancelled, state.Lost} {
		w.Sample(executions, float64(counts[status]), status)
	}
	now := time.Now()
	m.writeQueue(ctx, w, plan, now)
	m.writeLag(ctx, w, plan, now)
}

// writeQueue says what waits.
func (m *Metrics) writeQueue(ctx context.Context, w *metrics.Writer, plan schedule.Plan, now time.Time) {
	waiting, err := m.store.Executions(ctx, state.Which{Project: plan.Project, Environment: plan.Environment, Status: state.Queued})
	if err != nil {
		return
	}
	n, longest := 0, time.Duration(0)
	for _, e := range waiting {
		if wait := now.Sub(e.NotBefore); wait >= 0 {
			n, longest = n+1, max(longest, wait)
		}
	}
	w.One(queued, float64(n))
	w.One(oldest, longest.Seconds())
}

// writeLag says how late each schedule is.
func (m *Metrics) writeLag(ctx context.Context, w *metrics.Writer, plan schedule.Plan, now time.Time) {
	last, err := m.store.LastSlots(ctx, plan.Project, plan.Environment)
	if err != nil {
		return
	}
	w.Family(lag)
	for _, s := range plan.Schedules {
		since, known := last[s.Name]
		if !known || s.Timing.Times == nil {
			continue
		}
		late := time.Duration(0)
		if next, ok := s.Timing.Times.Next(since); ok && next.Before(now) { // it should have a record by now
			late = now.Sub(next)
		}
		w.Sample(lag, late.Seconds(), s.Name)
	}
}
