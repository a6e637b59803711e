package snowflake

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// authenticate finds the user, or the code and text of the refusal.
func (s *Server) authenticate(req *loginRequest) (User, int, string) {
	const wrong = "Incorrect username or password was specified."
	d := req.Data
	user, known := s.users[strings.ToUpper(d.LoginName)]
	if known && user.Disabled {
		return user, 390101, "User access disabled. Contact your local system administrator."
	}
	switch strings.ToUpper(d.Authenticator) {
	case "", "SNOWFLAKE":
		if !known || user.Password == "" || user.Password != d.Password {
			return user, 390100, wrong
		}
		if user.Passcode != "" && d.Passcode != user.Passcode && d.Password != user.Password+user.Passcode {
			return user, 394508, "Failed to authenticate: MFA with TOTP is required. To authenticate, provide both your password and a current TOTP passcode."
		}
	case "USERNAME_PASSWORD_MFA":
		if !known || user.Password == "" || user.Password != d.Password {
			return user, 390100, wrong
		}
		if user.Passcode != "" && d.Passcode != user.Passcode {
			return user, 394508, "Failed to authenticate: MFA with TOTP is required. To authenticate, provide both your password and a current TOTP passcode."
		}
	case "PROGRAMMATIC_ACCESS_TOKEN":
		for _, u := range s.users {
			if u.PAT != "" && u.PAT == d.Token && (d.LoginName == "" || strings.EqualFold(d.LoginName, u.Name)) && !u.PATExpired {
				return u, 0, ""
			}
		}
		return user, 394400, "Programmatic access token is invalid."
	case "OAUTH":
		for _, u := range s.users {
			if u.OAuthToken != "" && u.OAuthToken == d.Token {
				if u.OAuthExpired {
					return u, 390318, "OAuth access token expired. [fake]"
				}
				if d.LoginName != "" && !strings.EqualFold(d.LoginName, u.Name) {
					return u, 390309, "The user you were trying to authenticate as differs from the user tied to the access token."
				}
				return u, 0, ""
			}
		}
		return user, 390303, "Invalid OAuth access token. [fake]"
	case "SNOWFLAKE_JWT":
		return s.jwt(d.Token)
	default:
		return user, 390190, fmt.Sprintf("There was an error related to the SAML Identity Provider account parameter, or authenticator %s is not known to the fake.", d.Authenticator)
	}
	return user, 0, ""
}

// jwt verifies a key-pair login as docs.snowflake.com/en/user-guide/key-pair-auth
// describes its token: iss ACCOUNT.USER.SHA256:fingerprint, sub ACCOUNT.USER,
// RS256, exp within an hour of iat.
func (s *Server) jwt(token string) (User, int, string) {
	bad := func() (User, int, string) { return User{}, 390144, "JWT token is invalid. [fake]" }
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return bad()
	}
	var head struct{ Alg string }
	var claims struct {
		Iss, Sub string
		Iat, Exp int64
	}
	for i, into := range []any{&head, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil || json.Unmarshal(b, into) != nil {
			return bad()
		}
	}
	account, name, _ := strings.Cut(claims.Sub, ".")
	u, ok := s.users[strings.ToUpper(name)]
	if !ok || u.PublicKey == nil || head.Alg != "RS256" || !strings.EqualFold(account, s.account) || u.Disabled {
		return bad()
	}
	der, err := x509.MarshalPKIXPublicKey(u.PublicKey)
	if err != nil {
		return bad()
	}
	print := sha256.Sum256(der)
	if claims.Iss != claims.Sub+".SHA256:"+base64.StdEncoding.EncodeToString(print[:]) {
		return bad()
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err != nil || rsa.VerifyPKCS1v15(u.PublicKey, crypto.SHA256, sum[:], sig) != nil {
		return bad()
	}
	now := time.Now().Unix()
	if claims.Exp < now || claims.Iat > now+60 || claims.Exp-claims.Iat > 3600 {
		return bad()
	}
	return u, 0, ""
}
