package snowflake

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"strings"

	sf "github.com/snowflakedb/gosnowflake/v2"
	"github.com/youmark/pkcs8"

	"elt/internal/fault"
)

// access is where the account is and how to log in.
type access struct {
	Account       string `json:"account"`
	User          string `json:"user"`
	Password      string `json:"password"`
	PrivateKey    string `json:"private_key"`
	KeyPath       string `json:"private_key_path"`
	Passphrase    string `json:"private_key_passphrase"`
	Token         string `json:"token"`
	TokenFile     string `json:"token_file"`
	OAuthToken    string `json:"oauth_access_token"`
	Browser       bool   `json:"use_browser_authentication"`
	Authenticator string `json:"authenticator"`
	Passcode      string `json:"passcode"`
	Host          string `json:"host"`
	Port          int    `json:"port"`
	Protocol      string `json:"protocol"`
	Retry         int    `json:"connect_retry_seconds"`
}

// ways are the settings of which each is a way to log in.
func (a *access) ways() []string {
	var set []string
	for _, w := range []struct {
		name  string
		given bool
	}{
		{"private_key", a.PrivateKey != ""}, {"private_key_path", a.KeyPath != ""}, {"token", a.Token != ""},
		{"token_file", a.TokenFile != ""}, {"oauth_access_token", a.OAuthToken != ""},
		{"password", a.Password != ""}, {"use_browser_authentication", a.Browser},
	} {
		if w.given {
			set = append(set, w.name)
		}
	}
	return set
}

// authenticate fills in how c logs in: in exactly one way.
func (a *access) authenticate(c *sf.Config) error {
	ways := a.ways()
	switch {
	case len(ways) == 0 && strings.EqualFold(a.Authenticator, "externalbrowser"):
		ways = []string{"use_browser_authentication"}
	case len(ways) == 0:
		return fault.New(fault.BadConfig, "target-snowflake: nothing says how to log in").
			WithHint("set one of private_key, private_key_path, token, token_file, oauth_access_token, password")
	case len(ways) > 1:
		return fault.New(fault.BadConfig, "target-snowflake: %s are set, but only one may say how to log in", strings.Join(ways, " and ")).
			WithHint("leave one of them; a null in an environment's config takes one away")
	}
	c.User = a.User
	way := ways[0]
	if a.User == "" && way != "oauth_access_token" && !(way == "token_file" && a.Authenticator == "oauth") {
		return fault.New(fault.BadConfig, "target-snowflake: setting \"user\" is missing").WithHint("%s needs it", way)
	}
	switch way {
	case "private_key", "private_key_path":
		key, err := a.key(way)
		if err != nil {
			return err
		}
		c.Authenticator, c.PrivateKey = sf.AuthTypeJwt, key
	case "token", "token_file":
		token, err := a.token(way)
		if err != nil {
			return err
		}
		c.Authenticator, c.Token = sf.AuthTypePat, token
		if a.Authenticator == "oauth" {
			c.Authenticator = sf.AuthTypeOAuth
		}
	case "oauth_access_token":
		c.Authenticator, c.Token = sf.AuthTypeOAuth, a.OAuthToken
	case "use_browser_authentication":
		c.Authenticator = sf.AuthTypeExternalBrowser
	case "password":
		c.Authenticator, c.Password = sf.AuthTypeSnowflake, a.Password
		if a.Authenticator == "username_password_mfa" {
			c.Authenticator, c.Passcode = sf.AuthTypeUsernamePasswordMFA, a.Passcode
		}
	}
	return nil
}

func (a *access) token(setting string) (string, error) {
	if setting == "token" {
		return strings.TrimSpace(a.Token), nil
	}
	raw, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return "", fault.Wrap(fault.BadConfig, err, "target-snowflake: token_file cannot be read")
	}
	if token := strings.TrimSpace(string(raw)); token != "" {
		return token, nil
	}
	return "", fault.New(fault.BadConfig, "target-snowflake: token_file %s is empty", a.TokenFile)
}

// key is the private key of the setting. No error shows any of it.
func (a *access) key(setting string) (*rsa.PrivateKey, error) {
	text := []byte(a.PrivateKey)
	if setting == "private_key_path" {
		var err error
		if text, err = os.ReadFile(a.KeyPath); err != nil {
			return nil, fault.Wrap(fault.BadConfig, err, "target-snowflake: private_key_path cannot be read")
		}
	}
	key, err := parseKey(text, a.Passphrase)
	if err != nil {
		return nil, fault.New(fault.BadConfig, "target-snowflake: %s: %v", setting, err).
			WithHint("openssl genrsa 2048 | openssl pkcs8 -topk8 -inform PEM -out snowflake.p8 makes one; in an environment variable \\n may stand for a line end")
	}
	return key, nil
}

// parseKey reads PEM (line ends may be written \n), or the base64 of DER, or
// DER itself.
func parseKey(text []byte, passphrase string) (*rsa.PrivateKey, error) {
	if !strings.Contains(string(text), "\n") {
		text = []byte(strings.ReplaceAll(string(text), `\n`, "\n"))
	}
	der, kind := text, ""
	if block, _ := pem.Decode(text); block != nil {
		der, kind = block.Bytes, block.Type
		if strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, errors.New("it is encrypted the old way (PEM headers), which is not supported; make it PKCS#8")
		}
	} else if plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(string(text)), "")); err == nil {
		der = plain
	}
	switch {
	case strings.Contains(kind, "PUBLIC"):
		return nil, errors.New("this is the public key; the private one is needed")
	case kind == "ENCRYPTED PRIVATE KEY" && passphrase == "":
		return nil, errors.New("the key is encrypted, but private_key_passphrase is not set")
	case kind == "EC PRIVATE KEY" || kind == "OPENSSH PRIVATE KEY":
		return nil, errors.New("Snowflake takes RSA keys only")
	}
	if kind != "ENCRYPTED PRIVATE KEY" {
		if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
			return key, nil
		}
		if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
			if rsaKey, ok := key.(*rsa.PrivateKey); ok {
				return rsaKey, nil
			}
			return nil, errors.New("Snowflake takes RSA keys only")
		}
	}
	if passphrase == "" {
		return nil, errors.New("this is no private key, neither PEM nor the base64 of DER (or it is encrypted, and private_key_passphrase is not set)")
	}
	key, err := pkcs8.ParsePKCS8PrivateKeyRSA(der, []byte(passphrase))
	if err != nil {
		return nil, errors.New("it cannot be decrypted: is private_key_passphrase right?")
	}
	return key, nil
}
