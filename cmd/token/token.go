// Package token is `elt token`: the keys of the daemon's API.
package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/internal/project"
	"elt/state"
)

// NewCmd is the command with its subcommands.
func NewCmd(app *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manage the tokens of the daemon's API",
		Long: `Manage the tokens that let programs and people use the API of elt daemon. They are
kept in the state store, as a hash: a token is shown once, when it is made.

  read   look at everything; secrets are masked for everybody
  run    and start, cancel and repeat runs, pause schedules, change bookmarks
  admin  and manage tokens, read the audit`,
		Example: `  elt token create airflow --scope run --expires 90d
  elt token list
  elt token revoke airflow`,
	}
	cmd.AddCommand(newCmdCreate(app), newCmdList(app), newCmdRevoke(app), newCmdExpire(app))
	return cmd
}

func newCmdCreate(app *cli.App) *cobra.Command {
	var scope, expires string
	cmd := &cobra.Command{
		Use:     "create NAME --scope SCOPE",
		Short:   "Make a token and show it, once",
		Example: "  elt token create grafana --scope read\n  elt token create airflow --scope run --expires 90d",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			r := api.TokenRequest{Name: args[0], Scope: api.Scope(scope)}
			if !slices.Contains([]string{"read", "run", "admin"}, scope) {
				return fault.New(fault.Usage, "--scope %q is none of read, run, admin", scope)
			}
			if len(r.Name) == 0 || len(r.Name) > 100 {
				return fault.New(fault.Usage, "a token's name has 1 to 100 characters")
			}
			at, err := ending(expires, time.Now())
			if err != nil {
				return err
			}
			r.ExpiresAt = at
			store, err := app.Store(ctx)
			if err != nil {
				return err
			}
			t, err := api.CreateToken(ctx, store, r, cli.Who())
			if err != nil {
				return explain(err)
			}
			if err := noted(ctx, store, "token.create", t.Name); err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(t)
			}
			fmt.Fprintf(app.IO.Err, "Token %s, scope %s, %s. It is shown only now:\n", t.Name, t.Scope, ends(t.ExpiresAt))
			_, err = fmt.Fprintln(app.IO.Out, t.Secret)
			return err
		},
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what it allows: read, run or admin")
	cmd.Flags().StringVar(&expires, "expires", "", "when it ends: a `TIME` from now (30d, 12h) or a date")
	_ = cmd.MarkFlagRequired("scope") // fails only for a flag that is not defined
	cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions([]string{"read", "run", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// explain turns the API's words into an error of a command.
func explain(err error) error {
	var p *api.Problem
	if errors.As(err, &p) {
		return fault.New(fault.Failed, "%s", p.Detail).WithHint("%s", p.Hint)
	}
	return err
}

// ending reads when a token ends; nil: never.
func ending(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	d, err := project.ParseDuration(text)
	at := now.Add(d)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, text); err != nil {
			at, err = time.Parse(time.RFC3339, text)
		}
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "--expires %q is no time", text).WithHint("as 30d, 12h, 2027-01-31 or 2027-01-31T18:00:00Z")
	}
	if !at.After(now) {
		return nil, fault.New(fault.Usage, "--expires %s is in the past", text)
	}
	at = at.UTC()
	return &at, nil
}

func ends(at *time.Time) string {
	if at == nil {
		return "never expires"
	}
	return "expires " + at.UTC().Format(time.RFC3339)
}

func newCmdList(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List tokens, newest first",
		Example: "  elt token list\n  elt token list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := app.Store(cmd.Context())
			if err != nil {
				return err
			}
			all, err := store.Tokens(cmd.Context(), false)
			if err != nil {
				return err
			}
			if app.Global.JSON {
				return app.IO.PrintJSON(append([]state.Token{}, all...))
			}
			table := cli.Table{Header: []string{"name", "scope", "status", "created", "expires", "last used", "id"}}
			for _, t := range all {
				table.Add(t.Name, t.Scope, status(t), date(&t.Created), date(t.Expires), date(t.Used), t.ID)
			}
			return table.Print(app.IO.Out)
		},
	}
}

func status(t state.Token) string {
	switch {
	case t.Revoked != nil:
		return "revoked"
	case t.Over:
		return "expired"
	}
	return "active"
}

func date(at *time.Time) string {
	if at == nil {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func newCmdRevoke(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:               "revoke TOKEN",
		Short:             "End a token, by its name or id, at once and for good",
		Long:              "End a token, by its name or id, at once and for good, and the browser sessions that were opened with it.\nIts name can be used again right away.",
		Example:           "  elt token revoke airflow",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteTokens(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(cmd.Context(), app, "token.revoke", args[0], "is revoked", func(ctx context.Context, store state.Store, id string) error {
				_, err := store.RevokeToken(ctx, id)
				return err
			})
		},
	}
}

func newCmdExpire(app *cli.App) *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:               "expire TOKEN --at TIME",
		Short:             "Set when a token ends",
		Example:           "  elt token expire airflow --at 7d\n  elt token expire airflow --at never",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: app.CompleteTokens(),
		RunE: func(cmd *cobra.Command, args []string) error {
			var when *time.Time
			if at != "never" {
				var err error
				if when, err = ending(at, time.Now()); err != nil {
					return err
				}
			}
			return change(cmd.Context(), app, "token.expire", args[0], ends(when), func(ctx context.Context, store state.Store, id string) error {
				_, err := store.ExpireToken(ctx, id, when)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "a `TIME` from now (30d, 12h), a date, or never")
	_ = cmd.MarkFlagRequired("at") // fails only for a flag that is not defined
	return cmd
}

// change works on the token of a name or an id.
func change(ctx context.Context, app *cli.App, action, name, done string, do func(context.Context, state.Store, string) error) error {
	store, err := app.Store(ctx)
	if err != nil {
		return err
	}
	t, err := find(ctx, store, name)
	if err != nil {
		return err
	}
	if err := do(ctx, store, t.ID); err != nil {
		return err
	}
	fmt.Fprintf(app.IO.Err, "Token %s %s\n", t.Name, done)
	return noted(ctx, store, action, t.Name)
}

// find is the token with an id, or the unrevoked one of a name.
func find(ctx context.Context, store state.Store, name string) (state.Token, error) {
	all, err := store.Tokens(ctx, false)
	if err != nil {
		return state.Token{}, err
	}
	var names []string
	for _, t := range all {
		if t.ID == name || t.Name == name && t.Revoked == nil {
			return t, nil
		}
		names = append(names, t.Name)
	}
	e := fault.New(fault.Failed, "there is no token %q that has not been revoked", name)
	if near := fault.Nearest(name, names); near != "" && near != name {
		return state.Token{}, e.WithHint("did you mean %q?", near)
	}
	return state.Token{}, e.WithHint("see: elt token list")
}

// noted leaves the same trace as the API does.
func noted(ctx context.Context, store state.Store, action, object string) error {
	return store.AddDeed(ctx, state.Deed{Who: cli.Who(), From: "command line", What: action, Object: object, Result: 200})
}
