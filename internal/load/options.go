package load

import (
	"slices"
	"time"

	"elt/internal/fault"
	"elt/internal/spec"
)

// Options are the settings that every target shares.
type Options struct {
	BatchRows   int64 `json:"batch_size_rows"` // per stream; 0: no limit
	BatchBytes  int64 `json:"batch_size_bytes"`
	BatchAge    int64 `json:"batch_max_age_seconds"`
	Parallelism int   `json:"parallelism"` // 0: cores, 4 at most
	// Keyless is hold or progress (doc.go).
	Keyless string `json:"keyless"`
	// OnBadRecord is fail or quarantine; more than MaxBadRecords fail all the same.
	OnBadRecord   string `json:"on_bad_record"`
	MaxBadRecords int64  `json:"max_bad_records"`
	// Windowed runs never activate, swap or hard-delete (invariant 9).
	Windowed bool `json:"-"`
	// AllowAppend lets a windowed run append rows.
	AllowAppend bool `json:"-"`
	// NoUpdate runs leave the bookmark where it is.
	NoUpdate bool `json:"-"`
	// Preview runs load the first rows of each stream.
	Preview bool `json:"-"`
}

// Settings are the settings that every target lists in its Spec; the two
// families of Singer targets give most of them their names. A target that
// says one differently (another default) hands its own in.
func Settings(own ...spec.Setting) []spec.Setting {
	all := sharedSettings()
	for _, o := range own {
		if at := slices.IndexFunc(all, func(s spec.Setting) bool { return s.Name == o.Name }); at >= 0 {
			all[at] = o
		} else {
			all = append(all, o)
		}
	}
	return all
}

func sharedSettings() []spec.Setting {
	return append([]spec.Setting{
		{Name: "batch_size_rows", Aliases: []string{"batch_size", "max_batch_size"}, Type: spec.Integer, Default: 0,
			Help: "Commit a stream after this many rows; 0 leaves it to batch_size_bytes and batch_max_age_seconds."},
		{Name: "batch_size_bytes", Type: spec.Integer, Default: 64 << 20,
			Help: "Commit after this many bytes of row data."},
		{Name: "batch_max_age_seconds", Aliases: []string{"batch_wait_limit_seconds"}, Type: spec.Integer, Default: 10,
			Help: "Commit when the oldest uncommitted row has waited this long; 0 is no limit."},
		{Name: "parallelism", Aliases: []string{"max_parallelism", "parallelism_max"}, Type: spec.Integer, Default: 0,
			Help: "How many streams are loaded at the same time by a fused run; 0 is the number of cores, 4 at most."},
		{Name: "keyless", Type: spec.String, Default: "hold", OneOf: []string{"hold", "progress"},
			Help: "Rows that are appended and whose bookmark is not exact: hold commits them and their STATE at the end of the run, progress commits on the way and may double rows after a crash."},
		{Name: "on_bad_record", Type: spec.String, Default: "fail", OneOf: []string{"fail", "quarantine"},
			Help: "A record that cannot be loaded fails the run, or is put into _elt_rejects with the reason."},
		{Name: "max_bad_records", Type: spec.Integer, Default: 1000,
			Help: "With on_bad_record: quarantine, more rejects than this fail the run; 0 is no limit."},
	}, readerSettings()...)
}

// ParseOptions reads the shared settings out of a target's configuration.
func ParseOptions(cfg spec.Config) (Options, error) {
	var o Options
	if err := cfg.Decode(&o); err != nil {
		return o, fault.Wrap(fault.BadConfig, err, "the target's shared settings")
	}
	for name, v := range map[string]int64{
		"batch_size_rows": o.BatchRows, "batch_size_bytes": o.BatchBytes, "batch_max_age_seconds": o.BatchAge,
		"parallelism": int64(o.Parallelism), "max_bad_records": o.MaxBadRecords,
	} {
		if v < 0 {
			return o, fault.New(fault.BadConfig, "setting %q is %d, but cannot be negative", name, v)
		}
	}
	if o.Keyless == "" {
		o.Keyless = "hold"
	}
	return o, nil
}

func (o Options) age() time.Duration { return time.Duration(o.BatchAge) * time.Second }

func (o Options) hold() bool { return o.Keyless != "progress" }
