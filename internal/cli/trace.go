package cli

import (
	"context"
	"time"

	"elt/internal/runner"
	"elt/internal/trace"
	"elt/state"
)

// sending is how long a run that has ended waits for a collector.
const sending = 5 * time.Second

// exporter is where traces go; nil: nowhere. What is wrong with its settings
// is said and stops no run.
func (a *App) exporter() *trace.Exporter {
	log := a.Log()
	settings, err := a.Settings()
	if err != nil {
		return nil
	}
	x, secrets, err := trace.NewExporter(settings.String("otlp_endpoint"), a.Version, func(name string) string {
		value, _ := a.Variable(name)
		return value
	})
	if err != nil {
		log.Warn().Err(err).Msg("no traces are sent")
	}
	a.Redactor.Add(secrets...)
	return x
}

// sendTrace tells a collector of what a run did: run → process → stream.
func (a *App) sendTrace(ctx context.Context, r *runner.Runner, report *runner.Report, err error, from time.Time) {
	x := a.exporter()
	if x == nil {
		return
	}
	id := r.Execution
	if id == "" && len(report.Blocks) > 0 {
		id = report.Blocks[0].RunID
	}
	parent, _ := a.Variable("TRACEPARENT")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sending)
	defer cancel()
	if err := x.Send(ctx, traceOf(parent, id, report, err, from, time.Now(), a.Redactor.String)); err != nil {
		log := a.Log()
		log.Warn().Err(err).Msg("the run's trace was not sent")
	}
}

// traceOf makes the spans of a report; mask takes secrets out of causes (invariant 10).
func traceOf(parent, id string, report *runner.Report, err error, from, to time.Time, mask func(string) string) trace.Trace {
	t := trace.New(parent, id)
	text := func(name, value string) trace.Attribute { return trace.Attribute{Name: name, Value: value} }
	whole := trace.Span{Name: "elt run", Start: from, End: to, Attributes: []trace.Attribute{text("elt.environment", report.Environment), text("elt.status", report.Status)}}
	if err != nil {
		whole.Failed, whole.Error = true, mask(err.Error())
	}
	root := t.Add(whole)
	for _, b := range report.Blocks {
		if b.Started.IsZero() {
			continue
		}
		end := b.Started.Add(time.Duration(b.Seconds * float64(time.Second)))
		block := t.Add(trace.Span{Name: "run " + b.Name, Parent: root, Start: b.Started, End: end, Failed: b.Status != state.Succeeded, Error: mask(b.Cause),
			Attributes: []trace.Attribute{text("elt.run_id", b.RunID), text("elt.state_id", b.StateID), text("elt.status", b.Status), text("elt.job", b.Job)}})
		tap := block
		for i, p := range b.Processes {
			process := t.Add(trace.Span{Name: "process " + p.Name, Parent: block, Start: p.Started, End: p.Ended, Failed: p.ExitCode != 0,
				Attributes: []trace.Attribute{text("elt.plugin", p.Name), {Name: "process.exit.code", Value: int64(p.ExitCode)}}})
			if i == 0 {
				tap = process
			}
		}
		begun := b.Started
		if len(b.Processes) > 0 {
			begun = b.Processes[0].Started
		}
		for _, s := range b.Streams {
			t.Add(trace.Span{Name: "stream " + s.Stream, Parent: tap, Start: begun, End: begun.Add(time.Duration(s.Seconds * float64(time.Second))),
				Failed: s.Error != "", Error: mask(s.Error), Attributes: []trace.Attribute{text("elt.stream", s.Stream),
					{Name: "elt.rows", Value: s.Rows}, {Name: "elt.bytes", Value: s.Bytes}}})
		}
	}
	return t
}
