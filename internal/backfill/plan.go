package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/row"
	"elt/internal/runner"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/state"
	"elt/targets"
)

// Plan is what a backfill will do, made before anything is started.
type Plan struct {
	StateID string                `json:"state_id"` // of the regular runs
	Name    string                `json:"name"`     // "tap-x target-y"
	Plugins []runner.PluginReport `json:"plugins"`
	Window
	Chunks  []Window `json:"chunks"`
	Streams []Stream `json:"streams"`
	// Start and End are the settings by which the tap is given each chunk.
	Start string   `json:"start_setting"`
	End   string   `json:"end_setting,omitempty"`
	Notes []string `json:"notes,omitempty"`

	bounds  bounds
	catalog *singer.Catalog // nil: the tap takes none
	whole   bool            // a chunk that was cut starts from its beginning
	only    []string        // streams that a backfill began with; nil: all that are selected
}

// Stream is one stream of a plan.
type Stream struct {
	Name           string   `json:"stream"`
	Key            []string `json:"key,omitempty"`
	ReplicationKey string   `json:"replication_key,omitempty"`
	Table          string   `json:"table,omitempty"` // "" when only the target knows
	Load           string   `json:"load"`            // upsert, append, overwrite; "" when only the target knows
	Refused        string   `json:"refused,omitempty"`
}

// loads are the words for methods.
var loads = map[targets.Method]string{targets.Upsert: "upsert", targets.Append: "append", targets.Overwrite: "overwrite"}

// Make plans a backfill; the error says what of the request is wrong. Where
// streams are refused the plan comes with the error, to be shown.
func Make(ctx context.Context, r *runner.Runner, set *project.Set, w Window, o Options, specs Spec) (*Plan, error) {
	p := &Plan{StateID: set.StateID, Name: nameOf(set), Window: w, Chunks: []Window{w}}
	if o.Chunk != "" {
		span, err := ParseSpan(o.Chunk)
		if err == nil {
			p.Chunks, err = w.Split(span)
		}
		if err != nil {
			return nil, err
		}
	}
	return p, p.describe(ctx, r, set, o, specs)
}

func nameOf(set *project.Set) string {
	words := []string{set.Extractor.Name}
	for _, m := range set.Mappings {
		words = append(words, m.Name)
	}
	return strings.Join(append(words, set.Loader.Name), " ")
}

// describe finds out what runs, how the tap takes the chunks, and what becomes
// of each stream.
func (p *Plan) describe(ctx context.Context, r *runner.Runner, set *project.Set, o Options, specs Spec) error {
	blocks, err := r.Preview(ctx, &project.Plan{Blocks: []project.Block{{Set: set}}})
	if err != nil {
		return err
	}
	p.Plugins = blocks[0].Plugins
	if p.bounds, err = boundsOf(r.Project, set.Extractor, p.Plugins[0], specs); err != nil {
		return err
	}
	p.Start, p.End = p.bounds.Start, p.bounds.End
	if p.End == "" && len(p.Chunks) > 1 {
		return fault.New(fault.Usage, "%s has no setting for the end of a window, so chunks would overlap", set.Extractor.Name).
			WithHint("leave --chunk out; all from --from on is loaded then")
	}
	for _, c := range p.Chunks {
		if _, err := p.bounds.flags(r, o.Tap, c); err != nil {
			return err
		}
	}
	own := *r // discovery sees the whole window
	if own.Flags, err = p.bounds.flags(r, o.Tap, p.Window); err != nil {
		return err
	}
	d, err := own.Describe(ctx, set)
	if err != nil {
		return err
	}
	p.catalog = d.Catalog
	if err := p.restrict(); err != nil {
		return err
	}
	if err := p.streams(d, set, specs); err != nil {
		return err
	}
	p.notes(d, set, o)
	return p.refusal(o)
}

// streams says of each selected stream where it goes and what is against it.
func (p *Plan) streams(d *runner.Described, set *project.Set, specs Spec) error {
	place, err := placer(d, specs)
	if err != nil {
		return err
	}
	p.whole = d.Catalog != nil
	if d.Catalog == nil {
		return nil
	}
	for _, cs := range d.Catalog.Selected() {
		_, key := cs.Replication()
		s := Stream{Name: cs.ID(), Key: cs.Keys(), ReplicationKey: key, Refused: unwindowed(cs, d.Tap.Choice.Native)}
		if len(set.Mappings) == 0 {
			at, err := place(&row.Schema{Stream: cs.Name(), Key: s.Key})
			if err != nil {
				return fmt.Errorf("stream %s: %w", s.Name, err)
			}
			s.Table, s.Load = at.Table, loads[at.Method]
		} else if len(s.Key) == 0 {
			s.Load = loads[targets.Append]
		}
		if s.Load == loads[targets.Overwrite] && s.Refused == "" {
			s.Refused = "the target overwrites its table, and with it what is outside of the window"
		}
		p.whole = p.whole && s.Load != loads[targets.Append] && len(s.Key) > 0
		p.Streams = append(p.Streams, s)
	}
	if len(p.Streams) == 0 {
		return fault.New(fault.Usage, "no stream of %s is selected", set.Extractor.Name).WithHint("elt select %s --list shows what there is", set.Extractor.Name)
	}
	slices.SortFunc(p.Streams, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// placer asks a built-in target where streams go. Of a third-party one it is
// known only that it merges by a key, unless its setting load_method says otherwise.
func placer(d *runner.Described, specs Spec) (func(*row.Schema) (targets.Place, error), error) {
	method := d.Target.Settings.Get("load_method") // as the Meltano SDK calls it
	byKey := func(s *row.Schema) (targets.Place, error) {
		switch {
		case method == "overwrite":
			return targets.Place{Method: targets.Overwrite}, nil
		case method == "append-only" || len(s.Key) == 0:
			return targets.Place{Method: targets.Append}, nil
		}
		return targets.Place{Method: targets.Upsert}, nil
	}
	if !d.Target.Choice.Native || d.Place == nil {
		return byKey, nil
	}
	cfg, _, err := specs(project.Loaders, d.Target.Choice.Connector).Resolve(d.Target.Config)
	if err != nil {
		return nil, err
	}
	return func(s *row.Schema) (targets.Place, error) { return d.Place.Place(cfg, s) }, nil
}

// unwindowed says why a stream cannot be read by windows of time; "" when it can.
func unwindowed(cs *singer.CatalogStream, native bool) string {
	if says, ok := cs.Meta()[spec.MetaWindowed].(bool); ok {
		if says {
			return ""
		}
		return "the tap says that it cannot be read by windows of time"
	}
	method, key := cs.Replication()
	switch {
	case method == singer.FullTable:
		return "its replication method is FULL_TABLE"
	case method == singer.LogBased:
		return "its replication method is LOG_BASED"
	case native && key == "":
		return "it has no replication key"
	case key != "" && !timely(cs.Property(key)):
		return fmt.Sprintf("its replication key %s is no time", key)
	}
	return ""
}

// timely says that a property may hold times: JSON Schema has them as strings.
func timely(schema json.RawMessage) bool {
	var s struct {
		Type  json.RawMessage
		AnyOf []json.RawMessage
		OneOf []json.RawMessage
	}
	if json.Unmarshal(schema, &s) != nil {
		return true // nothing is known of it
	}
	of := slices.Concat(s.AnyOf, s.OneOf)
	if len(s.Type) == 0 && len(of) == 0 || strings.Contains(string(s.Type), `"string"`) {
		return true
	}
	return slices.ContainsFunc(of, timely)
}

func (p *Plan) notes(d *runner.Described, set *project.Set, o Options) {
	say := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	if d.Catalog == nil {
		say("%s has no catalog: its streams and their keys are known only when they come", set.Extractor.Name)
	}
	if p.End == "" {
		say("%s has no setting for the end: all from %s on is loaded, also what is later than %s", set.Extractor.Name, Text(p.From), Text(p.To))
	}
	if p.To.After(time.Now()) {
		say("the window ends in the future: what comes later is not loaded by this backfill")
	}
	if len(set.Mappings) > 0 {
		say("mappings may rename streams and change keys; streams are shown as the tap names them")
	}
	if o.AllowDuplicates && !p.whole {
		if !d.Target.Choice.Native {
			say("rows without a key are appended by %s: a chunk that is cut and run again repeats what came before the cut", set.Loader.Name)
		} else {
			say("rows without a key are appended: those of the window that are there already will be there twice")
		}
	}
}

// refusal names the streams that are against the backfill.
func (p *Plan) refusal(o Options) error {
	var refused, keyless, rest []string
	reasons := ""
	for _, s := range p.Streams {
		switch {
		case s.Refused != "":
			refused = append(refused, s.Name)
			reasons += fmt.Sprintf("\n      %s: %s", s.Name, s.Refused)
		case s.Load == loads[targets.Append]:
			keyless, rest = append(keyless, s.Name), append(rest, s.Name)
		default:
			rest = append(rest, s.Name)
		}
	}
	switch {
	case len(refused) > 0 && len(rest) == 0:
		return fault.New(fault.Usage, "no stream can be backfilled by a window: %s", strings.Join(refused, ", ")).WithHint("the reasons are:%s", reasons)
	case len(refused) > 0:
		return fault.New(fault.Usage, "streams that cannot be backfilled by a window: %s", strings.Join(refused, ", ")).
			WithHint("leave them out with %s; the reasons are:%s", excluding(refused), reasons)
	case len(keyless) > 0 && !o.AllowDuplicates:
		return fault.New(fault.Usage, "rows of these streams are appended, so those of the window that are there already would be there twice: %s", strings.Join(keyless, ", ")).
			WithHint("give them a key (metadata table-key-properties, and no load_method: append-only), leave them out with %s, or accept it with --allow-duplicates", excluding(keyless))
	}
	return nil
}

func excluding(streams []string) string {
	out := ""
	for _, s := range streams {
		out += " --exclude " + s
	}
	return strings.TrimSpace(out)
}

// record is the plan as the store's backfill.
func (p *Plan) record(id, environment string, o Options) (state.Backfill, error) {
	b := state.Backfill{ID: id, StateID: p.StateID, Name: p.Name, Environment: environment, Status: state.Running, From: p.From, To: p.To}
	var err error
	if b.Options, err = json.Marshal(o); err != nil {
		return b, err
	}
	if b.Plan, err = json.Marshal(p); err != nil {
		return b, err
	}
	for i, c := range p.Chunks {
		b.Chunks = append(b.Chunks, state.Chunk{N: i + 1, From: c.From, To: c.To, StateID: state.ChunkStateID(p.StateID, id, i+1)})
	}
	return b, nil
}
