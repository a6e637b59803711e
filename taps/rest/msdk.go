package rest

import (
	"strings"

	"elt/internal/fault"
	"elt/internal/spec"
)

// msdk are the settings of tap-rest-api-msdk that have other names or shapes
// than ours. What we would do differently in silence is refused by name.
type msdk struct {
	AuthMethod  string            `json:"auth_method"`
	APIKeys     map[string]string `json:"api_keys"`
	Scope       string            `json:"scope"`
	Request     string            `json:"pagination_request_style"`
	Answer      string            `json:"pagination_response_style"`
	TokenPath   string            `json:"next_page_token_path"`
	PageSize    int               `json:"pagination_page_size"`
	NextParam   string            `json:"pagination_next_page_param"`
	LimitParam  string            `json:"pagination_limit_per_page_param"`
	First       *int              `json:"pagination_initial_offset"`
	MostResults int               `json:"pagination_results_limit"`
	InBody      bool              `json:"use_request_body_not_params"`
	Backoff     string            `json:"backoff_type"`
	After       string            `json:"backoff_param"`
	Extension   float64           `json:"backoff_time_extension"`
	Raw         bool              `json:"store_raw_json_message"`
	AWS         map[string]any    `json:"aws_credentials"`
	Except      []string          `json:"except_keys"`

	Path           string            `json:"path"`
	Params         map[string]any    `json:"params"`
	Headers        map[string]string `json:"headers"`
	RecordsPath    string            `json:"records_path"`
	PrimaryKeys    []string          `json:"primary_keys"`
	ReplicationKey string            `json:"replication_key"`
	SearchField    string            `json:"source_search_field"`
	SearchQuery    string            `json:"source_search_query"`
}

func msdkSettings() []spec.Setting {
	of := func(name string, t spec.Type, help, example string) spec.Setting {
		return spec.Setting{Name: name, Type: t, Help: help + " (as tap-rest-api-msdk)", Example: example}
	}
	return []spec.Setting{
		of("auth_method", spec.String, "no_auth, basic, api_key, bearer_token, oauth or aws; better auth.type", "bearer_token"),
		{Name: "api_keys", Type: spec.Object, Secret: true, Help: "Headers with API keys (as tap-rest-api-msdk); better auth.key.", Example: `{"X-API-Key": "$SHOP_KEY"}`},
		of("scope", spec.String, "Scopes with spaces between; better auth.scopes", "read write"),
		of("pagination_request_style", spec.String, "How pages are asked for; better pagination of a stream", "page_number_paginator"),
		of("pagination_response_style", spec.String, "How answers name the next page; better pagination of a stream", "default"),
		of("next_page_token_path", spec.String, "Where an answer has the next page's token", "$.next"),
		of("pagination_page_size", spec.Integer, "Records per page", "100"),
		of("pagination_next_page_param", spec.String, "The parameter that asks for the next page", "page"),
		of("pagination_limit_per_page_param", spec.String, "The parameter for the records per page", "limit"),
		of("pagination_total_limit_param", spec.String, "Unused: a stream ends at an empty page", "total"),
		of("pagination_initial_offset", spec.Integer, "The first page or offset", "1"),
		of("pagination_results_limit", spec.Integer, "Refused: it would cut the stream off", "1000"),
		of("use_request_body_not_params", spec.Boolean, "Send params as a JSON body", "true"),
		of("backoff_type", spec.String, "header: backoff_param says how long to wait", "header"),
		of("backoff_param", spec.String, "The header to wait by", "Retry-After"),
		of("backoff_time_extension", spec.Number, "Seconds to wait beyond what the header says", "5"),
		of("store_raw_json_message", spec.Boolean, "Adds the whole record as the property _sdc_raw_json", "true"),
		{Name: "aws_credentials", Type: spec.Object, Secret: true, Help: "aws_access_key_id, aws_secret_access_key, aws_session_token, aws_region and aws_service (as tap-rest-api-msdk); better auth.type aws.", Example: `{"aws_region": "eu-west-1", "aws_service": "execute-api"}`},
		of("offset_records_jsonpath", spec.String, "Unused: a stream ends at an empty page", "$.data"),
		of("path", spec.String, "Path of streams without one", "/orders"),
		of("params", spec.Object, "Parameters of all streams", `{"status": "open"}`),
		of("headers", spec.Object, "Headers of all streams", `{"Accept": "application/json"}`),
		of("records_path", spec.String, "Records path of streams without one", "$.data[*]"),
		of("primary_keys", spec.Array, "Keys of streams without any", `["id"]`),
		of("replication_key", spec.String, "Replication key of streams without one", "updated_at"),
		of("except_keys", spec.Array, "Of flatten: nested properties that stay JSON, as their flattened names", `["address_geo"]`),
		of("source_search_field", spec.String, "The parameter that asks for newer records; better window.start_param", "updated_since"),
		of("source_search_query", spec.String, "Its value, in which $last_run_date stands for the bookmark", "gt$last_run_date"),
	}
}

// adaptAuth turns the dialect's login into ours, and its top-level keys into
// defaults of the streams.
func (s *settings) adaptAuth() error {
	m := &s.msdk
	if m.AuthMethod != "" && s.Auth.Type == "" {
		types := map[string]string{"no_auth": "none", "basic": "basic", "api_key": "api_key", "bearer_token": "bearer", "oauth": "oauth2", "aws": "aws"}
		if s.Auth.Type = types[m.AuthMethod]; s.Auth.Type == "" {
			return oneOf("tap-rest: auth_method", m.AuthMethod, "no_auth", "basic", "api_key", "bearer_token", "oauth", "aws")
		}
	}
	if s.Auth.Type == "api_key" && s.Auth.Key == "" {
		s.Auth.headers = m.APIKeys
	}
	if m.Scope != "" && len(s.Auth.Scopes) == 0 {
		s.Auth.Scopes = strings.Fields(m.Scope)
	}
	if err := s.adaptAWS(); err != nil {
		return err
	}
	if m.MostResults > 0 {
		return fault.New(fault.BadConfig, "tap-rest: pagination_results_limit is not supported: it cuts streams off in silence").WithHint("narrow the stream by params, or by start_date and end_date")
	}
	top := map[string]any{}
	for key, value := range map[string]string{"path": m.Path, "records_path": m.RecordsPath, "replication_key": m.ReplicationKey, "source_search_field": m.SearchField, "source_search_query": m.SearchQuery} {
		if value != "" {
			top[key] = value
		}
	}
	if len(m.Params) > 0 {
		top["params"] = m.Params
	}
	if len(m.Headers) > 0 {
		headers := map[string]any{}
		for k, v := range m.Headers {
			headers[k] = v
		}
		top["headers"] = headers
	}
	if len(m.Except) > 0 {
		top["except_keys"] = m.Except
	}
	if len(m.PrimaryKeys) > 0 {
		top["primary_keys"] = m.PrimaryKeys
	}
	if p, err := m.pagination(); err != nil {
		return err
	} else if p != nil {
		top["pagination"] = p
	}
	s.Defaults = overlay(top, s.Defaults)
	return nil
}

// adaptAWS takes the login of the object aws_credentials.
func (s *settings) adaptAWS() error {
	for name, value := range s.msdk.AWS {
		field := map[string]*string{"aws_access_key_id": &s.Auth.AccessKey, "aws_secret_access_key": &s.Auth.SecretKey, "aws_session_token": &s.Auth.SessionToken, "aws_region": &s.Auth.Region, "aws_service": &s.Auth.Service}[name]
		text, _ := value.(string)
		switch {
		case field == nil && name == "create_signed_credentials" && value != false:
		case field == nil:
			return fault.New(fault.BadConfig, "tap-rest: aws_credentials has %q, which is not supported", name).WithHint("give aws_access_key_id, aws_secret_access_key, aws_region and aws_service")
		case *field == "":
			*field = text
		}
	}
	return nil
}

// pagination is the dialect's paging as ours, nil when it sets none.
func (m *msdk) pagination() (map[string]any, error) {
	p := map[string]any{}
	style := strings.TrimSuffix(m.Request, "_paginator")
	if style == "" {
		style = "default"
	}
	switch style {
	case "default", "jsonpath":
		if m.TokenPath == "" && m.Request == "" {
			return nil, nil
		}
		p["type"], p["path"] = "cursor", "$.next_page"
		if m.TokenPath != "" {
			p["path"] = m.TokenPath
		}
	case "simple_header":
		p["type"], p["header"] = "cursor", "X-Next-Page"
		if m.TokenPath != "" {
			p["path"] = m.TokenPath
			delete(p, "header")
		}
	case "single_page":
		p["type"] = "none"
		return p, nil
	case "page_number":
		p["type"], p["param"] = "page", "page"
	case "offset", "simple_offset", "style1":
		p["type"], p["param"] = "offset", "offset"
	case "header_link", "restapi_header_link", "simple_header_link":
		p["type"] = "link"
	default:
		return nil, fault.New(fault.BadConfig, "tap-rest: pagination style %q is not supported", style+"_paginator").WithHint("describe it by pagination of the stream: page, offset, cursor, link or next_url")
	}
	if p["type"] == "cursor" {
		p["param"] = map[bool]string{true: "offset", false: "page"}[m.Answer == "offset" || m.Answer == "style1"]
	}
	if m.NextParam != "" {
		p["param"] = m.NextParam
	}
	if m.First != nil {
		p["start"] = *m.First
	}
	if m.PageSize > 0 {
		p["limit"] = m.PageSize
	}
	if m.LimitParam != "" {
		p["limit_param"] = m.LimitParam
	}
	return p, nil
}

// adapt turns a stream's keys of the dialect into ours.
func (s *settings) adapt(stream map[string]any) error {
	delete(stream, "offset_records_jsonpath")
	field, _ := stream["source_search_field"].(string)
	query, _ := stream["source_search_query"].(string)
	delete(stream, "source_search_field")
	delete(stream, "source_search_query")
	if (field == "") != (query == "") {
		return fault.New(fault.BadConfig, "source_search_field and source_search_query go together")
	}
	if field != "" {
		params, _ := stream["params"].(map[string]any)
		stream["params"] = overlay(params, map[string]any{field: strings.ReplaceAll(query, "$last_run_date", "{{ start }}")})
	}
	if s.InBody && stream["body"] == nil {
		body, _ := stream["params"].(map[string]any)
		stream["body"], stream["params"], stream["method"] = body, nil, "POST"
		if p, ok := stream["pagination"].(map[string]any); ok && p["in"] == nil {
			stream["pagination"] = overlay(p, map[string]any{"in": "body"})
		}
	}
	return nil
}
