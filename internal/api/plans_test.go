package api

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/runner"
	"elt/internal/schedule"
	"elt/internal/singer"
)

const ordersCatalog = `{"streams": [{"tap_stream_id": "orders", "schema": {"properties": {"id": {"type": "integer"}, "note": {"type": "string"}}},
 "metadata": [
  {"breadcrumb": [], "metadata": {"selected": true, "replication-method": "INCREMENTAL", "replication-key": "id", "table-key-properties": ["id"]}},
  {"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}},
  {"breadcrumb": ["properties", "note"], "metadata": {"inclusion": "available", "selected": false}}]},
 {"tap_stream_id": "old", "schema": {}, "metadata": [{"breadcrumb": [], "metadata": {"selected": false}}]}]}`

func catalogForTest(t *testing.T) *singer.Catalog {
	t.Helper()
	c, err := singer.ParseCatalog([]byte(ordersCatalog))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlanOfARun(t *testing.T) {
	var asked schedule.Options
	var refused error
	w := newWorld(t, func(c *Config) {
		c.PlanRun = func(_ context.Context, blocks []string, o schedule.Options) ([]PlannedSet, error) {
			asked = o
			streams := PlannedStreams(catalogForTest(t), singer.NewBookmarks([]byte(`{"bookmarks": {"orders": {"id": 9007199254740993}}}`)))
			return []PlannedSet{{Name: strings.Join(blocks, " "), Plugins: []runner.PluginReport{}, Streams: streams, Notes: []string{}}}, refused
		}
	})
	got := w.ask("POST", Base+"/runs/plan", `{"job": "load", "select": ["orders"], "full_refresh": true}`)
	if got.StatusCode != 200 || !asked.FullRefresh || len(asked.Select) != 1 {
		t.Fatalf("%d %s, asked %+v", got.StatusCode, got.text, asked)
	}
	var plan RunPlan
	if err := json.Unmarshal([]byte(got.text), &plan); err != nil {
		t.Fatal(err)
	}
	if len(plan.Sets) != 1 || plan.Sets[0].Name != "load" || len(plan.Sets[0].Streams) != 1 || plan.Refused != "" {
		t.Fatalf("%s", got.text)
	}
	s := plan.Sets[0].Streams[0]
	if s.Stream != "orders" || s.Method != "INCREMENTAL" || s.ReplicationKey != "id" || len(s.Keys) != 1 || string(s.Bookmark) != `{"id":9007199254740993}` {
		t.Errorf("%+v %s", s, s.Bookmark)
	}

	refused = fault.New(fault.PluginMissing, "tap-x is not installed").WithHint("elt install")
	got = w.ask("POST", Base+"/runs/plan", `{"job": "load"}`)
	if err := json.Unmarshal([]byte(got.text), &plan); err != nil || got.StatusCode != 200 || plan.Refused != "tap-x is not installed" || plan.Hint != "elt install" || len(plan.Sets) != 1 {
		t.Errorf("%d %s %v", got.StatusCode, got.text, err)
	}
	refused = errors.New("the disk is gone")
	if got = w.ask("POST", Base+"/runs/plan", `{"job": "load"}`); got.StatusCode != 500 {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	if p := w.ask("POST", Base+"/runs/plan", `{"job": "lood"}`).problem(t); p.Code != "unknown_job" || !strings.Contains(p.Hint, "load") {
		t.Errorf("%+v", p)
	}
}

func TestCatalogOfATap(t *testing.T) {
	var failed error
	w := newWorld(t, func(c *Config) {
		c.Discover = func(context.Context, *project.Project, *project.Plugin) (*singer.Catalog, error) {
			return catalogForTest(t), failed
		}
	})
	tap, target := "", ""
	p, _, err := w.server.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range p.Plugins("") {
		switch one.Kind {
		case project.Extractors:
			tap = one.Name
		case project.Loaders:
			target = one.Name
		}
	}
	got := w.ask("POST", Base+"/plugins/extractors/"+tap+"/catalog", "")
	var c Catalog
	if err := json.Unmarshal([]byte(got.text), &c); err != nil || len(c.Streams) != 2 {
		t.Fatalf("%d %s %v", got.StatusCode, got.text, err)
	}
	s := c.Streams[0]
	if !s.Selected || s.Method != "INCREMENTAL" || len(s.Properties) != 2 || s.Properties[0].Selection != "automatic" || s.Properties[1].Selection != "excluded" ||
		string(s.Properties[0].Schema) != `{"type":"integer"}` || c.Streams[1].Selected {
		t.Errorf("%s", got.text)
	}
	failed = fault.New(fault.Failed, "tap --discover failed: exit code 1").WithHint("its last words")
	if p := w.ask("POST", Base+"/plugins/extractors/"+tap+"/catalog", "").problem(t); p.Status != 422 || p.Code != "discovery_failed" || p.Hint != "its last words" {
		t.Errorf("%+v", p)
	}
	if p := w.ask("POST", Base+"/plugins/loaders/"+target+"/catalog", "").problem(t); p.Code != "no_catalog" {
		t.Errorf("%+v", p)
	}
	if p := w.ask("POST", Base+"/plugins/extractors/tap-nowhere/catalog", "").problem(t); p.Status != 404 {
		t.Errorf("%+v", p)
	}
}
