package snowflake

import (
	"regexp"
	"strings"
	"sync"

	"elt/internal/fault"
)

const domain = ".snowflakecomputing.com"

var accountName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`) })

// account puts an account identifier right that was written as people write
// it: a pasted URL, with the service's domain, in the new form with a dot or
// a slash (organisation.account), with underscores that host names do not
// have. A host of its own leaves the account as it is.
func account(written, host string) (string, error) {
	name := strings.TrimSpace(written)
	wrong := func(hint string) error {
		return fault.New(fault.BadConfig, "target-snowflake: account %q is no account identifier", written).WithHint("%s", hint)
	}
	if _, rest, isURL := strings.Cut(name, "://"); isURL {
		name = rest
	}
	if app, ok := strings.CutPrefix(name, "app.snowflake.com/"); ok {
		parts := strings.Split(strings.Trim(app, "/"), "/")
		if len(parts) < 2 {
			return "", wrong("write ORGANISATION-ACCOUNT, as in myorg-myaccount")
		}
		// app.snowflake.com/ORG/ACCOUNT/…, or app.snowflake.com/REGION/LOCATOR/…
		name = parts[0] + "-" + parts[1]
		if looksLikeRegion(parts[0]) {
			name = parts[1] + "." + parts[0]
		}
	}
	name, _, _ = strings.Cut(name, "/")
	name, _, _ = strings.Cut(name, ":")
	if at := strings.Index(strings.ToLower(name), ".snowflakecomputing."); at >= 0 {
		name = name[:at]
	}
	if !accountName().MatchString(name) {
		return "", wrong("write ORGANISATION-ACCOUNT, as in myorg-myaccount (SELECT CURRENT_ORGANIZATION_NAME() || '-' || CURRENT_ACCOUNT_NAME())")
	}
	if host != "" {
		return name, nil
	}
	if org, acc, ok := strings.Cut(name, "."); ok && !looksLikeRegion(acc) && !strings.Contains(acc, ".") {
		name = org + "-" + acc // organisation.account, as SQL shows it
	}
	// Certificates do not match host names with underscores; Snowflake takes
	// a dash for them in organisation-account names.
	return strings.ReplaceAll(name, "_", "-"), nil
}

var region = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z]{2,}(-gov)?-[a-z]+(-[a-z]+)*-?[0-9]+[a-z]?|[a-z]+-[a-z]+(-[a-z]+)*|privatelink|aws|azure|gcp|global)(\..+)?$`)
})

func looksLikeRegion(s string) bool { return region().MatchString(strings.ToLower(s)) }

// endpoint is the host that an account is reached at.
func (a *access) endpoint() string {
	if a.Host != "" {
		return a.Host
	}
	if strings.Contains(strings.ToLower(a.Account), ".cn-") {
		return a.Account + ".snowflakecomputing.cn"
	}
	return a.Account + domain
}
