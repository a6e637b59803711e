package jdbc_test

import (
	"archive/zip"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/fake/port"
	"elt/internal/fault"
	"elt/taps/jdbc"
)

// program writes a shell script that stands in for Java.
func program(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// emptyJar is a jar that names no driver.
func emptyJar(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.jar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	if _, err := z.Create("META-INF/MANIFEST.MF"); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMistakes: each says what is wrong, what to do, and with which code it ends.
func TestMistakes(t *testing.T) {
	d := hsqldb(t)
	d.exec(t, "create table t (id int primary key)")
	free, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	closed := fmt.Sprint("127.0.0.1:", free)
	const secret = "opensesame-4711"
	for _, c := range []struct {
		name string
		with map[string]any
		code fault.Code
		says []string
	}{
		{"jar missing", map[string]any{"driver_jars": []string{"/nowhere/xjdbc.jar"}}, fault.BadConfig, []string{"driver_jars", "/nowhere/xjdbc.jar", "vendor"}},
		{"glob without a match", map[string]any{"driver_jars": []string{"/nowhere/*.jar"}}, fault.BadConfig, []string{"no file matches", "/nowhere/*.jar"}},
		{"folder without jars", map[string]any{"driver_jars": []string{t.TempDir()}}, fault.BadConfig, []string{"holds no .jar"}},
		{"no jar at all", map[string]any{"driver_jars": []string{file(t, "x.jar", "<html>not found</html>")}}, fault.BadConfig, []string{"cannot be read as a jar", "error page"}},
		{"class not in jar", map[string]any{"driver_class": "com.xactly.connect.jdbc.Driver"}, fault.BadConfig, []string{"com.xactly.connect.jdbc.Driver is in none of driver_jars", "hsqldb.jar has org.hsqldb.jdbc.JDBCDriver"}},
		{"class is no driver", map[string]any{"driver_class": "org.hsqldb.jdbc.JDBCUtil"}, fault.BadConfig, []string{"no JDBC driver", "org.hsqldb.jdbc.JDBCDriver"}},
		{"class of Java itself", map[string]any{"driver_class": "java.lang.StringBuilder"}, fault.BadConfig, []string{"no JDBC driver"}},
		{"jar without a driver", map[string]any{"driver_jars": []string{emptyJar(t)}}, fault.BadConfig, []string{"no jar of driver_jars names a driver", "driver_class"}},
		{"URL of another database", map[string]any{"url": "jdbc:oracle:thin:@//db/x?password=" + secret}, fault.BadConfig, []string{"no suitable driver", "org.hsqldb.jdbc.JDBCDriver", "jdbc:oracle:"}},
		{"URL of another database, by class", map[string]any{"url": "jdbc:oracle:thin:@//db/x", "driver_class": "org.hsqldb.jdbc.JDBCDriver"}, fault.BadConfig, []string{"no suitable driver", "jdbc:oracle:"}},
		{"no URL", map[string]any{"url": "oracle:thin"}, fault.BadConfig, []string{"does not begin with jdbc:"}},
		{"wrong password", map[string]any{"password": secret}, fault.BadConfig, []string{`refuses the login of user "SA"`, "password"}},
		{"nobody listens", map[string]any{"driver_jars": []string{jar(t, "postgresql")}, "url": "jdbc:postgresql://" + closed + "/x?password=" + secret}, fault.Failed, []string{"no connection to the database", "refused"}},
		{"unknown table", map[string]any{"streams": []map[string]any{{"name": "s", "table": "NOWHERE"}}}, fault.Failed, []string{`stream "s"`, "NOWHERE", "run discovery again"}},
		{"broken query", map[string]any{"streams": []map[string]any{{"name": "s", "query": "selec 1"}}}, fault.Failed, []string{`stream "s"`, "unexpected token"}},
		{"two columns of a name", map[string]any{"streams": []map[string]any{{"name": "s", "query": "select id, id from t"}}}, fault.BadConfig, []string{`two columns of the result are called "ID"`}},
		{"unknown key", map[string]any{"streams": []map[string]any{{"name": "s", "table": "T", "key_properties": []string{"idd"}}}}, fault.BadConfig, []string{`key property "idd"`, "did you mean"}},
		{"unknown replication key", map[string]any{"streams": []map[string]any{{"name": "s", "table": "T", "replication_key": "changed"}}}, fault.BadConfig, []string{`replication key "changed"`, "ID"}},
		{"query and table", map[string]any{"streams": []map[string]any{{"name": "s", "table": "T", "query": "select 1"}}}, fault.BadConfig, []string{`stream "s" needs either`}},
		{"stream twice", map[string]any{"streams": []map[string]any{{"name": "s", "table": "T"}, {"name": "s", "table": "T"}}}, fault.BadConfig, []string{`two streams are called "s"`}},
		{"LOG_BASED", map[string]any{"streams": []map[string]any{{"name": "s", "table": "T", "replication_method": "LOG_BASED"}}}, fault.BadConfig, []string{"no LOG_BASED"}},
		{"window upside down", map[string]any{"start_date": "2024-02-01", "end_date": "2024-01-01"}, fault.BadConfig, []string{"2024-02-01 is not before end_date 2024-01-01"}},
		{"no Java there", map[string]any{"java": "/nowhere/java"}, fault.BadConfig, []string{"java names no program"}},
		{"Java too old", map[string]any{"java": program(t, "echo 'java.lang.UnsupportedClassVersionError: Bridge : Unsupported major.minor version 52.0' >&2; exit 1")}, fault.BadConfig, []string{"too old", "8"}},
		{"Java dies at once", map[string]any{"java": program(t, "echo 'Error: could not create the virtual machine, "+secret+"' >&2; exit 1"), "password": secret}, fault.BadConfig, []string{"exit code 1", "could not create the virtual machine", "jvm_options"}},
		{"wrong option", map[string]any{"jvm_options": []string{"-Xnonsense"}}, fault.BadConfig, []string{"Java did not start", "-Xnonsense"}},
		{"too little memory", map[string]any{"jvm_options": []string{"-Xmx20m"}, "streams": []map[string]any{{"name": "s", "query": "select repeat('x', 200) as a from unnest(sequence_array(1, 500000, 1)) as t(n)"}}}, fault.Failed, []string{"too little memory", "fetch_size"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := d.settings(t, nil)
			maps.Copy(cfg, c.with)
			out := newRecorder()
			err := sync1(t, cfg, nil, "", out)
			if err == nil {
				t.Fatal("no error")
			}
			text := fault.Render(err)
			for _, says := range c.says {
				if !strings.Contains(text, says) {
					t.Errorf("it does not say %q:\n%s", says, text)
				}
			}
			if fault.CodeOf(err) != c.code {
				t.Errorf("code %d, want %d: %s", fault.CodeOf(err), c.code, text)
			}
			if strings.Contains(text+out.log.String(), secret) {
				t.Errorf("a secret is shown:\n%s\n%s", text, out.log.String())
			}
		})
	}
}

func TestNoJava(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	_, err := jdbc.New().Discover(t.Context(), config(t, map[string]any{"driver_jars": []string{emptyJar(t)}, "url": "jdbc:x:y"}))
	if text := fmt.Sprint(fault.Render(err)); !strings.Contains(text, "there is no Java") || !strings.Contains(text, "default-jre-headless") || fault.CodeOf(err) != fault.BadConfig {
		t.Errorf("%s", text)
	}
}

// TestWrongPasswords: as the servers say it.
func TestWrongPasswords(t *testing.T) {
	d := mariadb(t)
	d.password = "opensesame-wrong"
	_, err := jdbc.New().Discover(t.Context(), config(t, d.settings(t, nil)))
	if text := fault.Render(err); !strings.Contains(text, `refuses the login of user "reader"`) || strings.Contains(text, d.password) {
		t.Errorf("%s", text)
	}
}

// TestOneStreamFails: the others are read, over the same connection.
func TestOneStreamFails(t *testing.T) {
	d := postgresql(t)
	d.exec(t, "create table a (id int primary key);; create table b (id int primary key);; insert into b values (1)")
	cfg := d.settings(t, map[string]any{"tables": []string{"a", "b"}})
	c := catalog(t, cfg)
	d.exec(t, "drop table a")
	out := newRecorder()
	err := sync1(t, cfg, c, "", out)
	if err == nil || !strings.Contains(err.Error(), `stream "public-a"`) || out.streams["public-b"] == nil || len(out.streams["public-b"].rows) != 1 {
		t.Errorf("%v", err)
	}
	var e *fault.Error
	if !errors.As(err, &e) || !strings.Contains(fault.Render(e), "run discovery again") {
		t.Errorf("%v", err)
	}
	cfg["on_stream_error"] = "stop"
	out = newRecorder()
	if err := sync1(t, cfg, c, "", out); err == nil || out.streams["public-b"] != nil {
		t.Errorf("it went on: %v", err)
	}
}
