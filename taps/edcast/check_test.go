package edcast

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/internal/fake/domo"
	"elt/taps"
)

func TestCheck(t *testing.T) {
	d := newDomo(t, glue("2021-12-14T00:11:39"))
	for _, c := range []struct {
		more map[string]any
		want string
	}{
		{nil, "settings connect login discover"},
		{map[string]any{"password": "wrong-secret"}, "settings connect login:auth"},
		{map[string]any{"datasets": []string{"nosuch"}}, "settings connect login discover:path"},
		{map[string]any{"end_date": "2000-01-01"}, "settings:settings"},
	} {
		raw, err := json.Marshal(config(d, c.more))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		err = taps.Serve(t.Context(), New(), []string{"--config", path, "--check"}, taps.IO{Out: &out, Err: &errs}, nil)
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
		if strings.Join(got, " ") != c.want || (err == check.ErrFailed) != strings.Contains(c.want, ":") {
			t.Errorf("%v: %v, want %s (%v)\n%s", c.more, got, c.want, err, out.String())
		}
		if strings.Contains(out.String()+errs.String(), "wrong-secret") || strings.Contains(out.String()+errs.String(), domo.Secret) {
			t.Errorf("the secret is shown: %s%s", out.String(), errs.String())
		}
	}
}
