package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"elt/internal/cron"
	"elt/internal/project"
	"elt/state"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// ran is an execution that ended some time before noon and took so long.
func ran(id, status string, ago, took time.Duration) state.Execution {
	ended := noon.Add(-ago)
	started := ended.Add(-took)
	return state.Execution{ID: id, Name: "nightly", Status: status, Attempt: 1, Created: started, Started: &started, Ended: &ended}
}

func runs(begun time.Duration) state.Execution {
	started := noon.Add(-begun)
	return state.Execution{ID: "now", Name: "nightly", Status: state.Running, Attempt: 1, Created: started, Started: &started}
}

// days are successes of the days before, each of some minutes.
func days(minutes ...int) (list []state.Execution) {
	for i, m := range minutes {
		list = append(list, ran(fmt.Sprint("d", i), state.Succeeded, time.Duration(i+1)*24*time.Hour, time.Duration(m)*time.Minute))
	}
	return list
}

func retryOf(e state.Execution, of string, attempt int) state.Execution {
	e.RetryOf, e.Attempt = of, attempt
	return e
}

func usually(rule project.AlertRule) Config {
	rule.Resolved = true
	if rule.On == nil {
		rule.On = project.AlertKinds()
	}
	return Config{Project: "p", Environment: "prod", Alerts: project.Alerts{Rules: []project.AlertRule{rule},
		Channels: []project.Channel{{Name: "ops"}, {Name: "mail"}}}}
}

func daily(t *testing.T) cron.Times {
	e, err := cron.Parse("0 3 * * *")
	if err != nil {
		t.Fatal(err)
	}
	return cron.In(e, time.UTC)
}

func slot(ago time.Duration, outcome string, recorded time.Duration) state.Slot {
	return state.Slot{Schedule: "nightly", Slot: noon.Add(-ago), Outcome: outcome, Why: "no scheduler was running", At: noon.Add(-recorded)}
}

func TestJudge(t *testing.T) {
	const m, h = time.Minute, time.Hour
	waiting := state.Execution{ID: "w", Status: state.Queued, NotBefore: noon.Add(-6 * m), Slot: new(time.Time)}
	refresh := runs(20 * h)
	refresh.Options = []byte(`{"full_refresh":true}`)
	for name, c := range map[string]struct {
		p    Pipeline
		rule project.AlertRule
		want string // kinds
		says string
	}{
		"all well":                   {p: Pipeline{Executions: days(10, 11, 9, 10, 10, 10)}},
		"nothing known":              {},
		"failed":                     {p: Pipeline{Executions: append([]state.Execution{ran("f", state.Failed, h, m)}, days(10)...)}, want: "failure", says: "nightly failed"},
		"lost":                       {p: Pipeline{Executions: []state.Execution{ran("f", state.Lost, h, m)}}, want: "failure", says: "was lost"},
		"cancelled is no failure":    {p: Pipeline{Executions: []state.Execution{ran("c", state.Cancelled, h, m), ran("s", state.Succeeded, 2*h, m)}}},
		"cancelled hides no failure": {p: Pipeline{Executions: []state.Execution{ran("c", state.Cancelled, h, m), ran("f", state.Failed, 2*h, m)}}, want: "failure"},
		"a retry waits":              {p: Pipeline{Executions: []state.Execution{{ID: "r", Status: state.Queued, RetryOf: "f"}, ran("f", state.Failed, m, m)}}},
		"a retry runs":               {p: Pipeline{Executions: []state.Execution{retryOf(runs(m), "f", 2), ran("f", state.Failed, m, m)}}},
		"the last retry failed":      {p: Pipeline{Executions: []state.Execution{retryOf(ran("r", state.Failed, m, m), "f", 2), ran("f", state.Failed, h, m)}}, want: "failure", says: "after 2 attempts"},
		"a retry, and yesterday's failure stands": {p: Pipeline{Executions: []state.Execution{
			retryOf(runs(m), "f", 2), ran("f", state.Failed, m, m), ran("y", state.Failed, 24*h, m)}}, want: "failure"},
		"works again":                 {p: Pipeline{Executions: []state.Execution{ran("s", state.Succeeded, h, m), ran("f", state.Failed, 2*h, m)}}},
		"works again since a moment":  {p: Pipeline{Executions: []state.Execution{ran("s", state.Succeeded, time.Second, time.Second), ran("f", state.Failed, 30*time.Second, m)}}, want: "failure"},
		"three in a row":              {p: Pipeline{Executions: []state.Execution{ran("a", state.Failed, h, m), ran("b", state.Failed, 2*h, m), ran("c", state.Lost, 3*h, m), ran("d", state.Succeeded, 4*h, m)}}, want: "failure", says: "3 times in a row"},
		"long":                        {p: Pipeline{Executions: append([]state.Execution{runs(40 * m)}, days(10, 12, 11, 9, 10)...)}, want: "long_run", says: "longer than usual"},
		"long, but that varies":       {p: Pipeline{Executions: append([]state.Execution{runs(35 * m)}, days(10, 45, 11, 9, 30, 50, 12)...)}},
		"one slow day does not count": {p: Pipeline{Executions: append([]state.Execution{runs(40 * m)}, days(10, 600, 11, 9, 10)...)}, want: "long_run"},
		"seconds are not long":        {p: Pipeline{Executions: append([]state.Execution{runs(50 * time.Second)}, days(0, 0, 0, 0, 0)...)}},
		"too little history":          {p: Pipeline{Executions: append([]state.Execution{runs(40 * m)}, days(1, 1, 1, 1)...)}},
		"longer than the rule says":   {p: Pipeline{Executions: []state.Execution{runs(40 * m)}}, rule: project.AlertRule{LongerThan: 30 * m}, want: "long_run", says: "longer than 30m"},
		"a full refresh may be long":  {p: Pipeline{Executions: append([]state.Execution{refresh}, days(10, 12, 11, 9, 10)...)}},
		"far fewer rows":              {p: Pipeline{Streams: []Stream{{Name: "users", Rows: []int64{0, 1000, 1010, 990, 1005, 1001}}}}, want: "odd_volume", says: "users: 0 rows, usual are 1001"},
		"far more rows":               {p: Pipeline{Streams: []Stream{{Name: "users", Rows: []int64{90000, 1000, 1010, 990, 1005, 1001}}}}, want: "odd_volume"},
		"as many rows as usual":       {p: Pipeline{Streams: []Stream{{Name: "users", Rows: []int64{1040, 1000, 1010, 990, 1005, 1001}}}}},
		"few rows are not odd":        {p: Pipeline{Streams: []Stream{{Name: "users", Rows: []int64{60, 1, 0, 2, 1, 1}}}}},
		"rows always vary":            {p: Pipeline{Streams: []Stream{{Name: "users", Rows: []int64{5000, 100, 9000, 300, 7000, 2000}}}}},
		"missed":                      {p: Pipeline{Slots: []state.Slot{slot(h, state.SlotMissed, m), slot(25*h, state.SlotFired, 25*h)}}, want: "missed_slot", says: "no scheduler was running"},
		"missed, and made up for":     {p: Pipeline{Slots: []state.Slot{slot(h, state.SlotFired, m), slot(2*h, state.SlotMissed, m)}}, want: "missed_slot"},
		"missed long ago":             {p: Pipeline{Slots: []state.Slot{slot(h, state.SlotFired, h), slot(25*h, state.SlotMissed, h)}}},
		"missed and nothing since":    {p: Pipeline{Slots: []state.Slot{slot(25*h, state.SlotMissed, 24*h)}}, want: "missed_slot"},
		"skipped is not missed":       {p: Pipeline{Slots: []state.Slot{slot(h, state.SlotSkipped, h)}}},
		"silent":                      {p: Pipeline{Promise: Promise{Times: daily(t)}, Success: noon.Add(-4 * 24 * h)}, want: "silent", says: "has not succeeded for"},
		"not silent yet":              {p: Pipeline{Promise: Promise{Times: daily(t)}, Success: noon.Add(-2 * 24 * h)}},
		"paused is not silent":        {p: Pipeline{Promise: Promise{Times: daily(t), Paused: true}, Success: noon.Add(-9 * 24 * h)}},
		"never succeeded":             {p: Pipeline{Promise: Promise{Times: daily(t)}, Known: noon.Add(-5 * 24 * h)}, want: "silent", says: "never succeeded"},
		"silent for as the rule says": {p: Pipeline{Success: noon.Add(-3 * h)}, rule: project.AlertRule{SilentFor: 2 * h}, want: "silent", says: "for 2h"},
		"without times nobody waits":  {p: Pipeline{Success: noon.Add(-300 * h)}},
		"stale": {p: Pipeline{Promise: Promise{FreshWithin: 26 * h}, Success: noon, Streams: []Stream{{Name: "a", Loaded: noon.Add(-27 * h)}, {Name: "b", Loaded: noon}, {Name: "c"}}},
			want: "stale", says: "a: loaded at 2026-03-09 09:00:00 UTC\nc: never loaded"},
		"fresh":                      {p: Pipeline{Promise: Promise{FreshWithin: 26 * h}, Streams: []Stream{{Name: "a", Loaded: noon.Add(-25 * h)}}}},
		"stale before any run":       {p: Pipeline{Promise: Promise{FreshWithin: h}, Known: noon.Add(-2 * h)}, want: "stale"},
		"stale by the rule":          {p: Pipeline{Streams: []Stream{{Name: "a", Loaded: noon.Add(-25 * h)}}}, rule: project.AlertRule{FreshWithin: h}, want: "stale"},
		"waits for a worker":         {p: Pipeline{Executions: []state.Execution{waiting}}, want: "late_start"},
		"waits as long as it may":    {p: Pipeline{Executions: []state.Execution{waiting}}, rule: project.AlertRule{LateBy: 10 * m}},
		"a slot holds little":        {p: Pipeline{Lags: []SlotLag{{Slot: "s", Bytes: 9e9}}}},
		"a slot holds much":          {p: Pipeline{Lags: []SlotLag{{Slot: "s", Bytes: 12_340_000_000}}}, want: "replication_lag", says: "slot s: 12.3GB of log are kept"},
		"more than the rule says":    {p: Pipeline{Lags: []SlotLag{{Slot: "s", Bytes: 6e6}, {Slot: "t", Bytes: 1}}}, rule: project.AlertRule{LagAbove: 5e6}, want: "replication_lag", says: "6.0MB"},
		"a slot is about to be lost": {p: Pipeline{Lags: []SlotLag{{Slot: "s", Bytes: 1, Status: "unreserved"}}}, want: "replication_lag", says: "about to be lost"},
		"another environment's rule": {p: Pipeline{Executions: []state.Execution{ran("f", state.Failed, h, m)}}, rule: project.AlertRule{Environments: []string{"dev"}}},
		"a rule for others":          {p: Pipeline{Executions: []state.Execution{ran("f", state.Failed, h, m)}}, rule: project.AlertRule{For: []string{"hourly*"}}},
		"a rule for it":              {p: Pipeline{Executions: []state.Execution{ran("f", state.Failed, h, m)}}, rule: project.AlertRule{For: []string{"x", "night*"}}, want: "failure"},
		"a rule on something else":   {p: Pipeline{Executions: []state.Execution{ran("f", state.Failed, h, m)}}, rule: project.AlertRule{On: []string{"stale"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.Name = "nightly"
			got := Judge(usually(c.rule), []Pipeline{c.p}, noon)
			var kinds, said []string
			for _, g := range got {
				kinds = append(kinds, g.Kind)
				said = append(said, g.Summary, g.Detail)
				if !slices.Equal(g.Channels, []string{"ops", "mail"}) || g.Pipeline != "nightly" || !strings.HasPrefix(g.Key, g.Kind+" nightly") {
					t.Errorf("%+v", g)
				}
			}
			if strings.Join(kinds, " ") != c.want || !strings.Contains(strings.Join(said, "\n"), c.says) {
				t.Errorf("%v %q", kinds, said)
			}
		})
	}
}

// Rules with values of their own are told apart; equal ones are one incident.
func TestRulesTogether(t *testing.T) {
	c := usually(project.AlertRule{On: []string{"silent"}, SilentFor: time.Hour, Channels: []string{"ops"}})
	c.Alerts.Rules = append(c.Alerts.Rules,
		project.AlertRule{On: []string{"silent"}, SilentFor: 3 * time.Hour, Channels: []string{"mail"}},
		project.AlertRule{On: []string{"silent"}, SilentFor: time.Hour, Channels: []string{"mail"}},
		project.AlertRule{On: []string{"recovery"}, Channels: []string{"mail"}})
	p := Pipeline{Promise: Promise{Name: "nightly"}, Success: noon.Add(-2 * time.Hour), Executions: []state.Execution{ran("f", state.Failed, time.Hour, time.Minute)}}
	got := Judge(c, []Pipeline{p}, noon)
	if len(got) != 2 || !slices.Equal(got[0].Channels, []string{"mail", "ops"}) || got[1].Kind != Failure || got[1].Channels != nil {
		t.Errorf("%+v", got)
	}
	if told := c.Resolved(Failure, "nightly"); !slices.Equal(told, []string{"mail"}) {
		t.Errorf("%v", told)
	}
	if told := c.Resolved(Silent, "nightly"); !slices.Equal(told, []string{"ops"}) {
		t.Errorf("%v", told)
	}
}

func TestLagsOf(t *testing.T) {
	end := noon
	gauges := func(text string) []byte { return []byte(`{"gauges":[` + text + `]}`) }
	lag := `{"metric":"replication_slot_lag_bytes","value":4096,"tags":{"slot":"s","wal_status":"unreserved"}},{"metric":"other","value":1}`
	early := state.Run{Status: state.Failed, Ended: &end}
	seen := state.Run{Status: state.Failed, Ended: &end, Detail: gauges(lag)}
	none := state.Run{Status: state.Succeeded, Ended: &end}
	for name, c := range map[string]struct {
		runs []state.Run
		want int
	}{
		"seen, before one that failed early": {[]state.Run{early, seen}, 1},
		"no longer replicated so":            {[]state.Run{none, seen}, 0},
		"it runs":                            {[]state.Run{{Status: state.Running}, seen, seen}, 1},
		"never":                              {nil, 0},
		"another release":                    {[]state.Run{{Status: state.Failed, Ended: &end, Detail: []byte(`{"gauges":7}`)}}, 0},
	} {
		got := lagsOf(c.runs)
		if len(got) != c.want || c.want == 1 && got[0] != (SlotLag{"s", 4096, "unreserved"}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestStreamsOf(t *testing.T) {
	at := func(hours int) *time.Time { v := noon.Add(-time.Duration(hours) * time.Hour); return &v }
	of := func(status string, ended *time.Time, streams ...state.StreamStats) state.Run {
		return state.Run{StateID: "x", Status: status, Ended: ended, Streams: streams}
	}
	got := streamsOf([]state.Run{
		of(state.Running, nil, state.StreamStats{Stream: "a"}),
		of(state.Failed, at(1), state.StreamStats{Stream: "a", Rows: 5}, state.StreamStats{Stream: "b", Error: "no"}),
		of(state.Failed, at(2), state.StreamStats{Stream: "a", Rows: 5}),
		of(state.Succeeded, at(3), state.StreamStats{Stream: "a", Rows: 7}, state.StreamStats{Stream: "b", Rows: 8}),
		of(state.Succeeded, at(4), state.StreamStats{Stream: "a", Rows: 9}, state.StreamStats{Stream: "old", Rows: 8}),
	})
	if len(got) != 2 || !got[0].Loaded.Equal(*at(1)) || !slices.Equal(got[0].Rows, []int64{7, 9}) || !got[1].Loaded.Equal(*at(3)) || !slices.Equal(got[1].Rows, []int64{8}) {
		t.Errorf("%+v", got)
	}
}
