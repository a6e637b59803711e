package program

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/spec"
)

var sample = spec.Spec{Name: "tap-sample", Summary: "Samples.", Settings: []spec.Setting{
	{Name: "password", Type: spec.String, Secret: true, Help: "Secret."}}}

func TestFlags(t *testing.T) {
	var state, test string
	var discover bool
	flags := []Flag{
		Text(func(v string) { state = v }, "-s", "--state"),
		Switch(&discover, "--discover"),
		Optional(func(v string) error { test = v + "!"; return nil }, "--test"),
	}
	if err := parse("tap-sample", []string{"--state=a=b", "--test", "--discover", "-s", "c"}, flags); err != nil || state != "c" || test != "!" || !discover {
		t.Error(state, test, discover, err)
	}
	for line, want := range map[string]string{
		"--state":   "tap-sample: --state needs a value",
		"--stat x":  `tap-sample: unknown argument "--stat"` + "\nhint: did you mean --state?",
		"something": `tap-sample: unknown argument "something"` + "\nhint: try --help",
	} {
		err := parse("tap-sample", strings.Fields(line), flags)
		if fault.CodeOf(err) != fault.Usage || fault.Render(err) != want {
			t.Errorf("%s: %s", line, fault.Render(err))
		}
	}
}

func TestStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(`{"password":"hunter2-secret","colour":"red"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	io := IO{Out: &out, Err: &errs}
	p, err := Program{Spec: sample}.Start([]string{"--config", path}, io, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Log.Info().Msg("the password is hunter2-secret")
	p.Close()
	if text := errs.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "does not know these settings and ignores them: colour") {
		t.Errorf("%s", text)
	}
	for _, question := range []string{"--help", "--version", "--about"} {
		out.Reset()
		if p, err := (Program{Spec: sample, Usage: "How."}).Start([]string{question}, io, nil); p != nil || err != nil || out.Len() == 0 {
			t.Errorf("%s: %v, %v, %q", question, p, err, &out)
		}
	}
}

func TestStopped(t *testing.T) {
	broken := errors.New("broken")
	if err := Stopped(t.Context(), broken, "stopped"); err != broken {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Stopped(ctx, broken, "stopped"); err != broken {
		t.Error("another error is kept:", err)
	}
	if err := Stopped(ctx, ctx.Err(), "stopped"); fault.CodeOf(err) != fault.Terminated {
		t.Error(err)
	}
}
