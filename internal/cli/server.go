package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/api"
	"elt/internal/client"
	"elt/internal/fault"
)

// ServerFlag lets a command work through the API of a daemon.
func (a *App) ServerFlag(cmd *cobra.Command) {
	cmd.Flags().String("server", "", "use the API of the daemon at this `URL` (ELT_SERVER), with the token in ELT_TOKEN")
}

// Remote is the daemon that a command is to use; nil: none, it works here.
// The token comes from the environment: arguments are for everybody to read
// (invariant 10).
func (a *App) Remote(cmd *cobra.Command) (*client.Client, error) {
	if err := a.FlagsFromEnviron(cmd, map[string]string{"server": "ELT_SERVER"}); err != nil {
		return nil, err
	}
	server, err := cmd.Flags().GetString("server")
	if err != nil || server == "" {
		return nil, err
	}
	token, _ := a.Variable("ELT_TOKEN")
	a.Redactor.Add(token)
	return client.New(server, token)
}

// LocalOnly refuses flags that mean nothing to a daemon.
func LocalOnly(cmd *cobra.Command, flags ...string) error {
	for _, f := range flags {
		if cmd.Flags().Changed(f) {
			return fault.New(fault.Usage, "--%s does not go with --server", f).WithHint("the daemon runs it as its project says")
		}
	}
	return nil
}

// PrintLine prints a line of a run's log for a person.
func PrintLine(w io.Writer) func(api.LogLine) error {
	return func(l api.LogLine) error {
		at := ""
		if l.At != nil {
			at = l.At.Format("2006-01-02T15:04:05.000Z") + " "
		}
		if l.Plugin != "" {
			_, err := fmt.Fprintf(w, "%s%-8s %-12s | %s\n", at, l.Level, l.Plugin, l.Text)
			return err
		}
		_, err := fmt.Fprintf(w, "%s%-8s %s\n", at, l.Level, l.Text)
		return err
	}
}

// FollowRun shows the log of a daemon's run until it ends, and ends with its
// exit code.
func (a *App) FollowRun(ctx context.Context, c *client.Client, d api.RunDetail) error {
	if !a.Global.JSON {
		fmt.Fprintf(a.IO.Err, "run %s of %s: %s\n", d.ID, d.Name, d.Status)
	}
	id := d.ID
	d, err := c.Follow(ctx, id, PrintLine(a.IO.Err))
	if ctx.Err() != nil {
		fmt.Fprintf(a.IO.Err, "the run goes on; elt runs cancel %s ends it\n", id)
	}
	if err != nil {
		return err
	}
	if a.Global.JSON {
		if err := a.IO.PrintJSON(d); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.IO.Out, "%s: %s in %s, %d rows  (run %s)\n", d.Name, d.Status, seconds(d.Seconds), d.Rows, d.ID)
		if d.Cause != "" {
			fmt.Fprintf(a.IO.Out, "  %s\n", d.Cause)
		}
	}
	return CodeOf(d)
}

// CodeOf is how a command ends that stands for a run.
func CodeOf(d api.RunDetail) error {
	switch {
	case d.ExitCode != nil && *d.ExitCode != 0:
		return ExitCode(*d.ExitCode)
	case d.Status != "succeeded":
		return ExitCode(fault.Failed)
	}
	return nil
}

// PrintRuns lists runs.
func (a *App) PrintRuns(runs []api.Run) error {
	if a.Global.JSON {
		return a.IO.PrintJSON(append([]api.Run{}, runs...))
	}
	table := Table{Header: []string{"created", "status", "run", "trigger", "rows", "seconds", "exit", "run id"}}
	for _, r := range runs {
		exit, took := "", ""
		if r.ExitCode != nil {
			exit = fmt.Sprint(*r.ExitCode)
		}
		if r.EndedAt != nil && r.StartedAt != nil {
			took = fmt.Sprintf("%.1f", r.Seconds)
		}
		table.Add(r.CreatedAt.Format(time.RFC3339), r.Status, r.Name, r.Trigger, r.Rows, took, exit, r.ID)
	}
	return table.Print(a.IO.Out)
}

// Who is the user of this machine, for the audit.
func Who() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}
