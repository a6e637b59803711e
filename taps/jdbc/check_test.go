package jdbc_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/taps"
	"elt/taps/jdbc"
)

// TestCheck: `elt test` names what failed, and after it a record of each
// stream is read over one connection.
func TestCheck(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, manyRows)
	catalogPath := filepath.Join(t.TempDir(), "catalog.json")
	text, err := catalog(t, d.settings(t, nil)).Print()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(catalogPath, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		more       map[string]any
		args       []string
		want, said string
	}{
		{nil, nil, "settings connect discover", "HSQL Database Engine"},
		{nil, []string{"--catalog", catalogPath}, "read", "1 stream, with rows"},
		{map[string]any{"password": "opensesame"}, nil, "settings connect:auth", "SA"},
		{map[string]any{"driver_jars": []string{"/nowhere/x.jar"}}, nil, "settings:path", "/nowhere/x.jar"},
		{map[string]any{"url": "jdbc:oracle:thin:x"}, nil, "settings connect:settings", "no suitable driver"},
		{map[string]any{"properties": map[string]any{"apiToken": "opensesame-4711"}, "url": "jdbc:hsqldb:file:/nowhere/x;ifexists=true;password=opensesame-4711"}, nil, "settings connect:other", "opensesame"},
	} {
		raw, _ := json.Marshal(d.settings(t, c.more))
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		taps.Serve(t.Context(), jdbc.New(), append([]string{"--config", path, "--check"}, c.args...), taps.IO{Out: &out, Err: &errs}, nil)
		var got []string
		for line := range strings.Lines(out.String()) {
			var r check.Result
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if !r.Passed {
				r.Check += ":" + string(r.Kind)
			}
			got = append(got, r.Check)
		}
		said := strings.Contains(out.String(), c.said)
		if c.said == "opensesame" {
			said = !strings.Contains(out.String()+errs.String(), c.said)
		}
		if strings.Join(got, " ") != c.want || !said {
			t.Errorf("%v: %s\n%s%s", c.more, strings.Join(got, " "), out.String(), errs.String())
		}
	}
}
