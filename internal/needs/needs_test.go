package needs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/project"
	"elt/internal/spec"
	"elt/plugins"
	"elt/taps"
	"elt/targets"
)

const text = `
default_environment: prod
env:
  HOST: db.example.com
  OWN: $OWN
  REGION: ${CLOUD}-west
environments:
- name: prod
  env: {STAGE: prod}
  config:
    plugins:
      extractors:
      - {name: tap-x, config: {url: "https://$HOST/${STAGE}", region: $PROD_REGION}}
- name: dev
plugins:
  extractors:
  - name: tap-x
    namespace: tap_x
    executable: tap-x
    settings:
    - {name: url}
    - {name: token, sensitive: true}
    - {name: spare_key, sensitive: true}
    - {name: clear, sensitive: true}
    - {name: needed}
    - {name: cert}
    settings_group_validation: [[url, needed]]
    config:
      token: $X_TOKEN
      clear: in the open
      cert: ${file:secrets/x.pem}
      own: $OWN-$REGION-$WHO \$NOT_ONE
    commands: {report: --to $REPORT_TO}
  - {name: tap-x--child, inherit_from: tap-x}
  - {name: tap-unused, namespace: tap_unused, config: {password: $UNUSED}}
  loaders:
  - name: target-y
    namespace: target_y
    config: {schema: $MELTANO_EXTRACT__LOAD_SCHEMA, password: $X_TOKEN}
schedules:
- {name: s, interval: '@daily', extractor: tap-x--child, loader: target-y, transform: skip, env: {WHO: $OPERATOR}}
`

func of(t *testing.T, text, uri string, all bool, environ ...string) *Needs {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "meltano.yml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("X_TOKEN=canary\nEMPTY=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(t.Context(), project.Options{Dir: dir, Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Of(t.Context(), Options{Project: p, StoreURI: uri, All: all,
		Resolver: &plugins.Resolver{Project: p, Taps: taps.NewRegistry(), Targets: targets.NewRegistry()},
		Spec:     func(project.Kind, string) spec.Spec { return spec.Spec{} }})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprintf("%+v", n), "canary") {
		t.Errorf("a value is in %+v", n)
	}
	return n
}

func lines(n *Needs) string {
	var out []string
	for _, v := range n.Variables {
		line := v.Name
		for flag, is := range map[string]bool{"secret": v.Secret, "required": v.Required, "set:" + v.By: v.Set} {
			if is {
				line += " +" + flag
			}
		}
		words := strings.Fields(line)
		out = append(out, words[0]+" "+sorted(words[1:])+" "+string(v.Group)+" "+fmt.Sprint(v.Uses))
	}
	return strings.Join(out, "\n")
}

func sorted(words []string) string {
	out := ""
	for _, w := range []string{"+secret", "+required", "+set:environment", "+set:dotenv"} {
		for _, have := range words {
			if have == w {
				out += w
			}
		}
	}
	return out
}

func TestOf(t *testing.T) {
	n := of(t, text, "", false, "PROD_REGION=eu", "TAP_X_SPARE_KEY=canary")
	want := `MELTANO_DATABASE_URI +secret database [{ database_uri  0}]
PROD_REGION +required+set:environment taps [{tap-x region meltano.yml 13}]
REPORT_TO  taps [{tap-x commands.report meltano.yml 33}]
TAP_X_NEEDED +required taps [{tap-x--child needed  0}]
TAP_X_SPARE_KEY +secret+required+set:environment taps [{tap-x--child spare_key  0}]
X_TOKEN +secret+required+set:dotenv taps [{tap-x token meltano.yml 29} {target-y password meltano.yml 39}]
CLOUD +required other [{ env.REGION meltano.yml 6}]
OWN +required other [{ env.OWN meltano.yml 5}]`
	if got := lines(n); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if fmt.Sprint(n.Clear) != "[{tap-x--child clear meltano.yml 30}]" || fmt.Sprint(n.Files) != "[secrets/x.pem]" {
		t.Errorf("in clear %v, files %v", n.Clear, n.Files)
	}
	if fmt.Sprint(n.Missing()) != "[TAP_X_NEEDED CLOUD OWN]" {
		t.Errorf("missing: %v", n.Missing())
	}
	if all := lines(of(t, text, "", true)); !strings.Contains(all, "UNUSED +secret+required taps") {
		t.Errorf("--all:\n%s", all)
	}
}

func TestStore(t *testing.T) {
	own := "database_uri: $STATE\n" + text
	for _, c := range []struct {
		text, uri string
		environ   []string
		want      Store
	}{
		{text, "", nil, Store{Variable: "MELTANO_DATABASE_URI"}},
		{text, "postgresql://u:p@h/d", []string{"MELTANO_DATABASE_URI=postgresql://u:p@h/d"}, Store{true, "MELTANO_DATABASE_URI"}},
		{text, "postgresql://u:p@h/d", []string{"AIRFLOW__CORE__SQL_ALCHEMY_CONN=postgresql://u:p@h/d"}, Store{true, "AIRFLOW__CORE__SQL_ALCHEMY_CONN"}},
		{text, "sqlite:///x.db", []string{"ELT_DATABASE_URI=sqlite:///x.db"}, Store{false, "ELT_DATABASE_URI"}},
		{own, "", nil, Store{true, "STATE"}},
		{"database_uri: postgresql://u:p@h/d\n" + text, "postgresql://u:p@h/d", nil, Store{true, ""}},
	} {
		n := of(t, c.text, c.uri, false, c.environ...)
		if n.Store != c.want {
			t.Errorf("%s %v: %+v, want %+v", c.uri, c.environ, n.Store, c.want)
		}
	}
}
