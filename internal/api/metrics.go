package api

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"elt/internal/schedule"
	"elt/state"
)

// Metrics are what Prometheus scrapes. What the store knows is asked at each
// scrape; what happens in this process (its runs' durations and rows) is
// counted as it happens, so that several daemons can be summed.
type Metrics struct {
	store    Store
	plan     func(context.Context) (schedule.Plan, error)
	handler  http.Handler
	duration *prometheus.HistogramVec
	rows     *prometheus.CounterVec
	ended    *prometheus.CounterVec

	executions, queued, oldest, lag, up *prometheus.Desc
}

// NewMetrics makes metrics with a registry of their own.
func NewMetrics(store Store, plan func(context.Context) (schedule.Plan, error), version string) *Metrics {
	m := &Metrics{store: store, plan: plan,
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "elt_run_duration_seconds", Help: "Duration of runs that ended in this daemon.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 12 * 3600}}, []string{"pipeline", "status"}),
		rows:       prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elt_rows_total", Help: "Rows loaded by runs that ended in this daemon."}, []string{"pipeline"}),
		ended:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "elt_runs_ended_total", Help: "Runs that ended in this daemon."}, []string{"pipeline", "status"}),
		executions: prometheus.NewDesc("elt_runs", "Runs of the queue that the store has, by status.", []string{"status"}, nil),
		queued:     prometheus.NewDesc("elt_queue_length", "Runs that are due and wait for a worker.", nil, nil),
		oldest:     prometheus.NewDesc("elt_queue_oldest_seconds", "How long the oldest of them has waited.", nil, nil),
		lag:        prometheus.NewDesc("elt_slot_lag_seconds", "How late a schedule is: since its newest time that should have a record.", []string{"schedule"}, nil),
		up:         prometheus.NewDesc("elt_store_up", "1 if the state store answers.", nil, nil),
	}
	r := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "elt_build_info", Help: "1, with the version."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	r.MustRegister(m, m.duration, m.rows, m.ended, build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Ended counts a run that ended in this process.
func (m *Metrics) Ended(e state.Execution) {
	m.ended.WithLabelValues(e.Name, e.Status).Inc()
	if e.Started != nil && e.Ended != nil {
		m.duration.WithLabelValues(e.Name, e.Status).Observe(max(0, e.Ended.Sub(*e.Started).Seconds()))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	runs, err := m.store.RunsOf(ctx, e.ID)
	if err != nil {
		return // the number is lost, the run is not
	}
	for _, r := range runs {
		rows, _ := moved(r)
		m.rows.WithLabelValues(e.Name).Add(float64(rows))
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.executions, m.queued, m.oldest, m.lag, m.up} {
		to <- d
	}
}

// scrape is how long the store may take.
const scrape = 5 * time.Second

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrape)
	defer cancel()
	plan, err := m.plan(ctx)
	if err != nil {
		return
	}
	counts, err := m.store.CountExecutions(ctx, plan.Project, plan.Environment)
	if err != nil {
		gauge(m.up, 0)
		return
	}
	gauge(m.up, 1)
	for _, status := range []string{state.Queued, state.Running, state.Succeeded, state.Failed, state.Cancelled, state.Lost} {
		gauge(m.executions, float64(counts[status]), status)
	}
	now := time.Now()
	if waiting, err := m.store.Executions(ctx, state.Which{Project: plan.Project, Environment: plan.Environment, Status: state.Queued}); err == nil {
		n, oldest := 0, time.Duration(0)
		for _, e := range waiting {
			if wait := now.Sub(e.NotBefore); wait >= 0 {
				n, oldest = n+1, max(oldest, wait)
			}
		}
		gauge(m.queued, float64(n))
		gauge(m.oldest, oldest.Seconds())
	}
	if last, err := m.store.LastSlots(ctx, plan.Project, plan.Environment); err == nil {
		for _, s := range plan.Schedules {
			since, known := last[s.Name]
			if !known || s.Timing.Times == nil {
				continue
			}
			late := time.Duration(0)
			if next, ok := s.Timing.Times.Next(since); ok && next.Before(now) { // it should have a record by now
				late = now.Sub(next)
			}
			gauge(m.lag, late.Seconds(), s.Name)
		}
	}
}
