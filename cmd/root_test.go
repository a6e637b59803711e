package cmd

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/secret"
)

func tree() *cobra.Command {
	io, _, _ := cli.Test("")
	return newRoot(newApp(io, &secret.Redactor{}).App)
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	eachCommand(tree(), func(c *cobra.Command) {
		if c.Hidden || !c.HasParent() || c.Name() == "help" || c.Name() == "completion" || c.Parent().Name() == "completion" {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q", c.CommandPath(), c.Short)
		}
		if c.Example == "" {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: example %q is not indented by two", c.CommandPath(), line)
			}
		}
	})
}

// Meltano's scripts write --no_install as well as --no-install.
func TestFlagsTakeUnderscores(t *testing.T) {
	root := tree()
	run, _, err := root.Find([]string{"run"})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.ParseFlags([]string{"--full_refresh", "--state_id_suffix=x", "--no_install", "--log_level=debug"}); err != nil {
		t.Fatal(err)
	}
	if v, _ := run.Flags().GetBool("full-refresh"); !v {
		t.Error("--full_refresh is not --full-refresh")
	}
}

func TestConnectorNames(t *testing.T) {
	for argv, want := range map[string]string{
		"/usr/bin/elt run x": "run x", "meltano run x": "run x",
		"./tap-csv --about": "tap tap-csv --about", "/x/target-postgres.exe --config c": "target target-postgres --config c",
	} {
		if got := strings.Join(connector(strings.Fields(argv)), " "); got != want {
			t.Errorf("%q is %q", argv, got)
		}
	}
}

// An error is told once, on standard error, and masked.
func TestErrorsAreToldOnceAndMasked(t *testing.T) {
	var out, errs bytes.Buffer
	r := &secret.Redactor{}
	r.Add("hunter2-secret")
	a := newApp(&cli.IOStreams{Out: &out, Err: r.Writer(&errs)}, r)
	code := execute(context.Background(), a, []string{"--cwd", "/nosuch/hunter2-secret", "plugins"})
	if code != 2 || out.Len() != 0 || strings.Count(errs.String(), "Error: ") != 1 {
		t.Errorf("code %d\n%s\n%s", code, &out, &errs)
	}
	if strings.Contains(errs.String(), "hunter2") || !strings.Contains(errs.String(), "***") {
		t.Errorf("not masked: %s", &errs)
	}
}

func TestOrdersOfOlderMeltanos(t *testing.T) {
	for typed, want := range map[string]string{
		"config tap-x":              "config print tap-x",
		"config --format env tap-x": "config print --format env tap-x",
		"--environment prod config tap-x set --store db a": "--environment prod config set tap-x --store db a",
		"config --plugin-type=loader x unset a":            "config unset --plugin-type=loader x a",
		"config set set a b":                               "config set set a b",
		"config list tap-x":                                "config list tap-x",
		"config":                                           "config",
		"schedule s --job j --interval @daily":             "schedule add s --job j --interval @daily",
		"schedule lst":                                     "schedule lst",
		"invoke config tap-x":                              "invoke config tap-x",
		"run tap-x target-y":                               "run tap-x target-y",
	} {
		if got := strings.Join(today(tree(), strings.Fields(typed)), " "); got != want {
			t.Errorf("%q is %q, not %q", typed, got, want)
		}
	}
}
