package invoke

import (
	"context"
	"fmt"
	"strings"

	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
)

// Airflow is a plugin that elt is itself: its scheduler is `elt daemon`.
const airflow = "airflow"

// standsInForAirflow: neither the project nor the user insists on the program.
func standsInForAirflow(app *cli.App, p *project.Project) bool {
	if own, err := app.Settings(); err == nil && own.String("native") == "never" {
		return false
	}
	plugin, err := p.Plugin("", airflow)
	return err != nil || plugin.Native != "never"
}

// runAirflow does what `airflow ARGUMENTS` is there for in a Meltano project.
func runAirflow(ctx context.Context, app *cli.App, args []string, daemon func(context.Context) error) error {
	log := app.Log()
	switch what := strings.Join(args[:min(len(args), 2)], " "); {
	case len(args) > 0 && args[0] == "scheduler":
		log.Info().Msg("elt stands in for Airflow's scheduler: this is elt daemon --airflow-defaults")
		return daemon(ctx)
	case what == "db init", what == "db upgrade", what == "db migrate", what == "initdb", what == "upgradedb", what == "users create":
		_, err := fmt.Fprintf(app.IO.Err, "Nothing to do for airflow %s: elt stands in for Airflow, its tables are made when they are needed.\n", what)
		return err
	default:
		return fault.New(fault.Failed, "elt stands in for Airflow and knows no `airflow %s`", strings.Join(args, " ")).
			WithHint("its scheduler is elt daemon; native: never at the plugin runs Airflow itself")
	}
}
