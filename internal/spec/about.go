package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"elt/internal/fault"
)

// About is what --about prints: format "" (text), "json" or "markdown".
func (s Spec) About(format, version string) (string, error) {
	switch format {
	case "", "text":
		return s.aboutText(version), nil
	case "json":
		return s.aboutJSON(version)
	case "markdown":
		return s.aboutMarkdown(), nil
	}
	return "", fault.New(fault.Usage, "%s: unknown format %q", s.Name, format).WithHint("json or markdown")
}

func (s Spec) aboutText(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n%s\n\nCapabilities: %s\n\nSettings:\n", s.Name, version, s.Summary, strings.Join(s.Capabilities, ", "))
	for _, set := range s.Settings {
		fmt.Fprintf(&b, "  %s (%s)%s\n      %s\n", set.Name, set.Type, set.remarks(), set.Help)
	}
	return b.String()
}

func (s Spec) aboutMarkdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# `%s`\n\n%s\n\n## Capabilities\n\n", s.Name, s.Summary)
	for _, c := range s.Capabilities {
		fmt.Fprintf(&b, "* `%s`\n", c)
	}
	b.WriteString("\n## Settings\n\n| Setting | Type | Required | Default | Description |\n|:--------|:-----|:--------:|:--------|:------------|\n")
	for _, set := range s.Settings {
		def := ""
		if set.Default != nil {
			raw, _ := json.Marshal(set.Default) // JSON-like by contract
			def = "`" + string(raw) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %v | %s | %s |\n", set.Name, set.Type, set.Required, def, strings.ReplaceAll(set.markdown(), "|", `\|`))
	}
	if len(s.Replaces) > 0 {
		b.WriteString("\n## Stands in for\n\n")
		for _, r := range s.Replaces {
			fmt.Fprintf(&b, "* %s\n", r.markdown())
		}
	}
	return b.String()
}

// markdown is a setting's help with all that has no column of its own.
func (set Setting) markdown() string {
	text := set.Help
	if len(set.OneOf) > 0 {
		text += " One of " + quoted(set.OneOf) + "."
	}
	if len(set.Aliases) > 0 {
		text += " Also called " + quoted(set.Aliases) + "."
	}
	if set.Example != "" {
		text += " Example: `" + set.Example + "`."
	}
	if set.Secret {
		text += " Secret."
	}
	return text
}

func quoted(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }

func (r Replacement) markdown() string {
	name := r.Package
	if name != "" {
		name = "`" + name + "`"
	}
	if r.Variant != "" {
		name = strings.TrimSpace(name + " (variant `" + r.Variant + "`)")
	}
	if r.Dialect != "" {
		name += ", in the dialect `" + r.Dialect + "`"
	}
	return name
}

func (set Setting) remarks() string {
	var parts []string
	if set.Required {
		parts = append(parts, "required")
	}
	if set.Secret {
		parts = append(parts, "secret")
	}
	if set.Default != nil {
		raw, _ := json.Marshal(set.Default) // JSON-like by contract
		parts = append(parts, "default "+string(raw))
	}
	if len(set.OneOf) > 0 {
		parts = append(parts, "one of "+strings.Join(set.OneOf, ", "))
	}
	if len(set.Aliases) > 0 {
		parts = append(parts, "also "+strings.Join(set.Aliases, ", "))
	}
	if len(parts) == 0 {
		return ""
	}
	return " [" + strings.Join(parts, "; ") + "]"
}

// aboutJSON has the form of the Meltano SDK: settings as a JSON Schema.
func (s Spec) aboutJSON(version string) (string, error) {
	about := struct {
		Name         string          `json:"name"`
		Description  string          `json:"description"`
		Version      string          `json:"version"`
		Capabilities []string        `json:"capabilities"`
		Settings     json.RawMessage `json:"settings"`
	}{s.Name, s.Summary, version, s.Capabilities, nil}
	var err error
	if about.Settings, err = s.JSONSchema(); err != nil {
		return "", err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(about)
	return b.String(), err
}

// JSONSchema is the JSON Schema of a configuration. Settings keep their order.
func (s Spec) JSONSchema() (json.RawMessage, error) {
	var b bytes.Buffer
	b.WriteString(`{"type":"object","properties":{`)
	required := []string{}
	for i, set := range s.Settings {
		if i > 0 {
			b.WriteByte(',')
		}
		typ := string(set.Type)
		p := map[string]any{"type": []string{typ, "null"}, "description": set.Help}
		if set.Type == Date {
			p["type"], p["format"] = []string{"string", "null"}, "date-time"
		}
		if set.Required {
			required = append(required, set.Name)
			p["type"] = p["type"].([]string)[:1]
		}
		if set.Default != nil {
			p["default"] = set.Default
		}
		if set.Secret {
			p["secret"] = true
		}
		if len(set.OneOf) > 0 {
			p["enum"] = set.OneOf
		}
		if set.Example != "" {
			p["examples"] = []string{set.Example}
		}
		raw, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("setting %q: %w", set.Name, err)
		}
		fmt.Fprintf(&b, "%q:%s", set.Name, raw)
	}
	raw, err := json.Marshal(required)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&b, `},"required":%s}`, raw)
	return b.Bytes(), nil
}
