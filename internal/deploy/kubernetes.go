package deploy

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/robfig/cron/v3"

	"elt/internal/fault"
	"elt/internal/needs"
)

// How schedules fire.
const (
	AsDaemon  = "daemon"  // one Deployment, whose daemon keeps the clock
	AsCronJob = "cronjob" // a CronJob each; Kubernetes keeps the clock
)

// Where the daemon's runs go.
const (
	InDaemon = "process"    // processes in its own pod
	InJobs   = "kubernetes" // a Job each, which outlives the daemon
)

// Kubernetes is what a set of manifests is made of.
type Kubernetes struct {
	Name, Namespace string
	Image           string
	Environment     string
	As              string
	Executor        string // of the daemon: where runs go
	Replicas        int
	Schedules       []Schedule
	Needs           *needs.Needs
	Project         []File // mounted as a ConfigMap; nil: the image has it
	CloudSQL        string // PROJECT:REGION:INSTANCE, "" for none
	CloudSQLImage   string
	CloudSQLSecret  string // Secret with credentials.json; "": workload identity
	ServiceAccount  string
	CPU, Memory     string
	Storage         string // size of the volume for a SQLite store
}

// Schedule is a schedule that fires by itself.
type Schedule struct {
	Name     string
	Cron     string // five fields
	Timezone string
	Replace  bool // a run that is due ends the one that still goes on
	Paused   bool
	Seconds  int64 // after which a run is ended, 0: never
	Retries  int
}

// ref is a variable of a container that a Secret or ConfigMap holds.
type ref struct {
	Variable, Object string
	Secret, Optional bool
}

var (
	label    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`) })
	image    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?$`) })
	instance = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]+:[a-z0-9-]+:[a-z0-9-]+$`)
	})
	quantity = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$`) })
)

func (k Kubernetes) check() error {
	bad := func(flag, value, why string) *fault.Error {
		return fault.New(fault.Usage, "%s %q %s", flag, value, why)
	}
	switch {
	case !label().MatchString(k.Name) || len(k.Name) > 40:
		return bad("--name", k.Name, "is no name of Kubernetes").WithHint("lower case, digits and dashes, at most 40")
	case !label().MatchString(k.Namespace):
		return bad("--namespace", k.Namespace, "is no name of Kubernetes").WithHint("lower case, digits and dashes, at most 63")
	case k.As != AsDaemon && k.As != AsCronJob:
		return bad("--schedule-as", k.As, "is unknown").WithHint("daemon or cronjob")
	case k.CloudSQL != "" && !instance().MatchString(k.CloudSQL):
		return bad("--cloud-sql", k.CloudSQL, "is no instance").WithHint("PROJECT:REGION:INSTANCE, as gcloud sql instances describe shows under connectionName")
	case k.CloudSQL != "" && !k.Needs.Store.Postgres:
		return fault.New(fault.Usage, "--cloud-sql, but the store is SQLite").
			WithHint("the proxy leads to a PostgreSQL: leave --store sqlite out")
	case k.Executor != InDaemon && k.Executor != InJobs:
		return bad("--executor", k.Executor, "is unknown").WithHint("process or kubernetes")
	case k.MakesJobs() && k.As == AsCronJob:
		return fault.New(fault.Usage, "--executor kubernetes is for --schedule-as daemon: a run of a CronJob is a Job already")
	case k.MakesJobs() && !k.Needs.Store.Postgres:
		return fault.New(fault.Usage, "--executor kubernetes needs a store that Jobs can share").
			WithHint("keep state in PostgreSQL: set MELTANO_DATABASE_URI, or pass --store postgres")
	case k.Replicas < 1:
		return fault.New(fault.Usage, "--replicas %d: at least 1", k.Replicas)
	case k.Replicas > 1 && !k.Needs.Store.Postgres:
		return fault.New(fault.Usage, "--replicas %d needs a store that several can share", k.Replicas).
			WithHint("keep state in PostgreSQL: set MELTANO_DATABASE_URI, or pass --store postgres")
	case k.Replicas > 1 && k.As == AsCronJob:
		return fault.New(fault.Usage, "--replicas is for --schedule-as daemon: a CronJob has one pod per run")
	}
	for _, s := range k.Schedules {
		if _, err := cron.ParseStandard(s.Cron); err != nil && k.As == AsCronJob { // the parser that Kubernetes has
			return fault.New(fault.Failed, "schedule %s: Kubernetes does not understand %q: %v", s.Name, s.Cron, err).
				WithHint("write it in plain numbers and names, or use --schedule-as daemon")
		}
	}
	for _, q := range [][2]string{{"--cpu", k.CPU}, {"--memory", k.Memory}, {"--storage", k.Storage}} {
		if !quantity().MatchString(q[1]) {
			return bad(q[0], q[1], "is no quantity").WithHint("such as 500m, 1, 512Mi or 2Gi")
		}
	}
	for _, i := range [][2]string{{"--image", k.Image}, {"--cloud-sql-image", k.CloudSQLImage}} {
		if err := pinned(i[0], i[1]); err != nil {
			return err
		}
	}
	return nil
}

// pinned refuses an image that may be another one tomorrow.
func pinned(flag, name string) error {
	_, last, _ := strings.Cut(name[strings.LastIndex(name, "/")+1:], ":")
	switch {
	case name == "":
		return fault.New(fault.Usage, "%s is missing", flag).WithHint("the image that elt deploy docker's Dockerfile builds: REGISTRY/NAME:TAG")
	case !image().MatchString(name):
		return fault.New(fault.Usage, "%s %q is no image", flag, name).WithHint("REGISTRY/NAME:TAG, or REGISTRY/NAME@sha256:DIGEST")
	case !strings.Contains(name, "@sha256:") && (last == "" || last == "latest"):
		return fault.New(fault.Usage, "%s %s is not pinned: what runs would change without a deployment", flag, name).
			WithHint("name a tag of its own per build, such as a commit, or a digest: %s:2025-01-31", strings.TrimSuffix(name, ":latest"))
	}
	return nil
}

// Files are the manifests, in the order in which they are to be applied.
func (k Kubernetes) Files() ([]File, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	list := []string{"namespace.yaml"}
	if len(k.Project) > 0 {
		list = append(list, "project.yaml")
	}
	if !k.Needs.Store.Postgres {
		list = append(list, "storage.yaml")
	}
	if k.MakesJobs() {
		list = append(list, "rights.yaml")
	}
	if k.As == AsDaemon {
		list = append(list, "deployment.yaml")
	} else {
		if len(k.Schedules) == 0 {
			return nil, fault.New(fault.Usage, "the project has no schedule that fires by itself").WithHint("elt schedule add …; a manual one (@once) makes no CronJob")
		}
		list = append(list, "cronjobs.yaml")
	}
	var out []File
	for _, name := range list {
		f, err := render(name, "elt deploy kubernetes", k)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// Env are the variables that come from Secrets and from the ConfigMap.
func (k Kubernetes) Env() []ref {
	var out []ref
	for _, v := range k.Needs.Variables {
		if !v.Required && !v.Set {
			continue
		}
		r := ref{Variable: v.Name, Object: configName(k.Name), Secret: v.Secret, Optional: !v.Required}
		if v.Secret {
			r.Object = secretName(k.Name, v.Group)
		}
		out = append(out, r)
	}
	return out
}

// MakesJobs says that the daemon makes a Job of each run.
func (k Kubernetes) MakesJobs() bool { return k.Executor == InJobs }

// OwnAccount says that the manifests have a service account of their own.
func (k Kubernetes) OwnAccount() bool { return k.MakesJobs() && k.ServiceAccount == "" }

// Account is the pods' service account; "" is the namespace's default.
func (k Kubernetes) Account() string {
	if k.OwnAccount() {
		return k.Name
	}
	return k.ServiceAccount
}

// Durable says that the pods keep a SQLite store on a volume.
func (k Kubernetes) Durable() bool { return !k.Needs.Store.Postgres }

// Jobs are the schedules with their CronJobs' names: Kubernetes adds 11
// characters to these, and takes 63.
func (k Kubernetes) Jobs() []Job {
	var names []string
	for _, s := range k.Schedules {
		names = append(names, k.Name+"-"+s.Name)
	}
	out := make([]Job, len(names))
	for i, name := range slugs(names, 52) {
		out[i] = Job{k.Schedules[i], name}
	}
	return out
}

// Job is a schedule as a CronJob.
type Job struct {
	Schedule
	Object string
}

// Key is a project file's key in its ConfigMap, which may hold no slash.
func (k Kubernetes) Key(f File) string {
	return strings.NewReplacer("/", "__", " ", "_").Replace(f.Name)
}

// Block is a text as the body of a YAML literal, indented.
func (k Kubernetes) Block(text []byte, indent int) string {
	pad := strings.Repeat(" ", indent)
	return pad + strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\n"+pad)
}
