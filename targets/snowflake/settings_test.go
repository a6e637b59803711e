package snowflake

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sf "github.com/snowflakedb/gosnowflake/v2"
	"github.com/youmark/pkcs8"

	"elt/internal/fault"
)

// settled is the settings that a configuration comes to.
func settled(t testing.TB, over map[string]any) (*settings, error) {
	t.Helper()
	all := map[string]any{"account": "org-acct", "user": "ELT", "database": "RAW", "password": "canary-password"}
	maps.Copy(all, over)
	for k, v := range all {
		if v == nil {
			delete(all, k)
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cfg, unknown, err := New().Spec().Resolve(raw)
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		t.Errorf("unknown settings: %v", unknown)
	}
	return decode(cfg)
}

func TestAccountSpellings(t *testing.T) {
	for written, want := range map[string]string{
		"myorg-myaccount":           "myorg-myaccount",
		"myorg.myaccount":           "myorg-myaccount",
		"MYORG-MY_ACCOUNT":          "MYORG-MY-ACCOUNT",
		" xy12345 ":                 "xy12345",
		"xy12345.eu-central-1":      "xy12345.eu-central-1",
		"xy12345.us-east-2.aws":     "xy12345.us-east-2.aws",
		"xy12345.west-europe.azure": "xy12345.west-europe.azure",
		"https://xy12345.eu-central-1.snowflakecomputing.com":               "xy12345.eu-central-1",
		"https://myorg-myaccount.snowflakecomputing.com:443/console/login#": "myorg-myaccount",
		"myorg-myaccount.privatelink.snowflakecomputing.com":                "myorg-myaccount.privatelink",
		"https://app.snowflake.com/myorg/myaccount/#/homepage":              "myorg-myaccount",
		"https://app.snowflake.com/us-east-1/xy12345/worksheets":            "xy12345.us-east-1",
	} {
		if got, err := account(written, ""); err != nil || got != want {
			t.Errorf("%q becomes %q, %v; want %q", written, got, err, want)
		}
	}
	for _, written := range []string{"", "my account", "a@b", "https://"} {
		if got, err := account(written, ""); err == nil {
			t.Errorf("%q is taken for %q", written, got)
		}
	}
}

func TestEveryWayToLogIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := x509.MarshalPKCS8PrivateKey(key)
	locked, err := pkcs8.MarshalPrivateKey(key, []byte("canary-phrase"), nil)
	if err != nil {
		t.Fatal(err)
	}
	armour := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pemText := armour("PRIVATE KEY", plain)
	for name, c := range map[string]struct {
		set   map[string]any
		want  sf.AuthType
		token string
	}{
		"PEM":              {map[string]any{"private_key": pemText}, sf.AuthTypeJwt, ""},
		"PEM, \\n":         {map[string]any{"private_key": strings.ReplaceAll(pemText, "\n", `\n`)}, sf.AuthTypeJwt, ""},
		"PKCS#1":           {map[string]any{"private_key": armour("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))}, sf.AuthTypeJwt, ""},
		"base64 DER":       {map[string]any{"private_key": base64.StdEncoding.EncodeToString(plain)}, sf.AuthTypeJwt, ""},
		"encrypted DER":    {map[string]any{"private_key": base64.StdEncoding.EncodeToString(locked), "private_key_passphrase": "canary-phrase"}, sf.AuthTypeJwt, ""},
		"file":             {map[string]any{"private_key_path": write("k.p8", pemText)}, sf.AuthTypeJwt, ""},
		"encrypted file":   {map[string]any{"private_key_path": write("l.p8", armour("ENCRYPTED PRIVATE KEY", locked)), "private_key_passphrase": "canary-phrase"}, sf.AuthTypeJwt, ""},
		"token":            {map[string]any{"token": "canary-token"}, sf.AuthTypePat, "canary-token"},
		"token file":       {map[string]any{"token_file": write("token", "canary-token\n")}, sf.AuthTypePat, "canary-token"},
		"OAuth":            {map[string]any{"oauth_access_token": "canary-token", "user": nil}, sf.AuthTypeOAuth, "canary-token"},
		"OAuth by file":    {map[string]any{"token_file": write("token", "canary-token"), "authenticator": "oauth", "user": nil}, sf.AuthTypeOAuth, "canary-token"},
		"browser":          {map[string]any{"use_browser_authentication": true}, sf.AuthTypeExternalBrowser, ""},
		"password":         {map[string]any{"password": "canary-password"}, sf.AuthTypeSnowflake, ""},
		"username, dbname": {map[string]any{"username": "ELT", "user": nil, "dbname": "RAW", "database": nil, "password": "canary-password"}, sf.AuthTypeSnowflake, ""},
	} {
		if c.set["password"] == nil {
			c.set["password"] = nil
		}
		s, err := settled(t, c.set)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := s.config()
		if err != nil || got.Authenticator != c.want || got.Token != c.token || c.want == sf.AuthTypeJwt && !got.PrivateKey.Equal(key) {
			t.Errorf("%s: %v, authenticator %v", name, err, got)
		}
	}
	for name, c := range map[string]struct {
		set  map[string]any
		says string
	}{
		"nothing":          {map[string]any{"password": nil}, "nothing says how to log in"},
		"two":              {map[string]any{"token": "canary-token"}, "token and password"},
		"no user":          {map[string]any{"user": nil}, `"user" is missing`},
		"wrong passphrase": {map[string]any{"password": nil, "private_key": armour("ENCRYPTED PRIVATE KEY", locked), "private_key_passphrase": "x"}, "cannot be decrypted"},
		"no passphrase":    {map[string]any{"password": nil, "private_key": armour("ENCRYPTED PRIVATE KEY", locked)}, "passphrase is not set"},
		"no key":           {map[string]any{"password": nil, "private_key": "canary-nonsense"}, "no private key"},
		"public key":       {map[string]any{"password": nil, "private_key": armour("PUBLIC KEY", plain)}, "public key"},
		"no file":          {map[string]any{"password": nil, "private_key_path": filepath.Join(dir, "none")}, "cannot be read"},
	} {
		s, err := settled(t, c.set)
		if err == nil {
			_, err = s.config()
		}
		var told *fault.Error
		if !errors.As(err, &told) || told.Code != fault.BadConfig || !strings.Contains(err.Error(), c.says) || told.Hint == "" && name != "no file" {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(fault.Render(err), "canary") {
			t.Errorf("%s shows a secret: %s", name, fault.Render(err))
		}
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	for _, set := range []map[string]any{
		{"s3_bucket": "b"}, {"stage": "s"}, {"archive_load_files": true}, {"client_side_encryption_master_key": "k"},
		{"dialect": "pipelinewise"}, {"file_size_mb": 0}, {"timestamp_type": "TEXT"}, {"account": "no account"},
	} {
		if _, err := settled(t, set); fault.CodeOf(err) != fault.BadConfig {
			t.Errorf("%v: %v", set, err)
		}
	}
}

func TestPlacesOfStreams(t *testing.T) {
	long := strings.Repeat("n", 300)
	for _, c := range []struct {
		set                   map[string]any
		stream, schema, table string
	}{
		{nil, "users", "PUBLIC", "USERS"},
		{map[string]any{"schema": "raw"}, "users", "RAW", "USERS"},
		{nil, "shop-users", "SHOP", "USERS"},
		{map[string]any{"default_target_schema": "raw"}, "shop-users", "RAW", "USERS"},
		{map[string]any{"default_target_schema": "raw"}, "order", "RAW", "ORDER"},
		{nil, "300121_Glue_ Groups [G][3] Group Data", "PUBLIC", "300121_GLUE__GROUPS_G3_GROUP_DATA"},
		{map[string]any{"normalise_casing": false}, "Shop-Users", "Shop", "Users"},
		{map[string]any{"normalise_casing": false, "quoted_identifiers_ignore_case": true}, "Shop-Users", "SHOP", "USERS"},
		{map[string]any{"dialect": "pipelinewise", "default_target_schema": "raw"}, "public-my.table-x", "RAW", "X"},
		{map[string]any{"dialect": "pipelinewise", "schema_mapping": map[string]any{"public": map[string]any{"target_schema": "repl"}}}, "db-public-a-b.c", "REPL", "A_B_C"},
		{nil, long, "PUBLIC", ""},
	} {
		s, err := settled(t, c.set)
		if err != nil {
			t.Fatal(err)
		}
		schema, table, _, err := s.place(c.stream)
		if err != nil || schema != c.schema || c.table != "" && table != c.table {
			t.Errorf("%v %s: %s.%s, %v", c.set, c.stream, schema, table, err)
		}
		if len([]rune(table)) > 255 {
			t.Errorf("%d characters in the name of a table", len(table))
		}
	}
	s, _ := settled(t, nil)
	_, one, _, _ := s.place(long + "1")
	_, two, _, _ := s.place(long + "2")
	if one == two {
		t.Error("two long names come to the same table")
	}
}
