package api

import (
	"encoding/json"
	"strings"

	"elt/state"
)

// StreamOfStep is what one stream moved in one block run.
type StreamOfStep struct {
	Stream        string          `json:"stream"`
	Rows          int64           `json:"rows"`
	Bytes         int64           `json:"bytes"`
	Seconds       float64         `json:"seconds"`
	RowsPerSecond float64         `json:"rows_per_second" doc:"Lately, while the run goes on; of all its time, when it has ended."`
	Bookmark      json.RawMessage `json:"bookmark,omitempty"`
	Error         string          `json:"error,omitempty"`
}

// StreamOfRun is a stream with the block that it belongs to.
type StreamOfRun struct {
	RunID string `json:"run_id"`
	Step  string `json:"step"`
	// Bottleneck is the step's.
	Bottleneck string `json:"bottleneck,omitempty" doc:"The plugin of the step that the others wait for."`
	StreamOfStep
}

// StepDetail is what a block run was made of.
type StepDetail struct {
	Plugins       []StepPlugin    `json:"plugins"`
	Fused         bool            `json:"fused" doc:"Tap and target in one process."`
	Bottleneck    string          `json:"bottleneck,omitempty" doc:"The plugin that the others wait for, or waited for most."`
	SchemaChanges []SchemaChanges `json:"schema_changes"`
	Notes         []string        `json:"notes"`
	Version       string          `json:"version" doc:"Of elt."`
	Given         *StepGiven      `json:"given,omitempty"`
	Start         json.RawMessage `json:"start,omitempty" doc:"The state that the tap got: {} for the beginning. What from_state starts from again."`
}

// StepGiven is what a block run was given when it began.
type StepGiven struct {
	Settings []StepSetting `json:"settings" doc:"Those that had a value."`
	Streams  []StepStream  `json:"streams" doc:"Those that were selected; none where the tap takes no catalog."`
}

// StepSetting is a setting as one plugin had it.
type StepSetting struct {
	Plugin   string          `json:"plugin"`
	Name     string          `json:"name"`
	Value    json.RawMessage `json:"value" doc:"\"***\" where it is a secret."`
	Source   string          `json:"source" enum:"flag,environment,dotenv,mapping,project_environment,project_file,database,inherited,default" doc:"The layer that won."`
	Variable string          `json:"variable,omitempty" doc:"The variable that set it."`
	Secret   bool            `json:"secret"`
}

// StepStream is a stream that was to be read.
type StepStream struct {
	Stream         string   `json:"stream"`
	Method         string   `json:"method"`
	ReplicationKey string   `json:"replication_key,omitempty"`
	Keys           []string `json:"keys"`
	LeftOut        []string `json:"left_out" doc:"Properties that were not selected."`
}

// StepPlugin says what ran in a plugin's place and why.
type StepPlugin struct {
	Name      string `json:"name"`
	Kind      string `json:"type"`
	Native    bool   `json:"native"`
	Connector string `json:"connector,omitempty"`
	Dialect   string `json:"dialect,omitempty"`
	Command   string `json:"command,omitempty"`
	Reason    string `json:"reason"`
	Pinned    bool   `json:"pinned,omitempty"`
}

// SchemaChanges are what became of a stream's table.
type SchemaChanges struct {
	Stream  string         `json:"stream"`
	Changes []SchemaChange `json:"changes"`
}

// SchemaChange is one change of a table.
type SchemaChange struct {
	Kind   string `json:"kind" doc:"create, add, widen, version, drop, rekey, ignore."`
	Column string `json:"column,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// detailOf reads what the runner kept; nil where there is nothing.
func detailOf(r state.Run) *StepDetail {
	if r.Detail == nil {
		return nil
	}
	d := &StepDetail{Plugins: []StepPlugin{}, SchemaChanges: []SchemaChanges{}, Notes: []string{}}
	if json.Unmarshal(r.Detail, d) != nil {
		return nil // of a release that keeps it otherwise
	}
	if d.Given != nil {
		for i := range d.Given.Streams {
			d.Given.Streams[i].Keys, d.Given.Streams[i].LeftOut = some(d.Given.Streams[i].Keys), some(d.Given.Streams[i].LeftOut)
		}
	}
	return d
}

// stream is what a stream moved; going: the run goes on.
func (s *Server) stream(one state.StreamStats, going bool) StreamOfStep {
	v := StreamOfStep{Stream: one.Stream, Rows: one.Rows, Bytes: one.Bytes, Seconds: one.Seconds, Bookmark: one.Bookmark, Error: s.Mask(one.Error)}
	switch {
	case going:
		v.RowsPerSecond = one.Rate
	case one.Seconds > 0:
		v.RowsPerSecond = float64(one.Rows) / one.Seconds
	}
	return v
}

// blocksOf are the blocks of a run of one set: its name is made of them.
func blocksOf(r state.Run) []string { return strings.Fields(r.Name) }
