package singer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"elt/internal/fault"
)

// Rules are what a project says about a tap's catalog: Meltano's extras of
// the same names.
type Rules struct {
	// Select are patterns; nil leaves the catalog's own selection as it is
	// (a custom catalog), an empty list selects nothing.
	Select []string
	// SelectFilter keeps or (with !) drops whole streams, after Select.
	SelectFilter []string
	// Metadata is {STREAM: {KEY: value, PROPERTY: {KEY: value}}}, a JSON
	// object in file order: later rules win.
	Metadata json.RawMessage
	// Schema is {STREAM: {PROPERTY: JSON Schema}}.
	Schema json.RawMessage
}

// Unmatched is a rule that touched nothing.
type Unmatched struct {
	Extra   string // "select", "select_filter", "metadata", "schema"
	Pattern string // as it was written
	Nearest string // what was perhaps meant, "" when nothing is near
}

func (u Unmatched) String() string {
	s := fmt.Sprintf("%s: %q matches nothing in the catalog", u.Extra, u.Pattern)
	if u.Nearest != "" {
		s += fmt.Sprintf(", did you mean %q?", u.Nearest)
	}
	return s
}

// ApplyRules changes a catalog as Meltano does: schema rules, then everything
// deselected, then select with all excludes after all includes, then metadata
// in file order, then select_filter. Streams and properties without metadata
// get it first (inclusion automatic, nested ones available). What applies to
// a stream is also written onto the stream itself, with underscores, for
// older taps. It reports the rules that matched nothing.
func ApplyRules(c *Catalog, r Rules) ([]Unmatched, error) {
	var out []Unmatched
	lost, err := applySchema(c, r.Schema)
	if err != nil {
		return nil, err
	}
	out = append(out, lost...)
	list, err := r.metadataRules()
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return out, nil
	}
	ids := c.ids()
	for _, raw := range r.SelectFilter {
		p := parsePattern(raw)
		if !slices.ContainsFunc(ids, func(id string) bool { return glob(p.stream, id) }) {
			out = append(out, Unmatched{"select_filter", raw, fault.Nearest(p.stream, ids)})
		}
	}
	for _, s := range c.Streams {
		s.ensureMetadata(nil, s.Schema)
		for i := range list {
			s.apply(&list[i])
		}
	}
	hit := map[string]bool{}
	for _, rule := range list {
		key := rule.extra + "\x00" + rule.written
		hit[key] = hit[key] || rule.hits > 0
	}
	for _, rule := range list {
		key := rule.extra + "\x00" + rule.written
		if rule.extra != "" && !hit[key] {
			out = append(out, Unmatched{rule.extra, rule.written, c.nearest(rule)})
			hit[key] = true
		}
	}
	return out, nil
}

// metadataRule sets one metadata key wherever its globs match.
type metadataRule struct {
	streams []string // globs of the stream id, any of them
	other   bool     // instead: none of them
	crumb   []string
	key     string
	value   any

	extra, written string // where it came from; extra "" is not reported
	parent         bool   // it only selects what contains the property meant
	hits           int
}

func (r *metadataRule) matchesStream(id string) bool {
	return slices.ContainsFunc(r.streams, func(g string) bool { return glob(g, id) }) != r.other
}

func (r *metadataRule) matches(crumb []string) bool {
	return glob(strings.Join(r.crumb, "."), strings.Join(crumb, "."))
}

func (r Rules) metadataRules() ([]metadataRule, error) {
	var list []metadataRule
	if r.Select != nil {
		list = append(list, selectRules("", []string{"!*.*"})...)
		list = append(list, selectRules("select", r.Select)...)
	}
	meta, err := configRules(r.Metadata)
	if err != nil {
		return nil, err
	}
	return append(append(list, meta...), filterRules(r.SelectFilter)...), nil
}

func selectRules(extra string, patterns []string) []metadataRule {
	var includes, excludes []metadataRule
	for _, raw := range patterns {
		p := parsePattern(raw)
		rule := metadataRule{streams: []string{p.stream}, key: "selected", value: !p.negated, extra: extra, written: raw}
		list := &includes
		if p.negated {
			list = &excludes
		}
		if !p.negated || p.property[0] == "*" && len(p.property) == 1 {
			stream := rule
			stream.parent = p.property[0] != "*"
			*list = append(*list, stream)
		}
		for i := range p.property {
			last := i == len(p.property)-1
			if p.negated && !last {
				continue
			}
			prop := rule
			prop.crumb, prop.parent = Breadcrumb(p.property[:i+1]...), !last
			*list = append(*list, prop)
		}
	}
	return append(includes, excludes...)
}

func filterRules(patterns []string) []metadataRule {
	var keep, drop []string
	for _, raw := range patterns {
		if p := parsePattern(raw); p.negated {
			drop = append(drop, p.stream)
		} else {
			keep = append(keep, p.stream)
		}
	}
	var list []metadataRule
	if len(keep) > 0 {
		list = append(list, metadataRule{streams: keep, other: true, key: "selected", value: false})
	}
	if len(drop) > 0 {
		list = append(list, metadataRule{streams: drop, key: "selected", value: false})
	}
	return list
}

// configRules flattens {stream: {prop: {key: value}}}: the last name is the
// metadata key, those between are properties.
func configRules(raw json.RawMessage) ([]metadataRule, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	var list []metadataRule
	var walk func(path []string, node json.RawMessage) error
	walk = func(path []string, node json.RawMessage) error {
		o, err := parseObject(node)
		if err == nil {
			for _, m := range o {
				if err := walk(append(slices.Clip(path), splitDots(m.key)...), m.value); err != nil {
					return err
				}
			}
			return nil
		}
		if len(path) < 2 {
			if string(node) == "null" {
				return nil
			}
			return fault.New(fault.BadConfig, "metadata: %q must hold an object of metadata keys", strings.Join(path, "."))
		}
		rule := metadataRule{
			streams: path[:1], crumb: path[1 : len(path)-1], key: path[len(path)-1],
			extra: "metadata", written: strings.Join(path[:len(path)-1], "."),
		}
		if len(rule.crumb) < 2 || rule.crumb[0] != "properties" {
			rule.crumb = Breadcrumb(rule.crumb...)
		}
		if err := decodeExact(node, &rule.value); err != nil {
			return fmt.Errorf("metadata of %q: %w", rule.written, err)
		}
		list = append(list, rule)
		return nil
	}
	return list, walk(nil, raw)
}

func (s *CatalogStream) ensureMetadata(property []string, node json.RawMessage) {
	if s.entry(Breadcrumb(property...)) == nil {
		inclusion := Automatic
		if len(property) > 1 {
			inclusion = Available
		}
		s.SetMeta("inclusion", inclusion, property...)
	}
	for _, m := range children(node) {
		s.ensureMetadata(append(slices.Clip(property), m.key), m.value)
	}
}

func (s *CatalogStream) apply(r *metadataRule) {
	if !r.matchesStream(s.ID()) {
		return
	}
	if r.matches(nil) {
		s.setLegacy(strings.ReplaceAll(r.key, "-", "_"), r.value)
	}
	for i := range s.Metadata {
		m := &s.Metadata[i]
		if !r.matches(m.Breadcrumb) {
			continue
		}
		if !r.parent {
			r.hits++
		}
		if r.key == "selected" && r.value == true && m.Metadata["inclusion"] == Unsupported {
			continue
		}
		m.Metadata[r.key] = r.value
	}
}

// setLegacy sets a key of the stream object itself.
func (s *CatalogStream) setLegacy(key string, value any) {
	into := map[string]*string{
		"table_name": &s.TableName, "replication_key": &s.ReplicationKey, "replication_method": &s.ReplicationMethod,
	}[key]
	t, isText := value.(string)
	switch {
	case into != nil && isText && t != "":
		*into = t
		delete(s.Extra, key)
		return
	case into != nil:
		*into = ""
	case key == "key_properties":
		s.KeyProperties = texts(value)
		if len(s.KeyProperties) > 0 {
			delete(s.Extra, key)
			return
		}
	}
	if s.Extra == nil {
		s.Extra = map[string]json.RawMessage{}
	}
	s.Extra[key], _ = marshal(value) // it came from JSON
}

// nearest is what the user may have meant by a rule that matched nothing.
func (c *Catalog) nearest(r metadataRule) string {
	ids := c.ids()
	written, bang := strings.CutPrefix(r.written, "!")
	prefix := ""
	if bang {
		prefix = "!"
	}
	parts := splitDots(written)
	if !slices.ContainsFunc(ids, r.matchesStream) {
		near := fault.Nearest(parts[0], ids)
		if near == "" {
			return ""
		}
		return prefix + joinDots(append([]string{near}, parts[1:]...))
	}
	var paths []string
	for _, s := range c.Streams {
		if !r.matchesStream(s.ID()) {
			continue
		}
		for _, m := range s.Metadata {
			if len(m.Breadcrumb) > 0 {
				paths = append(paths, strings.Join(names(m.Breadcrumb), "."))
			}
		}
	}
	near := fault.Nearest(strings.Join(parts[1:], "."), paths)
	if near == "" {
		return ""
	}
	return prefix + joinDots(parts[:1]) + "." + near
}

func (c *Catalog) ids() []string {
	ids := make([]string, len(c.Streams))
	for i, s := range c.Streams {
		ids[i] = s.ID()
	}
	return ids
}

// names are the property names of a breadcrumb.
func names(crumb []string) []string {
	var out []string
	for i := 1; i < len(crumb); i += 2 {
		out = append(out, crumb[i])
	}
	return out
}

// joinDots is the inverse of splitDots.
func joinDots(parts []string) string {
	quoted := make([]string, len(parts))
	for i, p := range parts {
		quoted[i] = strings.ReplaceAll(p, ".", `\.`)
	}
	return strings.Join(quoted, ".")
}
