package runner

import (
	"context"
	"encoding/json"
	"time"

	"github.com/rs/zerolog"

	"elt/state"
)

// detail is what the store keeps of a set beside the columns of its record.
type detail struct {
	Plugins    []PluginReport  `json:"plugins"`
	Fused      bool            `json:"fused"`
	Bottleneck string          `json:"bottleneck,omitempty"`
	Changes    []SchemaChanges `json:"schema_changes,omitempty"`
	Gauges     []Gauge         `json:"gauges,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
	Version    string          `json:"version"`
	Given      *given          `json:"given,omitempty"`
}

func (s *set) detail() detail {
	return detail{s.report.Plugins, s.report.Fused, s.report.Bottleneck, s.report.Changes, s.report.Gauges, s.report.Notes, s.Version, s.given.Load()}
}

// telling gives how far the set is, whenever it is asked: of the report only
// what is settled by now, since the set goes on with it.
func (s *set) telling() func() ([]state.StreamStats, json.RawMessage) {
	settled, recent := s.detail(), &rates{}
	return func() ([]state.StreamStats, json.RawMessage) {
		now := settled
		now.Given = s.given.Load()
		now.Bottleneck, now.Changes, now.Gauges = s.bottleneck(), s.counts.changes(), s.gauges.all()
		streams := (&BlockReport{Streams: s.counts.streams()}).stats()
		recent.add(time.Now(), streams)
		return streams, s.masked(now)
	}
}

// progress stores every few seconds how far a run is, for whoever looks from
// elsewhere. A store that is away does not harm the run.
type progress struct {
	stop context.CancelFunc
	done chan struct{}
}

// fresh is how old the numbers of a running run are in the store.
const fresh = 3 * time.Second

func newProgress(ctx context.Context, store state.Runs, runID string, every time.Duration, tell func() ([]state.StreamStats, json.RawMessage), log zerolog.Logger) *progress {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &progress{stop, make(chan struct{})}
	every = min(every, fresh)
	go func() {
		defer close(p.done)
		for pause(ctx, every) == nil {
			streams, detail := tell()
			try, cancel := context.WithTimeout(ctx, 10*time.Second)
			if err := store.Beat(try, runID, streams, detail); err != nil && ctx.Err() == nil {
				log.Debug().Err(err).Msg("how far the run is was not stored")
			}
			cancel()
		}
	}()
	return p
}

func (p *progress) close() {
	p.stop()
	<-p.done
}

// rates measures how fast streams are lately: over the last few readings.
type rates struct{ past []reading }

type reading struct {
	at   time.Time
	rows map[string]int64
}

// add takes a reading and fills in each stream's rate.
func (r *rates) add(now time.Time, streams []state.StreamStats) {
	last := reading{now, map[string]int64{}}
	for i, s := range streams {
		last.rows[s.Stream] = s.Rows
		if len(r.past) > 0 {
			first := r.past[0]
			streams[i].Rate = float64(max(0, s.Rows-first.rows[s.Stream])) / max(now.Sub(first.at).Seconds(), 0.001)
		} else if s.Seconds > 0 {
			streams[i].Rate = float64(s.Rows) / s.Seconds
		}
	}
	if r.past = append(r.past, last); len(r.past) > 3 {
		r.past = r.past[1:]
	}
}
