package token

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
	"elt/state"
	"elt/state/sqlite"
)

func TestToken(t *testing.T) {
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "elt.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	run := func(args ...string) (string, error) {
		streams, out, _ := cli.Test("")
		app := &cli.App{IO: streams, Global: &cli.Global{}, Store: func(context.Context) (state.Store, error) { return store, nil }}
		if args[0] == "--json" {
			app.Global.JSON, args = true, args[1:]
		}
		cmd := NewCmd(app)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(args)
		failed := cmd.ExecuteContext(t.Context())
		return out.String(), failed
	}
	ok := func(args ...string) string {
		t.Helper()
		out, err := run(args...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out
	}
	secret := strings.TrimSpace(ok("create", "ci", "--scope", "run", "--expires", "30d"))
	k, err := store.TokenOf(t.Context(), api.Hash(secret))
	if err != nil || k.Scope != "run" || k.Over || k.Expires == nil || k.Expires.Sub(time.Now()).Round(time.Hour) != 30*24*time.Hour || k.Creator == "" {
		t.Fatalf("%+v %v", k, err)
	}
	for _, list := range []string{ok("list"), ok("--json", "list")} {
		if !strings.Contains(list, "ci") || strings.Contains(list, secret) || strings.Contains(list, k.Hash) {
			t.Error(list)
		}
	}
	for _, wrong := range []struct {
		args string
		code fault.Code
		want string
	}{
		{"create ci --scope read", fault.Failed, "not been revoked"},
		{"create x --scope root", fault.Usage, "none of read, run, admin"},
		{"create x --scope read --expires soon", fault.Usage, "is no time"},
		{"create x --scope read --expires 2020-01-01", fault.Usage, "in the past"},
		{"revoke cii", fault.Failed, `did you mean "ci"?`},
	} {
		_, err := run(strings.Fields(wrong.args)...)
		if fault.CodeOf(err) != wrong.code || !strings.Contains(fault.Render(err), wrong.want) {
			t.Errorf("%s: %d %s", wrong.args, fault.CodeOf(err), fault.Render(err))
		}
	}
	ok("expire", "ci", "--at", "never")
	ok("revoke", "ci")
	if k, err = store.TokenOf(t.Context(), k.Hash); err != nil || !k.Over {
		t.Errorf("%+v %v", k, err)
	}
	ok("create", "ci", "--scope", "read") // the name is free
	deeds, err := store.Deeds(t.Context(), 0, 0)
	if err != nil || len(deeds) != 4 || deeds[0].What != "token.create" || deeds[1].What != "token.revoke" || !strings.Contains(deeds[0].Who, "@") {
		t.Errorf("%+v %v", deeds, err)
	}
}
