package rest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/golang-jwt/jwt/v5"

	"elt/taps"
)

func pemOf(t *testing.T, key any) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// A Google-like service account: a signed assertion is exchanged for a token
// that lives for some requests.
func TestASignedJWTIsExchangedForAToken(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var a *api
	made, left := 0, 0
	a = serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			if left--; left < 0 || r.Header.Get("Authorization") != "Bearer granted-canary" {
				w.WriteHeader(401)
				return
			}
			if r.FormValue("page") == "4" {
				reply(w, `[]`)
				return
			}
			reply(w, `[{"id":`+r.FormValue("page")+`}]`)
			return
		}
		claims := jwt.MapClaims{}
		parsed, err := jwt.ParseWithClaims(r.FormValue("assertion"), claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil }, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(a.URL+"/token"), jwt.WithIssuer("robot@example.com"), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
		if err != nil || parsed.Header["kid"] != "k1" || claims["scope"] != "read write" || claims["sub"] != "boss@example.com" || r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
			w.WriteHeader(400)
			reply(w, `{"error":"invalid_grant"}`)
			return
		}
		made, left = made+1, 2
		reply(w, `{"access_token":"granted-canary","token_type":"Bearer","expires_in":60}`)
	})
	account, _ := json.Marshal(object{"type": "service_account", "client_email": "robot@example.com", "private_key": pemOf(t, key), "private_key_id": "k1", "token_uri": a.URL + "/token"})
	file := filepath.Join(t.TempDir(), "google.json")
	if err := os.WriteFile(file, account, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, credentials := range []string{file, string(account)} {
		made, left = 0, 0
		got := run(t, object{"url_base": a.URL, "variables": object{"who": "boss"}, "auth": object{"type": "jwt", "credentials": credentials, "scopes": []any{"read", "write"}, "claims": object{"sub": "{{ who }}@example.com"}},
			"streams": []any{object{"name": "s", "schema": idSchema, "pagination": object{"type": "page"}}}}, "")
		if got.err != nil || len(got.records) != 3 || made != 2 || strings.Contains(got.log, "canary") {
			t.Errorf("%v, %d records, %d tokens\n%s", got.err, len(got.records), made, got.log)
		}
	}
}

func TestASignedJWTIsTheBearer(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, keys := range map[string]struct {
		private string
		public  any
	}{"ES256": {pemOf(t, ec), &ec.PublicKey}, "HS256": {canary, []byte(canary)}} {
		a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
			_, text, _ := strings.Cut(r.Header.Get("Authorization"), "Bearer ")
			if _, err := jwt.Parse(text, func(*jwt.Token) (any, error) { return keys.public, nil }, jwt.WithValidMethods([]string{algorithm}), jwt.WithIssuer("elt"), jwt.WithExpirationRequired()); err != nil {
				w.WriteHeader(401)
				reply(w, err.Error())
				return
			}
			reply(w, `[{"id":1}]`)
		})
		login := object{"type": "jwt", "algorithm": algorithm, "private_key": keys.private, "claims": object{"iss": "elt"}, "expires_in": 60}
		config := object{"url_base": a.URL, "auth": login, "streams": []any{object{"name": "s", "schema": idSchema}}}
		if got := run(t, config, ""); got.err != nil || len(got.records) != 1 {
			t.Errorf("%s: %v", algorithm, got.err)
		}
		login["claims"] = object{"iss": "another"}
		before := len(a.requests())
		if got := run(t, config, ""); got.err == nil || len(a.requests())-before != 1 {
			t.Errorf("%s: %v", algorithm, got.err)
		}
	}
	for text, login := range map[string]object{
		"auth.private_key is no private key for RS256": {"private_key": "canary-key"},
		`auth.algorithm is "RS255"`:                    {"algorithm": "RS255", "private_key": "canary-key"},
		"no service account":                           {"credentials": `{"type":"canary-type"}`},
	} {
		login["type"] = "jwt"
		if got := run(t, object{"url_base": "http://127.0.0.1:1", "auth": login, "streams": []any{object{"name": "s"}}}, ""); got.err == nil || !strings.Contains(got.err.Error(), text) || strings.Contains(got.err.Error(), "canary") {
			t.Errorf("%v\nwant %s", got.err, text)
		}
	}
}

// The server signs what it was sent by itself, and wants the same.
func TestAWSSignatures(t *testing.T) {
	as := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: canary, SessionToken: "session-canary"}
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		own, _ := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
		_, signed, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
		signed, _, _ = strings.Cut(signed, ",")
		for name := range strings.SplitSeq(signed, ";") {
			if v := r.Header.Get(name); v != "" && name != "x-amz-date" && name != "x-amz-security-token" {
				own.Header.Set(name, v)
			}
		}
		sum := sha256.Sum256(body)
		if err == nil {
			err = v4.NewSigner().SignHTTP(context.Background(), as, own, hex.EncodeToString(sum[:]), "execute-api", "eu-west-1", at)
		}
		if err != nil || own.Header.Get("Authorization") != r.Header.Get("Authorization") {
			w.WriteHeader(403)
			reply(w, own.Header.Get("Authorization")+" / "+r.Header.Get("Authorization"))
			return
		}
		reply(w, `[{"id":1}]`)
	})
	got := run(t, object{"url_base": a.URL, "auth": object{"type": "aws", "region": "eu-west-1", "service": "execute-api", "access_key_id": "AKID", "secret_access_key": canary, "session_token": "session-canary"},
		"streams": []any{object{"name": "s", "path": "/a b", "method": "POST", "body": object{"x": 1}, "params": object{"q": "a b&c"}, "schema": idSchema}}}, "")
	if got.err != nil || len(got.records) != 1 {
		t.Error(got.err)
	}
}

// A person logs in once; runs live from the refresh token that was kept.
func TestAuthorize(t *testing.T) {
	challenge := ""
	a := serveAPI(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			q := r.URL.Query()
			challenge = q.Get("code_challenge")
			if q.Get("prompt") != "consent" || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" {
				w.WriteHeader(400)
				return
			}
			http.Redirect(w, r, q.Get("redirect_uri")+"?code=c0de&state="+url.QueryEscape(q.Get("state")), http.StatusFound)
		case "/token":
			sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
			user, _, _ := r.BasicAuth()
			switch {
			case r.FormValue("grant_type") == "refresh_token" && r.FormValue("refresh_token") == "refresh-1-canary":
				reply(w, `{"access_token":"second-canary","token_type":"bearer","expires_in":3600,"refresh_token":"refresh-2-canary"}`)
			case r.FormValue("code") == "c0de" && challenge == b64(sum[:]) && user+r.FormValue("client_id") == "me":
				reply(w, `{"access_token":"first-canary","token_type":"bearer","expires_in":1,"refresh_token":"refresh-1-canary"}`)
			default:
				w.WriteHeader(400)
			}
		default:
			if r.Header.Get("Authorization") != "Bearer second-canary" {
				w.WriteHeader(401)
				return
			}
			reply(w, `[{"id":1}]`)
		}
	})
	config := object{"url_base": a.URL, "auth": object{"type": "oauth2", "grant": "authorization_code", "auth_url": a.URL + "/login", "token_url": a.URL + "/token", "client_id": "me", "client_secret": canary,
		"auth_params": object{"prompt": "consent"}, "token_file": filepath.Join(t.TempDir(), "shop.token")}, "streams": []any{object{"name": "s", "schema": idSchema}}}
	if got := run(t, config, ""); got.err == nil || !strings.Contains(got.err.Error(), "there is no login in") {
		t.Errorf("%v", got.err)
	}
	raw, _ := json.Marshal(config)
	path := filepath.Join(t.TempDir(), "c.json")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t}
	if err := taps.Serve(t.Context(), New(), []string{"--config", path, "--authorize"}, taps.IO{Out: b, Err: io.Discard}, nil); err != nil {
		t.Fatal(err, b.String())
	}
	<-b.done
	if !strings.Contains(b.String(), "The login is kept in") || strings.Contains(b.String(), "canary") {
		t.Error(b.String())
	}
	got := run(t, config, "")
	if got.err != nil || len(got.records) != 1 || strings.Contains(got.log, "canary") {
		t.Error(got.err, got.log)
	}
}

func b64(raw []byte) string {
	return strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(jsonBytes(raw)), "=")
}

// jsonBytes is base64, as encoding/json writes bytes.
func jsonBytes(raw []byte) string {
	text, _ := json.Marshal(raw)
	return strings.Trim(string(text), `"`)
}

// browser goes to the address that it is shown.
type browser struct {
	bytes.Buffer
	t    *testing.T
	done chan struct{}
}

func (b *browser) Write(p []byte) (int, error) {
	for _, word := range strings.Fields(string(p)) {
		if strings.Contains(word, "/login?") {
			b.done = make(chan struct{})
			go func() {
				defer close(b.done)
				res, err := http.Get(word)
				if err != nil {
					b.t.Error(err)
					return
				}
				defer res.Body.Close()
				if text, _ := io.ReadAll(res.Body); !strings.Contains(string(text), "You can close this window") {
					b.t.Errorf("%s", text)
				}
			}()
		}
	}
	return b.Buffer.Write(p)
}
