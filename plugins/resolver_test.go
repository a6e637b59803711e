package plugins

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/targets"
)

type fakeTap struct{ spec spec.Spec }

func (f fakeTap) Spec() spec.Spec { return f.spec }
func (f fakeTap) Discover(context.Context, spec.Config) (*singer.Catalog, error) {
	return nil, nil
}
func (f fakeTap) Sync(context.Context, spec.Config, *singer.Catalog, singer.Bookmarks, taps.Output) error {
	return nil
}

func newResolver(t *testing.T) *Resolver {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "meltano.yml"), []byte("environments: []\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(t.Context(), project.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	return &Resolver{
		Project: p,
		Self:    "/opt/elt",
		Taps: taps.NewRegistry(
			fakeTap{spec.Spec{Name: "tap-csv", Settings: []spec.Setting{{Name: "files"}}}},
			fakeTap{spec.Spec{Name: "tap-postgres",
				Settings: []spec.Setting{{Name: "host"}, {Name: "database", Aliases: []string{"dbname"}}, {Name: "ssh_tunnel.host"}},
				Replaces: []spec.Replacement{
					{Package: "meltanolabs-tap-postgres", Variant: "meltanolabs", Dialect: "meltanolabs"},
					{Package: "pipelinewise-tap-postgres", Variant: "transferwise", Dialect: "pipelinewise"},
					{Package: "gitlab-data-meltano-taps-tap-postgres", Dialect: "gitlab"},
				}}},
		),
		Targets: targets.NewRegistry(),
	}
}

func tap(name string) *project.Plugin {
	return &project.Plugin{Kind: project.Extractors, Name: name, Executable: name}
}

func TestChoice(t *testing.T) {
	pg := func(pipURL, variant string) *project.Plugin {
		p := tap("tap-postgres")
		p.PipURL, p.Variant = pipURL, variant
		return p
	}
	path := tap("tap-csv")
	path.Executable = "./bin/tap-csv"
	for name, c := range map[string]struct {
		plugin  *project.Plugin
		q       Question
		native  bool
		dialect string
		reason  string
	}{
		"name is built in":        {plugin: tap("tap-csv"), native: true, reason: "tap-csv is built in"},
		"a path is foreign":       {plugin: path, reason: "command of its own"},
		"unknown name":            {plugin: tap("tap-nosuch"), reason: "no built-in tap-nosuch"},
		"package":                 {plugin: pg("pipelinewise-tap-postgres==2.1.0", ""), native: true, dialect: "pipelinewise", reason: "stands in for pipelinewise-tap-postgres"},
		"git address":             {plugin: pg("git+https://u:t@github.com/MeltanoLabs/tap-postgres.git@v1", "x"), native: true, dialect: "meltanolabs"},
		"git address, a folder":   {plugin: pg("git+https://gitlab.com/gitlab-data/meltano_taps.git@v1#subdirectory=tap-postgres", ""), native: true, dialect: "gitlab"},
		"another of its folders":  {plugin: pg("git+https://gitlab.com/gitlab-data/meltano_taps.git#egg=x&subdirectory=tap-adaptive", "x"), reason: "no built-in connector stands in for git+"},
		"variant, no pip_url":     {plugin: pg("", "transferwise"), native: true, dialect: "pipelinewise", reason: "variant transferwise"},
		"fork":                    {plugin: pg("git+https://github.com/acme/tap-postgres.git", "meltanolabs"), reason: "no built-in connector stands in for git+"},
		"its own bookmark":        {plugin: pg("meltanolabs-tap-postgres", ""), q: Question{Bookmarked: true}, reason: "bookmark of its own"},
		"bookmark, but no pip":    {plugin: tap("tap-csv"), q: Question{Bookmarked: true}, native: true},
		"pinned foreign":          {plugin: tap("tap-csv"), q: Question{Pin: &Pin{Reason: "because"}}, reason: "because (so decided"},
		"pinned native":           {plugin: pg("git+https://github.com/acme/tap-postgres.git", ""), q: Question{Pin: &Pin{Native: true, Connector: "tap-postgres", Dialect: "d"}}, native: true, dialect: "d"},
		"unknown setting":         {plugin: tap("tap-csv"), q: Question{Settings: settings("nosuch", project.FromFile)}, reason: "its setting nosuch is unknown"},
		"unknown default":         {plugin: tap("tap-csv"), q: Question{Settings: settings("nosuch", project.FromDefault)}, native: true},
		"alias and nested":        {plugin: pg("", ""), q: Question{Settings: settings("dbname", project.FromEnv)}, native: true},
		"part of a known object":  {plugin: tap("tap-csv"), q: Question{Settings: settings("files.0.path", project.FromFile)}, native: true},
		"object of known leaves":  {plugin: pg("", ""), q: Question{Settings: settings("ssh_tunnel", project.FromFile)}, native: true},
		"extras are not settings": {plugin: tap("tap-csv"), q: Question{Settings: settings("_select", project.FromFile)}, native: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := newResolver(t).Choose(c.plugin, c.q)
			if got.Native != c.native || got.Dialect != c.dialect && c.native || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("%+v (%v)", got, err)
			}
			if c.native && (err != nil || got.Command.Path != "/opt/elt" || !slices.Equal(got.Command.Args, []string{"tap", got.Connector})) {
				t.Errorf("command %+v, %v", got.Command, err)
			}
			if !c.native && fault.CodeOf(err) != fault.PluginMissing {
				t.Errorf("no executable is there, but the error is %v", err)
			}
		})
	}
}

func settings(name string, from project.Source) *project.Settings {
	return &project.Settings{Values: []project.Value{{Name: name, Value: json.Number("1"), Source: from}}}
}

func TestNativeSetting(t *testing.T) {
	r := newResolver(t)
	r.Native = Never
	if c, err := r.Choose(tap("tap-csv"), Question{}); c.Native || fault.CodeOf(err) != fault.PluginMissing {
		t.Error(c, err)
	} else if hint := err.(*fault.Error).Hint; !strings.Contains(hint, "native: always") {
		t.Errorf("hint %q does not say that the built-in is there", hint)
	}
	r.Native = ""
	p := tap("./mine/tap-csv")
	p.Native = Always
	if c, err := r.Choose(p, Question{Pin: &Pin{}}); !c.Native || err != nil {
		t.Error("always stands above the pin:", c, err)
	}
	p = tap("tap-nosuch")
	p.Native = Always
	if _, err := r.Choose(p, Question{}); fault.CodeOf(err) != fault.PluginMissing {
		t.Error(err)
	}
	p.Native = "sometimes"
	if _, err := r.Choose(p, Question{}); fault.CodeOf(err) != fault.BadConfig {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	r := newResolver(t)
	program := func(parts ...string) string {
		path := filepath.Join(append([]string{r.Project.Root}, parts...)...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	venv := program(".meltano", "extractors", "tap-x", "venv", "bin", "tap-x")
	onPath := program("bin", "tap-y")
	rooted := program("my plugins", "tap z")
	r.Environ = []string{"PATH=relative:" + filepath.Dir(onPath)}

	inVenv := tap("tap-x")
	inVenv.PipURL = "tap-x==1"
	child := tap("tap-x--eu")
	child.PipURL, child.Executable, child.VenvName = "tap-x==1", "tap-x", "tap-x"
	withArgs := tap("tap-y")
	withArgs.Executable = "tap-y --fast -n 3"
	blanks := tap("tap-z")
	blanks.Executable = "./my plugins/tap z"
	for p, want := range map[*project.Plugin]Command{
		inVenv:   {Path: venv, Venv: filepath.Dir(filepath.Dir(venv))},
		child:    {Path: venv, Venv: filepath.Dir(filepath.Dir(venv))},
		withArgs: {Path: onPath, Args: []string{"--fast", "-n", "3"}},
		blanks:   {Path: rooted},
	} {
		got, err := r.find(p, p.Executable)
		if err != nil || got.Path != want.Path || got.Venv != want.Venv || !slices.Equal(got.Args, want.Args) {
			t.Errorf("%s: %+v, %v", p.Name, got, err)
		}
	}
	env := Command{Venv: "/v"}.Environ([]string{"A=1", "PYTHONPATH=/bad", "PATH=/usr/bin"})
	if !slices.Equal(env, []string{"A=1", "PATH=/v/bin:/usr/bin", "VIRTUAL_ENV=/v"}) {
		t.Error(env)
	}
}
