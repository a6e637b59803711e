package notify

import (
	"fmt"
	"path"
	"slices"
	"time"

	"elt/internal/project"
	"elt/state"
)

// The kinds of what can be wrong; recovery is the end of a failure.
const (
	Failure    = "failure"
	Recovery   = "recovery"
	LongRun    = "long_run"
	OddVolume  = "odd_volume"
	MissedSlot = "missed_slot"
	Silent     = "silent"
	Stale      = "stale"
	LateStart  = "late_start"
	Lag        = "replication_lag"
)

// Condition is something wrong now. Of one Key there is one.
type Condition struct {
	Key, Kind, Pipeline string
	Summary, Detail     string
	Run                 string
	Channels            []string // to be told
}

// judge says whether a kind of thing is wrong with a pipeline under a rule.
type judge func(p Pipeline, r project.AlertRule, now time.Time) (Condition, bool)

var judges = []struct {
	kind  string
	judge judge
	// own is the value by which a rule differs from others of the kind.
	own func(project.AlertRule) time.Duration
}{
	{Failure, failed, nil},
	{LongRun, long, func(r project.AlertRule) time.Duration { return r.LongerThan }},
	{OddVolume, odd, nil},
	{MissedSlot, missed, nil},
	{Silent, silent, func(r project.AlertRule) time.Duration { return r.SilentFor }},
	{Stale, stale, func(r project.AlertRule) time.Duration { return r.FreshWithin }},
	{LateStart, late, func(r project.AlertRule) time.Duration { return r.LateBy }},
	{Lag, behind, nil},
}

// Judge says what is wrong with pipelines at a time: a function of what it is
// given and nothing else.
func Judge(c Config, pipelines []Pipeline, now time.Time) []Condition {
	var out []Condition
	at := map[string]int{}
	for _, p := range pipelines {
		for _, r := range c.Alerts.Rules {
			if !c.counts(r, p.Name) {
				continue
			}
			for _, j := range judges {
				silently := j.kind == Failure && slices.Contains(r.On, Recovery) && !slices.Contains(r.On, Failure)
				if !slices.Contains(r.On, j.kind) && !silently {
					continue
				}
				found, ok := j.judge(p, r, now)
				if !ok {
					continue
				}
				found.Kind, found.Pipeline, found.Key = j.kind, p.Name, j.kind+" "+p.Name
				if j.own != nil && j.own(r) > 0 {
					found.Key += " " + j.own(r).String()
				}
				if j.kind == Lag && r.LagAbove > 0 {
					found.Key += fmt.Sprintf(" %d", r.LagAbove)
				}
				if !silently {
					found.Channels = c.channels(r)
				}
				if i, there := at[found.Key]; there {
					out[i].Channels = merge(out[i].Channels, found.Channels)
					continue
				}
				at[found.Key] = len(out)
				out = append(out, found)
			}
		}
	}
	return out
}

// Resolved are the channels to tell that something is over.
func (c Config) Resolved(kind, pipeline string) (channels []string) {
	for _, r := range c.Alerts.Rules {
		told := slices.Contains(r.On, kind) && r.Resolved || kind == Failure && slices.Contains(r.On, Recovery)
		if told && c.counts(r, pipeline) {
			channels = merge(channels, c.channels(r))
		}
	}
	return channels
}

func merge(a, b []string) []string {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// counts says whether a rule is meant for a pipeline, here.
func (c Config) counts(r project.AlertRule, pipeline string) bool {
	if len(r.Environments) > 0 && !slices.Contains(r.Environments, c.Environment) {
		return false
	}
	return len(r.For) == 0 || slices.ContainsFunc(r.For, func(pattern string) bool {
		ok, err := path.Match(pattern, pipeline)
		return ok || err != nil && pattern == pipeline
	})
}

// channels are a rule's, all of the project when it names none.
func (c Config) channels(r project.AlertRule) []string {
	if len(r.Channels) > 0 {
		return r.Channels
	}
	var all []string
	for _, ch := range c.Alerts.Channels {
		all = append(all, ch.Name)
	}
	return all
}

// decided are the executions whose outcome stands, the newest first: not
// cancelled, and not repeated by a retry.
func (p Pipeline) decided() (list []state.Execution) {
	repeated := map[string]bool{}
	for _, e := range p.Executions {
		repeated[e.RetryOf] = true
	}
	for _, e := range p.over() {
		if e.Status != state.Cancelled && !repeated[e.ID] {
			list = append(list, e)
		}
	}
	return list
}
