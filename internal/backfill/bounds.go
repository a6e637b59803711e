package backfill

import (
	"maps"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/spec"
)

// bounds is how a tap is given a window.
type bounds struct {
	Start  string `json:"start"`
	End    string `json:"end,omitempty"` // "": it has no such setting
	values func(from, to time.Time) (start, end string, err error)
}

// Spec finds what a built-in connector says of itself.
type Spec func(kind project.Kind, connector string) spec.Spec

// boundsOf finds how the tap that runs takes a window: as our connector says,
// or for a third-party one as the project does.
func boundsOf(p *project.Project, tap *project.Plugin, runs runner.PluginReport, specs Spec) (bounds, error) {
	if runs.Native {
		w := specs(project.Extractors, runs.Connector).Window
		if w == nil {
			return bounds{}, fault.New(fault.Usage, "%s cannot read a window of time: the built-in %s has no settings for its start and end", tap.Name, runs.Connector).
				WithHint("load all of it with --full-refresh, or choose a source that knows times")
		}
		return bounds{w.Start, w.End, func(from, to time.Time) (string, string, error) {
			return from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), nil
		}}, nil
	}
	if tap.Backfill == nil {
		return bounds{}, fault.New(fault.Usage, "%s does not say how it reads a window of time", tap.Name).
			WithPosition(tap.At, "").
			WithHint("name its settings in the project: backfill: {start: start_date, end: end_date}; see docs/backfill.md")
	}
	if err := p.CheckBackfill(tap); err != nil {
		return bounds{}, err
	}
	return bounds{tap.Backfill.Start, tap.Backfill.End, tap.Backfill.Bounds}, nil
}

// flags are r's with the window set for the tap, in maps of their own.
func (b bounds) flags(r *runner.Runner, tap string, w Window) (map[string]map[string]any, error) {
	start, end, err := b.values(w.From, w.To)
	if err != nil {
		return nil, err
	}
	flags := maps.Clone(r.Flags)
	if flags == nil {
		flags = map[string]map[string]any{}
	}
	own := maps.Clone(flags[tap])
	if own == nil {
		own = map[string]any{}
	}
	own[b.Start] = start
	if b.End != "" {
		own[b.End] = end
	}
	flags[tap] = own
	return flags, nil
}
