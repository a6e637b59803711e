package postgres

import (
	"encoding/json"
	"slices"
	"time"

	"elt/internal/fault"
	"elt/internal/pgdial"
	"elt/internal/spec"
	"elt/internal/sqltarget"
)

// The two naming dialects: MeltanoLabs' (names as they are) and pipelinewise's (lower case).
const (
	sdkDialect          = "meltanolabs"
	pipelinewiseDialect = "pipelinewise"
)

// own are the settings that only this target has.
func own() []spec.Setting {
	return []spec.Setting{
		{Name: "dialect+driver", Type: spec.String, Help: "Accepted for compatibility and ignored."},
		{Name: "use_copy", Type: spec.Boolean, Help: "Accepted for compatibility: rows always go in by COPY."},
		{Name: "dialect", Type: spec.String, Default: sdkDialect, OneOf: []string{sdkDialect, pipelinewiseDialect},
			Help: "How names are made: meltanolabs keeps them as they are, pipelinewise turns them into lower case."},
		{Name: "default_target_schema", Type: spec.String, Help: "Schema for all streams; meltanolabs: melty when nothing is said, and with an empty one the schema in a stream's name (schema-table).", Example: "raw"},
		{Name: "schema_mapping", Type: spec.Object, Help: "Per source schema (the first part of stream names like schema-table) the target_schema to load into.", Example: `{"public": {"target_schema": "raw_public"}}`},
		{Name: "default_target_schema_select_permission", Aliases: []string{"default_target_schema_select_permissions"}, Type: spec.Array, Help: "Roles that may read every new table."},
		{Name: "primary_key_required", Type: spec.Boolean, Default: false, Help: "Refuse streams without a key (PipelineWise's default; ours appends their rows)."},
		{Name: "lock_timeout", Type: spec.Integer, Default: 0, Help: "Seconds to wait for a lock that somebody else holds, 0: as long as it takes."},
		{Name: "statement_timeout", Type: spec.Integer, Default: 0, Help: "Seconds a statement may take, 0: as long as it takes."},
	}
}

type settings struct {
	pgdial.Settings
	sqltarget.Options
	Dialect       string  `json:"dialect"`
	Schema        *string `json:"default_target_schema"`
	SchemaMapping map[string]struct {
		Target   string `json:"target_schema"`
		Grantees names  `json:"target_schema_select_permissions"`
	} `json:"schema_mapping"`
	Grantees         names `json:"default_target_schema_select_permission"`
	Parallelism      int   `json:"parallelism"`
	KeyRequired      bool  `json:"primary_key_required"`
	LockTimeout      int   `json:"lock_timeout"`
	StatementTimeout int   `json:"statement_timeout"`
}

// names is a list of names that may also be written as one name.
type names []string

func (l *names) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = names{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

func (s *settings) check() error {
	if s.pipelinewise() && s.schema() == "" && len(s.SchemaMapping) == 0 {
		return fault.New(fault.BadConfig, "target-postgres: neither default_target_schema nor schema_mapping is set").
			WithHint("name the schema to load into: default_target_schema: raw")
	}
	return nil
}

// schema is the one for all streams, "" when names decide.
func (s *settings) schema() string {
	switch {
	case s.Schema != nil:
		return *s.Schema
	case s.pipelinewise():
		return ""
	}
	return meltano
}

// meltano is MeltanoLabs' default schema.
const meltano = "melty"

func (s *settings) pipelinewise() bool { return s.Dialect == pipelinewiseDialect }

func (s *settings) metadata() sqltarget.Metadata {
	switch {
	case s.pipelinewise() && (s.AddMetadata != nil && *s.AddMetadata || s.HardDelete):
		return sqltarget.PipelinewiseMetadata
	case !s.pipelinewise() && (s.AddMetadata == nil || *s.AddMetadata):
		return sqltarget.SDKMetadata
	}
	return sqltarget.NoMetadata
}

func (s *settings) naming() sqltarget.Naming {
	return sqltarget.Naming{Lower: s.pipelinewise(), Max: 63,
		Reserved: []string{"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"}}
}

// home is the schema of _elt_state.
func (s *settings) home() string {
	n := s.naming()
	switch {
	case s.schema() != "":
		return n.Ident(s.schema())
	case !s.pipelinewise():
		return meltano
	}
	var all []string
	for _, m := range s.SchemaMapping {
		all = append(all, m.Target)
	}
	slices.Sort(all)
	return n.Ident(all[0])
}

// place is the schema and table of a stream, and who may read it.
func (s *settings) place(stream string) (schema, table string, grantees []string, err error) {
	n, split := s.naming(), sqltarget.SDK
	if s.pipelinewise() {
		split = sqltarget.Pipelinewise
	}
	from, table := split.Table(stream)
	grantees = s.Grantees
	if m, ok := s.SchemaMapping[from]; ok && from != "" {
		schema = m.Target
		if m.Grantees != nil {
			grantees = m.Grantees
		}
	} else if s.schema() != "" {
		schema = s.schema()
	} else if !s.pipelinewise() {
		if schema = from; schema == "" {
			schema = meltano
		}
	}
	if schema == "" {
		return "", "", nil, fault.New(fault.BadConfig, "target-postgres: no schema for stream %q: schema_mapping has no %q and default_target_schema is not set", stream, from)
	}
	return n.Ident(schema), n.Ident(table), grantees, nil
}

// micros is now in µs since 2000-01-01 UTC.
func micros() int64 { return time.Now().UnixMicro() - 946684800_000_000 }
