package sqltarget

import (
	"elt/internal/spec"
	"elt/targets"
)

// Method is how rows reach a table that exists (load_method).
type Method string

const (
	AppendOnly Method = "append-only" // every row is added
	Upsert     Method = "upsert"      // a row replaces the one of the same key; without a key it is added
	Overwrite  Method = "overwrite"   // a complete stream replaces the table
)

// Settings are those every SQL target has.
func Settings() []spec.Setting {
	return []spec.Setting{
		{Name: "load_method", Type: spec.String, Default: string(Upsert), OneOf: []string{string(AppendOnly), string(Upsert), string(Overwrite)},
			Help: "How rows reach a table that exists: append-only adds every row, upsert replaces the row of the same key (streams without key are added), overwrite replaces the table once the stream is complete, so elt gives the tap no bookmark then (under another runner do not pass --state)."},
		{Name: "on_schema_change", Type: spec.String, Default: string(Evolve), OneOf: []string{string(Evolve), string(Add), string(Freeze), string(Fail)},
			Help: "What a changed schema may do to a table: evolve adds columns and widens types, add only adds, freeze changes nothing and leaves unknown columns out, fail stops the stream."},
		{Name: "add_record_metadata", Aliases: []string{"add_metadata_columns"}, Type: spec.Boolean,
			Help: "Add the _sdc_ columns (when a row was extracted, loaded, deleted, its table version) to every table."},
		{Name: "hard_delete", Type: spec.Boolean, Default: false,
			Help: "Delete rows that the source deleted, and those of earlier table versions, instead of marking them in _sdc_deleted_at."},
		{Name: "activate_version", Aliases: []string{"process_activate_version_messages"}, Type: spec.Boolean, Default: true,
			Help: "Obey ACTIVATE_VERSION messages."},
	}
}

// Options is the decoded form of Settings.
type Options struct {
	LoadMethod      Method `json:"load_method"`
	OnSchemaChange  Policy `json:"on_schema_change"`
	AddMetadata     *bool  `json:"add_record_metadata"` // nil: the target's own default
	HardDelete      bool   `json:"hard_delete"`
	ActivateVersion bool   `json:"activate_version"`
}

// Keyed says that a stream with that key has one row per key in its table.
func (o Options) Keyed(key []string) bool { return o.LoadMethod != AppendOnly && len(key) > 0 }

// Method is how load must treat a stream with that key.
func (o Options) Method(key []string) targets.Method {
	switch {
	case o.LoadMethod == Overwrite:
		return targets.Overwrite
	case o.LoadMethod == Upsert && len(key) > 0:
		return targets.Upsert
	}
	return targets.Append
}
