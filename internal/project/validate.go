package project

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"elt/internal/fault"
	"elt/internal/singer"
)

// Finding is something wrong, or odd, in a project.
type Finding struct {
	*fault.Error
	Warning bool // it does no harm yet
}

// Validate reports everything wrong in a project at once, not only the first
// mistake. Settings are resolved in the active environment; ${file:…} and
// ${exec:…} are left alone. The error says that there is no project to check.
func Validate(ctx context.Context, o Options) ([]Finding, error) {
	p, mistakes, err := load(o)
	if err != nil {
		if e := asMistake(err); e.At != (fault.Position{}) {
			return []Finding{{Error: e}}, nil
		}
		return nil, err
	}
	v := validator{p: p}
	for _, m := range mistakes {
		v.add(m, false)
	}
	for _, w := range p.oddities {
		v.add(w, true)
	}
	for _, plugin := range p.Plugins("") {
		v.plugin(ctx, plugin)
	}
	v.environments()
	for _, j := range p.jobs {
		if err := p.CheckTasks(j.Name, j.Tasks); err != nil {
			v.addAt(err, j.At)
		}
	}
	for _, s := range p.plans {
		v.schedule(s)
	}
	return v.sorted(), nil
}

type validator struct {
	p    *Project
	list []Finding
}

func (v *validator) add(e *fault.Error, warning bool) {
	for _, f := range v.list {
		if f.At == e.At && f.Msg == e.Msg {
			return
		}
	}
	v.list = append(v.list, Finding{e, warning})
}

// addAt adds an error, at a place if it has none of its own.
func (v *validator) addAt(err error, at fault.Position) {
	e := asMistake(err)
	if e.At == (fault.Position{}) && at.File != "" {
		e = e.WithPosition(at, v.p.lineAt(at))
	}
	v.add(e, false)
}

// sorted is by file, then line, errors without a place last.
func (v *validator) sorted() []Finding {
	rank := map[string]int{}
	for i, s := range v.p.sources {
		rank[s.shown] = i + 1
	}
	slices.SortStableFunc(v.list, func(a, b Finding) int {
		ra, rb := rank[a.At.File], rank[b.At.File]
		if ra == 0 {
			ra = len(rank) + 1
		}
		if rb == 0 {
			rb = len(rank) + 1
		}
		if ra != rb {
			return ra - rb
		}
		if a.At.Line != b.At.Line {
			return a.At.Line - b.At.Line
		}
		return a.At.Column - b.At.Column
	})
	return v.list
}

func (v *validator) plugin(ctx context.Context, plugin *Plugin) {
	if plugin.problem != nil {
		v.addAt(plugin.problem, plugin.At)
		return
	}
	unset := func(d *Definition, name string) {
		if v.upstream(plugin, name) {
			return
		}
		at := d.At
		for _, f := range slices.Concat(flattenNode(v.p.pluginEntry(plugin).get("config"), ""), plugin.config) {
			if f.name == d.Name {
				at = f.at
				break
			}
		}
		e := fault.New(fault.Failed, "setting %s of %s names $%s, which is not set", d.Name, plugin.Name, name).
			WithHint("set it in the environment or in .env; a dollar sign that is meant is written \\$")
		if !strings.HasPrefix(at.File, "built-in ") && at.Line > 0 {
			e = e.WithPosition(at, v.p.lineAt(at))
		}
		v.add(e, false)
	}
	s, err := v.p.Settings(ctx, plugin, SettingsOptions{NoSecrets: true, Lenient: true, Missing: func(d *Definition, name string) {
		if d.Custom || d.At.Line == 0 || v.written(plugin, d) { // defaults of definitions may stay empty
			unset(d, name)
		}
	}})
	if err != nil {
		v.addAt(err, plugin.At)
		return
	}
	if err := v.p.CheckBackfill(plugin); err != nil {
		v.addAt(err, plugin.At)
	}
	v.literals(plugin, s)
	v.selection(plugin, s)
}

// upstream says that a variable comes from the extractor that a run puts
// before the plugin.
func (v *validator) upstream(plugin *Plugin, name string) bool {
	if plugin.Kind != Loaders && plugin.Kind != Mappers {
		return false
	}
	prefixes := []string{"meltano_extract", "meltano_extractor"}
	for _, tap := range v.p.plugins[Extractors] {
		prefixes = append(prefixes, tap.writePrefixes()...)
	}
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, variable(p)+"_") })
}

// written says that the project's files set the setting.
func (v *validator) written(plugin *Plugin, d *Definition) bool {
	for at := plugin; at != nil; at = at.Parent {
		for _, config := range [][]flatValue{at.config, flattenNode(v.p.pluginEntry(at).get("config"), "")} {
			if _, ok := lookupFlat(config, d.Name); ok {
				return true
			}
		}
	}
	return false
}

// literals warns of secrets that stand in a file that is kept in git.
func (v *validator) literals(plugin *Plugin, s *Settings) {
	for _, value := range s.Values {
		text, isText := value.Value.(string)
		inFile := value.Source == FromFile || value.Source == FromEnvironment
		if !value.Definition.Sensitive || !isText || text == "" || !inFile || value.Unexpanded != nil || strings.Contains(text, "${") {
			continue
		}
		e := fault.New(fault.Failed, "the secret %s of %s stands in the project file", value.Name, plugin.Name).
			WithHint("move it into .env as %s, or write ${file:PATH} or ${exec:COMMAND}", v.p.Variables(plugin, value.Definition)[0])
		v.add(e.WithPosition(value.At, ""), true) // never the line: it has the secret
	}
}

// selection compares selection rules with the catalog that the last run or
// listing left behind, if any.
func (v *validator) selection(plugin *Plugin, s *Settings) {
	if plugin.Kind != Extractors || s.Extra("catalog") != nil {
		return
	}
	raw, err := os.ReadFile(filepath.Join(v.p.SysDir(), "run", plugin.Name, "tap.properties.json"))
	if err != nil {
		return // no catalog yet: nothing to compare with
	}
	var catalog singer.Catalog
	if json.Unmarshal(raw, &catalog) != nil {
		return
	}
	rules, err := s.Rules()
	if err != nil {
		return
	}
	lost, err := singer.ApplyRules(&catalog, rules)
	if err != nil {
		v.addAt(err, plugin.At)
		return
	}
	for _, u := range lost {
		e := fault.New(fault.Failed, "%s of %s: %q matches no stream or property", u.Extra, plugin.Name, u.Pattern)
		if u.Nearest != "" {
			e = e.WithHint("did you mean %q?", u.Nearest)
		} else {
			e = e.WithHint("elt select %s --list --all shows what there is", plugin.Name)
		}
		at := v.rulePlace(plugin, u)
		v.add(e.WithPosition(at, v.p.lineAt(at)), false)
	}
}

// rulePlace is where a rule is written: in the active environment, in the
// entry, or in a parent's.
func (v *validator) rulePlace(plugin *Plugin, u singer.Unmatched) fault.Position {
	for at := plugin; at != nil; at = at.Parent {
		for _, n := range []*node{v.p.pluginEntry(at), at.node} {
			rules := n.get(u.Extra)
			for _, item := range rules.list() {
				if item.text() == u.Pattern {
					return item.at()
				}
			}
			for _, e := range rules.object() {
				if e.key == u.Pattern || strings.HasPrefix(u.Pattern, e.key+".") {
					return fault.Position{File: rules.src.shown, Line: e.line, Column: e.column}
				}
			}
		}
	}
	return plugin.At
}

// environments reports configuration for plugins that are not there.
func (v *validator) environments() {
	for _, n := range v.p.file.get("environments").list() {
		for _, kind := range Kinds() {
			for _, entry := range n.get("config").get("plugins").get(string(kind)).list() {
				name := entry.get("name")
				if _, err := v.p.Plugin(kind, name.text()); err != nil && !slices.ContainsFunc(v.p.plugins[kind], func(p *Plugin) bool { return p.Name == name.text() }) {
					e := name.errorf("environment %s configures %s %q, which is not there", n.get("name").text(), kind.Singular(), name.text())
					v.add(e.WithHint("%s", asMistake(err).Hint), true)
				}
			}
		}
	}
}

func (v *validator) schedule(s Schedule) {
	wrong := func(format string, args ...any) *fault.Error {
		return fault.New(fault.Failed, "schedule %s: "+format, append([]any{s.Name}, args...)...).WithPosition(s.At, v.p.lineAt(s.At))
	}
	if s.Interval == "" {
		v.add(wrong("has neither an interval nor every").WithHint("interval: \"0 6 * * *\", or every: 15m"), false)
	}
	switch {
	case s.Job != "" && (s.Extractor != "" || s.Loader != ""):
		v.add(wrong("has a job, and an extractor or loader too"), false)
	case s.Job != "":
		if _, ok := v.p.Job(s.Job); !ok {
			var names []string
			for _, j := range v.p.jobs {
				names = append(names, j.Name)
			}
			e := wrong("no job is called %q", s.Job)
			if near := fault.Nearest(s.Job, names); near != "" {
				e = e.WithHint("did you mean %q?", near)
			}
			v.add(e, false)
		}
	case s.Extractor == "" || s.Loader == "":
		v.add(wrong("needs a job, or an extractor and a loader"), false)
	default:
		for kind, name := range map[Kind]string{Extractors: s.Extractor, Loaders: s.Loader} {
			if _, err := v.p.Plugin(kind, name); err != nil {
				e := asMistake(err)
				v.add(wrong("%s", e.Msg).WithHint("%s", e.Hint), false)
			}
		}
	}
}

// Summary counts findings: "2 mistakes, 1 warning".
func Summary(list []Finding) string {
	mistakes, warnings := 0, 0
	for _, f := range list {
		if f.Warning {
			warnings++
		} else {
			mistakes++
		}
	}
	plural := func(n int, word string) string {
		if n == 1 {
			return "1 " + word
		}
		return fmt.Sprintf("%d %ss", n, word)
	}
	return plural(mistakes, "mistake") + ", " + plural(warnings, "warning")
}
