package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"elt/internal/project"
	"elt/internal/singer"
	"elt/state"
)

// StreamStatus is a stream with its last run.
type StreamStatus struct {
	StateID       string         `json:"state_id"`
	Stream        string         `json:"stream"`
	Set           string         `json:"set" doc:"The tap and the target of its last run."`
	Pipelines     []string       `json:"pipelines" doc:"Jobs and schedules' pairs of the project that load it; none: it was typed, or is no more in the project."`
	RunID         string         `json:"run_id" doc:"The last run that met it."`
	StepID        string         `json:"step_id" doc:"Its step, which is the run where it was typed."`
	Status        string         `json:"status" enum:"succeeded,failed,cancelled,lost" doc:"Of that step."`
	Rows          int64          `json:"rows" doc:"That it moved in the last run, as bytes and seconds."`
	Bytes         int64          `json:"bytes"`
	Seconds       float64        `json:"seconds"`
	RowsPerSecond float64        `json:"rows_per_second"`
	Error         string         `json:"error,omitempty"`
	EndedAt       time.Time      `json:"ended_at"`
	LastSuccessAt *time.Time     `json:"last_success_at,omitempty" doc:"The end of the last run that succeeded."`
	FirstSeenAt   time.Time      `json:"first_seen_at"`
	AgeSeconds    *float64       `json:"age_seconds,omitempty" doc:"Since the last success."`
	FreshWithin   float64        `json:"fresh_within_seconds,omitempty" doc:"The project's fresh_within: how old it may be; the shortest of its pipelines."`
	Stale         bool           `json:"stale" doc:"It is older than that."`
	Schema        *SchemaSummary `json:"schema,omitempty" doc:"Absent: no run has said what it looks like."`
}

// SchemaSummary is the newest schema of a stream.
type SchemaSummary struct {
	Version     int       `json:"version" doc:"Counts its changes, from 1."`
	Fingerprint string    `json:"fingerprint"`
	Columns     int       `json:"columns"`
	Key         []string  `json:"key"`
	SeenAt      time.Time `json:"seen_at" doc:"Since when it looks so."`
}

// StreamDetail is a stream with the history of its schema.
type StreamDetail struct {
	StreamStatus
	Schemas []SchemaVersion `json:"schemas" doc:"Newest first."`
}

// SchemaVersion is what a stream's schema was from a run on.
type SchemaVersion struct {
	Version        int                  `json:"version"`
	Fingerprint    string               `json:"fingerprint"`
	SeenAt         time.Time            `json:"seen_at"`
	StepID         string               `json:"step_id" doc:"Of the run that brought it: GET /runs/{id} knows it by this id too."`
	Columns        []singer.ShapeColumn `json:"columns"`
	Key            []string             `json:"key"`
	ReplicationKey string               `json:"replication_key,omitempty"`
	Changes        []ColumnChange       `json:"changes" doc:"From the version before; none for the oldest that is kept."`
}

// ColumnChange is how two schemas differ.
type ColumnChange struct {
	Kind   string `json:"kind" enum:"added,removed,changed,key,replication_key"`
	Column string `json:"column,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
}

type streamsInput struct {
	Page
	Pipeline string `query:"pipeline" maxLength:"500" doc:"Only of this pipeline: a job, or a tap and a target."`
	StateID  string `query:"state_id" maxLength:"500"`
}

type streamInput struct {
	StateID string `path:"state_id" maxLength:"500"`
	Stream  string `path:"stream" maxLength:"500"`
}

func (s *Server) streamRoutes() {
	route(s, ScopeRead, operation(http.MethodGet, "/streams", "stream.list", "streams", "List all streams that were ever seen",
		"By state id and name, with the last run of each. Chunks of backfills do not count."), s.listStreams)
	route(s, ScopeRead, operation(http.MethodGet, "/streams/{state_id}/{stream}", "stream.show", "streams", "Show a stream and how its schema changed", ""), s.showStream)
}

func (s *Server) listStreams(ctx context.Context, in *streamsInput) (*body[List[StreamStatus]], error) {
	p, plan, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	of := state.StreamsOf{Environment: plan.Environment, StateID: in.StateID, Limit: in.Limit + 1}
	if of.After, err = streamAfter(in.Cursor); err != nil {
		return nil, err
	}
	loaders := loadersOf(p)
	if in.Pipeline != "" {
		v, err := pipelineNamed(p, in.Pipeline)
		if err != nil {
			return nil, err
		}
		for _, set := range v.Sets {
			of.StateIDs = append(of.StateIDs, set.StateID)
		}
		for id, by := range loaders {
			if by.pipelines[in.Pipeline] {
				of.StateIDs = append(of.StateIDs, id)
			}
		}
		if of.StateIDs == nil {
			return list[StreamStatus](nil, ""), nil
		}
	}
	streams, err := s.Store.Streams(ctx, of)
	if err != nil {
		return nil, err
	}
	next := ""
	if len(streams) > in.Limit {
		streams = streams[:in.Limit]
		last := streams[in.Limit-1]
		next = base64.RawURLEncoding.EncodeToString(jsonOf([2]string{last.StateID, last.Stream}))
	}
	var items []StreamStatus
	for _, one := range streams {
		items = append(items, s.streamStatus(one, loaders[one.StateID], time.Now()))
	}
	return list(items, next), nil
}

func streamAfter(cursor string) (after [2]string, err error) {
	if cursor == "" {
		return after, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || json.Unmarshal(text, &after) != nil {
		return after, badCursor()
	}
	return after, nil
}

// loader is what loads the streams of a state id.
type loader struct {
	pipelines map[string]bool
	fresh     time.Duration
}

// loadersOf are the project's, by state id.
func loadersOf(p *project.Project) map[string]loader {
	all := map[string]loader{}
	add := func(stateID, pipeline string, fresh time.Duration) {
		l := all[stateID]
		if l.pipelines == nil {
			l.pipelines = map[string]bool{}
		}
		l.pipelines[pipeline] = true
		if fresh > 0 && (l.fresh == 0 || fresh < l.fresh) {
			l.fresh = fresh
		}
		all[stateID] = l
	}
	pairs := map[string]string{} // a schedule's pair keeps its bookmark under the schedule's name
	promised := map[string]time.Duration{}
	for _, one := range p.Schedules() {
		name := PipelineOf(one)
		if one.Job == "" {
			pairs[one.StateID()] = name
			add(one.StateID(), name, one.Timing.FreshWithin)
		}
		if fresh := one.Timing.FreshWithin; fresh > 0 && (promised[name] == 0 || fresh < promised[name]) {
			promised[name] = fresh
		}
	}
	for _, v := range pipelines(p) {
		fresh := promised[v.Name]
		if job, ok := p.Job(v.Name); ok && fresh == 0 {
			fresh = job.FreshWithin
		}
		for _, set := range v.Sets {
			add(set.StateID, v.Name, fresh)
		}
	}
	return all
}

func (s *Server) streamStatus(one state.Stream, by loader, now time.Time) StreamStatus {
	v := StreamStatus{StateID: one.StateID, Stream: one.Stream, Set: one.Name, Pipelines: slices.Sorted(maps.Keys(by.pipelines)),
		RunID: or(one.Execution, one.RunID), StepID: one.RunID, Status: one.Status, Rows: one.Rows, Bytes: one.Bytes, Seconds: one.Seconds,
		Error: s.Mask(one.Error), EndedAt: one.Ended, LastSuccessAt: one.Succeeded, FirstSeenAt: one.FirstSeen, FreshWithin: by.fresh.Seconds()}
	if v.Pipelines == nil {
		v.Pipelines = []string{}
	}
	if one.Seconds > 0 {
		v.RowsPerSecond = float64(one.Rows) / one.Seconds
	}
	if one.Succeeded != nil {
		age := max(0, now.Sub(*one.Succeeded).Round(time.Millisecond).Seconds())
		v.AgeSeconds = &age
	}
	v.Stale = by.fresh > 0 && (one.Succeeded == nil || now.Sub(*one.Succeeded) > by.fresh)
	if one.Schema != nil {
		shape := shapeOf(*one.Schema)
		v.Schema = &SchemaSummary{one.Schema.Version, one.Schema.Fingerprint, len(shape.Columns), shape.Key, one.Schema.Seen}
	}
	return v
}

func shapeOf(v state.SchemaVersion) singer.Shape {
	shape := singer.Shape{}
	_ = json.Unmarshal(v.Shape, &shape) // of a release that keeps it otherwise: it shows nothing
	shape.Key = some(shape.Key)
	if shape.Columns == nil {
		shape.Columns = []singer.ShapeColumn{}
	}
	return shape
}

func (s *Server) showStream(ctx context.Context, in *streamInput) (*body[StreamDetail], error) {
	p, _, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Store.Streams(ctx, state.StreamsOf{StateID: in.StateID, Name: in.Stream})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, problem(http.StatusNotFound, "not_found", "no run of state id %q has met a stream %q", in.StateID, in.Stream).hint("GET %s/streams lists them", Base)
	}
	versions, err := s.Store.Schemas(ctx, in.StateID, in.Stream, 0)
	if err != nil {
		return nil, err
	}
	d := StreamDetail{s.streamStatus(found[0], loadersOf(p)[in.StateID], time.Now()), []SchemaVersion{}}
	for i, v := range versions {
		shape := shapeOf(v)
		one := SchemaVersion{v.Version, v.Fingerprint, v.Seen, v.RunID, shape.Columns, shape.Key, shape.ReplicationKey, []ColumnChange{}}
		if i+1 < len(versions) {
			one.Changes = changesOf(shapeOf(versions[i+1]), shape)
		}
		d.Schemas = append(d.Schemas, one)
	}
	return answer(d), nil
}

// changesOf is what became of a schema.
func changesOf(from, to singer.Shape) []ColumnChange {
	changes := []ColumnChange{}
	was := map[string]string{}
	for _, c := range from.Columns {
		was[c.Name] = columnText(c)
	}
	for _, c := range to.Columns {
		before, ok := was[c.Name]
		delete(was, c.Name)
		switch now := columnText(c); {
		case !ok:
			changes = append(changes, ColumnChange{"added", c.Name, "", now})
		case before != now:
			changes = append(changes, ColumnChange{"changed", c.Name, before, now})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(was)) {
		changes = append(changes, ColumnChange{"removed", name, was[name], ""})
	}
	if !slices.Equal(from.Key, to.Key) {
		changes = append(changes, ColumnChange{"key", "", strings.Join(from.Key, ", "), strings.Join(to.Key, ", ")})
	}
	if from.ReplicationKey != to.ReplicationKey {
		changes = append(changes, ColumnChange{"replication_key", "", from.ReplicationKey, to.ReplicationKey})
	}
	return changes
}

func columnText(c singer.ShapeColumn) string {
	if c.Nullable {
		return c.Type + " or null"
	}
	return c.Type
}
