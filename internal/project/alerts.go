package project

import (
	"context"
	"fmt"
	"maps"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/limit"
)

// Alerts are who is told of what goes wrong: the key `alerts` of the project.
type Alerts struct {
	Channels []Channel
	Rules    []AlertRule
	// GroupWait is how long things are gathered before a channel is told,
	// GroupInterval how long it is left alone after it was.
	GroupWait, GroupInterval time.Duration
}

// Channel is a way to tell people or machines. What a type does not use is empty.
type Channel struct {
	Name string
	Type string // "slack", "mail", "webhook", "command"
	// URL and Secret are of slack and webhook; Headers of webhook.
	URL, Secret string
	Headers     map[string]string
	// Server ("host:port"), From, To, User, Password and TLS ("starttls",
	// "tls", "none") are of mail.
	Server, From   string
	To             []string
	User, Password string
	TLS            string
	// Command is run by the shell in the project's root; it reads JSON.
	Command string
	At      fault.Position

	node *node
}

// AlertRule says what is told of which pipelines to whom.
type AlertRule struct {
	On           []string // AlertKinds
	For          []string // globs of pipelines; none: all
	Environments []string // none: all
	Channels     []string // names; none: all
	Resolved     bool     // also told when it is over
	// What a rule sets apart from the usual; zero: the usual.
	LongerThan, SilentFor, FreshWithin, LateBy time.Duration
	LagAbove                                   int64 // bytes
	At                                         fault.Position
}

// AlertKinds are what a rule can be on.
func AlertKinds() []string {
	return []string{"failure", "recovery", "long_run", "odd_volume", "missed_slot", "silent", "stale", "late_start", "replication_lag"}
}

// usualRules are in force where a project names none.
func usualRules() []AlertRule {
	return []AlertRule{{On: AlertKinds(), Resolved: true}}
}

func alertsShape() *shape {
	return &shape{what: "alerts", kind: object, keys: map[string]*shape{
		"group_wait": textShape, "group_interval": textShape,
		"channels": {kind: list, item: &shape{what: "a channel", kind: object, need: []string{"name", "type"}, keys: map[string]*shape{
			"name": textShape, "type": enum("slack", "mail", "webhook", "command"), "url": textShape, "secret": textShape,
			"headers": varsShape, "server": textShape, "from": textShape, "to": textsShape, "user": textShape, "password": textShape,
			"tls": enum("starttls", "tls", "none"), "command": textShape, "annotations": anyShape,
		}}},
		"rules": {kind: list, item: &shape{what: "a rule", kind: object, need: []string{"on"}, keys: map[string]*shape{
			"on": {kind: list, item: enum(AlertKinds()...)}, "for": textsShape, "environments": textsShape, "channels": textsShape,
			"resolved": truthShape, "longer_than": textShape, "silent_for": textShape, "fresh_within": textShape, "late_by": textShape, "lag_above": textShape,
			"annotations": anyShape,
		}}},
	}}
}

// channelKeys are what channels of a type must have, and what they may.
var channelKeys = map[string]struct{ need, may []string }{
	"slack":   {[]string{"url"}, nil},
	"webhook": {[]string{"url"}, []string{"secret", "headers"}},
	"mail":    {[]string{"server", "from", "to"}, []string{"user", "password", "tls"}},
	"command": {[]string{"command"}, nil},
}

// readAlerts reads and checks the key `alerts`; what is wrong goes to c.
func (p *Project) readAlerts(c *checker) {
	n := p.file.get("alerts")
	a := &Alerts{GroupWait: 30 * time.Second, GroupInterval: 5 * time.Minute}
	p.alerts = a
	readDuration(c, n, "group_wait", &a.GroupWait)
	readDuration(c, n, "group_interval", &a.GroupInterval)
	for _, ch := range n.get("channels").list() {
		p.readChannel(c, a, ch)
	}
	if n.get("rules") == nil {
		a.Rules = usualRules()
	}
	for _, r := range n.get("rules").list() {
		a.Rules = append(a.Rules, p.readRule(c, a, r))
	}
}

func readDuration(c *checker, n *node, key string, to *time.Duration) {
	v := n.get(key)
	if v.isNull() {
		return
	}
	d, err := ParseDuration(v.text())
	if err != nil {
		c.wrong(v.errorf("%s: %v", key, err))
		return
	}
	*to = d
}

func (p *Project) readChannel(c *checker, a *Alerts, n *node) {
	ch := Channel{Name: n.get("name").text(), Type: n.get("type").text(), At: n.at(), node: n}
	if ch.Name == "" {
		return
	}
	if slices.ContainsFunc(a.Channels, func(o Channel) bool { return o.Name == ch.Name }) {
		c.wrong(n.get("name").errorf("two channels are called %q", ch.Name))
		return
	}
	a.Channels = append(a.Channels, ch)
	keys, ok := channelKeys[ch.Type]
	if !ok {
		return // the shape has said so
	}
	for _, key := range keys.need {
		if n.get(key).isNull() {
			c.wrong(n.errorf("channel %s is of type %s, which needs %q", ch.Name, ch.Type, key))
		}
	}
	for _, e := range n.object() {
		if known := append(append([]string{"name", "type", "annotations"}, keys.need...), keys.may...); !slices.Contains(known, e.key) && alertsShape().keys["channels"].item.keys[e.key] != nil {
			c.wrong(n.src.errorf(e.line, e.column, "a channel of type %s has no %q", ch.Type, e.key).
				WithHint("it has %s", strings.Join(append(keys.need, keys.may...), ", ")))
		}
	}
	p.checkAddresses(c, n, ch)
}

// checkAddresses looks at what stands in the file as it is, not in a variable.
func (p *Project) checkAddresses(c *checker, n *node, ch Channel) {
	plain := func(v *node) bool { return !v.isNull() && !strings.Contains(v.text(), "$") }
	if v := n.get("url"); plain(v) {
		if u, err := url.Parse(v.text()); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			c.wrong(v.errorf("the url of channel %s is none, as https://example.org/hook is", ch.Name))
		} else if ch.Type == "slack" {
			c.warnings = append(c.warnings, v.errorf("the url of channel %s is a secret that stands in the file; ${VARIABLE} and .env keep it out", ch.Name))
		}
	}
	for _, v := range append(n.get("to").list(), n.get("from")) {
		if plain(v) {
			if _, err := mail.ParseAddress(v.text()); err != nil {
				c.wrong(v.errorf("%q is no mail address", v.text()))
			}
		}
	}
	if v := n.get("server"); plain(v) && !strings.Contains(v.text(), ":") {
		c.wrong(v.errorf("the server of channel %s has no port", ch.Name).WithHint("write %s:587", v.text()))
	}
}

func (p *Project) readRule(c *checker, a *Alerts, n *node) AlertRule {
	r := AlertRule{On: n.get("on").texts(), For: n.get("for").texts(), Environments: n.get("environments").texts(),
		Channels: n.get("channels").texts(), Resolved: n.get("resolved") == nil || n.get("resolved").isTrue(), At: n.at()}
	for _, one := range []struct {
		key string
		on  string
		to  *time.Duration
	}{{"longer_than", "long_run", &r.LongerThan}, {"silent_for", "silent", &r.SilentFor}, {"fresh_within", "stale", &r.FreshWithin}, {"late_by", "late_start", &r.LateBy}} {
		readDuration(c, n, one.key, one.to)
		ofKind(c, n, r, one.key, one.on)
	}
	if v := n.get("lag_above"); !v.isNull() {
		var err error
		if r.LagAbove, err = limit.ParseBytes(v.text()); err != nil {
			c.wrong(v.errorf("lag_above: %v", err))
		}
	}
	ofKind(c, n, r, "lag_above", "replication_lag")
	oneOf := func(key, what string, names []string) {
		for _, v := range n.get(key).list() {
			if slices.Contains(names, v.text()) {
				continue
			}
			e := v.errorf("no %s is called %q", what, v.text())
			if near := fault.Nearest(v.text(), names); near != "" {
				e = e.WithHint("did you mean %q?", near)
			}
			c.wrong(e)
		}
	}
	var channels []string
	for _, ch := range a.Channels {
		channels = append(channels, ch.Name)
	}
	oneOf("channels", "channel", channels)
	oneOf("environments", "environment", p.Environments())
	return r
}

// ofKind says that a key of a rule means nothing where the rule is on others.
func ofKind(c *checker, n *node, r AlertRule, key, kind string) {
	if v := n.get(key); v != nil && !slices.Contains(r.On, kind) {
		c.wrong(v.errorf("%s is of rules on %s", key, kind).WithHint("add it to on:"))
	}
}

// Alerts are the project's alerts, without what channels keep secret: Channel
// fills that in.
func (p *Project) Alerts() Alerts { return *p.alerts }

// OpenChannel fills in a channel's values; variables, ${file:…} and ${exec:…}
// are resolved now. The texts are what must be masked.
func (p *Project) OpenChannel(ctx context.Context, name string) (Channel, []string, error) {
	var names []string
	for _, ch := range p.alerts.Channels {
		if ch.Name == name {
			return p.openChannel(ctx, ch)
		}
		names = append(names, ch.Name)
	}
	e := fault.New(fault.Failed, "no channel is called %q", name)
	switch near := fault.Nearest(name, names); {
	case near != "":
		e = e.WithHint("did you mean %q?", near)
	case len(names) == 0:
		e = e.WithHint("the project has none; they stand under alerts: channels:")
	}
	return Channel{}, nil, e
}

func (p *Project) openChannel(ctx context.Context, ch Channel) (Channel, []string, error) {
	s := p.newStack()
	for _, n := range []*node{p.file, p.environment} {
		if _, err := s.block(n.get("env")); err != nil {
			return ch, nil, err
		}
	}
	var fetched, missing []string
	x := expander{env: s.references(), strict: s.strict, secrets: &fetched,
		outside: func(scheme, what string) (string, error) { return p.fetch(ctx, scheme, what) },
		missing: func(name string) { missing = append(missing, name) }}
	var failed error
	text := func(v *node) string {
		out, err := x.text(v.text())
		if err == nil && missing != nil {
			err = fmt.Errorf("variable $%s is not set", missing[0])
		}
		if err != nil && failed == nil {
			failed = v.errorf("channel %s: %v", ch.Name, err).WithHint("set it in the environment or in .env")
		}
		return out
	}
	n := ch.node
	ch.URL, ch.Secret, ch.Server, ch.From = text(n.get("url")), text(n.get("secret")), text(n.get("server")), text(n.get("from"))
	ch.User, ch.Password, ch.TLS, ch.Command = text(n.get("user")), text(n.get("password")), n.get("tls").text(), n.get("command").text()
	for _, v := range n.get("to").list() {
		ch.To = append(ch.To, text(v))
	}
	ch.Headers = map[string]string{}
	for _, e := range n.get("headers").object() {
		ch.Headers[e.key] = text(e.value)
	}
	secrets := append(fetched, ch.Secret, ch.Password)
	secrets = append(secrets, slices.Collect(maps.Values(ch.Headers))...)
	if u, err := url.Parse(ch.URL); err == nil && len(u.Path) > 1 && ch.Type == "slack" {
		secrets = append(secrets, ch.URL, u.Path) // who knows the path may write there
	}
	return ch, secrets, failed
}
