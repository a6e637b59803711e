package gcs

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"time"
)

// account is a service account: it signs, and gets a token for that.
type account struct {
	key *rsa.PrivateKey
	url string
}

const email = "elt@project.iam.gserviceaccount.com"

func newAccount(url string) account {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // no random numbers: nothing works
	}
	return account{key, url}
}

// Credentials is the JSON of the account's key, as Google Cloud hands it out.
func (s *Server) Credentials() string {
	der, err := x509.MarshalPKCS8PrivateKey(s.account.key)
	if err != nil {
		panic(err) // the key was made here
	}
	text, _ := json.Marshal(map[string]string{"type": "service_account", "client_email": email, "private_key_id": "1", "token_uri": s.account.url,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))})
	return string(text)
}

const bearer = "ya29.fake"

func (a account) knows(authorization string) bool { return authorization == "Bearer "+bearer }

// token trades a signed assertion (RFC 7523) for a token.
func (a account) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(why string) {
		w.WriteHeader(400)
		reply(w, map[string]string{"error": "invalid_grant", "error_description": why})
	}
	parts := strings.Split(r.FormValue("assertion"), ".")
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(parts) != 3 {
		refuse("Invalid grant_type or assertion.")
		return
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || rsa.VerifyPKCS1v15(&a.key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		refuse("Invalid JWT Signature.")
		return
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss, Aud, Scope string
		Exp             int64
	}
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Iss != email || claims.Aud != a.url || claims.Scope == "" || claims.Exp < time.Now().Unix() {
		refuse("Invalid JWT claims.")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	reply(w, map[string]any{"access_token": bearer, "expires_in": 3600, "token_type": "Bearer"})
}
