package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"elt/internal/fault"
)

const planProject = `
default_environment: dev
environments:
- {name: dev}
- {name: prod, state_id_suffix: "${TEAM}_v2"}
plugins:
  extractors:
  - {name: tap-x, namespace: tap_x, commands: {about: --about}}
  - {name: tap-orphan}
  loaders:
  - {name: target-y, namespace: target_y}
  mappers:
  - {name: map-m, namespace: map_m, mappings: [{name: one}, {name: two}]}
  utilities:
  - {name: tool, namespace: tool, commands: {go: go}}
  - {name: clash, namespace: clash}
  files:
  - {name: bundle, namespace: bundle}
jobs:
- {name: load, tasks: [tap-x target-y, [tool:go, tool]]}
- {name: clash, tasks: [tap-x target-y]}
- {name: half, tasks: [tap-x target-y, tap-x]}
`

func planText(plan *Plan) string {
	var out []string
	for _, b := range plan.Blocks {
		if b.Command != nil {
			out = append(out, b.Command.Plugin.Name+":"+b.Command.Command)
			continue
		}
		s := b.Set.Extractor.Name
		for _, m := range b.Set.Mappings {
			s += " > " + m.Mapper.Name + "/" + m.Name
		}
		out = append(out, fmt.Sprintf("%s > %s (%s)", s, b.Set.Loader.Name, b.Set.StateID))
	}
	return strings.Join(out, "; ")
}

// TestSuffixSeesNoEnvOfItsEnvironmentInAMeltanoYML: state ids stay those that Meltano gave.
func TestSuffixSeesNoEnvOfItsEnvironmentInAMeltanoYML(t *testing.T) {
	const text = `
default_environment: dev
env: {OUTER: out}
environments:
- {name: dev, env: {INNER: in}, state_id_suffix: "${OUTER}${INNER}${SHELL_ONLY}"}
`
	for name, want := range map[string]string{"meltano.yml": "out-sh", "elt.yml": "outin-sh"} {
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, name), text)
		p := load1(t, Options{Dir: dir, Environ: []string{"SHELL_ONLY=-sh"}})
		p, err := p.In("dev")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.suffix(PlanOptions{}); got != want || err != nil {
			t.Errorf("%s: suffix %q (%v), want %q", name, got, err, want)
		}
		named := slices.ContainsFunc(p.References(nil), func(r Reference) bool { return r.Variable == "INNER" })
		if named != (name == "meltano.yml") {
			t.Errorf("%s: INNER is named as a variable that nothing defines: %v", name, named)
		}
	}
}

func TestPlan(t *testing.T) {
	p := inProject(t, planProject, Options{Environ: []string{"TEAM=red"}})
	prod, err := p.In("prod")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p      *Project
		blocks string
		o      PlanOptions
		want   string
	}{
		{p, "tap-x target-y", PlanOptions{}, "tap-x > target-y (dev:tap-x-to-target-y)"},
		{p, "tap-x two one target-y tool:go", PlanOptions{}, "tap-x > map-m/two > map-m/one > target-y (dev:tap-x-to-target-y); tool:go"},
		{p, "tap-x:about load", PlanOptions{StateIDSuffix: "s"}, "tap-x:about; tap-x > target-y (dev:tap-x-to-target-y:s); tool:go; tool:"},
		{prod, "tap-x target-y", PlanOptions{}, "tap-x > target-y (prod:tap-x-to-target-y:red_v2)"},
		{prod, "tap-x target-y", PlanOptions{StateIDSuffix: "s"}, "tap-x > target-y (prod:tap-x-to-target-y:s)"},
	} {
		plan, err := c.p.Plan(strings.Fields(c.blocks), c.o)
		if err != nil {
			t.Errorf("%s: %s", c.blocks, fault.Render(err))
		} else if got := planText(plan); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.blocks, got, c.want)
		}
	}
}

func TestPlansThatCannotBe(t *testing.T) {
	p := inProject(t, planProject, Options{})
	for blocks, want := range map[string]string{
		"tap-y target-y":         "block \"tap-y\" is no plugin, mapping or job\nhint: did you mean \"tap-x\"?",
		"tap-x":                  "block \"tap-x\" is out of place: no loader follows the extractor\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"target-y":               "block \"target-y\" is out of place: a loader needs an extractor before it\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"tap-x tap-x target-y":   "block \"tap-x\" is out of place: after extractor tap-x comes its loader\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"tap-x tool target-y":    "block \"tool\" is out of place: after extractor tap-x comes its loader\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"one target-y":           "block \"one\" is out of place: a mapping stands between an extractor and a loader\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"tap-x map-m target-y":   "\"map-m\" is a mapper; a set names one of its mappings\nhint: it has one, two",
		"tool:gone":              "tool has no command \"gone\"\nhint: it has go",
		"bundle":                 "block \"bundle\" is out of place: a file bundle cannot be run\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"half":                   "block \"tap-x\" of job half is out of place: no loader follows the extractor\nhint: a set is an extractor, any mappings, and a loader: elt run tap-x target-y",
		"clash":                  "meltano.yml:21:3: \"clash\" names both a job and a plugin\n   21 | - {name: clash, tasks: [tap-x target-y]}\n      |   ^\nhint: rename the job",
		"tap-x target-y nosuch":  "block \"nosuch\" is no plugin, mapping or job\nhint: elt plugins and elt job list show what there is",
		"tap-orphan target-y":    "",
		"tap-x target-y tool:no": "tool has no command \"no\"\nhint: did you mean \"go\"?",
	} {
		_, err := p.Plan(strings.Fields(blocks), PlanOptions{})
		if err == nil || want != "" && fault.Render(err) != want {
			t.Errorf("%s:\n got %s\nwant %s", blocks, fault.Render(err), want)
		}
	}
	if _, err := p.Plugin("", "tap-orphan"); err == nil || !strings.Contains(err.Error(), `extractor "tap-orphan" has no definition`) {
		t.Errorf("got %v", err)
	}
}

func TestPlanNeedsAnEnvironment(t *testing.T) {
	p := inProject(t, planProject, Options{NoEnvironment: true})
	_, err := p.Plan([]string{"tap-x", "target-y"}, PlanOptions{})
	if want := "a run needs an environment, and none is chosen\nhint: pass --environment dev, or set default_environment"; err == nil || fault.Render(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentIsChosen(t *testing.T) {
	const file = "default_environment: one\nenvironments: [{name: one}, {name: two}, {name: three}, {name: four}]\n"
	for _, c := range []struct {
		o     Options
		name  string
		named bool
	}{
		{Options{}, "one", false},
		{Options{IgnoreDefault: true}, "", false},
		{Options{EnvFile: "two.env"}, "two", true},
		{Options{EnvFile: "two.env", Environ: []string{"MELTANO_ENVIRONMENT=three"}}, "three", true},
		{Options{Environ: []string{"MELTANO_ENVIRONMENT=three", "ELT_ENVIRONMENT=two"}}, "two", true},
		{Options{Environ: []string{"MELTANO_ENVIRONMENT=three"}, Environment: "four"}, "four", true},
		{Options{Environ: []string{"MELTANO_ENVIRONMENT=three"}, Environment: "null"}, "", false},
		{Options{Environ: []string{"MELTANO_ENVIRONMENT=three"}, NoEnvironment: true}, "", false},
	} {
		c.o.Dir = t.TempDir()
		writeFile(t, c.o.Dir+"/meltano.yml", file)
		writeFile(t, c.o.Dir+"/two.env", "MELTANO_ENVIRONMENT=two\n")
		name, named := load1(t, c.o).Environment()
		if name != c.name || named != c.named {
			t.Errorf("%+v: got %q, %v", c.o, name, named)
		}
	}
}

func TestIntervals(t *testing.T) {
	for interval, want := range map[string]string{
		"@daily": "0 0 * * *", "@once": "", "@manual": "", "35 */1 * * *": "35 */1 * * *", "0 22-2 * * MON-fri": "0 22-2 * * MON-fri",
		"0 0 L * ?": "0 0 L * ?", "0 0 * jan,MAR 7": "0 0 * jan,MAR 7", "*/15 8-18/2 1,15 * 1-5": "*/15 8-18/2 1,15 * 1-5",
	} {
		if got, err := Cron(interval); err != nil || got != want {
			t.Errorf("%q: %q, %v", interval, got, err)
		}
	}
	for _, interval := range []string{"", "sometimes", "@sometimes", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "*/0 * * * *", "a * * * *", "1- * * * *"} {
		if got, err := Cron(interval); err == nil {
			t.Errorf("%q is taken as %q", interval, got)
		}
	}
}
