// Package gitlab runs examples/gitlab as its users do, by a Postgres store and
// fakes of Domo (EdCast's reports), Xactly and Snowflake: the same file, other
// addresses.
package gitlab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "elt/cmd" // so that go test runs anew when the binary has changed
	"elt/internal/fake/domo"
	"elt/internal/fake/snowflake"
	"elt/internal/fake/xactly"
	"elt/internal/pgtest"
)

var elt string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "elt-gitlab-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	elt = filepath.Join(dir, "elt")
	if out, err := exec.Command("go", "build", "-o", elt, "elt").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building elt: %v\n%s", err, out)
		return 1
	}
	return pgtest.Main(m)
}

// office is the example with what it talks to.
type office struct {
	t      *testing.T
	dir    string
	edcast *domo.Server
	xactly *xactly.Server
	sf     *snowflake.Server
	env    []string
}

const secret = "canary-snowflake"

func open(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir()}
	if err := os.CopyFS(o.dir, os.DirFS("../../examples/gitlab")); err != nil {
		t.Fatal(err)
	}
	o.edcast = domo.Start(domo.Behaviour{PerToken: 20}, domo.Explorer(400))
	t.Cleanup(o.edcast.Close)
	o.xactly = xactly.Start(xactly.Behaviour{PerToken: 50}, xactly.Tables(25)...)
	t.Cleanup(o.xactly.Close)
	o.sf = snowflake.Start(t, snowflake.WithUser(snowflake.User{Name: "GITLAB", Password: secret, Roles: []string{"LOADER"}}),
		snowflake.WithWarehouse("LOADING", true), snowflake.WithDatabase("RAW"))
	o.env = append(os.Environ(), "HOME="+o.dir,
		"MELTANO_DATABASE_URI="+pgtest.URL(t),
		"TAP_EDCAST_USERNAME="+domo.Client, "TAP_EDCAST_PASSWORD="+domo.Secret, "TAP_EDCAST_URL_BASE="+o.edcast.URL,
		"XACTLY_USERNAME="+xactly.User, "XACTLY_PASSWORD="+xactly.Password, "XACTLY_CLIENT_ID="+xactly.ClientID, "XACTLY_CONSUMER="+xactly.Consumer,
		"SF_ACCOUNT="+snowflake.Account, "SF_USER=GITLAB", "SF_PASSWORD="+secret, "SF_DATABASE=RAW")
	for _, setting := range [][]string{{"tap-xactly", "url_base", o.xactly.URL}, {"target-snowflake", "host", o.sf.Host()},
		{"target-snowflake", "port", o.sf.Port()}, {"target-snowflake", "protocol", "http"}} {
		o.run(append([]string{"config", "set"}, setting...)...)
	}
	return o
}

// run runs elt; its output holds no secret.
func (o *office) run(args ...string) string {
	o.t.Helper()
	c := exec.Command(elt, append([]string{"--cwd", o.dir}, args...)...)
	c.Env = o.env
	var out, said bytes.Buffer
	c.Stdout, c.Stderr = &out, &said
	if err := c.Run(); err != nil {
		o.t.Fatalf("elt %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), said.String())
	}
	for _, canary := range []string{secret, domo.Secret, xactly.Password} {
		if strings.Contains(out.String()+said.String(), canary) {
			o.t.Errorf("elt %s: a secret is shown", strings.Join(args, " "))
		}
	}
	return out.String()
}

func (o *office) count(table string) string {
	o.t.Helper()
	_, rows, err := o.sf.Query("SELECT COUNT(*) FROM RAW." + table)
	if err != nil {
		o.t.Fatal(err)
	}
	return fmt.Sprint(rows[0][0])
}

// tables of a schema that are the project's, not ours.
func (o *office) tables(schema string) (names []string) {
	o.t.Helper()
	_, rows, err := o.sf.Query("SELECT TABLE_NAME FROM RAW.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = '" + schema + "' ORDER BY 1")
	if err != nil {
		o.t.Fatal(err)
	}
	for _, r := range rows {
		if name := fmt.Sprint(r[0]); !strings.HasPrefix(strings.ToUpper(name), "_ELT") {
			names = append(names, name)
		}
	}
	return names
}

// EdCast, twice: all rows, though their stated key is not unique; the second
// run asks only for what is new, and needs no warehouse where nothing is.
func TestEdcast(t *testing.T) {
	o := open(t)
	o.run("run", "tap-edcast", "target-snowflake--edcast")
	tables := o.tables("TAP_EDCAST")
	explorer := ""
	for _, name := range tables {
		if strings.Contains(name, "EXPLORER") {
			explorer = name
		}
	}
	if explorer == "" {
		t.Fatalf("tables %q", tables)
	}
	if got := o.count("TAP_EDCAST." + quoted(explorer)); got != "400" {
		t.Errorf("%s rows of 400", got)
	}
	o.edcast.Change(func(_ *domo.Behaviour, sets *[]*domo.Dataset) {
		for n := 400; n < 410; n++ {
			(*sets)[0].Rows = append((*sets)[0].Rows, domo.ExplorerRow(n))
		}
	})
	o.edcast.Forget()
	o.run("run", "tap-edcast", "target-snowflake--edcast")
	if got := o.count("TAP_EDCAST." + quoted(explorer)); got != "410" {
		t.Errorf("%s rows of 410", got)
	}
	if q := o.edcast.Queries(); len(q) > 3 {
		t.Errorf("the second run asks %d times: %q", len(q), q)
	}
}

// Xactly by its job, twice: every stream has its table, and nothing doubles.
func TestXactly(t *testing.T) {
	o := open(t)
	for range 2 {
		o.run("run", "load-xactly")
		tables := o.tables("TAP_XACTLY")
		if len(tables) != 30 {
			t.Fatalf("%d tables: %q", len(tables), tables)
		}
		if got := o.count("TAP_XACTLY." + quoted("XC_CREDIT")); got != "25" {
			t.Errorf("%s credits of 25", got)
		}
	}
}

// A window of time touches no regular bookmark.
func TestBackfill(t *testing.T) {
	o := open(t)
	o.run("run", "tap-edcast", "target-snowflake--edcast", "--select", "Glue_ Groups *")
	before := o.run("state", "get", "prod:tap-edcast-to-target-snowflake--edcast")
	o.run("run", "tap-edcast", "target-snowflake--edcast", "--select", "Glue_ Groups *", "--from", "2021-12-01", "--to", "2021-12-02", "--chunk", "6h")
	if after := o.run("state", "get", "prod:tap-edcast-to-target-snowflake--edcast"); after != before {
		t.Errorf("the bookmark was\n%s\nand is\n%s", before, after)
	}
	var list []struct {
		Status string
		Chunks []struct{ Status string }
	}
	if err := json.Unmarshal([]byte(o.run("--json", "backfill", "list")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Status != "succeeded" || len(list[0].Chunks) != 4 {
		t.Errorf("%+v", list)
	}
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
