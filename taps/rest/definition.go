package rest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

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
	Flatten        *bool             `json:"flatten"`
	Except         []string          `json:"except_keys"`
	Arrays         []string          `json:"arrays"`
	Concurrency    int               `json:"concurrency"`
	Pagination     pagination        `json:"pagination"`
	Window         window            `json:"window"`
	Parent         *parent           `json:"parent"`
	OnStatus       map[string]string `json:"on_status"`
	OnEmpty        string            `json:"on_empty"`
	OnError        string            `json:"on_error"`
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
	RecordPath string `json:"record_path"`
	Header     string `json:"header"`
	MorePath   string `json:"more_path"`
	EndPath    string `json:"end_path"`
	TotalPath  string `json:"total_path"`
	StopAt     string `json:"stop_at"`
}

// window says how start and end travel.
type window struct {
	StartParam string `json:"start_param"`
	EndParam   string `json:"end_param"`
	Format     string `json:"format"`
	Slice      string `json:"slice"`
	Lookback   string `json:"lookback"`
	Cap        int    `json:"cap"`
	CapStatus  []int  `json:"cap_status"`
	Shortest   string `json:"shortest"`
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
	lastOf   *httpapi.Path // in the last record of a page
	more     *httpapi.Path
	end      *httpapi.Path
	total    *httpapi.Path
	raw      bool              // records get a copy of themselves
	unpaged  bool              // nobody said whether there are pages
	uses     map[string]bool   // variables in templates
	kinds    map[string]string // of properties of the schema that are no texts
	shortest time.Duration
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
	asXML     = "xml"
)

// What a failure of a stream means.
const (
	failRun    = "fail"
	skipStream = "skip_stream"
	skipParent = "skip_parent"
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
