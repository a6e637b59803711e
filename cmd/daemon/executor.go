package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/kubernetes"
	"elt/internal/proc"
	"elt/internal/worker"
	"elt/state"
)

var executors = []string{"process", "kubernetes"}

// newExecutor is where runs go, and what ends it.
func newExecutor(ctx context.Context, app *cli.App, s *source, store state.Store, settings *cli.Settings, self string, grace time.Duration) (worker.Executor, func(), error) {
	switch name := settings.String("executor"); name {
	case "process":
		guard, err := proc.StartGuard(self, filepath.Join(s.project.SysDir(), "run", "daemon", strconv.Itoa(os.Getpid())+".lock"))
		if err != nil {
			return nil, nil, err
		}
		return worker.Processes{Host: guard, Command: func(e state.Execution) (proc.Command, error) { return s.command(self, e) }},
			func() { _ = guard.Close() }, nil
	case "kubernetes":
		if !strings.HasPrefix(store.URI(), "postgres") {
			return nil, nil, fault.New(fault.Usage, "the executor kubernetes needs a state store that pods can share, and %s is a file", store.URI()).
				WithHint("set database_uri to a PostgreSQL")
		}
		x, err := newKubernetes(ctx, s, settings, self, grace)
		return x, func() {}, err
	default:
		return nil, nil, fault.New(fault.Usage, "--executor %s is none of %s", name, strings.Join(executors, ", "))
	}
}

func newKubernetes(ctx context.Context, s *source, settings *cli.Settings, self string, grace time.Duration) (*kubernetes.Executor, error) {
	cluster, err := kubernetes.Find(os.Getenv, "", settings.String("kubernetes_context"))
	if err != nil {
		return nil, err
	}
	set := kubernetes.Settings{
		Image: settings.String("kubernetes_image"), ServiceAccount: settings.String("kubernetes_service_account"),
		CPU: settings.String("kubernetes_cpu"), Memory: settings.String("kubernetes_memory"),
		Secrets:  strings.FieldsFunc(settings.String("kubernetes_secrets"), func(r rune) bool { return r == ',' || r == ' ' }),
		Template: settings.String("kubernetes_pod_template"), Grace: grace,
	}
	if set.Keep, err = settings.Duration("kubernetes_keep"); err != nil {
		return nil, err
	}
	if set.Pending, err = settings.Duration("kubernetes_pending"); err != nil {
		return nil, err
	}
	own := ""
	if cluster.InCluster {
		if own = os.Getenv("POD_NAME"); own == "" {
			own, _ = os.Hostname()
		}
	}
	client := kubernetes.NewClient(cluster, settings.String("kubernetes_namespace"))
	template, err := client.Template(ctx, set, own, self)
	if err != nil {
		return nil, err
	}
	return kubernetes.New(client, template, set, func(e state.Execution) ([]string, error) {
		c, err := s.command(self, e)
		return c.Args, err
	}), nil
}
