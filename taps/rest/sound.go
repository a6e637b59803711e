package rest

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"elt/internal/fault"
	"elt/taps/httpapi"
)

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
	src.unpaged = d.Pagination.Type == ""
	fill(&d.Pagination.Type, "none")
	if d.Flatten == nil {
		d.Flatten = &s.Flatten
	}
	src.raw = s.Raw
	fill(&d.Pagination.In, "query")
	fill(&d.Pagination.StopAt, "empty")
	fill(&d.Window.Format, "rfc3339")
	fill(&d.StartDate, s.StartDate)
	fill(&d.Delimiter, ",")
	if d.Sample == 0 {
		d.Sample = s.Sample
	}
	fill(&d.OnError, failRun)
	d.Concurrency = max(1, d.Concurrency)
	for _, c := range []struct {
		what, value string
		allowed     []string
	}{
		{"response", d.Response, []string{asJSON, asNDJSON, asCSV, asXML}},
		{"body_format", d.BodyFormat, []string{asJSON, asForm, asText, asXML, asGraphQL}},
		{"on_empty", d.OnEmpty, []string{"ok", "warn", "fail"}},
		{"on_error", d.OnError, []string{failRun, skipStream, skipParent}},
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
	if d.Response == asXML {
		if err := src.records.Elements(); err != nil {
			return err
		}
	} else if len(d.Arrays) > 0 {
		return fault.New(fault.BadConfig, "arrays is for XML answers, and response is %s", d.Response)
	}
	if d.OnError == skipParent && d.Parent == nil {
		return fault.New(fault.BadConfig, "on_error is skip_parent, but the stream has no parent")
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
	fill(&d.Window.Shortest, "1s")
	if src.shortest, err = span("window.shortest", d.Window.Shortest); err != nil {
		return err
	}
	if d.Window.Cap < 0 {
		return fault.New(fault.BadConfig, "window.cap is %d", d.Window.Cap)
	}
	if src.halves() && (src.start.IsZero() || d.ReplicationKey == "" || d.Sorted) {
		return fault.New(fault.BadConfig, "window.cap and cap_status need a start_date and a replication_key, and no sorted").WithHint("a window that gives too much is halved by time")
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
	src.uses = templates(d)
	return src.checkSchema()
}

// halves says that a window which gives too much is halved.
func (src *source) halves() bool { return src.Window.Cap > 0 || len(src.Window.CapStatus) > 0 }

var template = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{\{\s*([^}\s]+)\s*\}\}`) })

// templates are the variables that the definition of a request names.
func templates(d *definition) map[string]bool {
	raw, _ := json.Marshal([]any{d.Path, d.Params, d.Headers, d.Body}) // decoded from JSON
	names := map[string]bool{}
	for _, m := range template().FindAllSubmatch(raw, -1) {
		names[string(m[1])] = true
	}
	return names
}

func (src *source) checkPaging() (err error) {
	p := &src.Pagination
	switch p.Type {
	case "page", "offset":
		if p.Param == "" {
			p.Param = p.Type
		}
	case "cursor":
		if set(p.Path, p.RecordPath, p.Header) != 1 {
			return fault.New(fault.BadConfig, "pagination cursor needs one of path (in the answer), record_path (in a page's last record) and header")
		}
		if p.Param == "" {
			p.Param = "cursor"
		}
	case "next_url":
		if p.Path == "" {
			return fault.New(fault.BadConfig, "pagination next_url needs path, where an answer has it")
		}
	}
	if p.StopAt == "short" && p.Limit <= 0 {
		return fault.New(fault.BadConfig, "pagination.stop_at short needs a limit")
	}
	if paths := set(p.Path, p.MorePath, p.EndPath, p.TotalPath); paths > 0 && src.Response != asJSON && src.Response != asXML {
		return fault.New(fault.BadConfig, "pagination %s by a path in the answer needs JSON or XML answers", p.Type)
	}
	if src.next, err = httpapi.ParsePath(p.Path); err != nil {
		return err
	}
	for _, one := range []struct {
		text string
		to   **httpapi.Path
	}{{p.RecordPath, &src.lastOf}, {p.MorePath, &src.more}, {p.EndPath, &src.end}, {p.TotalPath, &src.total}} {
		if one.text == "" {
			continue
		}
		path, err := httpapi.ParsePath(one.text)
		if err != nil {
			return err
		}
		*one.to = &path
	}
	return nil
}

// set is how many texts are not empty.
func set(texts ...string) (n int) {
	for _, t := range texts {
		if t != "" {
			n++
		}
	}
	return n
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
	var shape struct {
		Properties map[string]struct{ Type any }
	}
	if err := json.Unmarshal(raw, &shape); err != nil || len(shape.Properties) == 0 {
		return fault.New(fault.BadConfig, "the schema has no properties").WithHint("it is a JSON Schema: {\"properties\": {\"id\": {\"type\": \"integer\"}}}")
	}
	src.schema, src.kinds = raw, map[string]string{}
	for name, p := range shape.Properties {
		types, ok := p.Type.([]any)
		if !ok {
			types = []any{p.Type}
		}
		types = slices.DeleteFunc(types, func(t any) bool { return t == "null" })
		if len(types) == 1 && types[0] != "string" {
			src.kinds[name], _ = types[0].(string)
		}
	}
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
