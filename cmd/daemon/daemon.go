// Package daemon is `elt daemon`: schedules and runs in one process that
// stays, or in several that share the state store.
package daemon

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/schedule"
	"elt/internal/worker"
	"elt/state"
)

// Options are the flags of `elt daemon`.
type Options struct {
	Roles    []string
	Workers  int
	Queues   []string
	Executor string
	Airflow  bool // the defaults of the DAGs that Meltano makes
	Listen   string
	// NoAuth: requests of this machine need no token.
	NoAuth bool
}

var roles = []string{"scheduler", "worker", "api"}

// listen is where the API is unless told otherwise: nobody else's business.
const listen = "127.0.0.1:8080"

// Airflow are the options of a daemon that stands in for Airflow's scheduler:
// its executor says whether several runs go on at the same time. The API is
// served where ELT_LISTEN says so: images of Meltano projects expect no port.
func Airflow(address string) *Options {
	o := &Options{Roles: roles[:2], Airflow: true}
	if address != "" {
		o.Roles, o.Listen = roles, address
	}
	if os.Getenv("AIRFLOW__CORE__EXECUTOR") == "SequentialExecutor" {
		o.Workers = 1
	}
	return o
}

// NewCmd is the command; runF replaces what it does, in tests.
func NewCmd(app *cli.App, runF func(context.Context, *Options) error) *cobra.Command {
	o := &Options{}
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Run the project's schedules, and stay",
		Long: `Run the project's schedules: fire each at its times, see what was missed,
repeat what failed as its schedule says. Edits of the project file count at
once; a schedule with a mistake is reported, the others run.

The daemon serves one project and one environment. Several on one state store
(PostgreSQL) share the work: each time of a schedule fires once. SIGTERM stops
what runs, keeps its bookmarks, hands it back to the queue and ends.

Runs are processes of the daemon, or, with --executor kubernetes, Jobs of
Kubernetes, which go on while the daemon is replaced (docs/daemon.md).

The API and the metrics are at --listen, for whoever has a token (elt token
create). docs/api.md describes it, and so does /api/v1/openapi.json.`,
		Example: `  elt daemon
  elt daemon --listen 0.0.0.0:8080
  elt --environment prod daemon --workers 4
  elt daemon --role scheduler
  elt daemon --role worker --queue default --queue heavy
  elt daemon --role worker --executor kubernetes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, r := range o.Roles {
				if !slices.Contains(roles, r) {
					return fault.New(fault.Usage, "--role %s is none of %s", r, strings.Join(roles, ", "))
				}
			}
			if err := app.FlagsFromEnviron(cmd, map[string]string{"listen": "ELT_LISTEN"}); err != nil {
				return err
			}
			if runF != nil {
				return runF(cmd.Context(), o)
			}
			return Run(cmd.Context(), app, o)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.Roles, "role", roles, "what this process does: "+strings.Join(roles, ", "))
	f.IntVar(&o.Workers, "workers", 0, "runs at the same time; 0 is one per core (ELT_WORKERS)")
	f.StringArrayVar(&o.Queues, "queue", nil, "take only runs of this `QUEUE`; may be repeated; without it, of all")
	f.StringVar(&o.Executor, "executor", "", "where runs go: "+strings.Join(executors, ", ")+" (ELT_EXECUTOR)")
	f.StringVar(&o.Listen, "listen", listen, "`ADDRESS` of the API; \"\" is no API (ELT_LISTEN)")
	f.BoolVar(&o.NoAuth, "no-auth-on-loopback", false, "let requests that come from this machine itself do anything without a token")
	f.BoolVar(&o.Airflow, "airflow-defaults", false, "where a schedule says nothing: no catch-up, one run at a time, one retry after 5 minutes")
	cmd.RegisterFlagCompletionFunc("executor", cobra.FixedCompletions(executors, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(roles, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// Run is the daemon, until the context ends.
func Run(ctx context.Context, app *cli.App, o *Options) error {
	log := app.Log()
	store, err := waitForStore(ctx, app)
	if err != nil || store == nil {
		return err
	}
	s := &source{app: app, defaults: schedule.Ours}
	if o.Airflow {
		s.defaults = schedule.Airflows
	}
	plan, err := s.load(ctx)
	if err != nil {
		return err
	}
	name := workerName()
	clock, err := schedule.NewClock()
	if err != nil {
		return err
	}
	defer clock.Close()

	// The API goes last: a daemon that drains its runs says that it is not ready.
	var services []service
	w, closeGuard, err := newWorker(ctx, app, o, s, plan, store, name)
	if err != nil {
		return err
	}
	defer closeGuard()
	services = append(services, service{"alive", alive(app, store, daemonOf(o, w))})
	if slices.Contains(o.Roles, "api") && o.Listen != "" {
		serve, err := newAPI(ctx, app, o, s, store, w)
		if err != nil {
			return err
		}
		services = append(services, service{"api", serve})
	}
	old, err := pruner(app, s, store, slices.Contains(o.Roles, "scheduler"))
	if err != nil {
		return err
	}
	services = append(services, service{"retention", old.Run})
	if slices.Contains(o.Roles, "worker") {
		services = append(services, service{"worker", w.Run}, service{"listener", func(ctx context.Context) error {
			store.Listen(ctx, w.Wake)
			return nil
		}})
	}
	if slices.Contains(o.Roles, "scheduler") {
		scheduler := &schedule.Scheduler{Store: store, Load: s.load, Alarm: clock, Log: log, Fired: w.Wake}
		services = append(services, service{"alerts", teller(app, s, store, w).Run}, service{"scheduler", scheduler.Run})
	}
	log.Info().Str("project", plan.Project).Str("environment", plan.Environment).Str("store", store.URI()).Str("name", name).
		Int("schedules", len(plan.Schedules)).Msgf("daemon started: %s", strings.Join(o.Roles, ", "))
	program.Unmap() // it waits most of the time, and has started long ago by then
	err = runServices(ctx, services)
	log.Info().Msg("daemon stopped")
	return err
}

// copies of logs are for daemons on other machines: a store that is a file has none.
func copies(store state.Store, mib int) worker.Copies {
	if mib <= 0 || !strings.HasPrefix(store.URI(), "postgres") {
		return worker.Copies{}
	}
	return worker.Copies{Logs: store, Tail: int64(mib) << 20}
}

// daemonOf describes this process to the others.
func daemonOf(o *Options, w *worker.Worker) state.Daemon {
	d := state.Daemon{Name: w.Name, Project: w.Project, Environment: w.Environment, Roles: o.Roles}
	if slices.Contains(o.Roles, "worker") {
		d.Queues, d.Slots, d.Executor = w.Queues, w.Slots, executors[0]
		if w.Executor.Outlives() {
			d.Executor = executors[1]
		}
	}
	return d
}

// waitForStore opens the store, and waits while it is away: the database may
// start later than the daemon. Both nil when the context ended meanwhile.
func waitForStore(ctx context.Context, app *cli.App) (state.Store, error) {
	log := app.Log()
	for told := false; ; {
		store, err := app.Store(ctx)
		switch {
		case err == nil:
			return store, nil
		case ctx.Err() != nil:
			return nil, nil
		case fault.CodeOf(err) != fault.StoreAway:
			return nil, err
		}
		if !told {
			told = true
			log.Error().Err(err).Msg("the state store is away; waiting for it")
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(5 * time.Second):
		}
	}
}

// queues are the store's names of queues: its nameless one is the user's "default".
func queues(names []string) []string {
	out := slices.Clone(names)
	for i, name := range out {
		if name == "default" {
			out[i] = ""
		}
	}
	return out
}

func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), strconv.FormatInt(time.Now().UnixNano(), 36))
}

func newWorker(ctx context.Context, app *cli.App, o *Options, s *source, plan schedule.Plan, store state.Store, name string) (*worker.Worker, func(), error) {
	self, err := app.Self()
	if err != nil {
		return nil, nil, err
	}
	settings, err := app.Settings()
	if err != nil {
		return nil, nil, err
	}
	grace, err := settings.Duration("stop_grace")
	if err != nil {
		return nil, nil, err
	}
	silent, err := settings.Duration("worker_ttl")
	if err != nil {
		return nil, nil, err
	}
	slots := o.Workers
	if slots == 0 {
		slots = settings.Int("workers")
	}
	if slots == 0 {
		slots = runtime.NumCPU()
	}
	if o.Executor != "" {
		settings.Set("executor", o.Executor)
	}
	executor, done, err := newExecutor(ctx, app, s, store, settings, self, grace)
	if err != nil {
		return nil, nil, err
	}
	if executor.Outlives() {
		name = state.Elsewhere + name
	}
	w := worker.New(worker.Worker{
		Queue: store, Name: name, Project: plan.Project, Environment: plan.Environment, Slots: slots,
		Queues: queues(o.Queues), Limits: func() map[string]int { return s.limits() },
		Executor: executor,
		LogPath:  s.logPath, Copies: copies(store, settings.Int("keep_log_mib")),
		After: func(e state.Execution, now time.Time) []state.Execution { return s.current().After(e, now) },
		Log:   app.Log(), Grace: grace, Beat: silent / 4, Silent: silent,
	})
	return w, done, nil
}
