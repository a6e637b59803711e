package project

import (
	"strings"
	"time"

	"elt/internal/fault"
)

// Job is a named list of tasks; each task is a list of blocks.
type Job struct {
	Name  string
	Tasks []Task
	Env   map[string]string
	// FreshWithin is how old its newest success may become; 0: any age.
	FreshWithin time.Duration
	Dispatch
	At fault.Position
}

// Task is one entry of a job: blocks as written in one string, or a list of them.
type Task struct {
	Items []string
	List  bool // written as a list
}

// Blocks are the task's blocks, split at blanks.
func (t Task) Blocks() []string {
	var out []string
	for _, item := range t.Items {
		out = append(out, strings.Fields(item)...)
	}
	return out
}

// MarshalJSON writes a task as it is written in the file.
func (t Task) MarshalJSON() ([]byte, error) {
	if !t.List && len(t.Items) == 1 {
		return marshal(t.Items[0])
	}
	return marshal(t.Items)
}

// Blocks are the blocks of all tasks.
func (j Job) Blocks() []string {
	var out []string
	for _, t := range j.Tasks {
		out = append(out, t.Blocks()...)
	}
	return out
}

// Schedule runs a job or a pair at an interval.
type Schedule struct {
	Name      string
	Interval  string // as written
	Cron      string // five fields; "" for manual schedules; as written when Bad
	Bad       error  // why the interval is none; such a schedule runs only by hand
	Job       string
	Extractor string
	Loader    string
	Transform string // "skip" unless written
	Env       map[string]string
	Timing    Timing
	Dispatch
	At fault.Position
}

// Blocks are what it runs, as for `elt run`.
func (s Schedule) Blocks() []string {
	if s.Job != "" {
		return []string{s.Job}
	}
	return []string{s.Extractor, s.Loader}
}

// StateID is the state id of a pair's schedule: its name.
func (s Schedule) StateID() string { return s.Name }

// Command is the elt command that runs a pair's schedule. One with a transform
// goes to the command that says that there are none here.
func (s Schedule) Command() []string {
	if s.Transform != "skip" {
		return []string{"elt", s.Extractor, s.Loader, "--state-id=" + s.StateID(), "--transform=" + s.Transform}
	}
	return []string{"el", s.Extractor, s.Loader, "--state-id=" + s.StateID()}
}

// readJobs reads jobs; of two with one name the first counts, as in Meltano.
func (p *Project) readJobs(c *checker) {
	seen := map[string]bool{}
	for _, n := range p.file.get("jobs").list() {
		j := Job{Name: n.get("name").text(), Env: n.get("env").textMap(), Tasks: readTasks(n.get("tasks")), At: n.at()}
		if j.Name == "" || seen[j.Name] {
			continue
		}
		var err error
		if j.Dispatch, err = readDispatch(n); err != nil {
			c.wrong(asMistake(err))
		}
		seen[j.Name] = true
		readDuration(c, n, "fresh_within", &j.FreshWithin)
		p.jobs = append(p.jobs, j)
		for _, plugin := range p.Plugins("") {
			if plugin.Name == j.Name {
				c.warnings = append(c.warnings, n.get("name").errorf("job %q has the name of a plugin", j.Name))
			}
		}
	}
}

// readTasks reads a list of tasks; a plain text is one task.
func readTasks(list *node) []Task {
	items := list.list()
	if list != nil && !list.isList && !list.isNull() {
		items = []*node{list}
	}
	var out []Task
	for _, t := range items {
		if t.isList {
			out = append(out, Task{Items: t.texts(), List: true})
		} else {
			out = append(out, Task{Items: []string{t.text()}})
		}
	}
	return out
}

// ParseTasks reads what --tasks gives: a text, or YAML as in the file.
func ParseTasks(text string) ([]Task, error) {
	whole := "tasks: " + text
	if strings.Contains(strings.TrimSpace(text), "\n") {
		whole = "tasks:\n  " + strings.ReplaceAll(text, "\n", "\n  ")
	}
	root, err := parse(newSource("", "--tasks", whole))
	if err != nil {
		return nil, err
	}
	c := &checker{}
	c.tasks(root.get("tasks"))
	if err := first(c.mistakes); err != nil {
		return nil, err
	}
	tasks := readTasks(root.get("tasks"))
	if len(tasks) == 0 {
		return nil, fault.New(fault.Failed, "a job has at least one task")
	}
	return tasks, nil
}

// TaskValues are tasks as values for an edit or a listing.
func TaskValues(tasks []Task) []any {
	out := []any{}
	for _, t := range tasks {
		if !t.List {
			out = append(out, t.Items[0])
			continue
		}
		items := []any{}
		for _, i := range t.Items {
			items = append(items, i)
		}
		out = append(out, items)
	}
	return out
}

func (p *Project) readSchedules(c *checker) {
	seen := map[string]bool{}
	for _, n := range p.file.get("schedules").list() {
		s := Schedule{
			Name: n.get("name").text(), Interval: n.get("interval").text(), Job: n.get("job").text(),
			Extractor: n.get("extractor").text(), Loader: n.get("loader").text(), Transform: n.get("transform").text(),
			Env: n.get("env").textMap(), At: n.at(),
		}
		if s.Name == "" || seen[s.Name] {
			continue
		}
		seen[s.Name] = true
		if s.Transform == "" {
			s.Transform = "skip"
		}
		cron, err := "", error(nil)
		if s.Interval != "" || n.get("every") == nil {
			cron, err = Cron(s.Interval)
		}
		if err != nil {
			// Meltano notices a bad interval only in "schedule add"; such a
			// schedule can still be listed and run by hand.
			e := n.get("interval").errorf("%v", err)
			c.warnings = append(c.warnings, e)
			cron, s.Bad = s.Interval, e
		}
		s.Cron = cron
		if s.Timing, err = readTiming(n, cron); err != nil && s.Bad == nil {
			c.warnings = append(c.warnings, asMistake(err))
			s.Bad = err
		}
		if s.Dispatch, err = readDispatch(n); err != nil && s.Bad == nil {
			c.warnings = append(c.warnings, asMistake(err))
			s.Bad = err
		}
		if s.Bad != nil {
			s.Timing.Times = nil
		}
		if s.Interval == "" && n.get("every") != nil {
			s.Interval = "every " + n.get("every").text()
		}
		p.plans = append(p.plans, s)
	}
}

// Job finds a job by name.
func (p *Project) Job(name string) (Job, bool) {
	for _, j := range p.jobs {
		if j.Name == name {
			return j, true
		}
	}
	return Job{}, false
}

// Schedule finds a schedule by name; the error suggests the nearest.
func (p *Project) Schedule(name string) (Schedule, error) {
	var names []string
	for _, s := range p.plans {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	e := fault.New(fault.Failed, "no schedule is called %q", name)
	if near := fault.Nearest(name, names); near != "" {
		e = e.WithHint("did you mean %q?", near)
	}
	return Schedule{}, e
}
