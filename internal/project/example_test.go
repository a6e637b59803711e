package project

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"elt/internal/fault"
	"elt/internal/spec"
)

// example copies project.example.yml to a directory under a name.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../project.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, name), string(text))
	writeFile(t, filepath.Join(dir, "secrets/shop-password"), "from the file\n")
	return dir
}

// builtins stands for the registries: the connectors that the example names.
func builtins(_ Kind, name string) (spec.Spec, bool) {
	known := []string{"tap-csv", "tap-postgres", "target-sqlite", "target-postgres", "target-parquet"}
	return spec.Spec{Name: name, Settings: []spec.Setting{{Name: "password", Type: spec.String, Secret: true}}}, slices.Contains(known, name)
}

// TestExampleProject: the example has no mistake in any environment, under
// both names, and everything in it can be filled in.
func TestExampleProject(t *testing.T) {
	for _, name := range []string{"elt.yml", "meltano.yml"} {
		dir := example(t, name)
		for _, environment := range []string{"", "dev", "prod"} {
			o := Options{Dir: dir, Environment: environment, Connector: builtins}
			list, err := Validate(context.Background(), o)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range list {
				t.Errorf("%s, environment %q: %s", name, environment, fault.Render(f.Error))
			}
			p := load1(t, o)
			if len(p.Warnings) > 0 {
				t.Errorf("warnings: %q", p.Warnings)
			}
			plan, err := p.Plan([]string{"nightly"}, PlanOptions{})
			if err != nil {
				t.Fatal(fault.Render(err))
			}
			if len(plan.Blocks) != 3 {
				t.Errorf("the plan has %d blocks", len(plan.Blocks))
			}
			for _, b := range plan.Blocks {
				if b.Set == nil {
					continue
				}
				if _, err := p.Chain(context.Background(), b.Set, nil); err != nil {
					t.Error(fault.Render(err))
				}
			}
			if _, err := p.Manifest(context.Background(), false); err != nil {
				t.Error(fault.Render(err))
			}
		}
	}
}

func TestExampleIsFilledIn(t *testing.T) {
	p := load1(t, Options{Dir: example(t, "elt.yml"), Environment: "prod", Connector: builtins})
	s := settings(t, p, "tap-postgres--archive", SettingsOptions{})
	want := `{"password":"from the file","host":"shop.example.org","port":5432,"database":"archive","user":"elt"}`
	if got := config(t, s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s = settings(t, p, "target-postgres", SettingsOptions{})
	if got := s.Extra("on_schema_change"); got != "freeze" {
		t.Errorf("on_schema_change is %v", got)
	}
}

// TestJSONSchema: the schema that elt prints is one, takes the example, and
// refuses what the loader refuses.
func TestJSONSchema(t *testing.T) {
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("elt.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("elt.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) error {
		root, err := parse(newSource("", "elt.yml", text))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(root.plain())
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	file, err := os.ReadFile("../../project.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := check(string(file)); err != nil {
		t.Errorf("the example: %v", err)
	}
	for _, text := range []string{"plugins: {extracters: []}", "native: alway", "plugins: {extractors: {name: x}}", "jobs: [{tasks: [a]}]",
		"schedules: [{name: s, interval: '@daily', catchup: some}]"} {
		if check(text) == nil {
			t.Errorf("%s: accepted", text)
		}
		c := checker{own: true}
		root, _ := parse(newSource("", "elt.yml", text))
		if c.check(root, projectShape()); len(c.mistakes) == 0 {
			t.Errorf("%s: the loader accepts it", text)
		}
	}
}

// TestKeysAreExplained: every help text belongs to a key.
func TestKeysAreExplained(t *testing.T) {
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	for path, help := range keyHelp() {
		quoted, _ := marshal(help)
		if !bytes.Contains(text, quoted) {
			t.Errorf("%s: its help is nowhere in the schema", path)
		}
	}
}
