package trace

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	for parent, want := range map[string]string{
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		"": "00-0198f6c2000070008000000000000001-0000000000000000-01",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": "00-0198f6c2000070008000000000000001-0000000000000000-01",
		"nonsense": "00-0198f6c2000070008000000000000001-0000000000000000-01",
	} {
		got := New(parent, "0198f6c2-0000-7000-8000-000000000001")
		if p := Parent(got.ID, got.Parent); p != want {
			t.Errorf("%q: %s", parent, p)
		}
	}
	if a, b := New("", "no uuid"), New("", "no uuid"); a.ID == b.ID || a.ID == (TraceID{}) {
		t.Error("an id by chance is none")
	}
}

func TestSend(t *testing.T) {
	var got map[string]any
	var header http.Header
	var path string
	answer := 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, header, path = nil, r.Header, r.URL.Path
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer)
	}))
	defer s.Close()
	env := map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b", "OTEL_RESOURCE_ATTRIBUTES": "team=data,service.name=x", "OTEL_SERVICE_NAME": "loads"}
	x, secrets, err := NewExporter(s.URL+"/", "1.2", func(name string) string { return env[name] })
	if err != nil || len(secrets) != 1 {
		t.Fatal(err, secrets)
	}
	tr := New("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "")
	start := time.Unix(1700000000, 5)
	run := tr.Add(Span{Name: "run", Start: start, End: start.Add(time.Second), Attributes: []Attribute{{"rows", int64(9007199254740993)}, {"name", "x"}, {"ok", false}}})
	tr.Add(Span{Name: "stream", Parent: run, Start: start, End: start, Failed: true, Error: "why"})
	if err := x.Send(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	if path != "/v1/traces" || header.Get("X-Key") != "a b" || header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %v", path, header)
	}
	text, _ := json.Marshal(got)
	for _, want := range []string{`"traceId":"0af7651916cd43dd8448eb211c80319c"`, `"parentSpanId":"b7ad6b7169203331"`, `"startTimeUnixNano":"1700000000000000005"`,
		`{"key":"rows","value":{"intValue":"9007199254740993"}}`, `{"key":"service.name","value":{"stringValue":"loads"}}`, `{"key":"ok","value":{"boolValue":false}}`,
		`"status":{"code":2,"message":"why"}`, `"resourceSpans":[`, `"scopeSpans":[`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	answer = 500
	if err := x.Send(t.Context(), tr); err == nil {
		t.Error("500 is taken for success")
	}
}

func TestOff(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing": {}, "disabled": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://h/x", "OTEL_SDK_DISABLED": "true"},
	} {
		if x, _, err := NewExporter("", "", func(n string) string { return env[n] }); x != nil || err != nil {
			t.Errorf("%s: %v %v", name, x, err)
		}
	}
	if _, _, err := NewExporter("http://h:4317", "", func(n string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}[n]
	}); err == nil {
		t.Error("grpc")
	}
}
