package notify

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"elt/state"
)

// Watcher judges the pipelines of a project every few seconds, and tells the
// project's channels.
type Watcher struct {
	Store Store
	// Load gives the configuration as it is now.
	Load func(ctx context.Context) (Config, error)
	// Open makes a channel ready to be told something.
	Open func(ctx context.Context, name string) (Channel, error)
	Log  zerolog.Logger
	// Every is the time between two looks; 0 is 15 seconds.
	Every time.Duration
	// Wakes says that something has just ended; may be nil.
	Wakes <-chan struct{}
}

// Run watches until the context ends.
func (w *Watcher) Run(ctx context.Context) error {
	every := w.Every
	if every == 0 {
		every = 15 * time.Second
	}
	reader := &reader{store: w.Store}
	sender := newSender(w)
	defer sender.wait()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	away := false
	for {
		c, err := w.Load(ctx)
		if err == nil {
			if err = w.look(ctx, reader, c, time.Now()); err == nil {
				sender.send(ctx, c)
			} else {
				reader.judged = time.Time{} // what was judged may not be kept
			}
		}
		if err != nil && !away && ctx.Err() == nil {
			w.Log.Error().Err(err).Msg("alerts cannot be judged; trying on")
		}
		away = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-w.Wakes:
		}
	}
}

// look opens and resolves incidents.
func (w *Watcher) look(ctx context.Context, r *reader, c Config, now time.Time) error {
	if len(c.Alerts.Rules) == 0 {
		return nil
	}
	pipelines, err := r.pipelines(ctx, c, now)
	if err != nil {
		return err
	}
	if pipelines == nil {
		return nil
	}
	open, err := w.Store.Incidents(ctx, c.Project, c.Environment, true, 0)
	if err != nil {
		return err
	}
	already := map[string]bool{}
	for _, i := range open {
		already[i.Key] = true
	}
	wrong := map[string]bool{}
	for _, found := range Judge(c, pipelines, now) {
		wrong[found.Key] = true
		if already[found.Key] {
			continue
		}
		i := state.Incident{ID: newID(), Project: c.Project, Environment: c.Environment, Key: found.Key, Kind: found.Kind,
			Pipeline: found.Pipeline, Summary: found.Summary, Detail: found.Detail, Run: found.Run}
		opened, err := w.Store.OpenIncident(ctx, i, found.Channels, c.Alerts.GroupWait)
		if err != nil {
			return err
		}
		if opened {
			w.Log.Warn().Str("incident", i.ID).Str("kind", i.Kind).Str("pipeline", i.Pipeline).Str("run", i.Run).Msg("alert: " + i.Summary)
		}
	}
	for _, i := range open {
		if wrong[i.Key] {
			continue
		}
		resolved, err := w.Store.ResolveIncident(ctx, i.ID, c.Resolved(i.Kind, i.Pipeline), c.Alerts.GroupWait)
		if err != nil {
			return err
		}
		if resolved {
			w.Log.Info().Str("incident", i.ID).Str("kind", i.Kind).Str("pipeline", i.Pipeline).Msg("alert is over: " + i.Summary)
		}
	}
	return nil
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.NewString()
	}
	return id.String()
}
