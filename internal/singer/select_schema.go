package singer

import (
	"encoding/json"
	"fmt"
	"strings"

	"elt/internal/fault"
)

// applySchema replaces property schemas and creates missing properties; a
// property glob replaces those it matches.
func applySchema(c *Catalog, raw json.RawMessage) ([]Unmatched, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	streams, err := parseObject(raw)
	if err != nil {
		return nil, fault.New(fault.BadConfig, "schema: it must be an object of streams")
	}
	var lost []Unmatched
	for _, rule := range streams {
		id := strings.Join(splitDots(rule.key), ".")
		properties, err := parseObject(rule.value)
		if err != nil {
			return nil, fault.New(fault.BadConfig, "schema: %q must hold an object of properties", rule.key)
		}
		hit := false
		for _, s := range c.Streams {
			if !glob(id, s.ID()) {
				continue
			}
			hit = true
			if s.Schema, err = overrideSchema(s.Schema, properties); err != nil {
				return nil, fmt.Errorf("schema of stream %q: %w", s.ID(), err)
			}
		}
		if !hit {
			lost = append(lost, Unmatched{"schema", rule.key, fault.Nearest(id, c.ids())})
		}
	}
	return lost, nil
}

func overrideSchema(schema json.RawMessage, with object) (json.RawMessage, error) {
	if len(schema) == 0 {
		schema = json.RawMessage(`{"type":"object"}`)
	}
	root, err := parseObject(schema)
	if err != nil {
		return nil, err
	}
	properties, _ := parseObject(root.get("properties")) // missing: none yet
	for _, rule := range with {
		name := strings.Join(splitDots(rule.key), ".")
		if !strings.ContainsAny(name, "*?[") {
			properties.set(name, rule.value)
			continue
		}
		for i, m := range properties {
			if glob(name, m.key) {
				properties[i].value = rule.value
			}
		}
	}
	root.set("properties", properties.bytes())
	return root.bytes(), nil
}
