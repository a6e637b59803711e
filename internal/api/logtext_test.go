package api

import (
	"strings"
	"testing"
)

func TestLogAsText(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		mask := c.Mask
		c.Mask = func(s string) string { return strings.ReplaceAll(mask(s), "hunter2", "***") }
	})
	id := w.enqueue("x")
	path := "/api/v1/runs/" + id + "/logs?format=text"
	if got := w.want(200, "GET", path, ""); got.text != "" {
		t.Errorf("a run that has said nothing: %q", got.text)
	}
	var many []string
	for range 6000 { // more than a page has
		many = append(many, logged("info", "again"))
	}
	w.writeLog(id, logged("info", "key hunter2"), "plain words", logged("error", "no such host"))
	w.writeLog(id, many...)
	got := w.want(200, "GET", path, "")
	lines := strings.Split(got.text, "\n")
	if got.Header.Get("Content-Type") != "text/plain; charset=utf-8" || got.Header.Get("Content-Disposition") != `attachment; filename="run-`+id+`.log"` {
		t.Errorf("%v", got.Header)
	}
	if len(lines) != 6004 || lines[0] != "2026-01-02T03:04:05.678Z info tap-own key *** rows=3" || lines[1] != "info elt plain words" || lines[6003] != "" {
		t.Errorf("%d lines: %q", len(lines), lines[:2])
	}
	if got := w.want(200, "GET", path+"&level=error", ""); got.text != "2026-01-02T03:04:05.678Z error tap-own no such host rows=3\n" {
		t.Errorf("%q", got.text)
	}
	w.want(404, "GET", "/api/v1/runs/none/logs?format=text", "")
	w.want(401, "GET", path, "", "Authorization: ")
	w.want(422, "GET", "/api/v1/runs/"+id+"/logs?format=pdf", "")
}
