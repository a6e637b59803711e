package snowflake

import (
	"crypto/rand"
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
