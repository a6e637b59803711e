package daemon

import (
	"net/url"
	"strings"

	"elt/internal/api"
	"elt/internal/cli"
	"elt/internal/fault"
)

// loginsOf is the provider of OpenID Connect that the settings name; nil: none.
func loginsOf(settings *cli.Settings) (*api.OIDC, error) {
	words := func(key string) []string {
		return strings.FieldsFunc(settings.String(key), func(r rune) bool { return r == ',' })
	}
	o := &api.OIDC{
		Issuer: settings.String("oidc_issuer"), ClientID: settings.String("oidc_client_id"), ClientSecret: settings.String("oidc_client_secret"),
		PublicURL: settings.String("public_url"), Name: settings.String("oidc_name"), Scopes: strings.Fields(settings.String("oidc_scopes")),
		Claim: settings.String("oidc_claim"), Read: words("oidc_read"), Run: words("oidc_run"), Admin: words("oidc_admin"),
	}
	if o.Issuer == "" {
		return nil, nil
	}
	for _, need := range []struct{ setting, variable, value string }{
		{"oidc_client_id", "ELT_OIDC_CLIENT_ID", o.ClientID}, {"public_url", "ELT_PUBLIC_URL", o.PublicURL}} {
		if need.value == "" {
			return nil, fault.New(fault.Usage, "oidc_issuer is set, and %s is not", need.setting).WithHint("set %s: docs/api.md", need.variable)
		}
	}
	for setting, address := range map[string]string{"oidc_issuer": o.Issuer, "public_url": o.PublicURL} {
		if u, err := url.Parse(address); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fault.New(fault.Usage, "the setting %s is no address", setting).WithHint("as https://host, without a login in it")
		}
	}
	if len(o.Read)+len(o.Run)+len(o.Admin) == 0 {
		return nil, fault.New(fault.Usage, "oidc_issuer is set, and nobody who logs in there would get a scope").
			WithHint(`set oidc_read, oidc_run or oidc_admin to values of the claim %s, or to "*"`, o.Claim)
	}
	return o, nil
}
