package runner

import (
	"bytes"
	"encoding/json"
	"maps"
	"sync"
)

// Gauge is a measurement that a plugin logged the way of Singer:
// METRIC: {"type": "gauge", "metric": …, "value": …, "tags": {…}}.
type Gauge struct {
	Metric string            `json:"metric"`
	Value  float64           `json:"value"`
	Tags   map[string]string `json:"tags,omitempty"`
}

// SlotLagBytes is the gauge of how much of its log a source keeps for the
// replication slot of the tag slot; the tag wal_status says "unreserved" where
// the slot is about to be lost.
const SlotLagBytes = "replication_slot_lag_bytes"

// GaugesOf are what a run measured, by the detail of its record; none of one
// that another release wrote in another way.
func GaugesOf(detailOf json.RawMessage) []Gauge {
	var d detail
	if json.Unmarshal(detailOf, &d) != nil {
		return nil
	}
	return d.Gauges
}

// gauges keeps the last value of each measurement of a run. It may be used by
// several goroutines.
type gauges struct {
	mu   sync.Mutex
	last []Gauge
}

// mostGauges is how many a run keeps: a plugin may tag with what it likes.
const mostGauges = 50

// hear takes what a line of a plugin's standard error measures, if it does.
func (g *gauges) hear(line []byte) {
	_, text, found := bytes.Cut(line, []byte("METRIC: "))
	if !found {
		return
	}
	var said struct {
		Type string `json:"type"`
		Gauge
	}
	if json.Unmarshal(bytes.TrimSpace(text), &said) != nil || said.Type != "gauge" || said.Metric == "" {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, have := range g.last {
		if have.Metric == said.Metric && maps.Equal(have.Tags, said.Tags) {
			g.last[i].Value = said.Value
			return
		}
	}
	if len(g.last) < mostGauges {
		g.last = append(g.last, said.Gauge)
	}
}

// all is what was measured, in the order in which it first was.
func (g *gauges) all() []Gauge {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Gauge(nil), g.last...)
}

// speaker logs what a plugin of the set says, and keeps what it measures.
func (s *set) speaker(plugin string) func(line []byte) {
	say := speaker(s.log.With().Str("plugin", plugin).Logger())
	return func(line []byte) {
		s.gauges.hear(line)
		say(line)
	}
}
