package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
	{"lease_ttl", "30s", []string{"ELT_LEASE_TTL"}},
	{"stop_grace", "20s", []string{"ELT_STOP_GRACE"}},
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

// String, Int and Duration are the setting's value.
func (s *Settings) String(key string) string { return s.v.GetString(key) }
