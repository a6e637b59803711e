package rest

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goccy/go-yaml"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/httpapi"
)

type settings struct {
	httpapi.Config
	Definition string           `json:"definition"`
	Base       string           `json:"url_base"`
	Streams    []map[string]any `json:"streams"`
	Defaults   map[string]any   `json:"defaults"`
	Variables  map[string]any   `json:"variables"`
	Auth       auth             `json:"auth"`
	StartDate  string           `json:"start_date"`
	EndDate    string           `json:"end_date"`
	OnEmpty    string           `json:"on_empty"`
	OnError    string           `json:"on_stream_error"`
	Sample     int              `json:"num_inference_records"`
	Infer      bool             `json:"infer"`
	Flatten    bool             `json:"flatten"`
	msdk

	base    *url.URL
	end     time.Time
	secrets *httpapi.Secrets
	now     time.Time
	skipped atomic.Int32 // streams
}

const streamsExample = `[{"name": "orders", "path": "/orders", "records_path": "$.data[*]", "primary_keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "url_base", Aliases: []string{"api_url"}, Type: spec.String, Help: "Where the API lives; streams' paths are added to it.", Example: "https://api.example.com/v1"},
		{Name: "streams", Type: spec.Array, Help: "The streams; each has name, path and what else is needed (see the documentation of tap-rest).", Example: streamsExample},
		{Name: "definition", Type: spec.String, Help: "A YAML file with url_base, auth, defaults, variables and streams; settings given here win over it.", Example: "shop.yml"},
		{Name: "defaults", Type: spec.Object, Help: "Keys that every stream has which does not set them itself.", Example: `{"records_path": "$.data[*]"}`},
		{Name: "variables", Type: spec.Object, Help: "Values for {{ name }} in paths, parameters, headers and bodies.", Example: `{"account": "4711"}`},
		{Name: "start_date", Type: spec.Date, Help: "Nothing older is read; the first run starts here.", Example: "2024-01-01T00:00:00Z"},
		{Name: "end_date", Type: spec.Date, Help: "Nothing from here on is read: the window is half open.", Example: "2024-02-01T00:00:00Z"},
		{Name: "on_empty", Type: spec.String, Default: "ok", OneOf: []string{"ok", "warn", "fail"}, Help: "What a stream without records means; a stream may set its own.", Example: "fail"},
		{Name: "num_inference_records", Type: spec.Integer, Default: 50, Help: "Discovery of a stream without schema reads whole pages until it has seen so many records.", Example: "500"},
		{Name: "flatten", Type: spec.Boolean, Default: false, Help: "Properties of nested objects become properties of the record, as tap-rest-api-msdk does it: address_city; lists become JSON texts. A stream may set its own.", Example: "true"},
		{Name: "infer", Type: spec.Boolean, Default: false, Help: "Takes strings that are all dates or all timestamps as such.", Example: "true"},
	}
	return spec.Spec{
		Name:         "tap-rest",
		Summary:      "Reads any HTTP API that a definition describes: JSON, NDJSON or CSV.",
		Settings:     slices.Concat(own, authSettings(), httpapi.Settings(), msdkSettings(), taps.Settings()),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Hidden:       hidden,
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
	}
}

// decode reads the settings over the definition file.
func decode(cfg spec.Config) (*settings, error) {
	s := &settings{secrets: &httpapi.Secrets{}, now: time.Now().UTC()}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-rest: the settings do not have the expected shape").WithHint("streams is a list like %s", streamsExample)
	}
	if s.Definition != "" {
		if err := s.load(); err != nil {
			return nil, err
		}
	}
	if err := s.adaptAuth(); err != nil {
		return nil, err
	}
	var err error
	if s.end, err = httpapi.ParseTime("end_date", s.EndDate); err != nil {
		return nil, err
	}
	if s.base, err = url.Parse(s.Base); err != nil || s.base.Host == "" || s.base.Scheme != "http" && s.base.Scheme != "https" {
		return nil, fault.New(fault.BadConfig, "tap-rest: url_base is %q, which is no URL", s.secrets.Hide(s.Base)).WithHint("it begins with https://")
	}
	if s.base.User != nil {
		return nil, fault.New(fault.BadConfig, "tap-rest: url_base must not hold a user or a password").WithHint("use auth.type basic with auth.username and auth.password")
	}
	return s, nil
}

// load reads the definition file; what the settings say wins.
func (s *settings) load() error {
	raw, err := os.ReadFile(s.Definition)
	if err != nil {
		return fault.Wrap(fault.BadConfig, err, "tap-rest: the definition cannot be read")
	}
	if raw, err = yaml.YAMLToJSON(raw); err != nil {
		return fault.Wrap(fault.BadConfig, err, "tap-rest: the definition %s is no YAML", s.Definition)
	}
	var file struct {
		Base      string           `json:"url_base"`
		Auth      map[string]any   `json:"auth"`
		Streams   []map[string]any `json:"streams"`
		Defaults  map[string]any   `json:"defaults"`
		Variables map[string]any   `json:"variables"`
	}
	if err := read(raw, &file, "the definition "+s.Definition); err != nil {
		return err
	}
	if s.Base == "" {
		s.Base = file.Base
	}
	if len(s.Streams) == 0 {
		s.Streams = file.Streams
	}
	s.Defaults, s.Variables = overlay(file.Defaults, s.Defaults), overlay(file.Variables, s.Variables)
	own, err := json.Marshal(s.Auth)
	if err != nil {
		return err
	}
	given := map[string]any{}
	if err := json.Unmarshal(own, &given); err != nil {
		return err
	}
	if raw, err = json.Marshal(overlay(file.Auth, given)); err != nil {
		return err
	}
	s.Auth = auth{}
	return read(raw, &s.Auth, "auth of the definition "+s.Definition)
}

// variables are those of the settings, as text.
func (s *settings) variables() variables {
	vars := variables{}
	for name, value := range s.Variables {
		text, err := plain(value)
		if err == nil { // decoded from JSON
			vars[name] = text
		}
	}
	return vars
}

// client is the HTTP client that the settings ask for.
func (s *settings) client() (*httpapi.Client, error) {
	o := s.Options(s.secrets)
	if s.After != "" && s.Backoff == "header" {
		o.After = s.After
	}
	o.Extra = httpapi.Seconds(s.Extension)
	var err error
	if o.Auth, err = s.Auth.make(s.secrets, o.Silence, s.variables()); err != nil {
		return nil, err
	}
	return httpapi.NewClient(o), nil
}
