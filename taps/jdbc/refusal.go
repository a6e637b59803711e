package jdbc

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"elt/internal/fault"
)

// refusal is what the bridge could not do: an exception of the driver, by its
// class, or one of the kinds that the bridge knows. Its text shows no secret.
type refusal struct {
	kind, text, state string
}

func (r *refusal) Error() string {
	if r.state != "" && !strings.Contains(r.text, r.state) {
		return fmt.Sprintf("%s (SQLSTATE %s)", r.text, r.state)
	}
	return r.text
}

var classVersion = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`class file version (\d+)`) })

// newer is the Java release that a class of a newer one needs, 0 when text does not say it.
func newer(text string) int {
	m := classVersion().FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n - 44
}

// tooOld explains a bridge that did not even say hello.
func (b *bridge) tooOld(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	if strings.Contains(r.text, "UnsupportedClassVersionError") {
		return fault.New(fault.BadConfig, "tap-jdbc: the Java at %s is too old, 8 is needed", b.process.Name()).WithHint("%s", install())
	}
	return fault.Wrap(fault.BadConfig, err, "tap-jdbc: Java did not start").WithHint("look at jvm_options, and whether java names a JRE 8 or newer")
}

// explainOpen explains why there is no connection.
func (b *bridge) explainOpen(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	s := b.set
	bad := func(format string, args ...any) *fault.Error {
		return fault.New(fault.BadConfig, "tap-jdbc: "+format, args...)
	}
	switch {
	case r.kind == "noclass":
		return bad("driver_class %s is in none of driver_jars", s.Class).WithHint("of drivers, %s", services(s.jars))
	case r.kind == "notadriver":
		return bad("driver_class %s is no JDBC driver: it does not implement java.sql.Driver, or cannot be made", s.Class).WithHint("of drivers, %s", services(s.jars))
	case r.kind == "nodriver":
		return bad("no jar of driver_jars names a driver%s", after(": ", r.text)).WithHint("set driver_class to the driver's class, as its documentation has it; or driver_jars lacks the driver's own jar")
	case r.kind == "url":
		return bad("no suitable driver: %s does not take a URL that begins with %s", r.text, scheme(s.URL)).WithHint("look at url and driver_jars; the driver's documentation has the form of its URLs")
	case r.kind == "newer":
		e := bad("the driver needs a newer Java than %s", b.java)
		if n := newer(r.text); n > 0 {
			e = bad("the driver needs Java %d or newer, this is %s", n, b.java)
		}
		return e.WithHint("%s", install())
	case r.kind == "incomplete":
		return bad("the driver needs a class that no jar of driver_jars has: %s", r.text).WithHint("add the jars that the driver depends on to driver_jars")
	case strings.HasPrefix(r.state, "28") || strings.Contains(strings.ToLower(r.text), "access denied"):
		return fault.Wrap(fault.BadConfig, err, "tap-jdbc: the database refuses the login of user %q", s.User).WithKind(fault.KindAuth).WithHint("check user and password")
	case strings.HasPrefix(r.state, "3D") || strings.HasPrefix(r.state, "08"):
		return fault.Wrap(fault.Failed, err, "tap-jdbc: there is no connection to the database").WithKind(fault.KindConnect).WithHint("check host, port and database in url, and whether the server can be reached from here")
	}
	return fault.Wrap(fault.Failed, memory(err), "tap-jdbc: the driver cannot connect")
}

func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

// scheme is jdbc:NAME: of a URL, which shows no secret.
func scheme(url string) string {
	rest := strings.TrimPrefix(url, "jdbc:")
	name, _, _ := strings.Cut(rest, ":")
	return "jdbc:" + name + ":"
}

// memory gives an OutOfMemoryError a hint.
func memory(err error) error {
	var r *refusal
	if errors.As(err, &r) && strings.Contains(r.kind+r.text, "OutOfMemoryError") {
		return fault.Wrap(fault.Failed, err, "the Java process has too little memory").
			WithHint("lower fetch_size, set page_size, or give it more by jvm_options: [\"-Xmx1g\"]; some drivers read whole results unless their URL says otherwise")
	}
	return err
}

// explain gives a refused query a hint.
func (p *plan) explain(err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	if strings.Contains(r.kind+r.text, "OutOfMemoryError") {
		return memory(err)
	}
	e := fault.Wrap(fault.Failed, err, "the database cannot read %s", p.what())
	lower := strings.ToLower(r.text)
	switch {
	case r.kind == "died" || r.kind == "value":
		return err
	case r.state == "42S02" || r.state == "42P01" || r.state == "42501" || strings.Contains(lower, "ora-00942") || strings.Contains(lower, "invalid object name"):
		return e.WithKind(fault.KindPath).WithHint("there is no such table, or the user may not read it: look at the query, run discovery again, or deselect the stream")
	case strings.HasPrefix(r.state, "0A") || strings.Contains(r.kind, "FeatureNotSupported"):
		return e.WithHint("the driver lacks something: literals: true does without parameters, page_size: 0 without paging")
	case p.from != "" && (strings.HasPrefix(r.state, "22") || r.state == "42883" || r.state == "42804"):
		return e.WithHint("the bookmark or start_date may not fit the replication key; literals: true lets the database convert it")
	case strings.HasPrefix(r.state, "42"):
		return e.WithHint("a column may be gone (run discovery again), or the database wants other quotes (identifier_quote) or another limit_clause")
	}
	return e
}
