package project

import (
	"slices"
	"testing"
)

func TestIncludedFiles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/meltano.yml", `default_environment: dev
include_paths: [./parts/**/*.yml, '*.yml', ./one/extra.yml]
environments: [{name: dev}]
plugins:
  extractors:
  - {name: tap-x, namespace: tap_x, config: {from: main}}
jobs: [{name: j1, tasks: [a b]}]
`)
	writeFile(t, dir+"/parts/a.yml", "plugins:\n  extractors:\n  - {name: tap-a, inherit_from: tap-x}\n  - {name: tap-x, namespace: other, config: {from: included}}\n")
	writeFile(t, dir+"/parts/deep/er/b.yml", "plugins:\n  loaders:\n  - {name: target-b, namespace: target_b}\njobs: [{name: j2, tasks: [c d]}]\n")
	writeFile(t, dir+"/parts/.hidden/c.yml", "jobs: [{name: hidden}]\n")
	writeFile(t, dir+"/one/extra.yml", "environments: [{name: stage}]\n")
	p := load1(t, Options{Dir: dir + "/parts/deep"})
	var names []string
	for _, plugin := range p.Plugins("") {
		names = append(names, plugin.Name)
	}
	for _, j := range p.Jobs() {
		names = append(names, j.Name)
	}
	names = append(names, p.Environments()...)
	if want := []string{"tap-x", "tap-a", "target-b", "j1", "j2", "dev", "stage"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if got := config(t, settings(t, p, "tap-a", SettingsOptions{})); got != `{"from":"main"}` {
		t.Errorf("of two with one name the project file's counts; got %s", got)
	}
}

func TestProjectIsFound(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/meltano.yml", "jobs: []\n")
	writeFile(t, dir+"/a/b/x", "")
	if p := load1(t, Options{Dir: dir + "/a/b"}); p.Root != dir || p.SysDir() != dir+"/.meltano" {
		t.Errorf("found %s, %s", p.Root, p.SysDir())
	}
	writeFile(t, dir+"/elt.yml", "jobs: []\n")
	if p := load1(t, Options{Dir: dir}); p.File != dir+"/elt.yml" || p.SysDir() != dir+"/.elt" {
		t.Errorf("found %s, %s", p.File, p.SysDir())
	}
	other := t.TempDir()
	if p := load1(t, Options{Dir: other, Environ: []string{"MELTANO_PROJECT_ROOT=" + dir, "MELTANO_SYS_DIR_ROOT=/sys"}}); p.Root != dir || p.SysDir() != "/sys" {
		t.Errorf("found %s, %s", p.Root, p.SysDir())
	}
}

func TestInheritance(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/plugins/extractors/tap-l--acme.lock", `{"name": "tap-l", "namespace": "l_ns", "variant": "acme", "pip_url": "l==1",
  "executable": "l-exec", "capabilities": ["state"], "settings": [{"name": "url", "value": "u"}, {"name": "n", "kind": "integer"}],
  "commands": {"hi": {"args": "hi there"}}, "select": ["a.*"], "keywords": ["x"]}`)
	writeFile(t, dir+"/meltano.yml", `
plugins:
  extractors:
  - {name: tap-c, inherit_from: tap-l, pip_url: other}
  - {name: tap-l, variant: acme, settings: [{name: more}, {name: url, value: mine}]}
  - {name: tap-d, inherit_from: tap-c, namespace: own, capabilities: [catalog], commands: {ho: ho}}
  - {name: tap-e, inherit_from: tap-f}
  - {name: tap-f, inherit_from: tap-e}
`)
	p := load1(t, Options{Dir: dir})
	d, err := p.Plugin(Extractors, "tap-d")
	if err != nil {
		t.Fatal(err)
	}
	if d.Variant != "acme" || d.Namespace != "own" || d.Executable != "l-exec" || d.PipURL != "other" || d.VenvName != "tap-c" ||
		!d.Can("catalog") || d.Can("state") || !slices.Equal(d.CommandNames, []string{"hi", "ho"}) || d.Parent.Name != "tap-c" {
		t.Errorf("got %+v", d)
	}
	if got, want := d.writePrefixes(), []string{"tap-d", "own", "tap-c", "tap_c", "tap-l", "l_ns", "meltano_extract"}; !slices.Equal(got, want) {
		t.Errorf("prefixes %q, want %q", got, want)
	}
	s := settings(t, p, "tap-d", SettingsOptions{})
	if got := config(t, s); got != `{"url":"mine"}` {
		t.Errorf("config %s", got)
	}
	if got := Repr(s.Extra("select")); got != "['a.*']" {
		t.Errorf("select %s", got)
	}
	if _, err := p.Plugin("", "tap-e"); err == nil {
		t.Error("a circle of inheritance was taken")
	}
}
