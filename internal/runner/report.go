package runner

import (
	"time"

	"elt/internal/project"
	"elt/plugins"
	"elt/state"
	"elt/targets"
)

// Report is what a plan did, block by block.
type Report struct {
	Environment string         `json:"environment,omitempty"`
	Status      string         `json:"status"` // state.Succeeded, Failed, Cancelled
	Seconds     float64        `json:"seconds"`
	Blocks      []*BlockReport `json:"blocks"`
}

// BlockReport is what one set or command did.
type BlockReport struct {
	RunID   string `json:"run_id,omitempty"`
	Name    string `json:"name"`
	Job     string `json:"job,omitempty"`
	StateID string `json:"state_id,omitempty"`
	Status  string `json:"status"`
	// Unconfirmed: every row was delivered, but the target did not confirm
	// the last bookmark (invariant 5).
	Unconfirmed bool           `json:"unconfirmed,omitempty"`
	Cause       string         `json:"cause,omitempty"`
	ExitCodes   map[string]int `json:"exit_codes,omitempty"`
	Started     time.Time      `json:"started_at"`
	Seconds     float64        `json:"seconds"`
	Fused       bool           `json:"fused,omitempty"`
	// Bottleneck is the plugin that the others waited for most; "" when
	// nothing moved.
	Bottleneck string          `json:"bottleneck,omitempty"`
	Plugins    []PluginReport  `json:"plugins,omitempty"`
	Streams    []StreamReport  `json:"streams,omitempty"`
	Changes    []SchemaChanges `json:"schema_changes,omitempty"`
	Gauges     []Gauge         `json:"gauges,omitempty"` // what plugins measured, as they logged it
	Notes      []string        `json:"notes,omitempty"`
	LogPath    string          `json:"log_path,omitempty"`
	Processes  []ProcessReport `json:"-"` // for traces
}

// ProcessReport is a process of a set, the tap first.
type ProcessReport struct {
	Name           string
	Started, Ended time.Time
	ExitCode       int
}

// PluginReport says what ran in a plugin's place and why.
type PluginReport struct {
	Name      string `json:"name"`
	Kind      string `json:"type"`
	Native    bool   `json:"native"`
	Connector string `json:"connector,omitempty"`
	Dialect   string `json:"dialect,omitempty"`
	Command   string `json:"command,omitempty"`
	Reason    string `json:"reason"`
	Pinned    bool   `json:"pinned,omitempty"`
}

// NewPluginReport describes a choice.
func NewPluginReport(c plugins.Choice) PluginReport {
	r := PluginReport{
		Name: c.Plugin.Name, Kind: c.Plugin.Kind.Singular(), Native: c.Native,
		Reason: c.Reason, Pinned: c.Pinned, Command: c.Command.Path,
	}
	if c.Native {
		r.Connector, r.Dialect, r.Command = c.Connector, c.Dialect, ""
	}
	return r
}

// StreamReport is what one stream moved.
type StreamReport struct {
	state.StreamStats
	RowsPerSecond float64 `json:"rows_per_second"`
	Rejected      int64   `json:"rejected,omitempty"`
}

// SchemaChanges are the changes that a target made for one stream.
type SchemaChanges struct {
	Stream  string           `json:"stream"`
	Changes []targets.Change `json:"changes"`
}

// Stats is the report in the store's words.
func (b *BlockReport) stats() []state.StreamStats {
	out := make([]state.StreamStats, len(b.Streams))
	for i, s := range b.Streams {
		out[i] = s.StreamStats
	}
	return out
}

func setName(s *project.Set) string {
	name := s.Extractor.Name
	for _, m := range s.Mappings {
		name += " " + m.Name
	}
	return name + " " + s.Loader.Name
}

func commandName(c *project.CommandBlock) string {
	if c.Command == "" {
		return c.Plugin.Name
	}
	return c.Plugin.Name + ":" + c.Command
}

func (b *BlockReport) elapsed() float64 { return time.Since(b.Started).Seconds() }

func (b *BlockReport) duration() time.Duration {
	return time.Duration(b.Seconds * float64(time.Second))
}
