// Package trace sends spans to a collector of OpenTelemetry: OTLP over HTTP,
// in its JSON encoding. A program collects the spans of what it did and sends
// them once, at its end. docs/decisions/2026-11-21-traces-by-hand.md says why
// it is not the SDK.
package trace

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// TraceID is 16 bytes, SpanID 8; all zero is none.
type (
	TraceID [16]byte
	SpanID  [8]byte
)

// Span is something that took time.
type Span struct {
	ID, Parent SpanID
	Name       string
	Start, End time.Time
	Attributes []Attribute
	Failed     bool
	Error      string // why
}

// Attribute is a name with a text, a whole number or a truth value.
type Attribute struct {
	Name  string
	Value any // string, int64, bool
}

// Trace is the spans of one process, and what they hang on.
type Trace struct {
	ID     TraceID
	Parent SpanID // of who asked for this; zero: nobody
	Spans  []Span
}

var parentForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)
})

// New is a trace that goes on one given as the W3C's traceparent; where there
// is none, its id is that of what is traced, a UUID, so that one is found by
// the other.
func New(traceparent, id string) Trace {
	var t Trace
	if m := parentForm().FindStringSubmatch(strings.TrimSpace(traceparent)); m != nil && strings.Trim(m[1], "0") != "" && strings.Trim(m[2], "0") != "" {
		_, _ = hex.Decode(t.ID[:], []byte(m[1])) // the form has been seen to
		_, _ = hex.Decode(t.Parent[:], []byte(m[2]))
		return t
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(raw) != len(t.ID) {
		raw = make([]byte, len(t.ID))
		_, _ = rand.Read(raw) // it never fails
	}
	copy(t.ID[:], raw)
	return t
}

// Add adds a span and gives it an id.
func (t *Trace) Add(s Span) SpanID {
	_, _ = rand.Read(s.ID[:]) // it never fails
	t.Spans = append(t.Spans, s)
	return s.ID
}

// Parent writes the traceparent of a span whose trace is sampled.
func Parent(id TraceID, span SpanID) string { return fmt.Sprintf("00-%x-%x-01", id[:], span[:]) }

// Exporter sends traces to a collector.
type Exporter struct {
	url      string
	header   http.Header
	resource []Attribute
	client   *http.Client
}

// NewExporter reads OTEL_* variables; endpoint is the base address of the
// collector, for example http://127.0.0.1:4318. Nil when tracing is off. The
// texts are secrets among the headers.
func NewExporter(endpoint, version string, variable func(string) string) (*Exporter, []string, error) {
	whole := variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if whole == "" && endpoint == "" || strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true") || variable("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil, nil
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		if p := variable(name); p == "grpc" {
			return nil, nil, fmt.Errorf("%s is grpc; elt speaks http/json, mostly at port 4318", name)
		} else if p != "" {
			break
		}
	}
	if whole == "" {
		whole = strings.TrimRight(endpoint, "/") + "/v1/traces"
	}
	if u, err := url.Parse(whole); err != nil || u.Host == "" {
		return nil, nil, errors.New("the address of the collector for traces is none, as http://127.0.0.1:4318 is")
	}
	x := &Exporter{url: whole, header: http.Header{}, client: &http.Client{}}
	var secrets []string
	headers := variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
	if headers == "" {
		headers = variable("OTEL_EXPORTER_OTLP_HEADERS")
	}
	for name, value := range pairs(headers) {
		x.header.Set(name, value)
		secrets = append(secrets, value)
	}
	service := variable("OTEL_SERVICE_NAME")
	for name, value := range pairs(variable("OTEL_RESOURCE_ATTRIBUTES")) {
		if name == "service.name" && service == "" {
			service = value
		} else if name != "service.name" {
			x.resource = append(x.resource, Attribute{name, value})
		}
	}
	if service == "" {
		service = "elt"
	}
	x.resource = append(x.resource, Attribute{"service.name", service}, Attribute{"service.version", version})
	slices.SortFunc(x.resource, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return x, secrets, nil
}

// pairs reads "a=1,b=2", values percent-encoded, as OTEL_* variables have it.
func pairs(text string) map[string]string {
	out := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			continue
		}
		if plain, err := url.PathUnescape(strings.TrimSpace(value)); err == nil {
			out[strings.TrimSpace(name)] = plain
		}
	}
	return out
}

// Send sends a trace.
func (x *Exporter) Send(ctx context.Context, t Trace) error {
	body, err := json.Marshal(x.request(t))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = x.header.Clone()
	req.Header.Set("Content-Type", "application/json")
	resp, err := x.client.Do(req)
	if err != nil {
		return fmt.Errorf("send the trace: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("send the trace to %s: %s %s", req.URL.Host, resp.Status, strings.TrimSpace(string(said)))
	}
	return nil
}

// The request, as opentelemetry-proto has it in JSON: ids in hex, times and
// whole numbers as text.
type (
	request  struct{ ResourceSpans []resourceSpans }
	resource struct {
		Attributes []attribute `json:"attributes"`
	}
	scope struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	resourceSpans struct {
		Resource   resource     `json:"resource"`
		ScopeSpans []scopeSpans `json:"scopeSpans"`
	}
	scopeSpans struct {
		Scope scope  `json:"scope"`
		Spans []span `json:"spans"`
	}
	span struct {
		TraceID    string      `json:"traceId"`
		SpanID     string      `json:"spanId"`
		Parent     string      `json:"parentSpanId,omitempty"`
		Name       string      `json:"name"`
		Kind       int         `json:"kind"`
		Start      string      `json:"startTimeUnixNano"`
		End        string      `json:"endTimeUnixNano"`
		Attributes []attribute `json:"attributes,omitempty"`
		Status     status      `json:"status"`
	}
	status struct {
		Code    int    `json:"code,omitempty"`
		Message string `json:"message,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string `json:"stringValue,omitempty"`
		Int    string  `json:"intValue,omitempty"`
		Bool   *bool   `json:"boolValue,omitempty"`
	}
)

// MarshalJSON names the one field as the protocol does.
func (r request) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"resourceSpans": r.ResourceSpans})
}

const (
	kindInternal = 1
	statusOK     = 1
	statusError  = 2
)

func (x *Exporter) request(t Trace) request {
	var spans []span
	for _, s := range t.Spans {
		parent := s.Parent
		if parent == (SpanID{}) {
			parent = t.Parent
		}
		one := span{TraceID: hex.EncodeToString(t.ID[:]), SpanID: hex.EncodeToString(s.ID[:]), Name: s.Name, Kind: kindInternal,
			Start: nano(s.Start), End: nano(s.End), Attributes: attributes(s.Attributes), Status: status{Code: statusOK}}
		if parent != (SpanID{}) {
			one.Parent = hex.EncodeToString(parent[:])
		}
		if s.Failed {
			one.Status = status{statusError, s.Error}
		}
		spans = append(spans, one)
	}
	return request{[]resourceSpans{{Resource: resource{attributes(x.resource)}, ScopeSpans: []scopeSpans{{Scope: scope{Name: "elt"}, Spans: spans}}}}}
}

func nano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func attributes(list []Attribute) (out []attribute) {
	for _, a := range list {
		v := value{}
		switch x := a.Value.(type) {
		case string:
			v.String = &x
		case int64:
			v.Int = strconv.FormatInt(x, 10)
		case bool:
			v.Bool = &x
		}
		out = append(out, attribute{a.Name, v})
	}
	return out
}
