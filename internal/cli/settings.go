package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/adrg/xdg"
	"github.com/spf13/viper"

	"elt/internal/fault"
)

// Settings are elt's own: flags, then ELT_* (and Meltano's) variables, then
// ~/.config/elt/config.yaml, then defaults. The project file never passes
// through here: viper folds the case of keys.
type Settings struct{ v *viper.Viper }

// own lists the settings with the variables that name them; the first set wins.
var own = []struct {
	key       string
	value     any
	variables []string
}{
	{"log_level", "info", []string{"ELT_LOG_LEVEL", "MELTANO_CLI_LOG_LEVEL"}},
	{"log_format", "", []string{"ELT_LOG_FORMAT", "MELTANO_CLI_LOG_FORMAT"}},
	{"database_uri", "", []string{"ELT_DATABASE_URI", "MELTANO_DATABASE_URI",
		"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN"}},
	{"native", "", []string{"ELT_NATIVE"}},
	{"keep_runs", 100, []string{"ELT_KEEP_RUNS"}},
	{"keep_days", 90, []string{"ELT_KEEP_DAYS"}},
	{"keep_log_mib", 16, []string{"ELT_KEEP_LOG_MIB"}},
	{"lease_ttl", "30s", []string{"ELT_LEASE_TTL"}},
	{"stop_grace", "20s", []string{"ELT_STOP_GRACE"}},
	{"workers", 0, []string{"ELT_WORKERS"}},
	{"otlp_endpoint", "", []string{"ELT_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"}},
	{"openlineage_url", "", []string{"ELT_OPENLINEAGE_URL", "OPENLINEAGE_URL"}},
	{"openlineage_namespace", "", []string{"ELT_OPENLINEAGE_NAMESPACE", "OPENLINEAGE_NAMESPACE"}},
	{"worker_ttl", "12s", []string{"ELT_WORKER_TTL"}},
	{"executor", "process", []string{"ELT_EXECUTOR"}},
	{"public_url", "", []string{"ELT_PUBLIC_URL"}},
	{"oidc_issuer", "", []string{"ELT_OIDC_ISSUER"}},
	{"oidc_client_id", "", []string{"ELT_OIDC_CLIENT_ID"}},
	{"oidc_client_secret", "", []string{"ELT_OIDC_CLIENT_SECRET"}},
	{"oidc_name", "", []string{"ELT_OIDC_NAME"}},
	{"oidc_scopes", "profile email", []string{"ELT_OIDC_SCOPES"}},
	{"oidc_claim", "groups", []string{"ELT_OIDC_CLAIM"}},
	{"oidc_read", "", []string{"ELT_OIDC_READ"}},
	{"oidc_run", "", []string{"ELT_OIDC_RUN"}},
	{"oidc_admin", "", []string{"ELT_OIDC_ADMIN"}},
	{"kubernetes_namespace", "", []string{"ELT_KUBERNETES_NAMESPACE"}},
	{"kubernetes_image", "", []string{"ELT_KUBERNETES_IMAGE"}},
	{"kubernetes_service_account", "", []string{"ELT_KUBERNETES_SERVICE_ACCOUNT"}},
	{"kubernetes_secrets", "", []string{"ELT_KUBERNETES_SECRETS"}},
	{"kubernetes_cpu", "", []string{"ELT_KUBERNETES_CPU"}},
	{"kubernetes_memory", "", []string{"ELT_KUBERNETES_MEMORY"}},
	{"kubernetes_pod_template", "", []string{"ELT_KUBERNETES_POD_TEMPLATE"}},
	{"kubernetes_context", "", []string{"ELT_KUBERNETES_CONTEXT"}},
	{"kubernetes_keep", "1h", []string{"ELT_KUBERNETES_KEEP"}},
	{"kubernetes_pending", "10m", []string{"ELT_KUBERNETES_PENDING"}},
}

// ReadSettings reads variables and the user's configuration file.
func ReadSettings() (*Settings, error) {
	v := viper.New()
	for _, s := range own {
		v.SetDefault(s.key, s.value)
		if err := v.BindEnv(append([]string{s.key}, s.variables...)...); err != nil {
			return nil, err
		}
	}
	path := os.Getenv("ELT_CONFIG")
	if path == "" {
		path = filepath.Join(xdg.ConfigHome, "elt", "config.yaml")
	}
	v.SetConfigFile(path)
	if err := v.ReadInConfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.Failed, err, "cannot read elt's configuration %s", path)
	}
	return &Settings{v}, nil
}

// Set gives a setting the value of a flag.
func (s *Settings) Set(key, value string) { s.v.Set(key, value) }

// String is a setting's value.
func (s *Settings) String(key string) string { return s.v.GetString(key) }

// Int is a setting's value.
func (s *Settings) Int(key string) int { return s.v.GetInt(key) }

// Duration is a setting's value; "90" is 90 seconds.
func (s *Settings) Duration(key string) (time.Duration, error) {
	text := s.v.GetString(key)
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fault.New(fault.Usage, "elt's setting %s is %q, which is no duration", key, text).WithHint(`write it like "30s" or "5m"`)
	}
	return d, nil
}
