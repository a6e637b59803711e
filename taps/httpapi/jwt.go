package httpapi

import (
	"context"
	"crypto"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"elt/internal/fault"
)

// JWT is a token that we sign ourselves (RFC 7519): a bearer token, or the
// assertion for which a server hands one out (RFC 7523).
type JWT struct {
	method jwt.SigningMethod
	key    any
	KeyID  string         // header kid, where it is set
	Claims map[string]any // beside iat and exp
	Life   time.Duration
}

// NewJWT takes a key: PEM of a private key for RS, PS, ES and EdDSA
// algorithms, a secret for HS.
func NewJWT(algorithm string, key []byte) (*JWT, error) {
	j := &JWT{method: jwt.GetSigningMethod(algorithm)}
	var err error
	switch {
	case strings.HasPrefix(algorithm, "RS"), strings.HasPrefix(algorithm, "PS"):
		j.key, err = jwt.ParseRSAPrivateKeyFromPEM(key)
	case strings.HasPrefix(algorithm, "ES"):
		j.key, err = jwt.ParseECPrivateKeyFromPEM(key)
	case algorithm == "EdDSA":
		var k crypto.PrivateKey
		k, err = jwt.ParseEdPrivateKeyFromPEM(key)
		j.key = k
	case strings.HasPrefix(algorithm, "HS"):
		j.key = key
	}
	if j.method == nil || j.key == nil && err == nil {
		return nil, fault.New(fault.BadConfig, "auth.algorithm is %q", algorithm).WithHint("RS256, ES256 and HS256 are usual; RS384, RS512, PS256, ES384, ES512, HS384, HS512 and EdDSA are known too")
	}
	if err != nil {
		// The library's words could quote the key.
		return nil, fault.New(fault.BadConfig, "auth.private_key is no private key for %s", algorithm).WithHint("it is PEM text with all of its lines: -----BEGIN PRIVATE KEY----- …; an encrypted key must be decrypted first")
	}
	return j, nil
}

// Sign makes a token that is good from now on.
func (j *JWT) Sign(now time.Time) (string, error) {
	// Half a minute back: a server whose clock is late refuses the future.
	claims := jwt.MapClaims{"iat": json.Number(jsonInt(now.Add(-30 * time.Second).Unix())), "exp": json.Number(jsonInt(now.Add(j.Life).Unix()))}
	for name, value := range j.Claims {
		claims[name] = value
	}
	t := jwt.NewWithClaims(j.method, claims)
	if j.KeyID != "" {
		t.Header["kid"] = j.KeyID
	}
	text, err := t.SignedString(j.key)
	if err != nil {
		return "", fault.New(fault.BadConfig, "the JWT cannot be signed by %s", j.method.Alg()).WithHint("does the key fit the algorithm? ES256 wants a key of the curve P-256")
	}
	return text, nil
}

func jsonInt(n int64) string {
	raw, _ := json.Marshal(n) // an integer
	return string(raw)
}

// Auth is the token as a bearer, signed anew before it runs out.
func (j *JWT) Auth(secrets *Secrets) Auth { return &signed{j: j, secrets: secrets} }

type signed struct {
	j       *JWT
	secrets *Secrets
	mu      sync.Mutex
	token   string
	until   time.Time
}

func (s *signed) Apply(_ context.Context, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); s.token == "" || !now.Before(s.until) {
		token, err := s.j.Sign(now)
		if err != nil {
			return err
		}
		s.secrets.Add(token)
		s.token, s.until = token, now.Add(s.j.Life-min(10*time.Second, s.j.Life/10))
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	return nil
}

func (s *signed) Renew(_ context.Context, refused *http.Request) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A fresh one would be refused as well; one of another second may have
	// been renewed by another request.
	again := refused.Header.Get("Authorization") != "Bearer "+s.token
	if !again && time.Until(s.until) < s.j.Life/2 {
		s.token, again = "", true
	}
	return again, nil
}
