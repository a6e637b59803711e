package project

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
)

// Source is the layer a value comes from.
type Source string

// The layers, highest first.
const (
	FromFlag        Source = "flag"
	FromEnv         Source = "environment"
	FromDotenv      Source = "dotenv"
	FromMapping     Source = "mapping"
	FromEnvironment Source = "project_environment" // the active environment's config
	FromFile        Source = "project_file"
	FromDatabase    Source = "database"
	FromParent      Source = "inherited"
	FromDefault     Source = "default"
)

var order = []Source{FromFlag, FromEnv, FromDotenv, FromMapping, FromEnvironment, FromFile, FromDatabase, FromParent, FromDefault}

// over says that layer a wins over layer b.
func over(a, b Source) bool { return slices.Index(order, a) < slices.Index(order, b) }

// layers are all places a plugin's settings may come from.
type layers struct {
	p          *Project
	name       string            // of the plugin, for messages
	env        map[string]string // variables that set settings
	references map[string]string // variables that values may name
	prefixes   []string
	shadowing  bool // env_aliases are read
	flags      map[string]any
	mapping    []flatValue
	chosen     []flatValue // of the active environment
	file       []flatValue
	stored     map[string]string
	parent     *layers
	parentDefs []*Definition
	strict     bool
	outside    func(scheme, what string) (string, error)
	secrets    *[]string
	missing    func(d *Definition, name string)
}

// found is a value before expansion and casting.
type found struct {
	value      any
	source     Source
	variable   string
	at         fault.Position
	expandable bool // from a file: values of variables and of the database stay as they are
}

// Value is one resolved setting.
type Value struct {
	Name       string // "auth.token"; extras start with an underscore
	Value      any    // nil, bool, json.Number, string, []any, *Map
	Unexpanded any    // as written, where expansion changed it; else nil
	Source     Source
	Variable   string         // the variable that set it
	Unset      []string       // variables that it names in vain: they became empty
	At         fault.Position // where it is written, for values from files
	Definition *Definition
}

// find looks for a setting from the highest layer down; null counts as absent.
func (l *layers) find(d *Definition) (found, error) {
	if v, ok := l.flags[d.Name]; ok && v != nil {
		return found{value: v, source: FromFlag}, nil
	}
	for _, layer := range []struct {
		source Source
		env    map[string]string
	}{{FromEnv, l.env}, {FromDotenv, l.p.dotenv}} {
		f, err := l.fromVariables(d, layer.source, layer.env)
		if err != nil || f.value != nil {
			return f, err
		}
	}
	for _, layer := range []struct {
		source Source
		config []flatValue
	}{{FromMapping, l.mapping}, {FromEnvironment, l.chosen}, {FromFile, l.file}} {
		f, err := l.fromConfig(d, layer.source, layer.config)
		if err != nil || f.value != nil {
			return f, err
		}
	}
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		if text, ok := l.stored[name]; ok {
			v, err := decodeJSON(text)
			if err != nil {
				v = text
			}
			return found{value: v, source: FromDatabase}, nil
		}
	}
	if l.parent != nil {
		for _, pd := range l.parentDefs {
			if pd.Name != d.Name && !slices.Contains(pd.Aliases, d.Name) {
				continue
			}
			f, err := l.parent.find(pd)
			if err != nil {
				return found{}, err
			}
			if f.value != nil && f.source != FromDefault {
				f.source, f.variable = FromParent, ""
				return f, nil
			}
			break
		}
	}
	return found{value: d.Default, source: FromDefault, expandable: true, at: d.At}, nil
}

// fromVariables: two variables for one setting are refused even when equal,
// since the next person changes only one of them.
func (l *layers) fromVariables(d *Definition, source Source, env map[string]string) (found, error) {
	var set []string
	for _, name := range d.readVariables(l.prefixes, l.shadowing) {
		if _, ok := env[name]; ok {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		return found{}, nil
	}
	if len(set) > 1 {
		return found{}, fault.New(fault.Failed, "%s of %s is set by %d variables: $%s",
			d.Name, l.name, len(set), strings.Join(set, " and $")).WithHint("unset all but one")
	}
	return found{value: env[set[0]], source: source, variable: set[0]}, nil
}

func (l *layers) fromConfig(d *Definition, source Source, config []flatValue) (found, error) {
	var out found
	var first string
	for _, name := range append([]string{d.Name}, d.Aliases...) {
		f, ok := lookupFlat(config, name)
		if !ok {
			continue
		}
		if out.value != nil && f.value != nil && pythonJSON(out.value) != pythonJSON(f.value) {
			return found{}, fault.New(fault.Failed, "%s and %s of %s are one setting, but have different values", first, name, l.name).
				WithPosition(f.at, l.p.lineAt(f.at)).WithHint("remove one of them")
		}
		if out.value == nil {
			out, first = found{value: f.value, source: source, at: f.at, expandable: true}, name
		}
	}
	return out, nil
}

// lineAt is the text of the line at a place.
func (p *Project) lineAt(at fault.Position) string {
	for _, s := range p.sources {
		if s.shown == at.File {
			return maskLine(s.lineText(at.Line))
		}
	}
	return ""
}

// resolve resolves a list of definitions; objects are put together from the
// leaves that other layers set.
func (l *layers) resolve(defs []*Definition) ([]Value, error) {
	var out []Value
	for _, d := range defs {
		v, err := l.one(d, defs)
		if err != nil {
			return nil, err
		}
		if d.Policy && v.Source == FromDefault && v.Value == nil {
			continue
		}
		out = append(out, v)
	}
	return out, nil
}

func (l *layers) one(d *Definition, defs []*Definition) (Value, error) {
	f, err := l.find(d)
	if err != nil {
		return Value{}, err
	}
	v := Value{Name: d.Name, Value: f.value, Source: f.source, Variable: f.variable, At: f.at, Definition: d}
	if f.expandable {
		if err := l.expand(&v, f); err != nil {
			return Value{}, err
		}
	}
	if d.Kind == "object" && (v.Source == FromDefault || v.Source == FromParent) {
		if err := l.leaves(&v, defs); err != nil {
			return Value{}, err
		}
	}
	cast, err := d.cast(v.Value)
	if err != nil {
		return Value{}, l.wrongValue(v, err)
	}
	v.Value = cast
	return v, nil
}

func (l *layers) expand(v *Value, f found) error {
	x := expander{env: l.references, strict: l.strict, outside: l.outside, secrets: l.secrets}
	x.missing = func(name string) {
		v.Unset = append(v.Unset, name)
		if l.missing != nil {
			l.missing(v.Definition, name)
		}
	}
	expanded, err := x.value(f.value)
	if err != nil {
		return l.wrongValue(*v, err)
	}
	if expanded == "" && f.value != "" {
		expanded = nil // it was nothing but unset variables
	}
	if pythonJSON(expanded) != pythonJSON(f.value) {
		v.Unexpanded, v.Value = f.value, expanded
	}
	return nil
}

// leaves replaces the default of an object by the settings below it, when
// there are any.
func (l *layers) leaves(v *Value, defs []*Definition) error {
	object := NewMap()
	source := v.Source
	for _, name := range append([]string{v.Name}, v.Definition.Aliases...) {
		for _, d := range defs {
			rest, below := strings.CutPrefix(d.Name, name+".")
			if !below {
				continue
			}
			leaf, err := l.one(d, defs)
			if err != nil {
				return err
			}
			if _, there := object.Get(rest); !there {
				object.Set(rest, leaf.Value)
				if over(leaf.Source, source) {
					source = leaf.Source
				}
			}
		}
	}
	if object.Len() > 0 {
		v.Value, v.Source, v.Unexpanded = object, source, nil
	}
	return nil
}

// wrongValue says where a value that does not fit comes from. A secret's
// value is not repeated.
func (l *layers) wrongValue(v Value, cause error) error {
	var known *fault.Error
	if errors.As(cause, &known) {
		return cause
	}
	text := cause.Error()
	var unset *unsetError
	if !errors.As(cause, &unset) && v.Definition.Sensitive {
		text = "the value is not of the kind " + v.Definition.Kind
	}
	where := ""
	if v.Variable != "" {
		where = fmt.Sprintf(" (from $%s)", v.Variable)
	}
	e := fault.New(fault.Failed, "setting %s of %s%s: %s", v.Name, l.name, where, text)
	if v.At.Line > 0 {
		line := l.p.lineAt(v.At)
		if v.Definition.Sensitive {
			line = "" // it has the secret
		}
		e = e.WithPosition(v.At, line)
	}
	if unset != nil {
		return e.WithHint("set it in the environment or in .env; strict mode (ff.strict_env_var_mode) refuses unset variables")
	}
	return e
}

// Unset are the values written in the project that name variables in vain.
// Outside of strict mode these are empty, as in Meltano. Defaults of
// definitions may name what is set only behind another tap.
func (s *Settings) Unset() []*fault.Error {
	var out []*fault.Error
	for _, v := range s.Values {
		if len(v.Unset) == 0 || v.At.Line == 0 || v.Source == FromDefault {
			continue
		}
		out = append(out, fault.New(fault.Failed, "setting %s of %s: variable $%s is not set and counts as empty", v.Name, s.Plugin.Name, v.Unset[0]).
			WithPosition(v.At, "").
			WithHint("set it in the environment or in .env; ff.strict_env_var_mode: true makes it an error; a dollar sign that is meant is written \\$"))
	}
	return out
}
