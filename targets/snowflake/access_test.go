package snowflake

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"elt/internal/check"
	"elt/internal/fake/port"
	fake "elt/internal/fake/snowflake"
	"elt/internal/fault"
)

func pemOf(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func without(config map[string]any, over map[string]any) map[string]any {
	for k, v := range over {
		if config[k] = v; v == nil {
			delete(config, k)
		}
	}
	return config
}

// Each way to log in that needs no person is tried on the service, and the key
// that the service does not know is explained.
func TestLoginsAtTheService(t *testing.T) {
	key, text := pemOf(t)
	_, other := pemOf(t)
	srv := fake.Start(t,
		fake.WithUser(fake.User{Name: "K", PublicKey: &key.PublicKey, Roles: []string{fake.Role}}),
		fake.WithUser(fake.User{Name: "P", PAT: "canary-pat", Roles: []string{fake.Role}}),
		fake.WithUser(fake.User{Name: "O", OAuthToken: "canary-oauth", Roles: []string{fake.Role}}))
	for name, set := range map[string]map[string]any{
		"key":      {"user": "K", "private_key": text, "password": nil},
		"token":    {"user": "P", "token": "canary-pat", "password": nil},
		"OAuth":    {"user": "O", "oauth_access_token": "canary-oauth", "password": nil},
		"password": {},
	} {
		r := newRunner(t, srv, nil)
		without(r.config, set)
		if _, err := r.run(t, schemaA, recordA(1, 1)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := newRunner(t, srv, nil)
	without(r.config, map[string]any{"user": "K", "private_key": other, "password": nil})
	_, err := r.run(t, schemaA)
	if err == nil || !strings.Contains(err.Error(), "JWT") || fault.KindOf(err) != fault.KindAuth || !strings.Contains(fault.Advice(err), "RSA_PUBLIC_KEY") {
		t.Errorf("another key: %v", err)
	}
}

func TestMissingPrivileges(t *testing.T) {
	for name, c := range map[string]struct {
		denied fake.Denied
		says   string
	}{
		"schema": {fake.Denied{Role: fake.Role, Privilege: "CREATE SCHEMA", Object: fake.Database}, "schema RAW does not exist, or role ELT_ROLE may not use it, and it cannot be created"},
		"table":  {fake.Denied{Role: fake.Role, Privilege: "CREATE TABLE", Object: fake.Database + ".RAW"}, "role ELT_ROLE may not do this (CREATE)"},
	} {
		srv := fake.Start(t, fake.WithPrivileges(c.denied))
		r := newRunner(t, srv, nil)
		_, err := r.run(t, many(1, 60)...)
		if err == nil || !strings.Contains(err.Error(), c.says) || fault.KindOf(err) != fault.KindPermission || fault.Advice(err) == "" || fault.CodeOf(err) != fault.BadConfig {
			t.Errorf("%s: %v (%s)", name, err, fault.KindOf(err))
		}
	}
}

func TestNobodyListens(t *testing.T) {
	free, err := port.Free()
	must(t, err)
	set, err := settled(t, map[string]any{"host": "127.0.0.1", "port": free, "protocol": "http", "temp_dir": t.TempDir()})
	must(t, err)
	set.attempts = 1
	_, err = open(t.Context(), set)
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1 gives no answer") || fault.KindOf(err) != fault.KindConnect || fault.Advice(err) == "" {
		t.Errorf("%v (%s)", err, fault.KindOf(err))
	}
}

// What `elt test` shows, and that it leaves nothing behind.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		options []fake.Option
		set     map[string]any
		want    string
	}{
		"all is well":  {nil, nil, "settings login permission warehouse"},
		"bad setting":  {nil, map[string]any{"account": "no account"}, "settings:settings"},
		"bad password": {nil, map[string]any{"password": "canary-wrong"}, "settings login:auth"},
		"no schema":    {nil, map[string]any{"default_target_schema": "NOSUCH"}, "settings login permission:path"},
		"no warehouse": {[]fake.Option{fake.WithoutWarehouse()}, map[string]any{"warehouse": nil}, "settings login permission warehouse:path"},
	} {
		srv := fake.Start(t, c.options...)
		config := without(at(srv), map[string]any{"default_target_schema": "PUBLIC"})
		raw, err := json.Marshal(without(config, c.set))
		must(t, err)
		cfg, _, err := New().Spec().Resolve(raw)
		must(t, err)
		var said []string
		target{}.Check(t.Context(), cfg, check.NewReport(0, func(r check.Result) {
			word := r.Check
			if !r.Passed {
				word += ":" + string(r.Kind)
			}
			said = append(said, word)
		}))
		if got := strings.Join(said, " "); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
		if srv.Sessions() != 0 || len(srv.Files()) > 0 {
			t.Errorf("%s: %d sessions and %d files are left", name, srv.Sessions(), len(srv.Files()))
		}
	}
}
