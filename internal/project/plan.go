package project

import "context"

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

// Plan expands jobs and forms sets. Names are checked, nothing is started,
// and settings are not resolved.
func (p *Project) Plan(blocks []string, o PlanOptions) (*Plan, error) { return nil, errNotYet }

// Pair is a set outside of a plan (elt el): tap and target under a state id.
func (p *Project) Pair(tap, target, stateID string) (*Set, error) { return nil, errNotYet }

// Chain resolves the settings of all stages of a set in order: extractor,
// mappings, loader, each with those before it as Upstream.
func (p *Project) Chain(ctx context.Context, set *Set, flags map[string]map[string]any) ([]*Settings, error) {
	return nil, errNotYet
}
