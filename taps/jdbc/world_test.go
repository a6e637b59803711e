package jdbc_test

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	fake "elt/internal/fake/mariadb"
	"elt/internal/pgtest"
)

func TestMain(m *testing.M) {
	if os.Getenv("JDBC_TEST_VICTIM") != "" {
		victim()
		return
	}
	code := pgtest.Main(m)
	maria.server.Stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(execDir)
	os.Exit(code)
}

// jars are where Debian's packages put the drivers.
var jars = map[string]string{
	"hsqldb":     "/usr/share/java/hsqldb.jar",
	"postgresql": "/usr/share/java/postgresql.jar",
	"mariadb":    "/usr/share/java/mariadb-java-client.jar",
}

// absent skips a test whose database or driver is not on this machine, and
// fails it in CI, which installs them (scripts/need).
func absent(t testing.TB, what, pkg string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not there: scripts/need should have installed %s", what, pkg)
	}
	t.Skipf("%s is not there: apt-get install %s", what, pkg)
}

func jar(t testing.TB, name string) string {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		absent(t, "a JDK", "default-jdk-headless")
	}
	path := jars[name]
	if _, err := os.Stat(path); err != nil {
		absent(t, path, map[string]string{"hsqldb": "libhsqldb-java", "postgresql": "libpostgresql-jdbc-java", "mariadb": "libmariadb-java"}[name])
	}
	return path
}

// database is one that a test has to itself, and how the tap gets at it.
type database struct {
	driver, url, user, password string
}

func (d database) settings(t testing.TB, more map[string]any) map[string]any {
	t.Helper()
	cfg := map[string]any{"driver_jars": []string{jar(t, d.driver)}, "url": d.url, "user": d.user}
	if d.driver == "hsqldb" {
		cfg["url"] = d.url + ";readonly=true"
	}
	if d.password != "" {
		cfg["password"] = d.password
	}
	for k, v := range more {
		cfg[k] = v
	}
	return cfg
}

var (
	execOnce sync.Once
	execDir  string
	execErr  error
)

// exec runs statements, each ended by ";;".
func (d database) exec(t testing.TB, sql string) {
	t.Helper()
	execOnce.Do(func() {
		if execDir, execErr = os.MkdirTemp("", "elt-jdbc-test-"); execErr != nil {
			return
		}
		if out, err := exec.Command("javac", "--release", "8", "-nowarn", "-Xlint:-options", "-d", execDir, "testdata/Exec.java").CombinedOutput(); err != nil {
			execErr = fmt.Errorf("%w: %s", err, out)
		}
	})
	if execErr != nil {
		t.Fatal(execErr)
	}
	url := d.url
	if d.driver == "hsqldb" {
		url += ";shutdown=true;hsqldb.write_delay=false"
	}
	c := exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Duser.timezone=UTC", "-cp", jar(t, d.driver)+":"+execDir, "Exec", url, d.user, d.password)
	c.Stdin = strings.NewReader(sql)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// hsqldb is a database in files.
func hsqldb(t testing.TB) database {
	jar(t, "hsqldb")
	return database{driver: "hsqldb", url: "jdbc:hsqldb:file:" + filepath.Join(t.TempDir(), "shop"), user: "SA"}
}

func postgresql(t testing.TB) database {
	jar(t, "postgresql")
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	return database{driver: "postgresql", url: "jdbc:postgresql://" + u.Host + u.Path, user: u.User.Username(), password: password}
}

// mariadb is a database of its own on a server that the first test starts.
func mariadb(t testing.TB) database {
	jar(t, "mariadb")
	maria.once.Do(func() { maria.server, maria.err = fake.Start() })
	if maria.err != nil {
		absent(t, "MariaDB: "+maria.err.Error(), "mariadb-server")
	}
	maria.databases++
	name := fmt.Sprintf("shop_%d", maria.databases)
	admin := database{driver: "mariadb", url: fmt.Sprintf("jdbc:mariadb://127.0.0.1:%d/", maria.server.Port), user: "root"}
	admin.exec(t, "create database "+name+" character set utf8mb4;; create user if not exists reader@'127.0.0.1' identified by 'opensesame';; grant all on *.* to reader@'127.0.0.1'")
	return database{driver: "mariadb", url: admin.url + name, user: "reader", password: "opensesame"}
}

// maria is the MariaDB of this test binary, on loopback.
var maria struct {
	once      sync.Once
	server    *fake.Server
	err       error
	databases int
}
