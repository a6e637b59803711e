// Package lineage is events of OpenLineage (https://openlineage.io/spec/2-0-2):
// what they say, how datasets are named, and how they are sent. It knows
// nothing of projects and runs.
package lineage

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Types of events.
const (
	Start    = "START"
	Complete = "COMPLETE"
	Fail     = "FAIL"
	Abort    = "ABORT"
)

const (
	// producer names what made the events.
	producer  = "urn:elt:elt"
	eventURL  = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
	facetBase = "https://openlineage.io/spec/facets/"
)

// Run is what happens to the rows of one tap into one target.
type Run struct {
	ID        string // a UUID
	Namespace string
	Job       string
	Parent    *Parent // what it is a part of; nil: nothing
	Error     string  // of Fail
	Inputs    []Dataset
	Outputs   []Dataset
	Version   string // of elt
}

// Parent is the run that this one is a part of.
type Parent struct{ ID, Job string }

// Dataset is a table, a file, or whatever holds rows of one stream.
type Dataset struct {
	Name
	Fields []Field
	Rows   int64 // of an output of a run that has ended; -1: not known
	Bytes  int64
}

// Field is a column.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// facet is one with the two keys that all have.
func facet(schema string, values map[string]any) map[string]any {
	if values == nil {
		values = map[string]any{}
	}
	values["_producer"], values["_schemaURL"] = producer, facetBase+schema
	return values
}

// Event is a run's event as JSON.
func Event(what string, at time.Time, r Run) ([]byte, error) {
	facets := map[string]any{"processing_engine": facet("1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet",
		map[string]any{"name": "elt", "version": r.Version})}
	if r.Parent != nil {
		of := map[string]any{"run": map[string]any{"runId": r.Parent.ID}, "job": map[string]any{"namespace": r.Namespace, "name": r.Parent.Job}}
		facets["parent"] = facet("1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet", of)
	}
	if what == Fail && r.Error != "" {
		facets["errorMessage"] = facet("1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet",
			map[string]any{"message": r.Error, "programmingLanguage": "Go"})
	}
	inputs, outputs := []any{}, []any{}
	for _, d := range r.Inputs {
		inputs = append(inputs, d.json(false))
	}
	for _, d := range r.Outputs {
		outputs = append(outputs, d.json(what != Start))
	}
	return json.Marshal(map[string]any{
		"eventType": what, "eventTime": instant(at), "producer": producer, "schemaURL": eventURL,
		"run": map[string]any{"runId": r.ID, "facets": facets},
		"job": map[string]any{"namespace": r.Namespace, "name": r.Job, "facets": map[string]any{
			"jobType": facet("2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
				map[string]any{"processingType": "BATCH", "integration": "ELT", "jobType": "JOB"})}},
		"inputs": inputs, "outputs": outputs,
	})
}

func (d Dataset) json(ended bool) map[string]any {
	out := map[string]any{"namespace": d.Namespace, "name": d.Name.Name}
	if len(d.Fields) > 0 {
		out["facets"] = map[string]any{"schema": facet("1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", map[string]any{"fields": d.Fields})}
	}
	if ended && d.Rows >= 0 {
		out["outputFacets"] = map[string]any{"outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet",
			map[string]any{"rowCount": d.Rows, "size": d.Bytes})}
	}
	return out
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// FieldsOf are the properties of a JSON Schema, with their types, in the order
// of their names.
func FieldsOf(schema json.RawMessage) []Field {
	var s struct {
		Properties map[string]struct {
			Type   any    `json:"type"`
			Format string `json:"format"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return nil
	}
	var out []Field
	for name, p := range s.Properties {
		out = append(out, Field{name, typeOf(p.Type, p.Format)})
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func typeOf(types any, format string) string {
	var names []string
	switch t := types.(type) {
	case string:
		names = []string{t}
	case []any:
		for _, one := range t {
			if name, ok := one.(string); ok && name != "null" {
				names = append(names, name)
			}
		}
	}
	if len(names) == 1 && names[0] == "string" && format != "" {
		return format
	}
	return strings.Join(names, "|")
}
