package snowflake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"

	sf "github.com/snowflakedb/gosnowflake/v2"

	"elt/internal/fault"
)

// explain turns the service's answers into the user's terms: a sentence, the
// setting, what to do. what is what was tried ("log in", "COPY").
func (s *settings) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	var answer *sf.SnowflakeError
	if !errors.As(err, &answer) {
		return s.network(what, err)
	}
	text := answer.Message
	if len(answer.MessageArgs) > 0 {
		text = fmt.Sprintf(text, answer.MessageArgs...)
	}
	text = bare(text)
	e := func(code fault.Code, kind fault.Kind, msg, hint string, args ...any) error {
		return fault.Wrap(code, &answered{answer, ""}, "target-snowflake: "+msg, args...).WithHint("%s", hint).WithKind(kind)
	}
	lower := strings.ToLower(text)
	has := func(part string) bool { return strings.Contains(lower, part) }
	switch n := answer.Number; {
	case n == 390144 || has("jwt token is invalid"):
		return e(fault.BadConfig, fault.KindAuth, "Snowflake refuses the key of user %s (JWT invalid)",
			"does the user have this key (ALTER USER … SET RSA_PUBLIC_KEY)? Has it been rotated? Are user and account spelled right, is this machine's clock right?", s.User)
	case n == 390318 || n == 390303 || has("oauth access token"):
		return e(fault.BadConfig, fault.KindAuth, "Snowflake refuses the OAuth access token", "it has expired or is for another account: get a new one for oauth_access_token")
	case n >= 394300 && n <= 394499 || has("programmatic access token"):
		return e(fault.BadConfig, fault.KindAuth, "Snowflake refuses the programmatic access token of user %s",
			"it has expired, is revoked, or the user's network policy does not allow tokens: ALTER USER … ADD PROGRAMMATIC ACCESS TOKEN makes a new one", s.User)
	case n == 390422 || n == 390432 || has("is not allowed to access snowflake") || has("network policy"):
		return e(fault.BadConfig, fault.KindPermission, "a network policy of Snowflake keeps this machine out", "the policy of the account or of user "+s.User+" must allow its address")
	case n == 390189 || has("role") && has("connect string"):
		return e(fault.BadConfig, fault.KindPermission, "role %q does not exist, or user %s may not take it", "GRANT ROLE … TO USER …; setting role", s.Role, s.User)
	case n == 390100 || n == 390101 || n == 390102 || has("incorrect username or password"):
		return e(fault.BadConfig, fault.KindAuth, "Snowflake does not accept user %s with this password", "settings user and password; sign-in by password alone is being retired, see private_key and token", s.User)
	case n == 390201 || n == 390190 || has("requested warehouse") || has("requested database") || has("requested schema"):
		return e(fault.BadConfig, fault.KindPath, "the database, warehouse or schema of the settings is not there",
			fmt.Sprintf("database %s, warehouse %s: does each exist, and has role %s USAGE on it?", s.Database, s.Warehouse, s.roleName()))
	case n == 606 || n == 57014 && has("warehouse") || has("no active warehouse"):
		return e(fault.BadConfig, fault.KindPath, "there is no warehouse to load with", "setting warehouse names one that role "+s.roleName()+" has USAGE on: GRANT USAGE ON WAREHOUSE … TO ROLE …")
	case n == 90073 || n == 608 || n == 609 || has("cannot be resumed") || has("warehouse") && has("suspended"):
		return e(fault.Failed, fault.KindLimit, "warehouse %s does not run", "it is suspended without AUTO_RESUME, or a resource monitor has stopped it", s.Warehouse)
	case n == 3001 || answer.SQLState == "42501" || has("insufficient privileges"):
		return e(fault.BadConfig, fault.KindPermission, "role %s may not do this (%s)", "docs/connectors/target-snowflake.md lists the grants that a role needs", s.roleName(), what)
	case n == 2003 || n == 2043:
		return e(fault.BadConfig, fault.KindPath, "%s meets something that is not there", "does it exist, and has the role USAGE on its database and schema?", what)
	case n == 100078 || has("too long and would be truncated") || has("max lob size"):
		return e(fault.BadInput, fault.KindLimit, "%s: a value is longer than its column, or than Snowflake takes at all", "leave the column out of the selection, or make it wider", what)
	case n == 604 || n == 637 || has("execution canceled"):
		return fault.Wrap(fault.Terminated, &answered{answer, ""}, "target-snowflake: %s was cancelled", what)
	case n == 630 || has("statement reached its statement or warehouse timeout"):
		return e(fault.Failed, fault.KindTimeout, "%s took longer than it may", "statement_timeout_seconds, the account's STATEMENT_TIMEOUT_IN_SECONDS, or a larger warehouse", what)
	case n >= 260000 && n < 262000:
		return s.network(what, err)
	case n >= 100000 && n < 101000:
		return e(fault.BadInput, fault.KindShape, "%s: Snowflake refused a value", "the column's type in the table is another than the source's: on_schema_change decides what then happens", what)
	}
	return fmt.Errorf("%s: %w", what, &answered{answer, firstLine(text)})
}

func (s *settings) roleName() string {
	if s.Role != "" {
		return s.Role
	}
	return "of the user"
}

// network explains that no answer came.
func (s *settings) network(what string, err error) error {
	host := s.endpoint()
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return fault.Wrap(fault.Terminated, err, "target-snowflake: %s was cancelled", what)
	case strings.Contains(text, "verify account name") || strings.Contains(text, "HTTP: 404") || strings.Contains(text, "HTTP: 403") || strings.Contains(text, "Status: 403") || strings.Contains(text, "Status: 404") || isDNS(err):
		return fault.New(fault.BadConfig, "target-snowflake: there is no account %s at %s", s.Account, host).WithKind(fault.KindDNS).
			WithHint("setting account is ORGANISATION-ACCOUNT, or an account locator with its region (xy12345.eu-central-1)")
	}
	e := fault.Wrap(fault.Failed, err, "target-snowflake: %s: %s gives no answer", what, host).
		WithHint("is the machine online, is a proxy (HTTPS_PROXY) needed, are host and port right?")
	if kind := fault.KindOf(err); kind != fault.KindOther {
		return e.WithKind(kind)
	}
	return e.WithKind(fault.KindConnect)
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

// unreachable says that err is about the way to the service, not from it.
func unreachable(err error) bool {
	var answer *sf.SnowflakeError
	if errors.As(err, &answer) {
		return answer.Number >= 260000 && answer.Number < 262000 && !strings.Contains(answer.Error(), "HTTP: 40")
	}
	return !isDNS(err) && !errors.Is(err, context.Canceled)
}

// missing says that the object asked for does not exist, or not for this role.
func missing(err error) bool {
	var answer *sf.SnowflakeError
	return errors.As(err, &answer) && (answer.Number == 2003 || answer.Number == 2043 || answer.SQLState == "02000" || answer.SQLState == "42S02")
}

// answered is Snowflake's answer without the values of rows that it may show.
type answered struct {
	*sf.SnowflakeError
	text string
}

var shown = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`'(?:[^']|'')*'`) })

func (a *answered) Error() string {
	text := a.text
	if text == "" {
		text = firstLine(bare(a.Message))
	}
	if a.Number >= 100000 && a.Number < 101000 {
		text = shown().ReplaceAllString(text, "'…'")
	}
	out := fmt.Sprintf("Snowflake %06d", a.Number)
	if len(a.QueryID) > 8 {
		out += ", query " + a.QueryID
	}
	return out + ": " + text
}

func (a *answered) Unwrap() error { return a.SnowflakeError }

var numbered = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d{6} \(\w+\): (?:[0-9a-f-]{30,}: )?`) })

// bare takes the number off a message, which the driver puts there once more.
func bare(text string) string {
	return strings.TrimSpace(numbered().ReplaceAllString(strings.TrimSpace(text), ""))
}

// firstLine keeps what a message says and leaves out where in a file.
func firstLine(text string) string {
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, ":") {
			return line
		}
	}
	return strings.TrimSpace(text)
}
