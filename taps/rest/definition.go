package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

// definition is one stream as a user writes it.
type definition struct {
	Name           string            `json:"name"`
	Path           string            `json:"path"`
	Method         string            `json:"method"`
	Params         map[string]any    `json:"params"`
	Headers        map[string]string `json:"headers"`
	Body           any               `json:"body"`
	BodyFormat     string            `json:"body_format"`
	Response       string            `json:"response"`
	Delimiter      string            `json:"delimiter"`
	RecordsPath    string            `json:"records_path"`
	ErrorPath      string            `json:"error_path"`
	PrimaryKeys    []string          `json:"primary_keys"`
	ReplicationKey string            `json:"replication_key"`
	Sorted         bool              `json:"sorted"`
	Schema         any               `json:"schema"`
	Sample         int               `json:"num_inference_records"`
	StartDate      string            `json:"start_date"`
	Pagination     pagination        `json:"pagination"`
	Window         window            `json:"window"`
	Parent         *parent           `json:"parent"`
	OnStatus       map[string]string `json:"on_status"`
	OnEmpty        string            `json:"on_empty"`
}

// pagination says how to get the next page.
type pagination struct {
	Type       string `json:"type"`
	In         string `json:"in"`
	Param      string `json:"param"`
	LimitParam string `json:"limit_param"`
	Limit      int    `json:"limit"`
	Start      *int   `json:"start"`
	Path       string `json:"path"`
	MorePath   string `json:"more_path"`
	StopAt     string `json:"stop_at"`
}

// window says how start and end travel.
type window struct {
	StartParam string `json:"start_param"`
	EndParam   string `json:"end_param"`
	Format     string `json:"format"`
	Slice      string `json:"slice"`
	Lookback   string `json:"lookback"`
}

// parent makes one request per record of another stream.
type parent struct {
	Stream string            `json:"stream"`
	Fields map[string]string `json:"fields"` // property to add -> path in the parent's record
}

// source is a definition that was checked.
type source struct {
	definition
	records  httpapi.Path
	failing  *httpapi.Path
	next     httpapi.Path
	more     *httpapi.Path
	schema   json.RawMessage // nil: inferred
	slice    time.Duration
	lookback time.Duration
	start    time.Time
	parent   *source
	fields   map[string]httpapi.Path
}

// keys are the properties that a record must have.
func (src *source) keys() []string {
	keys := slices.Clone(src.PrimaryKeys)
	if src.ReplicationKey != "" {
		keys = append(keys, src.ReplicationKey)
	}
	return keys
}

const (
	asJSON    = "json"
	asForm    = "form"
	asText    = "text"
	asGraphQL = "graphql"
	asNDJSON  = "ndjson"
	asCSV     = "csv"
)

// read decodes one object strictly: a key that nobody knows is an error.
func read(raw []byte, into any, what string) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		return nil
	}
	e := fault.Wrap(fault.BadConfig, err, "tap-rest: %s cannot be read", what)
	if m := regexp.MustCompile(`unknown field "(.*)"`).FindStringSubmatch(err.Error()); m != nil {
		e = fault.New(fault.BadConfig, "tap-rest: %s has the unknown key %q", what, m[1])
		if near := fault.Nearest(m[1], keysOf(reflect.TypeOf(into))); near != "" {
			e = e.WithHint("did you mean %q?", near)
		}
	}
	return e
}

func keysOf(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		names = append(names, keysOf(f.Type)...)
	}
	return names
}

// sources checks all definitions and ties children to their parents.
func (s *settings) sources() ([]*source, error) {
	if len(s.Streams) == 0 {
		return nil, fault.New(fault.BadConfig, "tap-rest: there are no streams to read").WithHint("set streams, for example %s", streamsExample)
	}
	byName := map[string]*source{}
	var all []*source
	for n, own := range s.Streams {
		src := &source{}
		merged := overlay(s.Defaults, own)
		name, _ := merged["name"].(string)
		if name == "" {
			return nil, fault.New(fault.BadConfig, "tap-rest: entry %d of streams lacks its name", n+1)
		}
		if err := s.adapt(merged); err != nil {
			return nil, fmt.Errorf("stream %q: %w", name, err)
		}
		raw, err := json.Marshal(merged)
		if err != nil {
			return nil, err
		}
		if err := read(raw, &src.definition, fmt.Sprintf("stream %q", name)); err != nil {
			return nil, err
		}
		if byName[name] != nil {
			return nil, fault.New(fault.BadConfig, "tap-rest: two streams are called %q", name)
		}
		if err := src.check(s); err != nil {
			return nil, fmt.Errorf("stream %q: %w", name, err)
		}
		byName[name], all = src, append(all, src)
	}
	for _, src := range all {
		if src.definition.Parent == nil {
			continue
		}
		src.parent = byName[src.definition.Parent.Stream]
		if src.parent == nil {
			return nil, fault.New(fault.BadConfig, "tap-rest: stream %q has the unknown parent %q", src.Name, src.definition.Parent.Stream)
		}
		for p, hops := src.parent, 0; p != nil; p, hops = p.parent, hops+1 {
			if p == src || hops > len(all) {
				return nil, fault.New(fault.BadConfig, "tap-rest: stream %q is its own ancestor", src.Name)
			}
		}
	}
	return all, nil
}

// overlay lays a stream's own keys over the defaults; params, headers,
// pagination and window are merged key by key.
func overlay(defaults, own map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range defaults {
		out[k] = v
	}
	for k, v := range own {
		base, isObject := out[k].(map[string]any)
		over, both := v.(map[string]any)
		if isObject && both && slices.Contains([]string{"params", "headers", "pagination", "window", "on_status"}, k) {
			if k == "pagination" && over["type"] != nil && over["type"] != base["type"] {
				out[k] = v
				continue
			}
			v = overlay(base, over)
		}
		out[k] = v
	}
	return out
}

func oneOf(what, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	e := fault.New(fault.BadConfig, "%s is %q, but must be one of %s", what, value, strings.Join(allowed, ", "))
	if near := fault.Nearest(value, allowed); near != "" {
		e = e.WithHint("did you mean %q?", near)
	}
	return e
}

func (src *source) check(s *settings) (err error) {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	d := &src.definition
	fill(&d.Method, "GET")
	d.Method = strings.ToUpper(d.Method)
	fill(&d.Response, asJSON)
	fill(&d.BodyFormat, asJSON)
	fill(&d.OnEmpty, s.OnEmpty)
	fill(&d.Pagination.Type, "none")
	fill(&d.Pagination.In, "query")
	fill(&d.Pagination.StopAt, "empty")
	fill(&d.Window.Format, "rfc3339")
	fill(&d.StartDate, s.StartDate)
	fill(&d.Delimiter, ",")
	if d.Sample == 0 {
		d.Sample = s.Sample
	}
	if d.Response == "xml" {
		return fault.New(fault.BadConfig, "XML answers are not supported yet")
	}
	for _, c := range []struct {
		what, value string
		allowed     []string
	}{
		{"response", d.Response, []string{asJSON, asNDJSON, asCSV}},
		{"body_format", d.BodyFormat, []string{asJSON, asForm, asText, asGraphQL}},
		{"on_empty", d.OnEmpty, []string{"ok", "warn", "fail"}},
		{"pagination.type", d.Pagination.Type, []string{"none", "page", "offset", "cursor", "link", "next_url"}},
		{"pagination.in", d.Pagination.In, []string{"query", "body"}},
		{"pagination.stop_at", d.Pagination.StopAt, []string{"empty", "short"}},
		{"window.format", d.Window.Format, []string{"rfc3339", "date", "datetime", "unix", "unix_ms"}},
		{"method", d.Method, []string{"GET", "POST", "PUT"}},
	} {
		if err := oneOf(c.what, c.value, c.allowed...); err != nil {
			return err
		}
	}
	for code, what := range d.OnStatus {
		if n, err := strconv.Atoi(code); err != nil || n < 400 || n > 499 || n == 401 || n == 429 {
			return fault.New(fault.BadConfig, "on_status has %q, but only codes from 400 to 499 beside 401 and 429 may have a policy", code)
		}
		if err := oneOf("on_status "+code, what, "fail", "empty"); err != nil {
			return err
		}
	}
	if len(d.Delimiter) != 1 {
		return fault.New(fault.BadConfig, "delimiter is %q, not one character", d.Delimiter)
	}
	if d.BodyFormat == asGraphQL {
		fill(&d.ErrorPath, "$.errors")
		if d.Method == "GET" {
			d.Method = "POST"
		}
	}
	if src.records, err = httpapi.ParsePath(d.RecordsPath); err != nil {
		return err
	}
	if d.ErrorPath != "" {
		p, err := httpapi.ParsePath(d.ErrorPath)
		if err != nil {
			return err
		}
		src.failing = &p
	}
	if err := src.checkPaging(); err != nil {
		return err
	}
	if src.slice, err = span("window.slice", d.Window.Slice); err != nil {
		return err
	}
	if src.lookback, err = span("window.lookback", d.Window.Lookback); err != nil {
		return err
	}
	if src.start, err = httpapi.ParseTime("start_date", d.StartDate); err != nil {
		return err
	}
	if src.slice > 0 && src.start.IsZero() {
		return fault.New(fault.BadConfig, "window.slice needs a start_date to count from")
	}
	if !src.start.IsZero() && !s.end.IsZero() && !src.start.Before(s.end) {
		return fault.New(fault.BadConfig, "start_date %s is not before end_date %s", d.StartDate, s.EndDate)
	}
	if d.Sorted && (d.ReplicationKey == "" || d.Parent != nil) {
		return fault.New(fault.BadConfig, "sorted needs a replication_key and no parent")
	}
	if d.Parent != nil {
		src.fields = map[string]httpapi.Path{}
		for name, path := range d.Parent.Fields {
			if src.fields[name], err = httpapi.ParsePath(path); err != nil {
				return err
			}
		}
	}
	return src.checkSchema()
}

func (src *source) checkPaging() (err error) {
	p := &src.Pagination
	switch p.Type {
	case "page", "offset":
		if p.Param == "" {
			p.Param = p.Type
		}
	case "cursor", "next_url":
		if p.Path == "" {
			return fault.New(fault.BadConfig, "pagination %s needs path, where an answer has it", p.Type)
		}
		if p.Type == "cursor" && p.Param == "" {
			p.Param = "cursor"
		}
	}
	if p.StopAt == "short" && p.Limit <= 0 {
		return fault.New(fault.BadConfig, "pagination.stop_at short needs a limit")
	}
	if p.Type != "none" && p.Type != "link" && src.Response != asJSON && p.Type != "page" && p.Type != "offset" {
		return fault.New(fault.BadConfig, "pagination %s needs JSON answers", p.Type)
	}
	if src.next, err = httpapi.ParsePath(p.Path); err != nil {
		return err
	}
	if p.MorePath != "" {
		more, err := httpapi.ParsePath(p.MorePath)
		if err != nil {
			return err
		}
		src.more = &more
	}
	return nil
}

// checkSchema takes the schema as an object, or as the path of a JSON file.
func (src *source) checkSchema() error {
	var raw []byte
	switch x := src.Schema.(type) {
	case nil:
		return nil
	case string:
		if x == "" {
			return nil
		}
		var err error
		if raw, err = os.ReadFile(x); err != nil {
			return fault.Wrap(fault.BadConfig, err, "the schema cannot be read")
		}
		if raw, err = yaml.YAMLToJSON(raw); err != nil {
			return fault.Wrap(fault.BadConfig, err, "the schema %s cannot be read", x)
		}
	default:
		var err error
		if raw, err = json.Marshal(x); err != nil {
			return err
		}
	}
	var shape struct{ Properties map[string]json.RawMessage }
	if err := json.Unmarshal(raw, &shape); err != nil || len(shape.Properties) == 0 {
		return fault.New(fault.BadConfig, "the schema has no properties").WithHint("it is a JSON Schema: {\"properties\": {\"id\": {\"type\": \"integer\"}}}")
	}
	src.schema = raw
	return nil
}

// span reads a duration with days and weeks: 7d, 1w, 12h, 30m.
func span(what, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	unit := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[text[len(text)-1]]
	if unit > 0 {
		if n, err := strconv.Atoi(text[:len(text)-1]); err == nil && n > 0 && n < 100000 {
			return time.Duration(n) * unit, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fault.New(fault.BadConfig, "%s is %q, which is no duration", what, text).WithHint("write it like 30m, 12h, 7d or 2w")
}
