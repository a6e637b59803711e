package api

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"elt/internal/backfill"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/state"
)

// RunRequest asks for a run: of a job, of blocks as elt run takes them, or of
// what a schedule runs.
type RunRequest struct {
	Job      string   `json:"job,omitempty" maxLength:"500"`
	Blocks   []string `json:"blocks,omitempty" maxItems:"100" doc:"As elt run takes them: [\"tap-csv\", \"target-sqlite\"]."`
	Schedule string   `json:"schedule,omitempty" maxLength:"500"`

	From        string            `json:"from,omitempty" maxLength:"100" doc:"Backfill: load what is this date or newer, beside the regular runs."`
	To          string            `json:"to,omitempty" maxLength:"100" doc:"Backfill: and older than this date."`
	Chunk       string            `json:"chunk,omitempty" maxLength:"100" doc:"Backfill: a run for each span of the window: 6h, 1d, 7d, 1w, 1mo."`
	FullRefresh bool              `json:"full_refresh,omitempty" doc:"Start over: give the tap no state."`
	Select      []string          `json:"select,omitempty" maxItems:"1000" doc:"Only streams that match."`
	Exclude     []string          `json:"exclude,omitempty" maxItems:"1000" doc:"No streams that match."`
	Env         map[string]string `json:"env,omitempty" doc:"Variables of the run. They are kept in the store as they are: no secrets."`
	Queue       string            `json:"queue,omitempty" maxLength:"100"`
	Priority    int               `json:"priority,omitempty" minimum:"-1000" maximum:"1000" doc:"Higher ones of a queue go first."`
	Timeout     float64           `json:"timeout_seconds,omitempty" minimum:"0" doc:"A run that takes longer is stopped and has failed."`

	CallbackURL string `json:"callback_url,omitempty" maxLength:"4000" doc:"Gets a POST with the outcome when the run has ended."`
	// As the WebHook activity of Azure Data Factory writes it.
	CallBackURI string `json:"callBackUri,omitempty" maxLength:"4000" doc:"The same, as the WebHook activity of Azure Data Factory sends it; the POST has the form that it waits for."`
}

// execution checks the request against the project as it is now.
func (r RunRequest) execution(p *project.Project, plan schedule.Plan) (state.Execution, error) {
	e, err := r.base(p, plan)
	if err != nil {
		return e, err
	}
	parsed, err := p.Plan(e.Blocks, project.PlanOptions{})
	if err != nil {
		return e, unknownBlock(err)
	}
	o, err := schedule.OptionsOf(e)
	if err != nil {
		return e, err
	}
	if err := r.settle(&o, parsed); err != nil {
		return e, err
	}
	e.Options = o.JSON()
	if r.Queue != "" {
		e.Queue = r.Queue
	}
	if r.Priority != 0 {
		e.Priority = r.Priority
	}
	e.Callback, err = r.callback()
	return e, err
}

// base is the execution of what is asked for, without its options.
func (r RunRequest) base(p *project.Project, plan schedule.Plan) (state.Execution, error) {
	if len(r.Blocks) == 1 && r.Job == "" {
		if _, ok := p.Job(r.Blocks[0]); ok {
			r.Job, r.Blocks = r.Blocks[0], nil
		}
	}
	given := 0
	for _, ok := range []bool{r.Job != "", len(r.Blocks) > 0, r.Schedule != ""} {
		if ok {
			given++
		}
	}
	if given != 1 {
		return state.Execution{}, problem(http.StatusUnprocessableEntity, "invalid", "a run is of one of job, blocks and schedule, and %d are given", given)
	}
	e := state.Execution{ID: schedule.NewID(), Project: plan.Project, Environment: plan.Environment, Trigger: "api", Attempt: 1, Digest: plan.Digest}
	switch {
	case r.Schedule != "":
		one, ok := plan.Schedule(r.Schedule)
		if !ok {
			return e, unknown("schedule", r.Schedule, scheduleNames(plan))
		}
		return plan.Execution(one, "api"), nil
	case r.Job != "":
		if _, ok := p.Job(r.Job); !ok {
			return e, unknown("job", r.Job, plan.Jobs)
		}
		return plan.Job(r.Job, "api"), nil
	default:
		e.Name, e.Blocks = strings.Join(r.Blocks, " "), r.Blocks
		e.Lock = lockOf(p, plan, r.Blocks)
	}
	return e, nil
}

// lockOf makes blocks wait for what works on the same state ids: only one at a
// time can (invariant 6), and the second one would fail.
func lockOf(p *project.Project, plan schedule.Plan, blocks []string) string {
	own := stateIDs(p, blocks)
	for _, job := range plan.Jobs {
		for _, id := range stateIDs(p, []string{job}) {
			if slices.Contains(own, id) {
				return plan.Job(job, "api").Lock
			}
		}
	}
	return "blocks " + strings.Join(blocks, " ")
}

// stateIDs are those that blocks work on; none where they are not right.
func stateIDs(p *project.Project, blocks []string) (ids []string) {
	plan, err := p.Plan(blocks, project.PlanOptions{})
	if err != nil {
		return nil
	}
	for _, b := range plan.Blocks {
		if b.Set != nil {
			ids = append(ids, b.Set.StateID)
		}
	}
	return ids
}

func scheduleNames(plan schedule.Plan) (names []string) {
	for _, s := range plan.Schedules {
		names = append(names, s.Name)
	}
	return names
}

// unknown says that there is no thing of a name, and the nearest.
func unknown(what, name string, there []string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "unknown_"+what, "there is no %s %q", what, name)
	if near := fault.Nearest(name, there); near != "" {
		return p.hint("did you mean %q?", near)
	}
	return p
}

func unknownBlock(err error) error {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err
	}
	return problem(http.StatusUnprocessableEntity, "unknown_block", "%s", e.Error()).hint("%s", e.Hint)
}

// settle puts what was asked for into the options.
func (r RunRequest) settle(o *schedule.Options, plan *project.Plan) error {
	if (r.From == "") != (r.To == "") {
		return problem(http.StatusUnprocessableEntity, "invalid", "a window has two ends: from and to").hint("it is half open: from 2024-01-01 to 2024-02-01 is January")
	}
	if r.From == "" && r.Chunk != "" {
		return problem(http.StatusUnprocessableEntity, "invalid", "chunk is for a window, and there is no from and to")
	}
	if r.From != "" {
		if r.FullRefresh {
			return problem(http.StatusUnprocessableEntity, "invalid", "full_refresh does not go with from and to").hint("a backfill leaves the regular bookmark alone")
		}
		if _, err := backfill.Set(plan); err != nil {
			return err
		}
		if _, err := backfill.ParseWindow(r.From, r.To); err != nil {
			return err
		}
		if r.Chunk != "" {
			if _, err := backfill.ParseSpan(r.Chunk); err != nil {
				return err
			}
		}
		o.Backfill = backfill.NewID(time.Now())
	}
	for name, value := range r.Env {
		if err := variable(name, value); err != nil {
			return err
		}
		if o.Env == nil {
			o.Env = map[string]string{}
		}
		o.Env[name] = value
	}
	o.From, o.To, o.Chunk, o.FullRefresh, o.Select, o.Exclude = r.From, r.To, r.Chunk, r.FullRefresh, r.Select, r.Exclude
	if r.Timeout > 0 {
		o.Timeout = time.Duration(r.Timeout * float64(time.Second))
	}
	return nil
}

var (
	variableName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,199}$`) })
	// dangerous are variables by which programs are told what else to run, or
	// elt where its store is: a token that may start runs may not choose that.
	dangerous = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)^(PATH|HOME|SHELL|IFS|BASH_ENV|ENV|TMPDIR|LD_.*|DYLD_.*|PYTHON.*|PIP_.*|UV_.*|PERL.*|RUBY.*|NODE_.*|JAVA_.*|_JAVA_OPTIONS|JDK_.*|CLASSPATH|GIT_.*|SSL_.*|GO.*|XDG_.*|VIRTUAL_ENV|ELT_.*|MELTANO_(DATABASE|STATE|PROJECT|CLI|VENV|SYS|ENVIRONMENT|RUN).*|AIRFLOW__.*|.*_EXECUTABLE|.*__COMMANDS?.*|.*PROXY)$`)
	})
)

func variable(name, value string) error {
	switch {
	case !variableName().MatchString(name), strings.ContainsRune(value, 0):
		return problem(http.StatusUnprocessableEntity, "invalid", "env: %q is no variable", name)
	case dangerous().MatchString(name):
		return problem(http.StatusUnprocessableEntity, "env_refused", "env: %s may not be set by a request", name).
			hint("it decides what programs run, or where elt keeps its state; set it for the daemon")
	}
	return nil
}

// callback is the address that is told of the end. One that Azure Data Factory
// gave is kept with a mark: it expects another form.
func (r RunRequest) callback() (string, error) {
	address := r.CallbackURL
	if r.CallBackURI != "" {
		if address != "" {
			return "", problem(http.StatusUnprocessableEntity, "invalid", "callback_url and callBackUri are two ways to say the same")
		}
		address = r.CallBackURI
	}
	if address == "" {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return "", problem(http.StatusUnprocessableEntity, "invalid", "the callback is no address of the form https://host/path")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && nobody(ip) {
		return "", problem(http.StatusUnprocessableEntity, "invalid", "the callback goes to %s, where no caller is", ip)
	}
	if r.CallBackURI != "" {
		return factoryMark + address, nil
	}
	return address, nil
}
