package postgres

import (
	"strings"
	"time"

	"elt/internal/spec"
)

// logSettings are those of LOG_BASED replication. Both families of plugins
// have their own words for when a run ends.
type logSettings struct {
	Slot         string `json:"replication_slot_name"`
	Publication  string `json:"replication_publication_name"`
	TapID        string `json:"tap_id"`
	Bootstrap    bool   `json:"auto_bootstrap_log_based"`
	Break        bool   `json:"break_at_end_lsn"`
	MaxRun       int    `json:"replication_max_run_seconds"`
	Idle         int    `json:"replication_idle_exit_seconds"`
	MaxRunOfPipe int    `json:"max_run_seconds"`
	IdleOfPipe   int    `json:"logical_poll_total_seconds"`
	DebugLSN     bool   `json:"debug_lsn"`
	WarnLag      int64  `json:"replication_lag_warning_mb"`
}

func logSpec() []spec.Setting {
	return []spec.Setting{
		{Name: "replication_slot_name", Type: spec.String, Help: "Of LOG_BASED: the replication slot, made when it is not there. Without it tappostgres, or in the dialect transferwise pipelinewise_DATABASE if that is there, else pipelinewise_DATABASE_TAPID.", Example: "tappostgres"},
		{Name: "replication_publication_name", Type: spec.String, Help: "Of LOG_BASED by a slot of pgoutput: the publication, made when it is not there. Without it that of the slot's name.", Example: "elt"},
		{Name: "tap_id", Type: spec.String, Help: "Of LOG_BASED in the dialect transferwise: end of the slot's name.", Example: "shop"},
		{Name: "auto_bootstrap_log_based", Type: spec.Boolean, Default: true, Help: "Of LOG_BASED: a stream without a bookmark is read whole first, in a snapshot that fits the log. false: only what the slot has kept, as MeltanoLabs' tap does by default.", Example: "false"},
		{Name: "break_at_end_lsn", Type: spec.Boolean, Default: true, Help: "Of LOG_BASED: a run ends where the log ended when its reading began. false: it goes on until one of the two limits that follow.", Example: "false"},
		{Name: "replication_max_run_seconds", Type: spec.Integer, Default: 600, Help: "Of LOG_BASED in the dialect meltanolabs: a run ends with the first transaction after this time; 0 is no limit.", Example: "3600"},
		{Name: "replication_idle_exit_seconds", Type: spec.Integer, Default: 60, Help: "Of LOG_BASED in the dialect meltanolabs: a run ends when the log has brought nothing for so long; 0 is no limit.", Example: "10"},
		{Name: "max_run_seconds", Type: spec.Integer, Default: 43200, Help: "replication_max_run_seconds of the dialect transferwise.", Example: "3600"},
		{Name: "logical_poll_total_seconds", Type: spec.Integer, Default: 10800, Help: "replication_idle_exit_seconds of the dialect transferwise.", Example: "600"},
		{Name: "debug_lsn", Type: spec.Boolean, Default: false, Help: "Of LOG_BASED in the dialect transferwise: rows have a column _sdc_lsn, as they always have in the other.", Example: "true"},
		{Name: "replication_lag_warning_mb", Type: spec.Integer, Default: 1024, Help: "Of LOG_BASED: warn when the slot makes the server keep more of its log than this; 0 is never.", Example: "10240"},
		{Name: "log_based_single_connection", Type: spec.Boolean, Default: true, Help: "Accepted for compatibility: all streams are read from one slot by one connection.", Example: "true"},
		{Name: "wal2json_message_format", Type: spec.Integer, Default: 2, Help: "Accepted for compatibility: a slot of wal2json is read in format version 2.", Example: "2"},
	}
}

// maxRun and idle are the limits of the dialect, 0 for none.
func (s settings) maxRun() time.Duration {
	if s.Dialect == transferwise {
		return time.Duration(s.Log.MaxRunOfPipe) * time.Second
	}
	return time.Duration(s.Log.MaxRun) * time.Second
}

func (s settings) idle() time.Duration {
	if s.Dialect == transferwise {
		return time.Duration(s.Log.IdleOfPipe) * time.Second
	}
	return time.Duration(s.Log.Idle) * time.Second
}

// slots are the names that the slot may have, the first that is there counts
// and the last is made.
func (s settings) slots(database string) []string {
	switch {
	case s.Log.Slot != "":
		return []string{s.Log.Slot}
	case s.Dialect == meltanoLabs:
		return []string{"tappostgres"}
	}
	names := []string{slotName("pipelinewise_" + database)}
	if s.Log.TapID != "" {
		names = append(names, slotName("pipelinewise_"+database+"_"+s.Log.TapID))
	}
	return names
}

// slotName makes a name of what a slot's name may have, as PipelineWise does.
func slotName(text string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '_'
	}, strings.ToLower(text))
}
