package xactly

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"elt/internal/check"
	fake "elt/internal/fake/xactly"
	"elt/taps"
)

func TestCheck(t *testing.T) {
	s := start(t, fake.Behaviour{}, fake.Tables(2)...)
	for _, c := range []struct {
		more object
		want string
	}{
		{nil, "settings connect login discover"},
		{object{"password": "canary-wrong"}, "settings connect login:auth"},
		{object{"consumer": "other"}, "settings connect login:auth"},
		{object{"url_base": s.URL + "/elsewhere"}, "settings connect login:path"},
		{object{"url_base": "http://127.0.0.1:1"}, "settings connect:connect"},
		{object{"end_date": "1960-01-01"}, "settings:settings"},
	} {
		var out, errs bytes.Buffer
		err := taps.Serve(t.Context(), New(), []string{"--config", file(t, config(s, c.more)), "--check"}, taps.IO{Out: &out, Err: &errs}, nil)
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
		if strings.Contains(out.String()+errs.String(), "canary") {
			t.Errorf("a secret is shown: %s%s", out.String(), errs.String())
		}
	}
}
