package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"elt/internal/cli"
	"elt/internal/fault"
)

func TestLoginsOf(t *testing.T) {
	t.Setenv("ELT_CONFIG", filepath.Join(t.TempDir(), "none.yaml"))
	read := func(change map[string]string) (string, error) {
		s, err := cli.ReadSettings()
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range change {
			s.Set(key, value)
		}
		o, err := loginsOf(s)
		if o == nil || err != nil {
			return "", err
		}
		return fmt.Sprintf("%s %s %q %q %q %q %s", o.ClientID, o.Claim, o.Scopes, o.Read, o.Run, o.Admin, o.PublicURL), nil
	}
	if got, err := read(nil); got != "" || err != nil {
		t.Errorf("%s %v", got, err)
	}
	whole := map[string]string{"oidc_issuer": "https://login.example/realms/x", "oidc_client_id": "elt", "public_url": "https://elt.example", "oidc_run": "data engineers,ops", "oidc_read": "*"}
	if got, err := read(whole); err != nil || got != `elt groups ["profile" "email"] ["*"] ["data engineers" "ops"] [] https://elt.example` {
		t.Errorf("%s %v", got, err)
	}
	for key, value := range map[string]string{"oidc_client_id": "", "public_url": "", "oidc_issuer": "login.example"} {
		bad := map[string]string{}
		for k, v := range whole {
			bad[k] = v
		}
		bad[key] = value
		if _, err := read(bad); fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := read(map[string]string{"oidc_issuer": "https://x.example", "oidc_client_id": "elt", "public_url": "https://elt.example"}); fault.CodeOf(err) != fault.Usage {
		t.Error(err)
	}
}
