package runner

import (
	"context"
	"encoding/json"
	"errors"

	"elt/internal/fault"
	"elt/internal/secret"
	"elt/internal/singer"
	"elt/state"
)

// given is what a set began with. It is kept with the record of its run, for
// whoever wants to see it later.
type given struct {
	Settings []givenSetting `json:"settings"`
	Streams  []givenStream  `json:"streams"`
	start    json.RawMessage
}

// givenSetting is a setting as one plugin of the set had it.
type givenSetting struct {
	Plugin   string `json:"plugin"`
	Name     string `json:"name"`
	Value    any    `json:"value"`
	Source   string `json:"source"` // the layer that won
	Variable string `json:"variable,omitempty"`
	Secret   bool   `json:"secret,omitempty"` // Value is a mask
}

// givenStream is a stream that the tap was to read.
type givenStream struct {
	Stream         string   `json:"stream"`
	Method         string   `json:"method"`
	ReplicationKey string   `json:"replication_key,omitempty"`
	Keys           []string `json:"keys,omitempty"`
	LeftOut        []string `json:"left_out,omitempty"` // properties that were not selected
}

// keepGiven keeps what the set begins with, before its tap starts: a run that
// vanishes must be one that can be repeated. A store that is away gets it with
// the next sign of life.
func (s *set) keepGiven(ctx context.Context) {
	g := &given{Settings: []givenSetting{}, Streams: []givenStream{}, start: s.start}
	if g.start == nil {
		g.start = json.RawMessage("{}")
	}
	for _, stage := range s.stages {
		for _, v := range stage.Settings.Values {
			if v.Value == nil {
				continue
			}
			one := givenSetting{Plugin: stage.Name, Name: v.Name, Value: v.Value, Source: string(v.Source), Variable: v.Variable, Secret: v.Secret()}
			if one.Secret {
				one.Value = "***"
			}
			g.Settings = append(g.Settings, one)
		}
	}
	if s.catalog != nil {
		out := map[string][]string{}
		for _, choice := range singer.Selection(s.catalog) {
			if !choice.Taken() {
				out[choice.Stream] = append(out[choice.Stream], choice.Property)
			}
		}
		for _, one := range s.catalog.Selected() {
			method, key := one.Replication()
			g.Streams = append(g.Streams, givenStream{one.Name(), method, key, one.Keys(), out[one.ID()]})
		}
	}
	s.given.Store(g)
	if err := s.Store.Beat(ctx, s.runID, nil, s.masked(s.detail())); err != nil {
		s.log.Debug().Err(err).Msg("what the run was given is not stored yet")
	}
}

// masked is a detail without secrets (invariant 10). The state that the tap got
// is left as it is: it stands in the bookmark's history, too, and with a mask
// in it nothing could start from it.
func (s *set) masked(d detail) json.RawMessage {
	text, _ := json.Marshal(d)
	text = []byte(secret.WithoutLogin(s.Redactor.String(string(text))))
	if !json.Valid(text) { // a secret that is a word of JSON
		text, _ = json.Marshal(detail{Plugins: []PluginReport{}, Version: s.Version})
	}
	if d.Given != nil {
		text = append(append(append(text[:len(text)-1], `,"start":`...), d.Given.start...), '}')
	}
	return text
}

// startOf is the state with which a run's tap started; nil where none is kept.
func startOf(r state.Run) json.RawMessage {
	var d struct {
		Start json.RawMessage `json:"start"`
	}
	if r.Detail == nil || json.Unmarshal(r.Detail, &d) != nil {
		return nil
	}
	return d.Start
}

// Startable says that a run keeps the state with which its tap started, so that
// Options.StateOf can name it.
func Startable(r state.Run) bool { return startOf(r) != nil }

// rollBack takes the bookmark back to where the run StateOf began (a user's
// edit, invariant 3), once: an execution that goes on elsewhere after it has
// begun goes on from its own bookmark.
func (s *set) rollBack(ctx context.Context) error {
	id := s.plan.StateID
	mine, err := s.runsOf(ctx, s.Execution)
	if err != nil {
		return err
	}
	for _, r := range mine {
		if r.ID != s.runID && Startable(r) {
			return nil
		}
	}
	before, err := s.runsOf(ctx, s.StateOf)
	if err != nil {
		return err
	}
	for _, r := range before {
		start := startOf(r)
		if start == nil {
			continue
		}
		if singer.EqualJSON(start, []byte("{}")) {
			start = nil
		}
		s.report.say(s.log, "starts from the bookmark with which run %s began", s.StateOf)
		return s.Store.EditBookmark(ctx, id, "rollback", start, nil)
	}
	return fault.New(fault.Failed, "run %s keeps no bookmark of %s to start from", s.StateOf, id).
		WithHint("it never began to load, or is not known any more; `elt state history %s` lists the bookmarks there are", id)
}

// runsOf are the runs of the state id that an execution made, the first first;
// a run that was typed is its own.
func (s *set) runsOf(ctx context.Context, execution string) (own []state.Run, err error) {
	if execution == "" {
		return nil, nil
	}
	all, err := s.Store.RunsOf(ctx, execution)
	if err != nil {
		return nil, err
	}
	one, err := s.Store.Run(ctx, execution)
	if err == nil {
		all = append(all, one)
	} else if !errors.Is(err, state.ErrNotFound) {
		return nil, err
	}
	for _, r := range all {
		if r.StateID == s.plan.StateID {
			own = append(own, r)
		}
	}
	return own, nil
}
