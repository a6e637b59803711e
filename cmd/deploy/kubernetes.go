package deploy

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"elt/internal/cli"
	"elt/internal/deploy"
	"elt/internal/fault"
	"elt/internal/project"
)

// kubernetes is the flags of `elt deploy kubernetes`.
type kubernetes struct {
	deploy.Kubernetes
	placing
	store, project string
}

func newCmdKubernetes(app *cli.App) *cobra.Command {
	o := &kubernetes{}
	cmd := &cobra.Command{
		Use:   "kubernetes --image IMAGE",
		Short: "Write Kubernetes manifests",
		Long: `Write manifests that run the project in its active environment: a namespace,
and either a Deployment of the daemon or a CronJob per schedule. Variables and
secrets come from the project (elt secrets required) and are referred to, never
written: elt secrets required --format kubectl makes them.

Pods run as user 65532 with a read-only file system and no privileges. With
PostgreSQL as the store a new pod takes over before the old one goes; with
SQLite the store lies on a volume, and the old pod has to go first.

Where a file was edited by hand, nothing is written unless --force is given.`,
		Example: `  elt deploy kubernetes --image registry.example.com/data:2025-01-31
  elt --environment prod deploy kubernetes --image registry.example.com/data:2025-01-31 \
      --schedule-as cronjob --cloud-sql my-project:us-west1:state --output kubernetes
  kubectl apply -f kubernetes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.As == "" {
				if o.As = deploy.AsCronJob; daemon(cmd) {
					o.As = deploy.AsDaemon
				}
			}
			if o.As == deploy.AsDaemon && !daemon(cmd) {
				log := app.Log()
				log.Warn().Msg("this elt's daemon takes no --listen yet, so its probes cannot be answered: the image has to hold one that does, or use --schedule-as cronjob")
			}
			return o.run(cmd.Context(), app)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Image, "image", "", "the project's `image`, with a tag of its own or a digest")
	f.StringVar(&o.Name, "name", "elt", "`name` of the objects")
	f.StringVar(&o.Namespace, "namespace", "", "`namespace`; without it NAME-ENVIRONMENT")
	f.StringVar(&o.As, "schedule-as", "", "daemon (the default where this elt has one) or cronjob")
	f.StringVar(&o.Executor, "executor", deploy.InDaemon, "where the daemon's runs go: process (its own pod) or kubernetes (a Job each, with the rights for that)")
	f.IntVar(&o.Replicas, "replicas", 1, "pods of the daemon")
	f.StringVar(&o.store, "store", "", "postgres or sqlite; without it what the project and the environment say")
	f.StringVar(&o.project, "project", "image", "where the project's files are: image or configmap")
	f.StringVar(&o.CloudSQL, "cloud-sql", "", "reach the store by Cloud SQL's proxy: `PROJECT:REGION:INSTANCE`; its address is then 127.0.0.1:5432")
	f.StringVar(&o.CloudSQLImage, "cloud-sql-image", "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.14.1", "`image` of that proxy")
	f.StringVar(&o.CloudSQLSecret, "cloud-sql-secret", "", "`secret` with credentials.json for it; without it workload identity")
	f.StringVar(&o.ServiceAccount, "service-account", "", "Kubernetes service `account` of the pods, which is there already (for workload identity)")
	f.StringVar(&o.CPU, "cpu", "250m", "CPU to ask for")
	f.StringVar(&o.Memory, "memory", "512Mi", "memory to ask for, and the limit")
	f.StringVar(&o.Storage, "storage", "10Gi", "size of the volume of a SQLite store")
	o.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("schedule-as", cobra.FixedCompletions([]string{deploy.AsDaemon, deploy.AsCronJob}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("executor", cobra.FixedCompletions([]string{deploy.InDaemon, deploy.InJobs}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("store", cobra.FixedCompletions([]string{"postgres", "sqlite"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("project", cobra.FixedCompletions([]string{"image", "configmap"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *kubernetes) run(ctx context.Context, app *cli.App) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	k := o.Kubernetes
	if k.Needs, err = app.Needs(ctx, false); err != nil {
		return err
	}
	if k.CloudSQL != "" && o.store == "" {
		o.store = "postgres"
	}
	if err := stored(k.Needs, o.store); err != nil {
		return err
	}
	if k.Environment, _ = p.Environment(); k.Namespace == "" {
		k.Namespace = deploy.Slug(k.Name + "-" + k.Environment)
	}
	log := app.Log()
	for _, s := range p.Schedules() {
		switch {
		case s.Bad != nil:
			log.Warn().Msgf("schedule %s is left out: %v", s.Name, s.Bad)
		case s.Cron != "":
			k.Schedules = append(k.Schedules, firing(s))
		case s.Timing.Times != nil && k.As == deploy.AsCronJob:
			log.Warn().Msgf("schedule %s is left out: a CronJob knows no interval such as %s, only cron expressions", s.Name, s.Interval)
		}
	}
	if k.As == deploy.AsCronJob && k.Durable() {
		log.Warn().Msg("the store is SQLite on a volume of one node: runs of several CronJobs wait for one another; PostgreSQL (--store postgres) has no such limit")
	}
	if k.Project, err = o.mounted(p); err != nil {
		return err
	}
	files, err := k.Files()
	if err != nil {
		return err
	}
	return o.place(app, files)
}

// firing is a schedule as Kubernetes can keep it.
func firing(s project.Schedule) deploy.Schedule {
	t := s.Timing
	out := deploy.Schedule{Name: s.Name, Cron: s.Cron, Timezone: "Etc/UTC", Replace: t.Overlap == "cancel", Paused: t.Paused,
		Seconds: int64(t.Timeout.Seconds()), Retries: 1}
	if t.Zone != nil && t.Zone.String() != "UTC" {
		out.Timezone = t.Zone.String()
	}
	if t.Retry.Set {
		out.Retries = max(0, t.Retry.Times)
	}
	return out
}

// mounted are the project's files for --project configmap.
func (o *kubernetes) mounted(p *project.Project) ([]deploy.File, error) {
	switch o.project {
	case "image":
		return nil, nil
	case "configmap":
	default:
		return nil, fault.New(fault.Usage, "--project %s is unknown", o.project).WithHint("image or configmap")
	}
	var out []deploy.File
	size := 0
	for _, name := range p.Files() {
		text, err := os.ReadFile(filepath.Join(p.Root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		size += len(text)
		out = append(out, deploy.File{Name: name, Text: text})
	}
	if size > 900<<10 {
		return nil, fault.New(fault.Failed, "the project's files have %d KiB, and a ConfigMap takes 1 MiB at most", size>>10).
			WithHint("put them into the image: elt deploy docker, --project image")
	}
	return out, nil
}
