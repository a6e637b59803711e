package project

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"elt/internal/fault"
)

// kinds are the kinds of settings; password, oauth and hidden are old ways
// to say sensitive and hidden.
var kinds = []string{"string", "integer", "boolean", "decimal", "date_iso8601", "email", "password",
	"oauth", "options", "file", "array", "object", "hidden"}

// Definition is what a plugin says of one of its settings.
type Definition struct {
	Name          string
	Aliases       []string
	Env           string   // variable that is also written; never read
	EnvAliases    []string // variables that are also read
	Kind          string   // one of kinds; "" is text
	Default       any
	Implied       any // what a built-in connector takes where nothing sets it; never handed over
	Label         string
	Description   string
	Options       []any
	Commas        bool // an array may be a text with commas, as PipelineWise's plugins have it
	Sensitive     bool
	EnvSpecific   bool // belongs into .env
	Hidden        bool
	Custom        bool // not defined: only found in a configuration
	Processor     string
	PostProcessor string
	At            fault.Position
	// Policy marks elt's own extras: not listed unless something sets them.
	Policy bool
}

// Extra says that the setting is for the runner, not for the plugin.
func (d *Definition) Extra() bool { return strings.HasPrefix(d.Name, "_") }

func readDefinition(n *node) *Definition {
	d := &Definition{
		Name: n.get("name").text(), Aliases: n.get("aliases").texts(), Env: n.get("env").text(),
		EnvAliases: n.get("env_aliases").texts(), Kind: n.get("kind").text(), Default: n.get("value").plain(), Implied: n.get("implied").plain(),
		Label: n.get("label").text(), Description: n.get("description").text(),
		Sensitive: n.get("sensitive").isTrue(), EnvSpecific: n.get("env_specific").isTrue(), Hidden: n.get("hidden").isTrue(), Commas: n.get("commas").isTrue(),
		Processor: n.get("value_processor").text(), PostProcessor: n.get("value_post_processor").text(), At: n.at(),
	}
	for _, o := range n.get("options").list() {
		d.Options = append(d.Options, o.get("value").plain())
	}
	if d.Kind == "password" || d.Kind == "oauth" {
		d.Sensitive = true
	}
	if d.Kind == "hidden" {
		d.Hidden = true
	}
	return d
}

// isTrue reads a truth value, also one written as text.
func (n *node) isTrue() bool {
	if n == nil {
		return false
	}
	if b, ok := n.scalar.(bool); ok {
		return b
	}
	return truthy(n.text())
}

func truthy(s string) bool {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return true
	}
	return false
}

// custom are definitions for keys of a flat configuration that have none.
func custom(known []*Definition, config []flatValue) []*Definition {
	var out []*Definition
	for _, f := range config {
		has := func(d *Definition) bool { return d.Name == f.name }
		if !slices.ContainsFunc(known, has) && !slices.ContainsFunc(out, has) {
			out = append(out, &Definition{Name: f.name, Kind: kindOf(f.value), Custom: true, At: f.at})
		}
	}
	return out
}

// override puts later definitions in the place of earlier ones of that name,
// at the end, as Meltano orders them.
func override(before, later []*Definition) []*Definition {
	var own []*Definition
	for i, d := range later {
		same := func(o *Definition) bool { return o.Name == d.Name }
		if !slices.ContainsFunc(later[i+1:], same) { // of two in one list the last counts
			own = append(own, d)
		}
	}
	var out []*Definition
	for _, d := range before {
		if !slices.ContainsFunc(own, func(o *Definition) bool { return o.Name == d.Name }) {
			out = append(out, d)
		}
	}
	return append(out, own...)
}

// extraDefinitions are the extras of a kind, as settings.
func extraDefinitions(kind Kind) []*Definition {
	var out []*Definition
	if kind.singer() && kind != Mappers {
		out = append(out, &Definition{Name: "_log_parser", Default: "singer-sdk"})
	}
	switch kind {
	case Extractors:
		out = append(out,
			&Definition{Name: "_catalog"},
			&Definition{Name: "_state"},
			&Definition{Name: "_load_schema", Default: "$MELTANO_EXTRACTOR_NAMESPACE"},
			&Definition{Name: "_select", Kind: "array", Default: []any{"*.*"}},
			&Definition{Name: "_metadata", Aliases: []string{"metadata"}, Kind: "object", Default: NewMap(), Processor: "nest_object"},
			&Definition{Name: "_schema", Kind: "object", Default: NewMap(), Processor: "nest_object"},
			&Definition{Name: "_select_filter", Kind: "array", Default: []any{}},
			&Definition{Name: "_use_cached_catalog", Kind: "boolean", Default: true})
	case Loaders:
		out = append(out, &Definition{Name: "_dialect", Default: "$MELTANO_LOADER_NAMESPACE"})
	case Mappers:
		out = append(out,
			&Definition{Name: "_mappings", Kind: "array", Aliases: []string{"mappings"}, Default: []any{}},
			&Definition{Name: "_mapping", Kind: "boolean"},
			&Definition{Name: "_mapping_name", Kind: "string", Aliases: []string{"mapping_name"}})
	case Transforms:
		out = append(out,
			&Definition{Name: "_package_name", Default: "$MELTANO_TRANSFORM_NAMESPACE"},
			&Definition{Name: "_vars", Kind: "object", Default: NewMap()})
	case Files:
		out = append(out, &Definition{Name: "_update", Kind: "object", Aliases: []string{"update"}, Default: NewMap()})
	}
	return out
}

// policyDefinitions are elt's own extras.
func policyDefinitions() []*Definition {
	var out []*Definition
	keys := policyKeys()
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		d := &Definition{Name: "_" + name, Policy: true}
		if s := keys[name]; s.kind == number {
			d.Kind = "integer"
		} else if len(s.oneOf) > 0 {
			d.Kind = "options"
			for _, o := range s.oneOf {
				d.Options = append(d.Options, o)
			}
		}
		out = append(out, d)
	}
	return out
}

var notInVariable = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^A-Za-z0-9]`) })

// variable is a name as environment variables spell it: TAP_X_API_URL.
func variable(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, strings.ToUpper(notInVariable().ReplaceAllString(p, "_")))
		}
	}
	return strings.Join(out, "_")
}

// readVariables are the variables that set the setting, in the order in which
// they are listed. shadowing: the plugin inherits from no other.
func (d *Definition) readVariables(prefixes []string, shadowing bool) []string {
	var out []string
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		for _, prefix := range prefixes {
			out = appendNew(out, variable(prefix, name))
		}
	}
	if shadowing {
		out = appendNew(out, d.EnvAliases...)
	}
	return out
}

// writtenVariables are those that the plugin's process gets.
func (d *Definition) writtenVariables(prefixes []string) []string {
	var out []string
	if d.Env != "" {
		out = append(out, d.Env)
	}
	for _, prefix := range prefixes {
		out = appendNew(out, variable(prefix, d.Name))
	}
	return appendNew(out, d.EnvAliases...)
}

func appendNew(list []string, more ...string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
