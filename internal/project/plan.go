package project

import (
	"context"
	"maps"
	"slices"
	"strings"

	"elt/internal/fault"
)

// PlanOptions are the options of a run that shape its plan.
type PlanOptions struct {
	StateIDSuffix string // --state-id-suffix; "" is the environment's
}

// Plan is what a run does, block after block. It is made whole before
// anything starts.
type Plan struct{ Blocks []Block }

// Block is a set or a command; one of both is not nil.
type Block struct {
	Set     *Set
	Command *CommandBlock
}

// Set is an extractor, mappings and a loader.
type Set struct {
	Extractor *Plugin
	Mappings  []Mapping
	Loader    *Plugin
	StateID   string // <environment>:<tap>-to-<target>[:<suffix>]
	Job       string // the job it comes from; may be empty
}

// Mapping is a named configuration of a mapper.
type Mapping struct {
	Name   string
	Mapper *Plugin
}

// CommandBlock is a plugin, or one of its commands, run on its own.
type CommandBlock struct {
	Plugin  *Plugin
	Command string // "" is the plugin itself
	Job     string
}

// block is a name of the command line with the job that it comes from.
type block struct{ name, job string }

// Plan expands jobs and forms sets. Names are checked, nothing is started,
// and settings are not resolved.
func (p *Project) Plan(names []string, o PlanOptions) (*Plan, error) {
	if p.environment == nil {
		return nil, fault.New(fault.Failed, "a run needs an environment, and none is chosen").
			WithHint("%s", p.environmentHint())
	}
	blocks, err := p.expandJobs(names)
	if err != nil {
		return nil, err
	}
	suffix, err := p.suffix(o)
	if err != nil {
		return nil, err
	}
	plan := &Plan{}
	if plan.Blocks, err = p.form(blocks, suffix); err != nil {
		return nil, err
	}
	return plan, nil
}

func (p *Project) form(blocks []block, suffix string) ([]Block, error) {
	var out []Block
	for len(blocks) > 0 {
		b, taken, err := p.nextBlock(blocks, suffix)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		blocks = blocks[taken:]
	}
	return out, nil
}

// CheckTasks says whether the tasks of a job are blocks that can run.
func (p *Project) CheckTasks(job string, tasks []Task) error {
	for _, t := range tasks {
		var blocks []block
		for _, name := range t.Blocks() {
			blocks = append(blocks, block{name, job})
		}
		if _, err := p.form(blocks, ""); err != nil {
			return err
		}
	}
	return nil
}

func (p *Project) environmentHint() string {
	if names := p.Environments(); len(names) > 0 {
		return "pass --environment " + names[0] + ", or set default_environment"
	}
	return "elt environment add dev makes one; then set default_environment: dev"
}

func (p *Project) expandJobs(names []string) ([]block, error) {
	var out []block
	for _, name := range names {
		job, ok := p.Job(name)
		if !ok {
			out = append(out, block{name: name})
			continue
		}
		for _, plugin := range p.Plugins("") {
			if plugin.Name == name {
				return nil, fault.New(fault.Failed, "%q names both a job and a plugin", name).
					WithPosition(job.At, p.lineAt(job.At)).WithHint("rename the job")
			}
		}
		for _, b := range job.Blocks() {
			out = append(out, block{b, name})
		}
	}
	return out, nil
}

// nextBlock takes the set or the command that the blocks begin with.
func (p *Project) nextBlock(blocks []block, suffix string) (Block, int, error) {
	head := blocks[0]
	plugin, command, mapping, err := p.resolve(head)
	switch {
	case err != nil:
		return Block{}, 0, err
	case mapping != nil:
		return Block{}, 0, misplaced(head, "a mapping stands between an extractor and a loader")
	case command != "":
		if _, ok := plugin.Commands[command]; !ok {
			return Block{}, 0, plugin.noCommand(command)
		}
		return Block{Command: &CommandBlock{plugin, command, head.job}}, 1, nil
	}
	switch plugin.Kind {
	case Extractors:
	case Loaders:
		return Block{}, 0, misplaced(head, "a loader needs an extractor before it")
	case Mappers:
		return Block{}, 0, mapperItself(head, plugin)
	case Files, Transforms:
		return Block{}, 0, misplaced(head, "a "+plugin.Kind.Singular()+" cannot be run")
	default:
		return Block{Command: &CommandBlock{plugin, "", head.job}}, 1, nil
	}
	set := &Set{Extractor: plugin, Job: head.job}
	for i, b := range blocks[1:] {
		next, command, mapping, err := p.resolve(b)
		switch {
		case err != nil:
			return Block{}, 0, err
		case mapping != nil:
			set.Mappings = append(set.Mappings, *mapping)
			continue
		case next.Kind == Mappers:
			return Block{}, 0, mapperItself(b, next)
		case next.Kind != Loaders || command != "":
			return Block{}, 0, misplaced(b, "after extractor "+plugin.Name+" comes its loader")
		}
		set.Loader = next
		set.StateID = p.stateID(plugin, next, suffix)
		return Block{Set: set}, i + 2, nil
	}
	return Block{}, 0, misplaced(head, "no loader follows the extractor")
}

func misplaced(b block, why string) error {
	where := ""
	if b.job != "" {
		where = " of job " + b.job
	}
	return fault.New(fault.Failed, "block %q%s is out of place: %s", b.name, where, why).
		WithHint("a set is an extractor, any mappings, and a loader: elt run tap-x target-y")
}

func mapperItself(b block, mapper *Plugin) error {
	e := fault.New(fault.Failed, "%q is a mapper; a set names one of its mappings", b.name)
	if names := mapper.Mappings(); len(names) > 0 {
		return e.WithHint("it has %s", strings.Join(names, ", "))
	}
	return e
}

// resolve finds what a block names: a plugin, plugin:command, or a mapping.
func (p *Project) resolve(b block) (plugin *Plugin, command string, mapping *Mapping, err error) {
	name, command, _ := strings.Cut(b.name, ":")
	var known []string
	for _, plugin := range p.Plugins("") {
		if plugin.Name == name {
			return plugin, command, nil, plugin.problem
		}
		known = append(known, plugin.Name)
	}
	for _, mapper := range p.plugins[Mappers] {
		for _, m := range mapper.Mappings() {
			if m == b.name {
				return nil, "", &Mapping{m, mapper}, mapper.problem
			}
			known = append(known, m)
		}
	}
	for _, j := range p.jobs {
		known = append(known, j.Name)
	}
	e := fault.New(fault.Failed, "block %q is no plugin, mapping or job", b.name)
	if b.job != "" {
		e = fault.New(fault.Failed, "block %q of job %s is no plugin or mapping", b.name, b.job)
		if job, ok := p.Job(b.job); ok {
			e = e.WithPosition(job.At, p.lineAt(job.At))
		}
	}
	if near := fault.Nearest(name, known); near != "" {
		return nil, "", nil, e.WithHint("did you mean %q?", near)
	}
	return nil, "", nil, e.WithHint("elt plugins and elt job list show what there is")
}

func (p *Project) stateID(tap, target *Plugin, suffix string) string {
	environment, _ := p.Environment()
	id := environment + ":" + tap.Name + "-to-" + target.Name
	if suffix != "" {
		id += ":" + suffix
	}
	return id
}

// suffix is the flag's, else the environment's with variables filled in. In a
// meltano.yml these are not those of the environment's own env:, as in Meltano:
// another suffix would be another state id, and its bookmarks out of sight.
func (p *Project) suffix(o PlanOptions) (string, error) {
	if o.StateIDSuffix != "" {
		return o.StateIDSuffix, nil
	}
	n := p.environment.get("state_id_suffix")
	if n == nil {
		return "", nil
	}
	s := p.newStack()
	blocks := []*node{p.file.get("env")}
	if p.own {
		blocks = append(blocks, p.environment.get("env"))
	}
	for _, block := range blocks {
		if _, err := s.block(block); err != nil {
			return "", err
		}
	}
	x := expander{env: s.references(), strict: s.strict}
	text, err := x.text(n.text())
	if err != nil {
		return "", n.errorf("%v", err)
	}
	return text, nil
}

// Pair is a set outside of a plan (elt el): tap and target under a state id.
func (p *Project) Pair(tap, target, stateID string) (*Set, error) {
	extractor, err := p.Plugin(Extractors, tap)
	if err != nil {
		return nil, err
	}
	loader, err := p.Plugin(Loaders, target)
	if err != nil {
		return nil, err
	}
	return &Set{Extractor: extractor, Loader: loader, StateID: stateID}, nil
}

// Chain resolves the settings of all stages of a set in order: extractor,
// mappings, loader, each with those before it as Upstream. flags are by
// plugin name, then by setting name.
func (p *Project) Chain(ctx context.Context, set *Set, flags map[string]map[string]any) ([]*Settings, error) {
	type stage struct {
		plugin  *Plugin
		mapping string
	}
	stages := []stage{{set.Extractor, ""}}
	for _, m := range set.Mappings {
		stages = append(stages, stage{m.Mapper, m.Name})
	}
	stages = append(stages, stage{set.Loader, ""})
	var out []*Settings
	for _, st := range stages {
		// Another mapping of the same mapper must not set this one's settings.
		upstream := slices.DeleteFunc(slices.Clone(out), func(s *Settings) bool { return s.Plugin == st.plugin })
		s, err := p.Settings(ctx, st.plugin, SettingsOptions{Upstream: upstream, Mapping: st.mapping, Flags: maps.Clone(flags[st.plugin.Name])})
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}
