package rest

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/httpapi"
)

var _ taps.Authorizer = tap{}

// Authorize implements taps.Authorizer.
func (tap) Authorize(ctx context.Context, cfg spec.Config, out io.Writer) (string, error) {
	s, err := decode(cfg)
	if err != nil {
		return "", err
	}
	a := s.Auth
	if a.Type != "oauth2" || a.Grant != "authorization_code" && a.Grant != "refresh_token" || a.AuthURL == "" {
		return "", fault.New(fault.BadConfig, "tap-rest: --authorize needs auth.type oauth2, auth.grant authorization_code and auth.auth_url")
	}
	a.Grant = "authorization_code"
	o, err := a.oauth2(s.secrets, s.Options(s.secrets).Silence, func(name, value string) error {
		if value == "" {
			return fault.New(fault.BadConfig, "tap-rest: --authorize needs auth.%s", name)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	s.secrets.Add(a.ClientSecret)
	if err := o.Authorize(ctx, httpapi.Consent{URL: a.AuthURL, Redirect: a.RedirectURL, Params: a.AuthParams, Out: out}); err != nil {
		return "", err
	}
	return "The login is kept in " + a.TokenFile, nil
}

// google is a service account's file, as Google's console gives it.
type google struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	Key      string `json:"private_key"`
	KeyID    string `json:"private_key_id"`
	TokenURI string `json:"token_uri"`
}

// jwt is a login by a token that we sign.
func (a auth) jwt(secrets *httpapi.Secrets, silence time.Duration, vars variables) (httpapi.Auth, error) {
	claims := map[string]any{}
	if a.Credentials != "" {
		raw := []byte(a.Credentials)
		if !strings.HasPrefix(strings.TrimSpace(a.Credentials), "{") {
			var err error
			if raw, err = os.ReadFile(a.Credentials); err != nil {
				return nil, fault.New(fault.BadConfig, "tap-rest: the file that auth.credentials names cannot be read").WithHint("it is the JSON file of a service account, or its text")
			}
		}
		var g google
		if json.Unmarshal(raw, &g) != nil || g.Email == "" || g.Key == "" {
			return nil, fault.New(fault.BadConfig, "tap-rest: auth.credentials is no service account: client_email or private_key is missing")
		}
		secrets.Add(g.Key)
		a.PrivateKey = g.Key
		for field, value := range map[*string]string{&a.KeyID: g.KeyID, &a.TokenURL: g.TokenURI} {
			if *field == "" {
				*field = value
			}
		}
		claims["iss"], claims["aud"] = g.Email, a.TokenURL
	}
	if len(a.Scopes) > 0 {
		claims["scope"] = strings.Join(a.Scopes, " ")
	}
	own, err := vars.value(map[string]any(a.Claims))
	if err != nil {
		return nil, err
	}
	for name, value := range own.(map[string]any) {
		claims[name] = value
	}
	if a.PrivateKey == "" {
		return nil, fault.New(fault.BadConfig, "tap-rest: auth.type jwt needs auth.private_key or auth.credentials")
	}
	if a.Algorithm == "" {
		a.Algorithm = "RS256"
	}
	j, err := httpapi.NewJWT(a.Algorithm, []byte(a.PrivateKey))
	if err != nil {
		return nil, err
	}
	j.KeyID, j.Claims, j.Life = a.KeyID, claims, time.Hour
	if a.ExpiresIn > 0 {
		j.Life = httpapi.Seconds(a.ExpiresIn)
	}
	if a.TokenURL == "" {
		return j.Auth(secrets), nil
	}
	return httpapi.OAuth2{TokenURL: a.TokenURL, Grant: httpapi.JWTBearer, ClientID: a.ClientID, ClientSecret: a.ClientSecret, Extra: a.Params,
		JWT: j, Style: oauth2.AuthStyleInParams, Silence: silence, Secrets: secrets}.Auth(), nil
}

// aws is a login by signatures (Signature Version 4).
func (a auth) aws(secrets *httpapi.Secrets) (httpapi.Auth, error) {
	for field, name := range map[*string]string{&a.AccessKey: "AWS_ACCESS_KEY_ID", &a.SecretKey: "AWS_SECRET_ACCESS_KEY", &a.SessionToken: "AWS_SESSION_TOKEN", &a.Region: "AWS_REGION"} {
		if *field == "" {
			*field = os.Getenv(name)
		}
	}
	for name, value := range map[string]string{"access_key_id": a.AccessKey, "secret_access_key": a.SecretKey, "region": a.Region, "service": a.Service} {
		if value == "" {
			return nil, fault.New(fault.BadConfig, "tap-rest: auth.type aws needs auth.%s", name)
		}
	}
	secrets.Add(a.SecretKey, a.SessionToken)
	return httpapi.AWS(a.AccessKey, a.SecretKey, a.SessionToken, a.Region, a.Service), nil
}
