package project

import (
	"slices"
	"strings"
	"testing"
)

// Stream maps drop a property or a stream by null, and their keys may have dots.
func TestMappingKeepsNullsAndDots(t *testing.T) {
	p := inProject(t, `
plugins:
  mappers:
  - name: map-x
    namespace: map_x
    config: {shared: 1, label: plugin, o: {a: 1}}
    mappings:
    - name: drop
      config:
        label: $LABEL
        none: null
        o: {b: [null]}
        stream_maps: {users: {email: null, "a.b": x}, "public.t": {__else__: null}, __else__: null}
`, Options{Environ: []string{"LABEL=one"}})
	s := settings(t, p, "map-x", SettingsOptions{Mapping: "drop"})
	want := `{"shared":1,"o":{"a":1,"b":[null]},"label":"one","none":null,` +
		`"stream_maps":{"users":{"email":null,"a.b":"x"},"public.t":{"__else__":null},"__else__":null}}`
	if got := config(t, s); got != want {
		t.Errorf("config is\n%s, not\n%s", got, want)
	}
	p = inProject(t, "plugins:\n  mappers:\n  - name: map-x\n    namespace: map_x\n    mappings: [{name: m, config: {label: file}}]\n",
		Options{Environ: []string{"MAP_X_LABEL=variable"}})
	if got := config(t, settings(t, p, "map-x", SettingsOptions{Mapping: "m"})); got != `{"label":"variable"}` {
		t.Errorf("a variable does not win over the mapping: %s", got)
	}
}

// inherit_from with a variant of its own means another definition of that name.
func TestInheritedVariantHasItsOwnLockFile(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/meltano.yml", `
plugins:
  extractors:
  - {name: tap-x, namespace: tap_x, settings: [{name: from, value: project}], config: {only: parent}}
  - {name: tap-x--b, inherit_from: tap-x, variant: b}
  - {name: tap-x--c, inherit_from: tap-x, variant: c}
`)
	writeFile(t, dir+"/plugins/extractors/tap-x--b.lock", `{"name": "tap-x", "namespace": "tap_x", "settings": [{"name": "from", "value": "lock"}]}`)
	p := load1(t, Options{Dir: dir})
	for name, want := range map[string]string{"tap-x--b": `{"from":"lock"}`, "tap-x--c": `{"from":"project","only":"parent"}`} {
		if got := config(t, settings(t, p, name, SettingsOptions{})); got != want {
			t.Errorf("%s has %s, not %s", name, got, want)
		}
	}
}

func TestMeltanoProjectMayIncludeNothing(t *testing.T) {
	p := inProject(t, "include_paths: [./parts/none.yml]\n", Options{})
	if len(p.Warnings) != 1 {
		t.Errorf("warnings: %q", p.Warnings)
	}
}

// As Meltano tells a mapping's process which mapping it is.
func TestEnvironmentOfAMapping(t *testing.T) {
	p := inProject(t, "plugins: {mappers: [{name: map-x, namespace: map_x, mappings: [{name: m, config: {a: 1}}]}]}", Options{})
	environ := settings(t, p, "map-x", SettingsOptions{Mapping: "m"}).Environ()
	for _, want := range []string{"MAP_X__MAPPING=true", "MAP_X__MAPPING_NAME=m", "MELTANO_MAP__MAPPING=true", `MAP_X__MAPPINGS=[{"name": "m", "config": {"a": 1}}]`} {
		if !slices.Contains(environ, want) {
			t.Errorf("no %s in %q", want, environ)
		}
	}
	if slices.ContainsFunc(environ, func(kv string) bool { return strings.Contains(kv, "LOG_PARSER") }) {
		t.Error("a mapper has a log parser")
	}
}
