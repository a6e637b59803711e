package cli

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"elt/internal/lineage"
	"elt/internal/runner"
	"elt/internal/singer"
	"elt/internal/sqltarget"
	"elt/state"
)

// tellLineage lets a runner tell of its sets where events of OpenLineage are
// asked for; done waits until they are sent.
func (a *App) tellLineage(r *runner.Runner) (done func()) {
	log := a.Log()
	nothing := func() {}
	settings, err := a.Settings()
	if err != nil {
		return nothing
	}
	address := settings.String("openlineage_url")
	if off, _ := a.Variable("OPENLINEAGE_DISABLED"); address == "" || strings.EqualFold(off, "true") {
		return nothing
	}
	key, _ := a.Variable("OPENLINEAGE_API_KEY")
	endpoint, _ := a.Variable("OPENLINEAGE_ENDPOINT")
	a.Redactor.Add(key)
	client, err := lineage.NewClient(address, endpoint, key, func(err error) {
		log.Warn().Err(err).Msg("lineage is not told")
	})
	if err != nil {
		log.Warn().Err(err).Msg("lineage is not told")
		return nothing
	}
	namespace := settings.String("openlineage_namespace")
	if namespace == "" {
		namespace = r.Project.ID()
	}
	r.Teller = &teller{client: client, namespace: namespace, root: r.Project.Root, version: a.Version, mask: a.Redactor.String, parent: uuid.NewString()}
	return func() { client.Close(sending) }
}

// teller makes events of what a runner tells.
type teller struct {
	client                           *lineage.Client
	namespace, root, version, parent string
	mask                             func(string) string
}

// Began implements runner.Teller.
func (t *teller) Began(b runner.Beginning) {
	t.send(lineage.Start, b.Started, t.run(b, streamsOf(b.Catalog, nil), nil))
}

// Ended implements runner.Teller.
func (t *teller) Ended(b runner.Beginning, r *runner.BlockReport) {
	what := map[string]string{state.Succeeded: lineage.Complete, state.Cancelled: lineage.Abort}[r.Status]
	if what == "" {
		what = lineage.Fail
	}
	run := t.run(b, streamsOf(b.Catalog, r.Streams), r.Streams)
	run.Error = t.mask(r.Cause)
	t.send(what, time.Now(), run)
}

func (t *teller) send(what string, at time.Time, r lineage.Run) {
	if event, err := lineage.Event(what, at, r); err == nil {
		t.client.Send(event)
	}
}

// streamsOf are the streams that moved, or, before any has, those selected.
func streamsOf(c *singer.Catalog, moved []runner.StreamReport) []string {
	var names []string
	for _, s := range moved {
		names = append(names, s.Stream)
	}
	if moved != nil || c == nil {
		return names
	}
	for _, s := range c.Streams {
		if s.Selected() {
			names = append(names, s.Stream)
		}
	}
	return names
}

func (t *teller) run(b runner.Beginning, streams []string, moved []runner.StreamReport) lineage.Run {
	r := lineage.Run{ID: b.RunID, Namespace: t.namespace, Job: b.StateID, Version: t.version}
	if parent := b.Execution; parent != "" || b.Job != "" {
		r.Parent = &lineage.Parent{ID: parent, Job: b.Job}
		if parent == "" {
			r.Parent.ID = t.parent
		}
		if b.Job == "" {
			r.Parent.Job = b.Name
		}
	}
	from := lineage.Place{Plugin: b.Tap.Plugin.Name, Root: t.root, Config: b.Tap.Config}
	to := lineage.Place{Plugin: b.Target.Plugin.Name, Root: t.root, Config: b.Target.Config}
	split := sqltarget.SDK
	if b.Target.Choice.Dialect == "pipelinewise" || b.Target.Plugin.Variant == "transferwise" {
		split = sqltarget.Pipelinewise
	}
	for _, stream := range streams {
		schema, table := split.Table(stream)
		in := lineage.Dataset{Name: from.Of(stream, schema, table), Fields: fieldsOf(b.Catalog, stream)}
		out := lineage.Dataset{Name: to.Of(stream, schema, table), Fields: in.Fields, Rows: -1}
		for _, m := range moved {
			if m.Stream == stream {
				out.Rows, out.Bytes = m.Rows, m.Bytes
			}
		}
		r.Inputs, r.Outputs = append(r.Inputs, in), append(r.Outputs, out)
	}
	return r
}

func fieldsOf(c *singer.Catalog, stream string) []lineage.Field {
	if c == nil {
		return nil
	}
	for _, s := range c.Streams {
		if s.Stream == stream || s.ID() == stream {
			return lineage.FieldsOf(s.Schema)
		}
	}
	return nil
}
