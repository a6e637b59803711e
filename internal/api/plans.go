package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/schedule"
	"elt/internal/singer"
)

// RunPlan is what a run would do. Where something is against it the refusal
// says what.
type RunPlan struct {
	Sets    []PlannedSet `json:"sets"`
	Refused string       `json:"refused,omitempty" doc:"Why it cannot run like this."`
	Hint    string       `json:"hint,omitempty"`
}

// PlannedSet is a tap with its target, or a command of a plugin.
type PlannedSet struct {
	Name    string                `json:"name"`
	StateID string                `json:"state_id,omitempty"`
	Plugins []runner.PluginReport `json:"plugins" doc:"What would run, and why that."`
	Streams []PlannedStream       `json:"streams" doc:"Those that would be read."`
	Notes   []string              `json:"notes"`
}

// PlannedStream is a stream that would be read.
type PlannedStream struct {
	Stream         string          `json:"stream"`
	Method         string          `json:"replication_method,omitempty" enum:"FULL_TABLE,INCREMENTAL,LOG_BASED" doc:"Nothing where the tap does not say."`
	ReplicationKey string          `json:"replication_key,omitempty"`
	Keys           []string        `json:"key_properties"`
	Bookmark       json.RawMessage `json:"bookmark,omitempty" doc:"Where it would go on; nothing: from its beginning."`
}

// Catalog is what a tap can read, with the project's rules applied.
type Catalog struct {
	Streams []CatalogStream `json:"streams"`
}

// CatalogStream is a stream of a catalog.
type CatalogStream struct {
	Stream         string            `json:"stream"`
	Selected       bool              `json:"selected"`
	Method         string            `json:"replication_method,omitempty"`
	ReplicationKey string            `json:"replication_key,omitempty"`
	Keys           []string          `json:"key_properties"`
	Properties     []CatalogProperty `json:"properties"`
}

// CatalogProperty is a property of a stream, dotted where it is in another.
type CatalogProperty struct {
	Name      string          `json:"name"`
	Schema    json.RawMessage `json:"schema,omitempty" doc:"JSON Schema of a property that is in no other."`
	Selection string          `json:"selection" enum:"selected,excluded,automatic,unsupported" doc:"Automatic: the tap reads it always."`
}

func (s *Server) planRoutes() {
	route(s, ScopeRun, operation(http.MethodPost, "/runs/plan", "run.plan", "runs", "Say what a run would do",
		"As elt run --dry-run, with the streams: taps are asked for them; nothing is loaded. Of a window POST /backfills/plan tells more."), s.planRun)
	route(s, ScopeRun, operation(http.MethodPost, "/plugins/{kind}/{name}/catalog", "plugin.catalog", "plugins", "Ask a tap for its streams",
		"Starts the tap to discover them, unless its catalog is cached."), s.showCatalog)
}

func (s *Server) planRun(ctx context.Context, in *struct{ Body RunRequest }) (*body[RunPlan], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	e, err := in.Body.execution(p, plan)
	if err != nil {
		return nil, err
	}
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return nil, err
	}
	made := RunPlan{Sets: []PlannedSet{}}
	if made.Sets, err = s.PlanRun(ctx, e.Blocks, o); err != nil {
		var own *fault.Error
		if !errors.As(err, &own) {
			return nil, err
		}
		made.Refused, made.Hint = s.Mask(own.Error()), s.Mask(own.Hint)
	}
	return answer(made), nil
}

func (s *Server) showCatalog(ctx context.Context, in *pluginInput) (*body[Catalog], error) {
	p, plugin, err := s.plugin(ctx, in)
	if err != nil {
		return nil, err
	}
	if plugin.Kind != project.Extractors {
		return nil, problem(http.StatusUnprocessableEntity, "no_catalog", "%s is no extractor, and only those have streams", plugin.Name)
	}
	found, err := s.Discover(ctx, p, plugin)
	var own *fault.Error
	if errors.As(err, &own) {
		return nil, problem(http.StatusUnprocessableEntity, "discovery_failed", "%s", s.Mask(own.Error())).hint("%s", s.Mask(own.Hint))
	}
	if err != nil {
		return nil, err
	}
	return answer(catalogOf(found)), nil
}

// PlannedStreams are the streams of a catalog that would be read, and where
// each would go on.
func PlannedStreams(c *singer.Catalog, start singer.Bookmarks) []PlannedStream {
	out := []PlannedStream{}
	if c == nil {
		return out
	}
	for _, one := range c.Selected() {
		method, key := one.Replication()
		v := PlannedStream{Stream: one.Name(), Method: method, ReplicationKey: key, Keys: some(one.Keys())}
		if method != singer.FullTable {
			v.Bookmark = start.Stream(one.ID())
		}
		out = append(out, v)
	}
	return out
}

func catalogOf(c *singer.Catalog) Catalog {
	out := Catalog{Streams: []CatalogStream{}}
	if c == nil {
		return out
	}
	properties := map[string][]CatalogProperty{}
	for _, one := range c.Streams {
		properties[one.ID()] = []CatalogProperty{}
	}
	for _, choice := range singer.Selection(c) {
		one := CatalogProperty{Name: choice.Property, Selection: choice.Selection}
		if s := c.Stream(choice.Stream); s != nil {
			one.Schema = s.Property(choice.Property)
		}
		properties[choice.Stream] = append(properties[choice.Stream], one)
	}
	for _, one := range c.Streams {
		method, key := one.Replication()
		out.Streams = append(out.Streams, CatalogStream{Stream: one.Name(), Selected: one.Selected(), Method: method, ReplicationKey: key,
			Keys: some(one.Keys()), Properties: properties[one.ID()]})
	}
	return out
}
