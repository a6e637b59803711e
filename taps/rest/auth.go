package rest

import (
	"encoding/base64"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/taps/httpapi"
)

// auth is how to log in. Empty fields are omitted when it is laid over the
// definition file's.
type auth struct {
	Type         string            `json:"type,omitempty"`
	Username     string            `json:"username,omitempty"`
	Password     string            `json:"password,omitempty"`
	Token        string            `json:"token,omitempty"`
	Key          string            `json:"key,omitempty"`
	KeyName      string            `json:"key_name,omitempty"`
	KeyIn        string            `json:"key_in,omitempty"`
	TokenURL     string            `json:"token_url,omitempty"`
	Grant        string            `json:"grant,omitempty"`
	ClientID     string            `json:"client_id,omitempty"`
	ClientSecret string            `json:"client_secret,omitempty"`
	RefreshToken string            `json:"refresh_token,omitempty"`
	TokenFile    string            `json:"token_file,omitempty"`
	Scopes       []string          `json:"scopes,omitempty"`
	Params       map[string]string `json:"params,omitempty"`
	ClientIn     string            `json:"client_in,omitempty"`
	AuthURL      string            `json:"auth_url,omitempty"`
	RedirectURL  string            `json:"redirect_url,omitempty"`
	AuthParams   map[string]string `json:"auth_params,omitempty"`
	Algorithm    string            `json:"algorithm,omitempty"`
	PrivateKey   string            `json:"private_key,omitempty"`
	KeyID        string            `json:"key_id,omitempty"`
	Claims       map[string]any    `json:"claims,omitempty"`
	Credentials  string            `json:"credentials,omitempty"`
	Region       string            `json:"region,omitempty"`
	Service      string            `json:"service,omitempty"`
	AccessKey    string            `json:"access_key_id,omitempty"`
	SecretKey    string            `json:"secret_access_key,omitempty"`
	SessionToken string            `json:"session_token,omitempty"`
	ExpiresIn    float64           `json:"expires_in,omitempty"`

	headers map[string]string // API keys of the tap-rest-api-msdk dialect
}

var authTypes = []string{"none", "basic", "bearer", "api_key", "oauth2", "jwt", "aws"}

func authSettings() []spec.Setting {
	return []spec.Setting{
		{Name: "auth.type", Type: spec.String, Help: "How to log in: none, basic, bearer, api_key, oauth2, jwt or aws.", Example: "oauth2"},
		{Name: "auth.username", Aliases: []string{"username"}, Type: spec.String, Help: "User of basic and of the oauth2 grant password.", Example: "reader"},
		{Name: "auth.password", Aliases: []string{"password"}, Type: spec.String, Secret: true, Help: "Password of basic and of the oauth2 grant password.", Example: "$SHOP_PASSWORD"},
		{Name: "auth.token", Aliases: []string{"bearer_token"}, Type: spec.String, Secret: true, Help: "Token of bearer.", Example: "$SHOP_TOKEN"},
		{Name: "auth.key", Type: spec.String, Secret: true, Help: "The key of api_key.", Example: "$SHOP_KEY"},
		{Name: "auth.key_name", Type: spec.String, Help: "Name of the header or query parameter of the key; without it X-API-Key.", Example: "api_key"},
		{Name: "auth.key_in", Type: spec.String, Help: "Where the key goes: header (the default) or query.", Example: "query"},
		{Name: "auth.grant", Aliases: []string{"grant_type"}, Type: spec.String, Help: "Of oauth2: client_credentials (the default), password, refresh_token or authorization_code.", Example: "refresh_token"},
		{Name: "auth.token_url", Aliases: []string{"access_token_url"}, Type: spec.String, Help: "Where oauth2 gets its tokens; of jwt, where the signed token is exchanged for one (without it, it is the bearer token itself).", Example: "https://login.example.com/oauth/token"},
		{Name: "auth.client_id", Aliases: []string{"client_id"}, Type: spec.String, Help: "Client of oauth2.", Example: "elt"},
		{Name: "auth.client_secret", Aliases: []string{"client_secret"}, Type: spec.String, Secret: true, Help: "Secret of the client.", Example: "$SHOP_SECRET"},
		{Name: "auth.client_in", Type: spec.String, Help: "Where the token server wants the client's secret: header or body; without it both are tried.", Example: "body"},
		{Name: "auth.refresh_token", Aliases: []string{"refresh_token"}, Type: spec.String, Secret: true, Help: "Token of the grant refresh_token; once it was replaced, the newer one in auth.token_file counts, until another is set here.", Example: "$SHOP_REFRESH_TOKEN"},
		{Name: "auth.token_file", Type: spec.String, Help: "File in which a refresh token that replaces the configured one is kept; required for that grant, on a disk that outlives the run.", Example: "/var/lib/elt/shop.token"},
		{Name: "auth.scopes", Type: spec.Array, Help: "Scopes of oauth2.", Example: `["read"]`},
		{Name: "auth.params", Aliases: []string{"oauth_extras"}, Type: spec.Object, Help: "Further parameters for the token server.", Example: `{"audience": "shop"}`},
		{Name: "auth.auth_url", Type: spec.String, Help: "Of authorization_code: the login page, for --authorize.", Example: "https://login.example.com/oauth/authorize"},
		{Name: "auth.redirect_url", Aliases: []string{"redirect_uri"}, Type: spec.String, Help: "Of authorization_code: where the browser brings the answer, as registered with the API; a loopback address with a port. Without it a free port.", Example: "http://127.0.0.1:8085/"},
		{Name: "auth.auth_params", Type: spec.Object, Help: "Further parameters of the login page.", Example: `{"access_type": "offline", "prompt": "consent"}`},
		{Name: "auth.algorithm", Type: spec.String, Help: "Of jwt: RS256 (the default), ES256, HS256 …", Example: "ES256"},
		{Name: "auth.private_key", Type: spec.String, Secret: true, Help: "Of jwt: the key as PEM text, or the secret of HS algorithms.", Example: "${file:/run/secrets/key.pem}"},
		{Name: "auth.key_id", Type: spec.String, Help: "Of jwt: the header kid.", Example: "2024-01"},
		{Name: "auth.claims", Type: spec.Object, Help: "Of jwt: claims beside iat and exp; {{ name }} stands for a variable.", Example: `{"iss": "elt", "aud": "https://api.example.com"}`},
		{Name: "auth.credentials", Type: spec.String, Secret: true, Help: "Of jwt: a Google service account, as JSON or the path of its file; gives key, key id, issuer and token URL.", Example: "/run/secrets/google.json"},
		{Name: "auth.region", Type: spec.String, Help: "Of aws: the region; without it AWS_REGION.", Example: "eu-west-1"},
		{Name: "auth.service", Type: spec.String, Help: "Of aws: the service that is signed for.", Example: "execute-api"},
		{Name: "auth.access_key_id", Type: spec.String, Help: "Of aws; without it AWS_ACCESS_KEY_ID.", Example: "AKIDEXAMPLE"},
		{Name: "auth.secret_access_key", Type: spec.String, Secret: true, Help: "Of aws; without it AWS_SECRET_ACCESS_KEY.", Example: "$AWS_SECRET_ACCESS_KEY"},
		{Name: "auth.session_token", Type: spec.String, Secret: true, Help: "Of aws; without it AWS_SESSION_TOKEN.", Example: "$AWS_SESSION_TOKEN"},
		{Name: "auth.expires_in", Aliases: []string{"oauth_expiration_secs"}, Type: spec.Number, Help: "Seconds that a token lives whose server does not say it, or that a signed one is good for (jwt: 3600 without it).", Example: "60"},
	}
}

// make is the login that was configured, nil for none.
func (a auth) make(secrets *httpapi.Secrets, silence time.Duration, vars variables) (httpapi.Auth, error) {
	secrets.Add(a.Password, a.Token, a.Key, a.ClientSecret, a.RefreshToken, a.PrivateKey, a.SecretKey, a.SessionToken)
	need := func(name, value string) error {
		if value == "" {
			return fault.New(fault.BadConfig, "tap-rest: auth.type %s needs auth.%s", a.Type, name)
		}
		return nil
	}
	switch a.Type {
	case "", "none":
		if len(a.headers) > 0 {
			break
		}
		return nil, nil
	case "basic":
		secrets.Add(base64.StdEncoding.EncodeToString([]byte(a.Username + ":" + a.Password)))
		return httpapi.Basic(a.Username, a.Password), need("username", a.Username)
	case "bearer":
		return httpapi.Header("Authorization", "Bearer "+a.Token), need("token", a.Token)
	case "api_key":
		if len(a.headers) > 0 {
			break
		}
		name := a.KeyName
		if name == "" {
			name = "X-API-Key"
		}
		if a.KeyIn == "query" {
			return httpapi.Query(name, a.Key), need("key", a.Key)
		}
		if a.KeyIn != "" && a.KeyIn != "header" {
			return nil, oneOf("tap-rest: auth.key_in", a.KeyIn, "header", "query")
		}
		return httpapi.Header(name, a.Key), need("key", a.Key)
	case "oauth2":
		o, err := a.oauth2(secrets, silence, need)
		if err != nil {
			return nil, err
		}
		return o.Auth(), nil
	case "jwt":
		return a.jwt(secrets, silence, vars)
	case "aws":
		return a.aws(secrets)
	default:
		return nil, oneOf("tap-rest: auth.type", a.Type, authTypes...)
	}
	var keys []httpapi.Auth
	for name, value := range a.headers {
		secrets.Add(value)
		keys = append(keys, httpapi.Header(name, value))
	}
	return httpapi.All(keys...), nil
}

func (a auth) oauth2(secrets *httpapi.Secrets, silence time.Duration, need func(name, value string) error) (*httpapi.OAuth2, error) {
	if a.Grant == "" {
		a.Grant = "client_credentials"
	}
	if err := need("token_url", a.TokenURL); err != nil {
		return nil, err
	}
	o := &httpapi.OAuth2{TokenURL: a.TokenURL, Grant: a.Grant, ClientID: a.ClientID, ClientSecret: a.ClientSecret, User: a.Username, Password: a.Password,
		Scopes: a.Scopes, Extra: a.Params, Life: httpapi.Seconds(a.ExpiresIn), Silence: silence, Secrets: secrets}
	switch a.ClientIn {
	case "":
	case "header":
		o.Style = oauth2.AuthStyleInHeader
	case "body":
		o.Style = oauth2.AuthStyleInParams
	default:
		return nil, oneOf("tap-rest: auth.client_in", a.ClientIn, "header", "body")
	}
	switch a.Grant {
	case "client_credentials":
		if err := need("client_id", a.ClientID); err != nil {
			return nil, err
		}
	case "password":
		if err := need("username", a.Username); err != nil {
			return nil, err
		}
	case "refresh_token", "authorization_code":
		if a.Grant == "refresh_token" {
			if err := need("refresh_token", a.RefreshToken); err != nil {
				return nil, err
			}
		}
		o.Grant = "refresh_token" // what --authorize has kept
		if err := need("token_file", a.TokenFile); err != nil {
			return nil, fmt.Errorf("%w, where a token that replaces it is kept", err)
		}
		o.Refresh = &httpapi.RefreshToken{Configured: a.RefreshToken, File: a.TokenFile, Secrets: secrets}
	default:
		return nil, oneOf("tap-rest: auth.grant", a.Grant, "client_credentials", "password", "refresh_token", "authorization_code")
	}
	return o, nil
}
