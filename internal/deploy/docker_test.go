package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/needs"
	"elt/internal/project"
)

func TestDocker(t *testing.T) {
	java := needs.Plugin{Name: "tap-db", Kind: project.Extractors, Connector: "tap-jdbc"}
	python := []needs.Plugin{
		{Name: "tap-z", Venv: "tap-z", Kind: project.Extractors, PipURL: "tap-z~=1.0 requests<3"},
		{Name: "tap-private", Venv: "tap-private", Kind: project.Extractors, PipURL: "git+https://${GIT_TOKEN}@example.com/a/tap-private.git"},
	}
	for _, c := range []struct {
		name    string
		plugins []needs.Plugin
		daemon  bool
	}{
		{"static.Dockerfile", nil, true},
		{"java.Dockerfile", []needs.Plugin{java}, false},
		{"python.Dockerfile", python, false},
		{"both.Dockerfile", append([]needs.Plugin{java}, python...), true},
	} {
		d := Docker{Name: "data", Base: "elt:1.2.0", Environment: "prod", Daemon: c.daemon, Command: []string{"invoke", "airflow", "scheduler"}, Needs: demand(true)}
		d.Needs.Plugins = append(d.Needs.Plugins, c.plugins...)
		files, err := d.Files()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, c.name, files)
		if err := schema(t, "compose.schema.json", "").Validate(decoded(t, string(files[2].Text))); err != nil {
			t.Errorf("%s: compose.yaml: %v", c.name, err)
		}
		text := string(files[0].Text)
		for _, must := range []string{"USER 65532:65532", `ENTRYPOINT ["/sbin/tini", "--", "elt"]`, `CMD ["invoke", "airflow", "scheduler"]`} {
			if !strings.Contains(text, must) {
				t.Errorf("%s lacks %s", c.name, must)
			}
		}
	}
	if _, err := (Docker{Name: "data", Base: "elt:latest", Needs: demand(true)}).Files(); err == nil {
		t.Error("a base that is not pinned is taken")
	}
}

// The Dockerfile's shell lines are run by a shell: a package's name is one word.
func TestShellWords(t *testing.T) {
	for _, word := range []string{"tap-x~=1.0", "a'b", `$HOME/x"y`, "a b; echo no", "`echo no`", "$(echo no)$HOME"} {
		out, err := exec.Command("/bin/sh", "-c", "export HOME=/h; printf '%s\\n' "+shell(word)).CombinedOutput()
		want := strings.ReplaceAll(word, "$HOME", "/h") + "\n"
		if err != nil || string(out) != want {
			t.Errorf("%s: %q %v, want %q", word, out, err, want)
		}
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	k := manifests(true)
	files, err := k.Files()
	if err != nil {
		t.Fatal(err)
	}
	changed, err := Write(dir, files, false)
	if err != nil || strings.Join(changed, " ") != "namespace.yaml deployment.yaml" {
		t.Fatal(changed, err)
	}
	if changed, err = Write(dir, files, false); err != nil || len(changed) != 0 {
		t.Errorf("the same again: %v %v", changed, err)
	}
	k.Image = "registry.example.com/data:1.3"
	files, _ = k.Files()
	if changed, err = Write(dir, files, false); err != nil || strings.Join(changed, " ") != "deployment.yaml" {
		t.Errorf("another image: %v %v", changed, err)
	}
	path := filepath.Join(dir, "deployment.yaml")
	text, _ := os.ReadFile(path)
	edited := bytes.Replace(text, []byte("replicas: 1"), []byte("replicas: 3"), 1)
	if err := os.WriteFile(path, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	k.Namespace = "other"
	files, _ = k.Files()
	if _, err = Write(dir, files, false); err == nil || !strings.Contains(err.Error(), "edited by hand") {
		t.Errorf("over an edited file: %v", err)
	}
	if now, _ := os.ReadFile(path); !bytes.Equal(now, edited) {
		t.Error("the edited file was overwritten")
	}
	if first, _ := os.ReadFile(filepath.Join(dir, "namespace.yaml")); bytes.Contains(first, []byte("name: other")) {
		t.Error("a refusal wrote another file")
	}
	if changed, err = Write(dir, files, true); err != nil || len(changed) != 2 {
		t.Errorf("--force: %v %v", changed, err)
	}
}

// The commands are run by a shell, with a kubectl that notes what it is given.
func TestKubectl(t *testing.T) {
	dir := t.TempDir()
	note := "#!/bin/sh\necho \"ARGS $*\" >>" + dir + "/args\ncase \"$*\" in *env-file*) cat /dev/stdin >>" + dir + "/given;; *-f\\ -*) cat >/dev/null;; esac\n"
	if err := os.WriteFile(filepath.Join(dir, "kubectl"), []byte(note), 0o755); err != nil {
		t.Fatal(err)
	}
	text := Kubectl(demand(true), "elt", "elt-prod")
	run := exec.Command("/bin/sh", "-e", "-c", text)
	run.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "TAP_X_TOKEN=canary $x`y`\"z", "TAP_X_URL=u", "TARGET_Y_PASSWORD=p", "TZ=UTC", "MELTANO_DATABASE_URI=postgresql://u:p@h/d"}
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, text)
	}
	args, _ := os.ReadFile(filepath.Join(dir, "args"))
	given, _ := os.ReadFile(filepath.Join(dir, "given"))
	if strings.Contains(string(args), "canary") {
		t.Errorf("a value stands in an argument:\n%s", args)
	}
	for _, want := range []string{"secret generic elt-database", "secret generic elt-taps", "secret generic elt-targets", "configmap elt-config", "--namespace elt-prod"} {
		if !strings.Contains(string(args), want) {
			t.Errorf("no %s:\n%s", want, args)
		}
	}
	for _, want := range []string{"TAP_X_TOKEN=canary $x`y`\"z\n", "TZ=UTC\n", "MELTANO_DATABASE_URI=postgresql://u:p@h/d\n"} {
		if !strings.Contains(string(given), want) {
			t.Errorf("kubectl was not given %q:\n%s", want, given)
		}
	}
	if strings.Contains(text, "TAP_X_UNUSED") {
		t.Error("a variable that is neither needed nor set is asked for")
	}
}
