package snowflake_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"elt/internal/fake/snowflake"
)

func TestLogins(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := rsa.GenerateKey(rand.Reader, 2048)
	srv := snowflake.Start(t,
		snowflake.WithUser(snowflake.User{Name: "KEY", PublicKey: &key.PublicKey, PAT: "pat-1", OAuthToken: "oauth-1", Roles: []string{snowflake.Role, "OTHER"}}),
		snowflake.WithUser(snowflake.User{Name: "OLD", PAT: "pat-2", PATExpired: true, OAuthToken: "oauth-2", OAuthExpired: true}),
		snowflake.WithUser(snowflake.User{Name: "MFA", Password: "p", Passcode: "123456", Roles: []string{snowflake.Role}}),
		snowflake.WithPrivileges(snowflake.Denied{Role: "OTHER", Privilege: "USAGE", Object: snowflake.Warehouse}))
	for _, c := range []struct {
		name   string
		change func(*sf.Config)
		number int
	}{
		{"password", func(c *sf.Config) {}, 0},
		{"wrong password", func(c *sf.Config) { c.Password = "x" }, 390100},
		{"unknown user", func(c *sf.Config) { c.User = "nobody" }, 390100},
		{"wrong account", func(c *sf.Config) { c.Account = "other" }, 260008},
		{"key pair", func(c *sf.Config) { c.User, c.Authenticator, c.PrivateKey = "key", sf.AuthTypeJwt, key }, 0},
		{"wrong key", func(c *sf.Config) { c.User, c.Authenticator, c.PrivateKey = "key", sf.AuthTypeJwt, other }, 390144},
		{"expired token of a key", func(c *sf.Config) {
			c.User, c.Authenticator, c.PrivateKey, c.JWTExpireTimeout = "key", sf.AuthTypeJwt, key, -time.Minute
		}, 390144},
		{"PAT", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "key", sf.AuthTypePat, "pat-1" }, 0},
		{"wrong PAT", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "key", sf.AuthTypePat, "pat-x" }, 394400},
		{"expired PAT", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "old", sf.AuthTypePat, "pat-2" }, 394400},
		{"OAuth", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "key", sf.AuthTypeOAuth, "oauth-1" }, 0},
		{"wrong OAuth token", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "key", sf.AuthTypeOAuth, "x" }, 390303},
		{"expired OAuth token", func(c *sf.Config) { c.User, c.Authenticator, c.Token = "old", sf.AuthTypeOAuth, "oauth-2" }, 390318},
		{"MFA", func(c *sf.Config) {
			c.User, c.Password, c.Passcode, c.Authenticator = "mfa", "p", "123456", sf.AuthTypeUsernamePasswordMFA
		}, 0},
		{"MFA without code", func(c *sf.Config) { c.User, c.Password, c.Authenticator = "mfa", "p", sf.AuthTypeUsernamePasswordMFA }, 394508},
		{"role of another", func(c *sf.Config) { c.Role = "OTHER" }, 390186},
		{"role of nobody", func(c *sf.Config) { c.Role = "NOROLE" }, 390189},
		{"missing warehouse", func(c *sf.Config) { c.Warehouse = "NOWH" }, 390201},
		{"missing database", func(c *sf.Config) { c.Database = "NODB" }, 390201},
		{"missing schema", func(c *sf.Config) { c.Schema = "NOSCHEMA" }, 390201},
		{"warehouse not validated", func(c *sf.Config) { c.Warehouse, c.ValidateDefaultParameters = "NOWH", sf.ConfigBoolFalse }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config(srv)
			c.change(cfg)
			err := open(t, cfg).Ping()
			if c.number == 0 && err != nil || c.number != 0 && number(err) != c.number {
				t.Fatalf("got %v, want number %d", err, c.number)
			}
			if err != nil && strings.Contains(err.Error(), snowflake.Password) {
				t.Fatal("the error shows the password")
			}
		})
	}
}

func TestPrivilegesAndWarehouses(t *testing.T) {
	srv := snowflake.Start(t, snowflake.WithWarehouse("SLEEPY", false), snowflake.WithPrivileges(
		snowflake.Denied{Privilege: "CREATE SCHEMA", Object: snowflake.Database},
		snowflake.Denied{Privilege: "CREATE TABLE", Object: "ELT_DB.LOCKED"},
		snowflake.Denied{Privilege: "CREATE STAGE", Object: "ELT_DB.PUBLIC"},
		snowflake.Denied{Privilege: "USAGE", Object: "ELT_DB.HIDDEN"}))
	for _, s := range []string{"LOCKED", "HIDDEN"} {
		if _, _, err := srv.Query("CREATE OR REPLACE SCHEMA " + s); err == nil {
			t.Fatal("the denied CREATE SCHEMA went through")
		}
	}
	db := open(t, config(srv))
	for stmt, n := range map[string]int{
		"CREATE SCHEMA x": 3001, "CREATE STAGE s": 3001, "CREATE TABLE hidden.t (a INT)": 2003, "CREATE TABLE nodb.s.t (a INT)": 2003,
		"USE ROLE nobody": 3001, "USE WAREHOUSE nowhere": 2043,
	} {
		if _, err := db.Exec(stmt); number(err) != n {
			t.Errorf("%s: got %v, want %d", stmt, err, n)
		}
	}
	exec(t, db, "CREATE TABLE t (a INT)", "USE WAREHOUSE sleepy")
	if _, err := db.Exec("INSERT INTO t VALUES (1)"); number(err) != 606 {
		t.Fatalf("a suspended warehouse without AUTO_RESUME: %v", err)
	}
	exec(t, db, "SELECT 1", "SHOW TABLES", "DESCRIBE TABLE t", "ALTER WAREHOUSE sleepy RESUME", "INSERT INTO t VALUES (1)")
	if n := srv.WarehouseStarts(); n != 1 {
		t.Fatalf("%d starts", n)
	}
}

// A reply that is lost, cut in half, or refused for a while: the driver asks
// again with the same request id, and the statement runs once.
func TestRepliesThatDoNotArrive(t *testing.T) {
	for name, f := range map[string]snowflake.Fault{
		"lost":           {Statement: "^INSERT", Lost: true},
		"truncated":      {Statement: "^INSERT", Truncated: true},
		"503":            {Statement: "^INSERT", Status: 503},
		"429":            {Statement: "^INSERT", Status: 429},
		"cut before":     {Statement: "^INSERT", Cut: true},
		"token expired":  {Statement: "^INSERT", Expired: true},
		"slow":           {Statement: "^INSERT", Delay: 20 * time.Millisecond},
		"later, not now": {Statement: "^INSERT", After: 5, Status: 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := snowflake.Start(t)
			db := open(t, config(srv))
			exec(t, db, "CREATE TABLE t (a INT)")
			srv.Inject(f)
			exec(t, db, "INSERT INTO t VALUES (1)")
			want(t, srv, "SELECT COUNT(*) FROM t", []any{"1"})
		})
	}
}

func TestLostCommit(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
	srv.Inject(snowflake.Fault{Statement: "^COMMIT", Lost: true})
	exec(t, db, "COMMIT")
	want(t, srv, "SELECT a FROM t", []any{"1"})
}

func TestMasterTokenExpired(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "SELECT 1")
	srv.ExpireMasters()
	if _, err := db.Exec("SELECT 1"); number(err) != 390114 {
		t.Fatalf("got %v", err)
	}
}

func TestInjectedError(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT)")
	srv.Inject(snowflake.Fault{Statement: "INSERT", Error: snowflake.SQLError(625, "57014", "locked")})
	if _, err := db.Exec("INSERT INTO t VALUES (1)"); number(err) != 625 {
		t.Fatalf("got %v", err)
	}
	exec(t, db, "INSERT INTO t VALUES (2)")
	want(t, srv, "SELECT a FROM t", []any{"2"})
}

func TestUploadFaults(t *testing.T) {
	for name, f := range map[string]snowflake.Fault{
		"503":     {Status: 503},
		"403":     {Status: 403},
		"cut":     {CutBytes: 4},
		"slow":    {Delay: 20 * time.Millisecond},
		"expired": {Expired: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := snowflake.Start(t)
			db := open(t, config(srv))
			exec(t, db, "CREATE TABLE t (a INT)", "CREATE TEMPORARY STAGE s")
			path := write(t, t.TempDir(), "a.csv.gz", strings.Repeat("7\n", 3))
			f.Endpoint = snowflake.EndpointStorage
			srv.Inject(f)
			r, err := db.Query("PUT 'file://" + path + "' @s AUTO_COMPRESS=FALSE OVERWRITE=TRUE")
			if err == nil {
				r.Close()
			}
			t.Logf("the driver says %v", err)
			exec(t, db, "COPY INTO t FROM @s")
			n := "3"
			if err != nil {
				n = "0"
			}
			if name == "slow" && err != nil {
				t.Fatal(err)
			}
			want(t, srv, "SELECT COUNT(*) FROM t", []any{n})
		})
	}
}

func TestAbortUndoesAStatement(t *testing.T) {
	srv := snowflake.Start(t)
	db, second := open(t, config(srv)), open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT)", "INSERT INTO t VALUES (1)", "BEGIN", "UPDATE t SET a = 2")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := second.ExecContext(ctx, "UPDATE t SET a = 3") // waits for the lock
		done <- err
	}()
	for len(srv.Blocked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	exec(t, db, "COMMIT")
	want(t, srv, "SELECT a FROM t", []any{"2"})
	st := srv.Statements()
	last := false
	for _, s := range st {
		last = last || s.SQL == "UPDATE t SET a = 3" && s.Err != nil && strings.Contains(s.Err.Error(), "000604")
	}
	if !last {
		t.Fatalf("no aborted statement in %+v", st)
	}
}

func TestAbortStopsARunningStatement(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT)", "CREATE TABLE n (a INT)", "BEGIN", "INSERT INTO t VALUES (1)")
	exec(t, db, "INSERT INTO n VALUES (0)"+strings.Repeat(",(1)", 2999))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { // years of work
		_, err := db.ExecContext(ctx, "INSERT INTO t SELECT x.a FROM n x, n y, n z WHERE x.a + y.a + z.a < 0")
		done <- err
	}()
	for len(srv.Running()) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	exec(t, db, "COMMIT") // the transaction goes on without it
	want(t, srv, "SELECT a FROM t", []any{"1"})
}

func TestTransactionsOfTwoSessions(t *testing.T) {
	srv := snowflake.Start(t)
	a, b := open(t, config(srv)), open(t, config(srv))
	exec(t, a, "CREATE TABLE t (k INT, v INT)", "INSERT INTO t VALUES (1, 0)", "BEGIN", "UPDATE t SET v = v + 1")
	if got := rows(t, b, "SELECT v FROM t"); got[0][0] != "0" {
		t.Fatalf("another session sees %v", got)
	}
	exec(t, b, "INSERT INTO t VALUES (2, 0)") // an INSERT waits for nobody
	exec(t, b, "ALTER SESSION SET LOCK_TIMEOUT = 0")
	if _, err := b.Exec("DELETE FROM t"); number(err) != 625 {
		t.Fatalf("got %v", err)
	}
	exec(t, b, "ALTER SESSION UNSET LOCK_TIMEOUT")
	done := make(chan error)
	go func() { _, err := b.Exec("UPDATE t SET v = v + 10"); done <- err }()
	for len(srv.Blocked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	exec(t, a, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want(t, srv, "SELECT k, v FROM t ORDER BY k", []any{"1", "11"}, []any{"2", "10"})
	exec(t, a, "BEGIN", "DELETE FROM t", "CREATE TABLE u (a INT)", "ROLLBACK") // DDL committed
	want(t, srv, "SELECT COUNT(*) FROM t", []any{"0"})
	exec(t, a, "BEGIN", "INSERT INTO t VALUES (5, 5)")
	a.Close() // logout rolls back
	want(t, srv, "SELECT COUNT(*) FROM t", []any{"0"})
}

func TestLongAndAsyncQueries(t *testing.T) {
	srv := snowflake.Start(t, snowflake.WithHold(10*time.Millisecond))
	a, b := open(t, config(srv)), open(t, config(srv))
	exec(t, a, "CREATE TABLE t (v INT)", "INSERT INTO t VALUES (1)", "BEGIN", "UPDATE t SET v = 2")
	done := make(chan error)
	go func() { _, err := b.Exec("UPDATE t SET v = v * 10"); done <- err }()
	for len(srv.Blocked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	before := srv.RoundTrips()
	for srv.RoundTrips() < before+3 { // the driver asks for the result again and again
		time.Sleep(time.Millisecond)
	}
	exec(t, a, "COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want(t, srv, "SELECT v FROM t", []any{"20"})
	rows, err := a.QueryContext(sf.WithAsyncMode(context.Background()), "SELECT v FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var v int
	if !rows.Next() || rows.Scan(&v) != nil || v != 20 {
		t.Fatalf("async query gave %d, %v", v, rows.Err())
	}
}

func TestQueryStatus(t *testing.T) {
	srv := snowflake.Start(t)
	db := open(t, config(srv))
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id := ""
	conn.Raw(func(c any) error {
		r, err := c.(driver.QueryerContext).QueryContext(context.Background(), "SELECT 7", nil)
		if err != nil {
			t.Fatal(err)
		}
		id = r.(sf.SnowflakeRows).GetQueryID()
		r.Close()
		st, err := c.(sf.SnowflakeConnection).GetQueryStatus(context.Background(), id)
		if err != nil || st.SQLText != "SELECT 7" {
			t.Fatalf("got %+v, %v", st, err)
		}
		return nil
	})
	r, err := conn.QueryContext(sf.WithFetchResultByID(context.Background(), id), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if !r.Next() {
		t.Fatal("no row")
	}
}

func TestLocalFS(t *testing.T) {
	srv := snowflake.Start(t, snowflake.WithLocalFS())
	db := open(t, config(srv))
	exec(t, db, "CREATE TABLE t (a INT)", "CREATE STAGE s")
	path := write(t, t.TempDir(), "a.csv", "1\n2\n")
	exec(t, db, "PUT 'file://"+path+"' @s/x")
	exec(t, db, "COPY INTO t FROM @s/x")
	want(t, srv, "SELECT SUM(a) FROM t", []any{"3"})
}

func TestCloseStopsEverything(t *testing.T) {
	srv, err := snowflake.New()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(srv)
	cfg.MaxRetryCount = 1
	a, b := open(t, cfg), open(t, cfg)
	exec(t, a, "CREATE TABLE t (v INT)", "INSERT INTO t VALUES (1)", "BEGIN", "UPDATE t SET v = 2")
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		b.ExecContext(ctx, "UPDATE t SET v = 3")
	}()
	for len(srv.Blocked()) == 0 {
		time.Sleep(time.Millisecond)
	}
	srv.Close() // with a statement that waits
	<-done
}
