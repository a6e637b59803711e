package snowflake

import (
	"crypto/rsa"
	"strings"
	"time"

	"elt/internal/fake/snowflake/engine"
)

// What may log in unless options say otherwise.
const (
	Account   = "testacct"
	UserName  = "ELT"
	Password  = "canary-password"
	Role      = "ELT_ROLE"
	Warehouse = "ELT_WH"
	Database  = "ELT_DB"
)

// User may log in: with the ways whose field is set.
type User struct {
	Name         string
	Password     string
	PublicKey    *rsa.PublicKey // key pair: SNOWFLAKE_JWT
	PAT          string         // PROGRAMMATIC_ACCESS_TOKEN
	PATExpired   bool
	OAuthToken   string // OAUTH
	OAuthExpired bool
	Passcode     string // a password login needs it too: USERNAME_PASSWORD_MFA
	Roles        []string
	Disabled     bool
}

// Denied takes a privilege from a role; see engine.Denied.
type Denied = engine.Denied

// Option sets up a server.
type Option func(*Server)

// WithUser adds a user, or replaces the one of that name.
func WithUser(u User) Option {
	return func(s *Server) { s.users[strings.ToUpper(u.Name)] = u }
}

// WithAccount names the account.
func WithAccount(name string) Option { return func(s *Server) { s.account = strings.ToUpper(name) } }

// WithWarehouse adds a suspended warehouse; without autoResume statements that
// need it fail until it is resumed.
func WithWarehouse(name string, autoResume bool) Option {
	return func(s *Server) { s.engine.AddWarehouse(name, autoResume) }
}

// WithoutWarehouse leaves the default warehouse out.
func WithoutWarehouse() Option { return func(s *Server) { s.noWarehouse = true } }

// WithDatabase adds a database.
func WithDatabase(name string) Option { return func(s *Server) { s.engine.AddDatabase(name) } }

// WithoutDatabase leaves the default database out.
func WithoutDatabase() Option { return func(s *Server) { s.noDatabase = true } }

// WithPrivileges takes privileges away.
func WithPrivileges(denied ...Denied) Option { return func(s *Server) { s.engine.Deny(denied...) } }

// WithHold sets after how long a query that still runs is answered with
// "in progress" and a result URL. Snowflake waits 45 seconds, which is also
// the default here.
func WithHold(d time.Duration) Option { return func(s *Server) { s.hold = d } }

// WithTokenValidity sets how long session and master tokens live.
func WithTokenValidity(session, master time.Duration) Option {
	return func(s *Server) { s.sessionValidity, s.masterValidity = session, master }
}

// WithLocalFS answers PUT with a directory instead of a presigned URL.
func WithLocalFS() Option { return func(s *Server) { s.engine.UseLocalFS() } }

// WithIdleAbort sets after how long an idle transaction that blocks another is
// aborted. Snowflake waits 5 minutes, which is also the default here.
func WithIdleAbort(after time.Duration) Option {
	return func(s *Server) { s.engine.AbortIdle(after) }
}

// WithChunkRows sets from how many rows on a result comes in chunks.
func WithChunkRows(n int) Option { return func(s *Server) { s.chunkRows = n } }

// WithTelemetry asks the driver to send telemetry, which is counted and dropped.
func WithTelemetry() Option { return func(s *Server) { s.telemetry = true } }

// WithAccountParameter sets a parameter for every session.
func WithAccountParameter(name, value string) Option {
	return func(s *Server) { s.parameters[strings.ToUpper(name)] = value }
}
