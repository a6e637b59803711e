// Package alerts is `elt alerts`: what is wrong now, and whether channels work.
package alerts

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"elt/cmd/daemon"
	"elt/internal/cli"
	"elt/internal/notify"
	"elt/internal/project"
	"elt/state"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "What is wrong with pipelines, and who is told",
		Long: `What is wrong with pipelines, and who is told.

elt daemon judges the pipelines of its project and environment and tells the
channels that stand under alerts: in the project file. docs/alerts.md says by
which rules.`,
		Example: "  elt alerts list\n  elt alerts test ops",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(newListCmd(app), newTestCmd(app))
	return cmd
}

func newListCmd(app *cli.App) *cobra.Command {
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List what is wrong now, with --all also what was",
		Example: "  elt alerts list\n  elt alerts list --all --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), app, all, limit)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also what is over")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many; 0 is all")
	return cmd
}

// listed is what `list --json` prints.
type listed struct {
	Channels  []channel  `json:"channels"`
	Incidents []incident `json:"incidents"`
}

type channel struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type incident struct {
	state.Incident
	Told []told `json:"told"`
}

type told struct {
	Channel  string     `json:"channel"`
	What     string     `json:"what"`
	Attempts int        `json:"attempts"`
	Done     *time.Time `json:"done_at,omitempty"`
	Error    string     `json:"error,omitempty"`
}

func list(ctx context.Context, app *cli.App, all bool, limit int) error {
	p, err := app.Project(ctx)
	if err != nil {
		return err
	}
	out := listed{Channels: []channel{}, Incidents: []incident{}}
	for _, c := range p.Alerts().Channels {
		out.Channels = append(out.Channels, channel{c.Name, c.Type})
	}
	store, err := app.Store(ctx)
	if err != nil {
		return err
	}
	environment, _ := p.Environment()
	found, err := store.Incidents(ctx, p.ID(), environment, !all, limit)
	if err != nil {
		return err
	}
	for _, i := range found {
		notices, err := store.NoticesOf(ctx, i.ID)
		if err != nil {
			return err
		}
		one := incident{Incident: i, Told: []told{}}
		for _, n := range notices {
			one.Told = append(one.Told, told{n.Channel, n.What, n.Attempts, n.Done, n.Error})
		}
		out.Incidents = append(out.Incidents, one)
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(out)
	}
	return printList(app, out)
}

func printList(app *cli.App, l listed) error {
	table := cli.Table{Header: []string{"since", "until", "what", "pipeline", "summary", "told"}}
	for _, i := range l.Incidents {
		until := ""
		if i.Resolved != nil {
			until = i.Resolved.Format(time.RFC3339)
		}
		table.Add(i.Opened.Format(time.RFC3339), until, i.Kind, i.Pipeline, i.Summary, words(i.Told))
	}
	if len(l.Incidents) == 0 {
		fmt.Fprintln(app.IO.Err, "nothing is wrong, as far as a daemon has looked")
	}
	if len(l.Channels) == 0 {
		fmt.Fprintln(app.IO.Err, "the project has no channels: nobody is told (alerts: channels: in the project file)")
	}
	return table.Print(app.IO.Out)
}

// words says who was told: "ops", "mail: not yet, 3 attempts, …".
func words(list []told) string {
	var parts []string
	for _, t := range list {
		what := t.Channel
		if t.What == state.NoticeResolved {
			what += " (over)"
		}
		switch {
		case t.Done != nil && t.Error != "":
			what += ": given up, " + t.Error
		case t.Done == nil && t.Attempts > 0:
			what += fmt.Sprintf(": not yet, %d attempts, %s", t.Attempts, t.Error)
		case t.Done == nil:
			what += ": not yet"
		}
		parts = append(parts, what)
	}
	return strings.Join(parts, "; ")
}

func newTestCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "test CHANNEL",
		Short:   "Tell a channel that this is a test",
		Example: "  elt alerts test ops",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			p, err := app.Project(cmd.Context())
			if err != nil || len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names(p), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := app.Project(cmd.Context())
			if err != nil {
				return err
			}
			return test(cmd.Context(), app, p, args[0])
		},
	}
}

func names(p *project.Project) (words []string) {
	for _, c := range p.Alerts().Channels {
		words = append(words, c.Name+"\t"+c.Type)
	}
	return words
}

// testing is how long a channel may take.
const testing = 30 * time.Second

func test(ctx context.Context, app *cli.App, p *project.Project, name string) error {
	ch, err := daemon.OpenChannel(ctx, app, p, name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, testing)
	defer cancel()
	environment, _ := p.Environment()
	m := notify.TestMessage(p.ID(), environment)
	if err := ch.Tell(ctx, m); err != nil {
		return fmt.Errorf("channel %s could not be told: %w", name, err)
	}
	if app.Global.JSON {
		return app.IO.PrintJSON(map[string]string{"channel": name, "message_id": m.ID})
	}
	fmt.Fprintf(app.IO.Out, "channel %s was told (%s)\n", name, m.ID)
	return nil
}
