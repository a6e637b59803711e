package snowflake

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"elt/internal/fake/snowflake/engine"
)

// session is a login's: tokens, and the engine's session.
type session struct {
	id      int64
	engine  *engine.Session
	user    string
	token   string
	master  string
	expires time.Time // of token
	dies    time.Time // of master
	serial  sync.Mutex
}

// reply is what every endpoint answers with.
type reply struct {
	Data    any  `json:"data"`
	Code    any  `json:"code"`
	Message any  `json:"message"`
	Success bool `json:"success"`
	Headers any  `json:"headers"`
}

func send(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(r)
}

func refuse(w http.ResponseWriter, code int, format string, args ...any) {
	send(w, reply{Code: fmt.Sprintf("%06d", code), Message: fmt.Sprintf(format, args...)})
}

type loginRequest struct {
	Data struct {
		AccountName       string         `json:"ACCOUNT_NAME"`
		LoginName         string         `json:"LOGIN_NAME"`
		Password          string         `json:"PASSWORD"`
		Authenticator     string         `json:"AUTHENTICATOR"`
		Token             string         `json:"TOKEN"`
		Passcode          string         `json:"PASSCODE"`
		SessionParameters map[string]any `json:"SESSION_PARAMETERS"`
	} `json:"data"`
}

func newToken() string {
	b := make([]byte, 24)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// login checks who comes, and with which role, warehouse and database. Codes
// and texts follow the driver's WireMock mappings and reports of its users.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	var req loginRequest
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		refuse(w, 390100, "Incorrect username or password was specified.")
		return
	}
	d := req.Data
	account, _, _ := strings.Cut(strings.ToUpper(d.AccountName), ".")
	if account != s.account {
		w.WriteHeader(http.StatusForbidden)
		send(w, reply{Code: "390144", Message: "Invalid account name or host."})
		return
	}
	u, code, msg := s.authenticate(&req)
	if code != 0 {
		refuse(w, code, "%s", msg)
		return
	}
	q := r.URL.Query()
	// Names of a connection fold to upper case unless they are quoted.
	name := func(key string) string {
		v := q.Get(key)
		if len(v) > 1 && v[0] == '"' && v[len(v)-1] == '"' {
			return strings.ReplaceAll(v[1:len(v)-1], `""`, `"`)
		}
		return strings.ToUpper(v)
	}
	role := name("roleName")
	roles := append(slices.Clone(u.Roles), "PUBLIC")
	switch {
	case role == "" && len(u.Roles) > 0:
		role = u.Roles[0]
	case role == "":
		role = "PUBLIC"
	case !slices.Contains(roles, role) && s.roleExists(role):
		refuse(w, 390186, "Role '%s' specified in the connect string is not granted to this user. Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC.", role)
		return
	case !slices.Contains(roles, role):
		refuse(w, 390189, "Role '%s' specified in the connect string does not exist or not authorized. Contact your local system administrator, or attempt to login with another role, e.g. PUBLIC.", role)
		return
	}
	db, schema, wh := name("databaseName"), name("schemaName"), name("warehouse")
	parameters := map[string]string{}
	for k, v := range s.parameters {
		parameters[k] = v
	}
	for k, v := range d.SessionParameters {
		parameters[strings.ToUpper(k)] = fmt.Sprint(v)
	}
	validate := parameters["CLIENT_VALIDATE_DEFAULT_PARAMETERS"] == "true"
	switch {
	case db != "" && !s.engine.HasDatabase(db):
		if validate {
			refuse(w, 390201, "The requested database does not exist or not authorized.")
			return
		}
		db, schema = "", ""
	case db != "" && schema != "" && !s.engine.HasSchema(db, schema):
		if validate {
			refuse(w, 390201, "The requested schema does not exist or not authorized.")
			return
		}
		schema = ""
	case db != "" && schema == "":
		schema = "PUBLIC"
	}
	if wh != "" && !s.engine.HasWarehouse(wh, role) {
		if validate {
			refuse(w, 390201, "The requested warehouse does not exist or not authorized.")
			return
		}
		wh = ""
	}
	s.mu.Lock()
	s.next++
	s.logins++
	ss := &session{id: s.next, user: u.Name, token: newToken(), master: newToken(), expires: time.Now().Add(s.sessionValidity), dies: time.Now().Add(s.masterValidity)}
	ss.engine = s.engine.NewSession(ss.id, strings.ToUpper(u.Name), role, wh, db, schema, parameters)
	ss.engine.Roles = roles
	s.sessions[ss.id] = ss
	s.mu.Unlock()
	send(w, reply{Success: true, Data: map[string]any{
		"masterToken": ss.master, "token": ss.token, "validityInSeconds": int(s.sessionValidity.Seconds()), "masterValidityInSeconds": int(s.masterValidity.Seconds()),
		"displayUserName": u.Name, "serverVersion": "9.99.0 fake", "firstLogin": false, "remMeToken": nil, "remMeValidityInSeconds": 0,
		"healthCheckInterval": 45, "newClientForUpgrade": nil, "sessionId": ss.id, "parameters": s.clientParameters(ss),
		"sessionInfo":              map[string]any{"databaseName": db, "schemaName": schema, "warehouseName": wh, "roleName": role},
		"idToken":                  nil,
		"idTokenValidityInSeconds": 0, "responseData": nil, "mfaToken": nil, "mfaTokenValidityInSeconds": 0,
	}})
}

func (s *Server) roleExists(role string) bool {
	for _, u := range s.users {
		if slices.Contains(u.Roles, role) {
			return true
		}
	}
	return false
}

// clientParameters are those a session hands to the driver.
func (s *Server) clientParameters(ss *session) []map[string]any {
	var out []map[string]any
	for _, n := range []string{"CLIENT_PREFETCH_THREADS", "TIMEZONE", "CLIENT_SESSION_KEEP_ALIVE", "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY",
		"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "AUTOCOMMIT", "GO_QUERY_RESULT_FORMAT", "DATE_OUTPUT_FORMAT", "TIME_OUTPUT_FORMAT", "TIMESTAMP_NTZ_OUTPUT_FORMAT"} {
		v := ss.engine.Parameter(n)
		switch strings.ToLower(v) {
		case "true", "false":
			out = append(out, map[string]any{"name": n, "value": strings.EqualFold(v, "true")})
		default:
			out = append(out, map[string]any{"name": n, "value": v})
		}
	}
	return append(out, map[string]any{"name": "CLIENT_TELEMETRY_ENABLED", "value": s.telemetry})
}

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

// who finds the session of a request by its token; it answers itself if there
// is none or the token has expired.
func (s *Server) who(w http.ResponseWriter, r *http.Request) *session {
	token := bearer(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.token == token && token != "" {
			if time.Now().After(ss.expires) {
				refuse(w, 390112, "Your session has expired. Please login again.")
				return nil
			}
			return ss
		}
	}
	for _, ss := range s.sessions {
		if ss.master == token {
			refuse(w, 390104, "Incorrect authorization token was specified.")
			return nil
		}
	}
	refuse(w, 390111, "Session no longer exists.  New login required to access the service.")
	return nil
}

func bearer(r *http.Request) string {
	t := strings.TrimPrefix(r.Header.Get("Authorization"), `Snowflake Token="`)
	return strings.TrimSuffix(t, `"`)
}

// renew gives a new session token for a master token.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) {
	var body struct{ OldSessionToken, RequestType string }
	json.NewDecoder(r.Body).Decode(&body)
	master := bearer(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.master != master {
			continue
		}
		if time.Now().After(ss.dies) {
			refuse(w, 390114, "Authentication token has expired.  The user must authenticate again.")
			return
		}
		ss.token, ss.master = newToken(), newToken()
		ss.expires, ss.dies = time.Now().Add(s.sessionValidity), time.Now().Add(s.masterValidity)
		send(w, reply{Success: true, Data: map[string]any{"sessionToken": ss.token, "masterToken": ss.master, "sessionId": ss.id,
			"validityInSecondsST": int(s.sessionValidity.Seconds()), "validityInSecondsMT": int(s.masterValidity.Seconds())}})
		return
	}
	refuse(w, 390115, "Authentication token is invalid: no session has this master token.")
}

func (s *Server) heartbeat(w http.ResponseWriter, r *http.Request) {
	if s.who(w, r) != nil {
		send(w, reply{Success: true})
	}
}

// logout ends the session: running statements are stopped, the transaction is
// rolled back, temporary tables go.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("delete") != "true" {
		http.NotFound(w, r)
		return
	}
	token := bearer(r)
	s.mu.Lock()
	var gone *session
	for id, ss := range s.sessions {
		if ss.token == token {
			gone = ss
			delete(s.sessions, id)
		}
	}
	if gone != nil {
		for _, q := range s.queries {
			if q.session == gone {
				q.cancel()
			}
		}
	}
	s.mu.Unlock()
	if gone == nil {
		refuse(w, 390111, "Session no longer exists.  New login required to access the service.")
		return
	}
	gone.engine.Close()
	send(w, reply{Success: true})
}

func (s *Server) sendTelemetry(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.sent++
	s.mu.Unlock()
	send(w, reply{Success: true, Data: "Log Received"})
}

// ExpireSessions makes every session token expired; the driver renews it.
func (s *Server) ExpireSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		ss.expires = time.Time{}
	}
}

// ExpireMasters makes master tokens expired too: only a new login helps.
func (s *Server) ExpireMasters() {
	s.ExpireSessions()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		ss.dies = time.Time{}
	}
}

// EndSessions ends every session, as the service does with those whose client
// has died: open transactions are rolled back, what is temporary goes.
func (s *Server) EndSessions() {
	s.mu.Lock()
	gone := s.sessions
	s.sessions = map[int64]*session{}
	for _, q := range s.queries {
		q.cancel()
	}
	s.mu.Unlock()
	for _, ss := range gone {
		ss.engine.Close()
	}
}
