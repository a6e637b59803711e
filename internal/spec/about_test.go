package spec

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var sample = Spec{Name: "tap-sample", Summary: "Samples.", Capabilities: []string{"catalog", "discover"}, Settings: []Setting{
	{Name: "host", Type: String, Required: true, Help: "Where it is.", Example: "db.example.com"},
	{Name: "tunnel.port", Aliases: []string{"port"}, Type: Integer, Default: 22, Help: "The a|b port."},
	{Name: "password", Type: String, Secret: true, Help: "Secret."},
	{Name: "mode", Type: String, OneOf: []string{"fast", "safe"}, Default: "safe", Help: "How."},
	{Name: "files", Type: Array, Help: "Which."},
}}

func TestAboutFormats(t *testing.T) {
	text, err := sample.About("", "1.2")
	if err != nil || !strings.Contains(text, "tap-sample 1.2\nSamples.") || !strings.Contains(text, "tunnel.port (integer) [default 22; also port]") {
		t.Errorf("%v\n%s", err, text)
	}
	markdown, err := sample.About("markdown", "1.2")
	if err != nil || !strings.Contains(markdown, "| `tunnel.port` | integer | false | `22` | The a\\|b port. Also called `port`. |") {
		t.Errorf("%v\n%s", err, markdown)
	}
	raw, err := sample.About("json", "1.2")
	if err != nil {
		t.Fatal(err)
	}
	var about struct {
		Name, Version string
		Settings      struct {
			Required   []string
			Properties map[string]struct {
				Type   []string
				Enum   []string
				Secret bool
			}
		}
	}
	if err := json.Unmarshal([]byte(raw), &about); err != nil {
		t.Fatal(err)
	}
	p := about.Settings.Properties
	if about.Name != "tap-sample" || about.Version != "1.2" || strings.Join(about.Settings.Required, ",") != "host" ||
		!p["password"].Secret || len(p["host"].Type) != 1 || len(p["mode"].Enum) != 2 {
		t.Errorf("%s", raw)
	}
	if _, err := sample.About("yaml", ""); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func TestReadConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"a.json": `{"host":"a","n":12345678901234567890.10,"keep":[1]}`, "b.json": `{"host":"b"}`, "broken.json": `{`,
		".env": "TAP_SAMPLE_PASSWORD=fromdotenv\nTAP_SAMPLE_MODE=fast\n",
	} {
		if err := os.WriteFile(filepath.Join(".", name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := sample.ReadConfig([]string{"a.json", "ENV", "b.json"}, []string{"TAP_SAMPLE_MODE=safe", "TAP_SAMPLE_PORT=2222", `TAP_SAMPLE_FILES=[{"a":1}]`, "OTHER=1"})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"files":"[{\"a\":1}]","host":"b","keep":[1],"mode":"safe","n":12345678901234567890.10,"password":"fromdotenv","tunnel":{"port":"2222"}}`
	if string(raw) != want {
		t.Errorf("got  %s\nwant %s", raw, want)
	}
	cfg, unknown, err := sample.Resolve(raw)
	if err != nil || strings.Join(unknown, ",") != "keep,n" {
		t.Errorf("%v %v", unknown, err)
	}
	var c struct {
		Tunnel struct{ Port int }
		Files  []map[string]int
	}
	if err := cfg.Decode(&c); err != nil || c.Tunnel.Port != 2222 || c.Files[0]["a"] != 1 {
		t.Errorf("%+v %v", c, err)
	}
	for _, bad := range []string{"nosuch.json", "broken.json"} {
		if _, err := sample.ReadConfig([]string{bad}, nil); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}
