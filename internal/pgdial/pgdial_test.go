package pgdial_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/internal/pgtest"
	"elt/internal/spec"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

func server(t *testing.T) pgdial.Settings {
	u, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	password, _ := u.User.Password()
	return pgdial.Settings{Host: u.Hostname(), Port: port, User: u.User.Username(), Password: password, Database: strings.TrimPrefix(u.Path, "/")}
}

func TestSessionDoesNotDependOnTheRole(t *testing.T) {
	s := server(t)
	ctx := context.Background()
	c, err := s.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, `create role odd login superuser; alter role odd set timezone = 'Asia/Kolkata'; alter role odd set datestyle = 'German';
		alter role odd set intervalstyle = 'iso_8601'; alter role odd set standard_conforming_strings = off; alter role odd set statement_timeout = '100ms'`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		c.Exec(ctx, "drop role odd")
		c.Close(ctx)
	}()
	s.User = "odd"
	odd, err := s.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer odd.Close(ctx)
	var ts, iv, esc, name string
	if err := odd.QueryRow(ctx, `select timestamptz '2024-01-02 03:04:05+02'::text, interval '1 day 2 hours'::text, 'a\nb', current_setting('application_name')`).
		Scan(&ts, &iv, &esc, &name); err != nil {
		t.Fatal(err)
	}
	if ts != "2024-01-02 01:04:05+00" || iv != "1 day 02:00:00" || esc != `a\nb` || name != "elt" {
		t.Errorf("got %q %q %q %q", ts, iv, esc, name)
	}
}

func TestURLConnects(t *testing.T) {
	s := server(t)
	u := url.URL{Scheme: "postgresql+psycopg2", User: url.UserPassword(s.User, "p@ss'/\\"), Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: s.Database}
	c, err := pgdial.Settings{URL: u.String()}.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.Close(context.Background())
}

// Of several servers the one that answers and is as wanted is taken, also
// where the first is silent; both spellings of several are understood.
func TestSeveralServers(t *testing.T) {
	s := server(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	there := net.JoinHostPort(s.Host, strconv.Itoa(s.Port))
	user := url.UserPassword(s.User, "p@ss'/\\").String()
	for _, text := range []string{
		fmt.Sprintf("postgresql://%s@%s,%s/%s?target_session_attrs=read-write", user, silent.Addr(), there, s.Database),
		fmt.Sprintf("postgresql://%s@127.0.0.1:1,%s/%s?target_session_attrs=any", user, there, s.Database),
		fmt.Sprintf("postgresql+psycopg2://%s@/%s?host=127.0.0.1:1&host=%s", user, s.Database, there),
	} {
		c, err := pgdial.Settings{URL: text}.Dial(t.Context())
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		c.Close(t.Context())
	}
	for text, want := range map[string]time.Duration{"postgresql://u@a,b/d": 2 * time.Second, "postgresql://u@a/d": 15 * time.Second,
		"postgresql://u@a:1,b:2/d?connect_timeout=15": 15 * time.Second} {
		cfg, err := pgdial.Settings{URL: text}.Config()
		if err != nil || cfg.ConnectTimeout != want {
			t.Errorf("%s: %v, %+v", text, err, cfg)
		}
	}
}

func TestValuesCannotAddParameters(t *testing.T) {
	s := pgdial.Settings{Host: "h", Port: 1, User: `u' host='evil`, Password: `\' sslmode=disable \`, Database: "d d"}
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Host != "h" || c.User != s.User || c.Password != s.Password || c.Database != s.Database {
		t.Errorf("got %q %q %q %q", c.Host, c.User, c.Password, c.Database)
	}
}

func TestAbsentServerIsRetriedAndExplained(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tries := make(chan struct{}, 100)
	go func() { // answers nobody: every connection is closed at once
		for {
			c, err := l.Accept()
			if err != nil {
				close(tries)
				return
			}
			tries <- struct{}{}
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	s := pgdial.Settings{Host: "127.0.0.1", Port: port, User: "u", Password: "geheim", Database: "d", Retry: 1}
	_, err = s.Dial(context.Background())
	l.Close()
	n := 0
	for range tries {
		n++
	}
	if err == nil || n < 3 {
		t.Fatalf("%d tries, error %v", n, err)
	}
	text := fault.Render(err)
	for _, want := range []string{"127.0.0.1:" + strconv.Itoa(port), `database "d"`, `"u"`, "hint:", "firewall"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not hold %q", text, want)
		}
	}
	if strings.Contains(text, "geheim") {
		t.Errorf("the password is in %q", text)
	}
}

func TestRefusalsAreNotRetried(t *testing.T) {
	s := server(t)
	s.Retry, s.Database = 600, "no such database"
	start := time.Now()
	_, err := s.Dial(context.Background())
	if err == nil || !strings.Contains(fault.Render(err), "check the setting database") || time.Since(start) > 300*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

func TestServerWithoutTLSIsNotRetried(t *testing.T) {
	s := server(t)
	s.Retry, s.SSL = 600, "true"
	start := time.Now()
	_, err := s.Dial(context.Background())
	if err == nil || !strings.Contains(fault.Render(err), "TLS") || time.Since(start) > 300*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
}

// A bulk reader gets everything, also what comes below the low-water mark,
// and the connection is as before afterwards.
func TestBulkReadsToTheEnd(t *testing.T) {
	s := server(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := s.Dial(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	const statement = `copy (select repeat('x', 1000) from generate_series(1, 100000)
		union all select 'slow' from (select pg_sleep(0.05)) p union all select repeat('y', 1000) from generate_series(1, 100000) union all select 'last') to stdout`
	for range 2 {
		got := 0
		err := pgdial.CopyOut(ctx, c, statement, func(p []byte) error { got += len(p); return nil })
		if want := 2*100000*1001 + 5 + 5; err != nil || got != want {
			t.Fatalf("%d bytes of %d, %v", got, want, err)
		}
		var one int
		if err := c.QueryRow(ctx, "select 1").Scan(&one); err != nil || one != 1 {
			t.Fatalf("afterwards: %v", err)
		}
	}
}

func TestCancelStopsTheServersStatement(t *testing.T) {
	s := server(t)
	c, err := s.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Dial(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	pid := c.PgConn().PID()
	go func() { _, err := c.Exec(ctx, "select pg_sleep(600)"); done <- err }()
	running := func() (n int) {
		other.QueryRow(context.Background(), "select count(*) from pg_stat_activity where pid = $1 and state = 'active' and query like '%pg_sleep%'", pid).Scan(&n)
		return n
	}
	for running() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the statement went on")
	}
	c.Close(context.Background())
	for i := 0; running() > 0; i++ {
		if i == 20000 {
			t.Fatal("the server still runs it")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestBadSettings(t *testing.T) {
	for _, c := range []struct{ cfg, want string }{
		{`{"host": "h", "user": "u"}`, `setting "database" is missing`},
		{`{"sqlalchemy_url": "mysql://u:geheim@h/d"}`, `begins with "mysql://"`},
		{`{"sqlalchemy_url": "postgresql://u:geheim@/d"}`, "must name user, host and database"},
		{`{"sqlalchemy_url": "postgresql://u:ge heim%@h/d"}`, "is no URL"},
		{`{"host": "h", "user": "u", "dbname": "d", "ssl_enable": true, "ssl_certificate_authority": "/no/such/file", "password": "geheim"}`, "/no/such/file"},
		{`{"host": "h", "user": "u", "dbname": "d", "ssl_enable": true, "ssl_certificate_authority": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"}`, "holds no usable certificate"},
	} {
		s, err := settings(c.cfg)
		if err == nil {
			_, err = s.Config()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.cfg, err)
		} else if strings.Contains(fault.Render(err), "geheim") {
			t.Errorf("%s: the password is in %v", c.cfg, err)
		}
	}
}

func TestSSLModes(t *testing.T) {
	for _, c := range []struct {
		cfg  string
		want string // "none", "unverified", "verified", with "+plain" for a fallback without TLS
	}{
		{`{}`, "unverified+plain"}, // prefer, libpq's default
		{`{"ssl": "true"}`, "unverified"},
		{`{"ssl": "false"}`, "unverified+plain"},
		{`{"ssl_enable": true, "ssl_mode": "disable"}`, "none"},
		{`{"ssl_enable": true, "ssl_mode": "require"}`, "unverified"},
		{`{"ssl_enable": true, "ssl_certificate_authority": "` + strings.ReplaceAll(authority, "\n", `\n`) + `"}`, "verified"},
	} {
		s, err := settings(`{"host": "h.example", "user": "u", "database": "d", ` + strings.TrimPrefix(c.cfg, "{"))
		if c.cfg == "{}" {
			s, err = settings(`{"host": "h.example", "user": "u", "database": "d"}`)
		}
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := s.Config()
		if err != nil {
			t.Errorf("%s: %v", c.cfg, err)
			continue
		}
		got := "none"
		if tls := cfg.TLSConfig; tls != nil {
			if got = "unverified"; !tls.InsecureSkipVerify {
				got = "verified"
				if tls.RootCAs == nil || tls.ServerName != "h.example" {
					t.Errorf("%s: no authority or server name", c.cfg)
				}
			}
			for _, f := range cfg.Fallbacks {
				if f.TLSConfig == nil {
					got += "+plain"
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.cfg, got, c.want)
		}
	}
}

func settings(cfg string) (s pgdial.Settings, err error) {
	sp := specOf()
	resolved, _, err := sp.Resolve(json.RawMessage(cfg))
	if err != nil {
		return s, err
	}
	return s, resolved.Decode(&s)
}

func specOf() spec.Spec { return spec.Spec{Name: "tap-postgres", Settings: pgdial.Spec()} }

const authority = `-----BEGIN CERTIFICATE-----
MIIBdDCCARugAwIBAgIUJ7f6FMA51K/jQtPX3jjPl7NgugAwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjExMTQ2MzNaGA8yMTI2MTAyODExNDYz
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABL0b
Fx4oEU2sAXWXdXp9I9Qqc3GGksayrke7KT/TrKAD7gZXXJYSLOaRSD1m7Arjq+ku
TY4qS1rlEGlG3MRhqGGjUzBRMB0GA1UdDgQWBBTwHnC+oLpraMp26//bTFSgo475
0TAfBgNVHSMEGDAWgBTwHnC+oLpraMp26//bTFSgo4750TAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0cAMEQCIEAtRR+rfY50601xZdqDOTks+YQjIY3LvNVC
IZrB513JAiAVfqsgss0ZTe0iPqxKHBoPMXu26esWykDO5xWSoc7Xiw==
-----END CERTIFICATE-----`
