package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"elt/internal/needs"
	"elt/internal/project"
)

var update = flag.Bool("update", false, "rewrite the expected files")

// golden compares files, joined, with testdata/name.
func golden(t *testing.T, name string, files []File) {
	t.Helper()
	var got bytes.Buffer
	for _, f := range files {
		got.WriteString("##### " + f.Name + "\n")
		got.Write(f.Text)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s is another:\n%s", path, got.String())
	}
}

// schema compiles one of the official schemas; at is a place in it.
func schema(t *testing.T, name, at string) *jsonschema.Schema {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("official.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("official.json" + at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// asKubernetes checks manifests as a cluster would, and returns their kinds.
func asKubernetes(t *testing.T, files []File) string {
	t.Helper()
	var kinds struct{ Kinds map[string]string }
	raw, err := os.ReadFile("testdata/kubernetes-1.31.schema.json")
	if err == nil {
		err = json.Unmarshal(raw, &kinds)
	}
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, f := range files {
		for _, text := range strings.Split(string(f.Text), "\n---\n") {
			doc := decoded(t, text)
			object, _ := doc.(map[string]any)
			kind, _ := object["kind"].(string)
			version, _ := object["apiVersion"].(string)
			definition, known := kinds.Kinds[version+"/"+kind]
			if !known {
				t.Errorf("%s: no schema for %s %s", f.Name, version, kind)
				continue
			}
			if err := schema(t, "kubernetes-1.31.schema.json", "#/definitions/"+definition).Validate(doc); err != nil {
				t.Errorf("%s: %v\n%s", f.Name, err, text)
			}
			seen = append(seen, kind)
		}
	}
	return strings.Join(seen, " ")
}

// demand is what a project of two plugins needs.
func demand(postgres bool) *needs.Needs {
	n := &needs.Needs{Environment: "prod", Plugins: []needs.Plugin{
		{Name: "tap-x", Kind: project.Extractors, Connector: "tap-rest"},
		{Name: "target-y", Kind: project.Loaders, Connector: "target-postgres"},
	}, Variables: []needs.Variable{
		{Name: "TAP_X_TOKEN", Secret: true, Required: true, Group: needs.Taps},
		{Name: "TAP_X_URL", Required: true, Group: needs.Taps},
		{Name: "TAP_X_UNUSED", Secret: true, Group: needs.Taps},
		{Name: "TARGET_Y_PASSWORD", Secret: true, Required: true, Group: needs.Targets},
		{Name: "TZ", Set: true, Group: needs.Other},
	}}
	if postgres {
		n.Store = needs.Store{Postgres: true, Variable: "MELTANO_DATABASE_URI"}
		n.Variables = append([]needs.Variable{{Name: "MELTANO_DATABASE_URI", Secret: true, Required: true, Group: needs.Database}}, n.Variables...)
	}
	return n
}

func manifests(postgres bool) Kubernetes {
	return Kubernetes{Name: "elt", Namespace: "elt-prod", Image: "registry.example.com/data:1.2", Environment: "prod", As: AsDaemon, Executor: InDaemon, Replicas: 1,
		Needs: demand(postgres), CloudSQLImage: "example.com/proxy:2.14.1", CPU: "250m", Memory: "512Mi", Storage: "10Gi",
		Schedules: []Schedule{{Name: "nightly", Cron: "0 3 * * *", Timezone: "Europe/Vienna", Retries: 1},
			{Name: "Every hour: the \"odd\" one", Cron: "0 * * * *", Timezone: "Etc/UTC", Replace: true, Paused: true, Seconds: 3600, Retries: 3}}}
}

func TestKubernetes(t *testing.T) {
	sql := manifests(true)
	sql.Replicas, sql.CloudSQL, sql.CloudSQLSecret, sql.ServiceAccount = 2, "my-project:us-west1:state", "cloud-sql", "elt"
	lite := manifests(false)
	lite.Project = []File{{"meltano.yml", []byte("a: 1\n\nb: |\n  \ttab and \"quotes\"\n")}, {"plugins/extractors/tap-x--y.lock", []byte("{}\n")}}
	inJobs, bound := manifests(true), manifests(true)
	inJobs.Executor, bound.Executor, bound.ServiceAccount = InJobs, InJobs, "elt-prod-sql"
	jobs := manifests(true)
	jobs.As, jobs.CloudSQL = AsCronJob, "my-project:us-west1:state"
	for _, c := range []struct {
		name  string
		k     Kubernetes
		kinds string
	}{
		{"daemon-cloud-sql.yaml", sql, "Namespace Deployment"},
		{"daemon-sqlite.yaml", lite, "Namespace ConfigMap PersistentVolumeClaim Deployment"},
		{"cronjobs.yaml", jobs, "Namespace CronJob CronJob"},
		{"daemon-jobs.yaml", inJobs, "Namespace ServiceAccount Role RoleBinding Deployment"},
		{"daemon-jobs-account.yaml", bound, "Namespace Role RoleBinding Deployment"},
	} {
		files, err := c.k.Files()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, c.name, files)
		if kinds := asKubernetes(t, files); kinds != c.kinds {
			t.Errorf("%s: %s, want %s", c.name, kinds, c.kinds)
		}
		again, _ := c.k.Files()
		for i := range files {
			if !bytes.Equal(files[i].Text, again[i].Text) {
				t.Errorf("%s: another time, another text", c.name)
			}
		}
	}
}

// What a ConfigMap holds is the project's file, byte for byte.
func TestProjectInAConfigMap(t *testing.T) {
	k := manifests(false)
	text := "# a\na:\n  b: \"x\"\n\n  c: |\n    d\n"
	k.Project = []File{{"sub/elt.yml", []byte(text)}}
	files, err := k.Files()
	if err != nil {
		t.Fatal(err)
	}
	doc := decoded(t, string(files[1].Text)).(map[string]any)
	if got := doc["data"].(map[string]any)["sub__elt.yml"]; got != text {
		t.Errorf("got %q", got)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		change func(*Kubernetes)
		want   string
	}{
		{func(k *Kubernetes) { k.Image = "" }, "--image is missing"},
		{func(k *Kubernetes) { k.Image = "registry.example.com:5000/data" }, "is not pinned"},
		{func(k *Kubernetes) { k.Image = "data:latest" }, "is not pinned"},
		{func(k *Kubernetes) { k.Image = "data:1 --x" }, "is no image"},
		{func(k *Kubernetes) { k.CloudSQLImage = "proxy:latest" }, "is not pinned"},
		{func(k *Kubernetes) { k.Namespace = "A_b" }, "is no name of Kubernetes"},
		{func(k *Kubernetes) { k.Name = "" }, "is no name of Kubernetes"},
		{func(k *Kubernetes) { k.As = "timer" }, "--schedule-as"},
		{func(k *Kubernetes) { k.CloudSQL = "state" }, "is no instance"},
		{func(k *Kubernetes) { k.CloudSQL, k.Needs = "p-x:r:i", demand(false) }, "the store is SQLite"},
		{func(k *Kubernetes) { k.Replicas = 0 }, "at least 1"},
		{func(k *Kubernetes) { k.Executor = "cloud" }, "--executor"},
		{func(k *Kubernetes) { k.Executor, k.As = InJobs, AsCronJob }, "a Job already"},
		{func(k *Kubernetes) { k.Executor, k.Needs = InJobs, demand(false) }, "that Jobs can share"},
		{func(k *Kubernetes) { k.Replicas, k.Needs = 2, demand(false) }, "several can share"},
		{func(k *Kubernetes) { k.Memory = "lots" }, "is no quantity"},
		{func(k *Kubernetes) { k.As, k.Schedules[0].Cron = AsCronJob, "0 0 * * 7" }, "Kubernetes does not understand"},
		{func(k *Kubernetes) { k.As, k.Schedules = AsCronJob, nil }, "no schedule that fires"},
	} {
		k := manifests(true)
		c.change(&k)
		if _, err := k.Files(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for _, fine := range []string{"data:1", "registry.example.com:5000/a/b:v1.2-3", "data@sha256:" + strings.Repeat("0a", 32)} {
		if err := pinned("--image", fine); err != nil {
			t.Errorf("%s: %v", fine, err)
		}
	}
}

func TestNamesOfJobs(t *testing.T) {
	long := strings.Repeat("long-", 20)
	got := slugs([]string{"a-b", "a_b", "A b", long + "1", long + "2", "ü"}, 30)
	seen := map[string]bool{}
	for _, s := range got {
		if seen[s] || len(s) > 30 || s != "" && !label().MatchString(s) {
			t.Errorf("%q of %q", s, got)
		}
		seen[s] = true
	}
	if got[0] != "a-b" {
		t.Errorf("a-b becomes %s", got[0])
	}
}
