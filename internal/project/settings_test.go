package project

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/fault"
	"elt/internal/spec"
)

// load1 loads a project or ends the test.
func load1(t *testing.T, o Options) *Project {
	t.Helper()
	p, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	return p
}

// inProject loads a project of one file.
func inProject(t *testing.T, text string, o Options) *Project {
	t.Helper()
	o.Dir = t.TempDir()
	writeFile(t, o.Dir+"/meltano.yml", text)
	return load1(t, o)
}

func settings(t *testing.T, p *Project, name string, o SettingsOptions) *Settings {
	t.Helper()
	plugin, err := p.Plugin("", name)
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	s, err := p.Settings(context.Background(), plugin, o)
	if err != nil {
		t.Fatal(fault.Render(err))
	}
	return s
}

func config(t *testing.T, s *Settings) string {
	t.Helper()
	raw, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func environ(s *Settings, name string) string {
	for _, kv := range s.Environ() {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v
		}
	}
	return "(unset)"
}

type stored map[string]map[string]string

func (s stored) SettingsIn(_ context.Context, scope string) (map[string]string, error) {
	return s[scope], nil
}

// TestLayers takes one layer after another away: the next one counts.
func TestLayers(t *testing.T) {
	const file = `
environments:
- name: dev
  config: {plugins: {extractors: [{name: tap-x, config: {a: environment}}]}}
- name: bare
plugins:
  extractors:
  - {name: tap-p, namespace: tap_p, settings: [{name: a, value: default}], config: {a: parent}}
  - {name: tap-x, inherit_from: tap-p, config: {a: plugin}}
  - {name: tap-n, inherit_from: tap-p, config: {a: null}}
  - {name: tap-d, namespace: tap_d, settings: [{name: a, value: default}]}
`
	db := stored{"extractors.tap-n": {"a": `"database"`}, "extractors.tap-x": {"a": "never seen"}}
	for _, c := range []struct {
		plugin, environment string
		env                 []string
		flags               map[string]any
		db                  Stored
		value               string
		source              Source
	}{
		{"tap-x", "dev", []string{"TAP_X_A=shell"}, map[string]any{"a": "flag"}, db, "flag", FromFlag},
		{"tap-x", "dev", []string{"TAP_X_A=shell"}, nil, db, "shell", FromEnv},
		{"tap-x", "dev", nil, nil, db, "environment", FromEnvironment},
		{"tap-x", "bare", nil, nil, db, "plugin", FromFile},
		{"tap-n", "bare", nil, nil, db, "database", FromDatabase},
		{"tap-n", "bare", nil, nil, nil, "parent", FromParent},
		{"tap-n", "bare", []string{"TAP_P_A=parent's shell"}, nil, nil, "parent's shell", FromParent},
		{"tap-d", "bare", nil, nil, nil, "default", FromDefault},
	} {
		p := inProject(t, file, Options{Environment: c.environment, Environ: c.env, Stored: c.db})
		s := settings(t, p, c.plugin, SettingsOptions{Flags: c.flags})
		if v := s.Values[0]; v.Value != c.value || v.Source != c.source {
			t.Errorf("%+v: got %v from %s", c, v.Value, v.Source)
		}
	}
}

func TestTwoVariablesForOneSetting(t *testing.T) {
	p := inProject(t, "plugins: {extractors: [{name: tap-x, namespace: ns_x, settings: [{name: a, aliases: [b]}]}]}",
		Options{Environ: []string{"TAP_X_A=1", "NS_X_A=1"}})
	plugin, _ := p.Plugin("", "tap-x")
	_, err := p.Settings(context.Background(), plugin, SettingsOptions{})
	const want = "a of tap-x is set by 2 variables: $TAP_X_A and $NS_X_A\nhint: unset all but one"
	if err == nil || fault.Render(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestUnsetVariableInStrictMode(t *testing.T) {
	p := inProject(t, "ff: {strict_env_var_mode: true}\nplugins:\n  extractors:\n  - name: tap-x\n    namespace: tap_x\n    config:\n      url: https://$HOST_OF_X/\n", Options{})
	plugin, _ := p.Plugin("", "tap-x")
	_, err := p.Settings(context.Background(), plugin, SettingsOptions{})
	const want = `meltano.yml:7:7: setting url of tap-x: variable $HOST_OF_X is not set
    7 |       url: https://$HOST_OF_X/
      |       ^
hint: set it in the environment or in .env; strict mode (ff.strict_env_var_mode) refuses unset variables`
	if err == nil || fault.Render(err) != want {
		t.Errorf("got %s", fault.Render(err))
	}
}

// As in Meltano: a value that is nothing but an unset variable is left out,
// others have a gap, and both are said.
func TestUnsetVariableOutsideOfStrictMode(t *testing.T) {
	p := inProject(t, "plugins:\n  extractors:\n  - name: tap-x\n    namespace: tap_x\n    settings: [{name: opt, value: $NOT_THERE}]\n    config:\n"+
		"      url: https://$HOST_OF_X/\n      user: ${USER_OF_X}\n      cost: \\$X\n", Options{})
	s := settings(t, p, "tap-x", SettingsOptions{})
	if got, want := config(t, s), `{"url":"https:///","cost":"$X"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var said []string
	for _, err := range s.Unset() {
		said = append(said, fault.Render(err))
	}
	want := []string{"meltano.yml:7:7: setting url of tap-x: variable $HOST_OF_X is not set and counts as empty\nhint: set it in the environment or in .env; ff.strict_env_var_mode: true makes it an error; a dollar sign that is meant is written \\$",
		"meltano.yml:8:7: setting user of tap-x: variable $USER_OF_X is not set and counts as empty\nhint: set it in the environment or in .env; ff.strict_env_var_mode: true makes it an error; a dollar sign that is meant is written \\$"}
	if !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
}

// TestObjects: what Meltano 4.2.2 makes of an object and of its leaves.
func TestObjects(t *testing.T) {
	const file = `
plugins:
  extractors:
  - name: tap-x
    namespace: tap_x
    settings:
    - {name: obj, kind: object, value: {a: 1, b: 2}}
    - {name: obj2, kind: object, value: {a: 1, b: {c: 2}}}
    - {name: auth, kind: object}
    - {name: auth.retry}
    - {name: auth.user, value: u}
    config:
      obj: {a: 5, d: {e: 1}}
      empty: {}
      n_null: {x: null, y: 1}
      a\.b: dot
`
	p := inProject(t, file, Options{})
	want := `{"obj":{"a":5,"d":{"e":1}},"obj2":{"a":1,"b":{"c":2}},"auth":{"retry":null,"user":"u"},"empty":{},"n_null":{"y":1},"a.b":"dot"}`
	if got := config(t, settings(t, p, "tap-x", SettingsOptions{})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p = inProject(t, file, Options{Environ: []string{`TAP_X_OBJ={"z":1,"a":7}`, "TAP_X_OBJ2_B_C=9"}})
	got := config(t, settings(t, p, "tap-x", SettingsOptions{}))
	if !strings.HasPrefix(got, `{"obj":{"z":1,"a":7,"d":{"e":1}},"obj2":{"a":1,"b":{"c":2}},`) {
		t.Errorf("got %s", got)
	}
}

func TestReferencesToFilesAndCommands(t *testing.T) {
	const file = `
plugins:
  extractors:
  - name: tap-x
    namespace: tap_x
    settings: [{name: token, sensitive: true}]
    config:
      token: ${exec:vault read x}
      key: "<${file:secrets/key}>"
      escaped: \${file:secrets/key}
`
	asked := ""
	o := Options{Environ: []string{"PATH=/bin"}, Run: func(_ context.Context, dir, command string, _ []string) (string, error) {
		asked = command
		return "from the vault\n", nil
	}}
	p := inProject(t, file, o)
	writeFile(t, p.Root+"/secrets/key", "from the file\n")
	s := settings(t, p, "tap-x", SettingsOptions{})
	if got, want := config(t, s), `{"token":"from the vault","key":"\u003cfrom the file\u003e","escaped":"${file:secrets/key}"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if asked != "vault read x" {
		t.Errorf("ran %q", asked)
	}
	if got := s.Secrets(); !slices.Contains(got, "from the vault") || !slices.Contains(got, "from the file") {
		t.Errorf("secrets are %q", got)
	}
	asked = ""
	s = settings(t, p, "tap-x", SettingsOptions{NoSecrets: true})
	if got := s.Get("token"); got != "${exec:vault read x}" || asked != "" {
		t.Errorf("a listing got %v and ran %q", got, asked)
	}
}

func TestFileThatIsMissing(t *testing.T) {
	p := inProject(t, "plugins: {extractors: [{name: tap-x, namespace: tap_x, config: {a: '${file:nowhere}'}}]}", Options{})
	plugin, _ := p.Plugin("", "tap-x")
	if _, err := p.Settings(context.Background(), plugin, SettingsOptions{}); err == nil || !strings.Contains(err.Error(), "cannot resolve ${file:nowhere}") {
		t.Errorf("got %v", err)
	}
}

// TestChain: a loader sees the settings of the extractor and of the mappings
// before it, and not their env: blocks.
func TestChain(t *testing.T) {
	p := inProject(t, `
environments: [{name: dev, env: {LEVEL: environment}}]
env: {TOP: "top $FROM_SHELL"}
plugins:
  extractors:
  - {name: tap-x, namespace: tap_x, env: {ONLY_TAP: x}, config: {url: u, token: s3cret-token}}
  mappers:
  - {name: map-m, namespace: map_m, config: {who: $MELTANO_EXTRACTOR_NAME, a: 0}, mappings: [{name: one, config: {a: 1}}]}
  loaders:
  - {name: target-y, namespace: target_y, env: {PLUGIN: "target $MELTANO_EXTRACT_URL $TOP"}, settings: [{name: schema, value: $MELTANO_EXTRACT__LOAD_SCHEMA}]}
`, Options{Environment: "dev", Environ: []string{"FROM_SHELL=sh", "PYTHONPATH=/x", "VIRTUAL_ENV=/y"}})
	plan, err := p.Plan([]string{"tap-x", "one", "target-y"}, PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := p.Chain(context.Background(), plan.Blocks[0].Set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := config(t, chain[1]); got != `{"who":"tap-x","a":1}` {
		t.Errorf("the mapping got %s", got)
	}
	target := chain[2]
	for name, want := range map[string]string{
		"MELTANO_EXTRACT_URL": "u", "TAP_X_TOKEN": "s3cret-token", "MELTANO_EXTRACTOR_NAME": "tap-x", "MELTANO_MAP_A": "1",
		"PLUGIN": "target u top sh", "LEVEL": "environment", "MELTANO_LOAD_SCHEMA": "tap_x", "MELTANO_ENVIRONMENT": "dev",
		"ONLY_TAP": "(unset)", "PYTHONPATH": "(unset)", "VIRTUAL_ENV": "(unset)", "MELTANO_DATABASE_URI": "(unset)",
	} {
		if got := environ(target, name); got != want {
			t.Errorf("$%s is %q, want %q", name, got, want)
		}
	}
	if got := chain[0].Secrets(); !slices.Equal(got, []string{"s3cret-token"}) {
		t.Errorf("secrets are %q", got)
	}
}

func TestRelativeDateInConfig(t *testing.T) {
	p := inProject(t, "plugins: {extractors: [{name: tap-x, namespace: tap_x, settings: [{name: start, kind: date_iso8601, value: 2 days ago}]}]}",
		Options{Now: func() time.Time { return time.Date(2024, 3, 3, 0, 0, 0, 0, time.UTC) }})
	if got := config(t, settings(t, p, "tap-x", SettingsOptions{})); got != `{"start":"2024-03-01T00:00:00"}` {
		t.Errorf("got %s", got)
	}
}

func TestRulesKeepTheOrderOfTheFile(t *testing.T) {
	p := inProject(t, `
plugins:
  extractors:
  - name: tap-x
    namespace: tap_x
    select: [users.*, '!users.email']
    metadata:
      z*: {replication-method: FULL_TABLE}
      a\.b: {replication-method: INCREMENTAL}
      users.name: {x: 1}
    schema: {users: {name: {type: [string, 'null']}}}
`, Options{})
	r, err := settings(t, p, "tap-x", SettingsOptions{}).Rules()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Select, " "); got != "users.* !users.email" {
		t.Errorf("select %s", got)
	}
	if got, want := string(r.Metadata), `{"z*":{"replication-method":"FULL_TABLE"},"a\\.b":{"replication-method":"INCREMENTAL"},"users":{"name":{"x":1}}}`; got != want {
		t.Errorf("metadata %s, want %s", got, want)
	}
	if !json.Valid(r.Schema) || string(r.Schema) != `{"users":{"name":{"type":["string","null"]}}}` {
		t.Errorf("schema %s", r.Schema)
	}
}

func TestSettingsOfElt(t *testing.T) {
	p := inProject(t, "on_bad_record: quarantine\nplugins: {loaders: [{name: target-y, namespace: target_y}, {name: target-z, namespace: target_z, on_bad_record: fail}]}", Options{})
	for name, want := range map[string]any{"target-y": "quarantine", "target-z": "fail"} {
		if got := settings(t, p, name, SettingsOptions{}).Extra("on_bad_record"); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, v := range settings(t, p, "target-y", SettingsOptions{}).Values {
		if v.Name == "_retries" {
			t.Error("an extra that nothing sets is listed")
		}
	}
}

// TestListsOfABuiltInConnector: PipelineWise's plugins take "a,b" where ours
// has a list; a definition of a third party still means what it says.
func TestListsOfABuiltInConnector(t *testing.T) {
	connector := func(_ Kind, name string) (spec.Spec, bool) {
		return spec.Spec{Name: name, Settings: []spec.Setting{{Name: "filter_schemas", Type: spec.Array}}}, name == "tap-y"
	}
	for text, want := range map[string]string{
		`"a, b"`:         `{"filter_schemas":["a","b"]}`,
		`a`:              `{"filter_schemas":["a"]}`,
		`'["a,b", "c"]'`: `{"filter_schemas":["a,b","c"]}`,
		`[a, b]`:         `{"filter_schemas":["a","b"]}`,
	} {
		p := inProject(t, "plugins: {extractors: [{name: tap-y, config: {filter_schemas: "+text+"}}]}", Options{Connector: connector})
		if got := config(t, settings(t, p, "tap-y", SettingsOptions{})); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	for plugin, text := range map[string]string{"tap-y": `'["a", b'`, "tap-z": "a"} {
		p := inProject(t, "plugins: {extractors: [{name: "+plugin+", config: {filter_schemas: "+text+"}, namespace: tap_z, settings: [{name: filter_schemas, kind: array}]}]}", Options{})
		tap, err := p.Plugin("", plugin)
		if err == nil {
			_, err = p.Settings(context.Background(), tap, SettingsOptions{})
		}
		if err == nil || !strings.Contains(err.Error(), "is no JSON array") {
			t.Errorf("%s %s: %v", plugin, text, err)
		}
	}
}
