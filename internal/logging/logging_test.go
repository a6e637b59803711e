package logging

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"elt/internal/fault"
)

func lines(t *testing.T, o Options) string {
	t.Helper()
	var out bytes.Buffer
	log, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug().Msg("hidden")
	log.Warn().Str("plugin", "tap-x").Int("rows", 3).Msg(`say ","message":"no`)
	return regexp.MustCompile(`20\d\d-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`).ReplaceAllString(out.String(), "TIME")
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"":          "TIME WRN tap-x        | say \",\"message\":\"no rows=3\n",
		"plain":     "say \",\"message\":\"no\n",
		"key_value": `timestamp="TIME" level="warn" plugin="tap-x" event="say \",\"message\":\"no" rows=3` + "\n",
	} {
		if got := lines(t, Options{Format: format}); got != want {
			t.Errorf("%q:\n got %q\nwant %q", format, got, want)
		}
	}
}

func TestJSONHasMeltanosNames(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(lines(t, Options{Format: "json"})), &got); err != nil {
		t.Fatal(err)
	}
	if got["level"] != "warning" || got["event"] != `say ","message":"no` || got["timestamp"] != "TIME" || got["plugin"] != "tap-x" {
		t.Error(got)
	}
}

func TestUnknownNamesAreUsageErrors(t *testing.T) {
	for _, o := range []Options{{Level: "loud"}, {Format: "xml"}} {
		if _, err := New(&bytes.Buffer{}, o); fault.CodeOf(err) != fault.Usage {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
