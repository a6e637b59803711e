package project

import (
	"encoding/json"
	"strconv"
	"strings"
)

// show.go is what commands that list settings need to know of them.

// OwnDefinitions are the definitions of the project's own settings.
func OwnDefinitions() []*Definition { return projectSettings() }

// Variables are the variables that set a setting of a plugin; of the project
// itself when plugin is nil.
func (p *Project) Variables(plugin *Plugin, d *Definition) []string {
	if plugin == nil {
		return d.readVariables([]string{"meltano"}, true)
	}
	return d.readVariables(plugin.readPrefixes(), !plugin.inherits())
}

// WrittenVariables are those that the plugin's process gets for a setting.
func (p *Project) WrittenVariables(plugin *Plugin, d *Definition) []string {
	if plugin == nil {
		return d.readVariables([]string{"meltano"}, true)
	}
	return d.writtenVariables(plugin.writePrefixes())
}

// ReadOnly says that the project's files must not be changed.
func (p *Project) ReadOnly() bool { return truthy(p.Setting("project_readonly")) }

// Cast reads a text as the setting's kind.
func (d *Definition) Cast(text string) (any, error) { return d.cast(text) }

// EnvironText is a value as a variable holds it.
func (d *Definition) EnvironText(v any) string { return d.environText(v) }

// Text is the value as a variable holds it.
func (v Value) Text() string { return v.Definition.environText(v.Value) }

// Repr shows a value as Meltano does, in Python's words.
func Repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case json.Number:
		return pythonNumber(v)
	case string:
		return reprText(v)
	case []any:
		var parts []string
		for _, item := range v {
			parts = append(parts, Repr(item))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *Map:
		var parts []string
		for k, item := range v.All() {
			parts = append(parts, reprText(k)+": "+Repr(item))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return ""
}

func reprText(s string) string {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case string(r) == quote || r == '\\':
			b.WriteString(`\` + string(r))
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return quote + b.String() + quote
}
