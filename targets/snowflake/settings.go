package snowflake

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"elt/internal/fault"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/internal/sqltarget"
)

// The two dialects of names: MeltanoLabs' and pipelinewise's.
const (
	sdkDialect          = "meltanolabs"
	pipelinewiseDialect = "pipelinewise"
)

// login are the settings of the connection, the ways to log in first.
func login() []spec.Setting {
	return []spec.Setting{
		{Name: "account", Type: spec.String, Required: true, Help: "Account identifier: ORGANISATION-ACCOUNT, or an account locator with its region.", Example: "myorg-myaccount"},
		{Name: "user", Aliases: []string{"username"}, Type: spec.String, Help: "Login name; every way to log in but OAuth needs it.", Example: "ELT"},
		{Name: "private_key", Type: spec.String, Secret: true, Help: "Key-pair login: the private key itself, PEM or the base64 of its DER form, PKCS#8 (encrypted or not) or PKCS#1.", Example: "${SF_PRIVATE_KEY}"},
		{Name: "private_key_path", Type: spec.String, Help: "Key-pair login: the file with the private key.", Example: "/run/secrets/snowflake.p8"},
		{Name: "private_key_passphrase", Type: spec.String, Secret: true, Help: "Passphrase of an encrypted private key.", Example: "${SF_PASSPHRASE}"},
		{Name: "token", Aliases: []string{"programmatic_access_token"}, Type: spec.String, Secret: true, Help: "Programmatic access token (PAT).", Example: "${SF_TOKEN}"},
		{Name: "token_file", Aliases: []string{"token_file_path"}, Type: spec.String, Help: "File with the programmatic access token, or with the OAuth token where authenticator is oauth.", Example: "/run/secrets/snowflake.token"},
		{Name: "oauth_access_token", Type: spec.String, Secret: true, Help: "OAuth access token.", Example: "${SF_OAUTH_TOKEN}"},
		{Name: "password", Type: spec.String, Secret: true, Help: "Password. Snowflake retires sign-in by password alone: prefer private_key or token.", Example: "${SF_PASSWORD}"},
		{Name: "use_browser_authentication", Type: spec.Boolean, Default: false, Help: "Log in through a browser on this machine (SSO); nothing for a schedule."},
		{Name: "authenticator", Type: spec.String, OneOf: []string{"", "snowflake", "snowflake_jwt", "programmatic_access_token", "oauth", "externalbrowser", "username_password_mfa"},
			Help: "Which way to log in where the other settings leave it open.", Example: "oauth"},
		{Name: "passcode", Type: spec.String, Secret: true, Help: "Passcode of the second factor, for authenticator username_password_mfa.", Example: "123456"},
		{Name: "database", Aliases: []string{"dbname"}, Type: spec.String, Required: true, Help: "Database to load into; it must exist.", Example: "RAW"},
		{Name: "warehouse", Type: spec.String, Help: "Warehouse that loads; without one the user's default.", Example: "LOADING"},
		{Name: "role", Type: spec.String, Help: "Role to work as; without one the user's default.", Example: "LOADER"},
		{Name: "schema", Type: spec.String, Help: "Schema of streams for which nothing else names one.", Example: "PUBLIC"},
		{Name: "host", Type: spec.String, Help: "Host of the service instead of the one that the account names (PrivateLink, a test service).", Example: "myorg-myaccount.privatelink.snowflakecomputing.com"},
		{Name: "port", Type: spec.Integer, Help: "Port of the service; 443 when nothing is said.", Example: "443"},
		{Name: "protocol", Type: spec.String, Default: "https", OneOf: []string{"https", "http"}, Help: "http is for test services on this machine."},
		{Name: "connect_retry_seconds", Type: spec.Integer, Default: 0, Help: "For how long an absent service is tried again, beyond the first few seconds."},
	}
}

// own are the settings that only this target has, and those of other targets
// that it takes the place of.
func own() []spec.Setting {
	ignored := func(name string, t spec.Type, why string) spec.Setting {
		return spec.Setting{Name: name, Type: t, Help: "Accepted for compatibility and ignored: " + why}
	}
	refused := func(name string, why string) spec.Setting {
		return spec.Setting{Name: name, Type: spec.String, Help: "Refused when set: " + why}
	}
	return []spec.Setting{
		{Name: "dialect", Type: spec.String, Default: sdkDialect, OneOf: []string{sdkDialect, pipelinewiseDialect},
			Help: "How streams become tables, and which metadata columns there are: as the target of MeltanoLabs or of PipelineWise does it. Names are upper case in both."},
		{Name: "default_target_schema", Type: spec.String, Help: "Schema for all streams.", Example: "RAW_ECOMMERCE"},
		{Name: "schema_mapping", Type: spec.Object, Help: "Per source schema (the first part of stream names like schema-table) the target_schema to load into.", Example: `{"public": {"target_schema": "RAW_PUBLIC"}}`},
		{Name: "default_target_schema_select_permission", Aliases: []string{"default_target_schema_select_permissions"}, Type: spec.Array, Help: "Roles that may read every new table."},
		{Name: "timestamp_type", Type: spec.String, Default: "TIMESTAMP_NTZ", OneOf: []string{"TIMESTAMP_NTZ", "TIMESTAMP_TZ", "TIMESTAMP_LTZ"},
			Help: "Type of new columns for instants. TIMESTAMP_NTZ holds them in UTC; only TIMESTAMP_TZ keeps the offset."},
		{Name: "normalise_casing", Type: spec.Boolean, Default: true, Help: "Turn names into upper case, so that nobody has to quote them; false keeps them as they are."},
		{Name: "quoted_identifiers_ignore_case", Type: spec.Boolean, Default: false, Help: "Set Snowflake's session parameter of this name; names are then upper case whatever normalise_casing says."},
		{Name: "primary_key_required", Type: spec.Boolean, Default: false, Help: "Refuse streams without a key (PipelineWise's default; ours appends their rows)."},
		{Name: "compression", Type: spec.String, Default: "zstd", OneOf: []string{"zstd", "gzip"}, Help: "How files are compressed before they are uploaded."},
		{Name: "file_size_mb", Type: spec.Integer, Default: 128, Help: "A file is uploaded once it has this size, compressed, in MB; Snowflake advises 100 to 250."},
		{Name: "temp_dir", Type: spec.String, Help: "Folder for files on their way; the system's when nothing is said.", Example: "/scratch"},
		{Name: "query_tag", Type: spec.String, Help: "QUERY_TAG of every statement; {{database}}, {{schema}}, {{table}} and {{run_id}} are filled in. Without one it names elt, the state id and the run.", Example: "loaded by elt into {{database}}"},
		{Name: "clean_up_batch_files", Type: spec.Boolean, Default: true, Help: "Remove staged files as soon as they are loaded; the stage and all in it ends with the run in any case."},
		{Name: "statement_timeout_seconds", Type: spec.Integer, Default: 0, Help: "Seconds a statement may take, 0: as the account says."},
		ignored("file_format", spec.String, "files are described in the COPY statement."),
		ignored("no_compression", spec.Boolean, "files are always compressed."),
		ignored("disable_table_cache", spec.Boolean, "tables are looked up once per run, without a warehouse."),
		ignored("flush_all_streams", spec.Boolean, "a position is written in the transaction of the rows it covers."),
		ignored("batch_config", spec.Object, "batches are elt's own; see batch_size_rows and file_size_mb."),
		ignored("initialize", spec.Boolean, "see the page of this connector for the role, user and warehouse to make."),
		ignored("s3_region_name", spec.String, "files go through a stage inside of Snowflake."),
		ignored("s3_acl", spec.String, "files go through a stage inside of Snowflake."),
		ignored("s3_endpoint_url", spec.String, "files go through a stage inside of Snowflake."),
		ignored("s3_key_prefix", spec.String, "files go through a stage inside of Snowflake."),
		ignored("aws_profile", spec.String, "files go through a stage inside of Snowflake."),
		{Name: "aws_access_key_id", Type: spec.String, Secret: true, Help: "Accepted for compatibility and ignored: files go through a stage inside of Snowflake."},
		{Name: "aws_secret_access_key", Type: spec.String, Secret: true, Help: "Accepted for compatibility and ignored: files go through a stage inside of Snowflake."},
		{Name: "aws_session_token", Type: spec.String, Secret: true, Help: "Accepted for compatibility and ignored: files go through a stage inside of Snowflake."},
		refused("s3_bucket", "files go through a stage inside of Snowflake, encrypted on this machine."),
		refused("stage", "files go through a temporary stage that ends with the run."),
		{Name: "client_side_encryption_master_key", Type: spec.String, Secret: true, Help: "Refused when set: Snowflake's own client-side encryption is used."},
		{Name: "archive_load_files", Type: spec.Boolean, Default: false, Help: "Refused when true: loaded files are not kept."},
		ignored("archive_load_files_s3_prefix", spec.String, "loaded files are not kept."),
		ignored("archive_load_files_s3_bucket", spec.String, "loaded files are not kept."),
	}
}

// batching are shared settings with this target's defaults: a commit costs
// warehouse time, so there are few of them.
func batching() []spec.Setting {
	return []spec.Setting{
		{Name: "batch_size_bytes", Type: spec.Integer, Default: 4 << 30,
			Help: "Load after this many bytes of row data; each load resumes the warehouse."},
		{Name: "batch_max_age_seconds", Aliases: []string{"batch_wait_limit_seconds"}, Type: spec.Integer, Default: 900,
			Help: "Load when the oldest row has waited this long; 0 is no limit."},
	}
}

type settings struct {
	sqltarget.Options
	access
	Dialect       string `json:"dialect"`
	Database      string `json:"database"`
	Warehouse     string `json:"warehouse"`
	Role          string `json:"role"`
	ConnectSchema string `json:"schema"`
	Schema        string `json:"default_target_schema"`
	SchemaMapping map[string]struct {
		Target   string `json:"target_schema"`
		Grantees names  `json:"target_schema_select_permissions"`
	} `json:"schema_mapping"`
	Grantees         names  `json:"default_target_schema_select_permission"`
	TimestampType    string `json:"timestamp_type"`
	NormaliseCasing  bool   `json:"normalise_casing"`
	IgnoreCase       bool   `json:"quoted_identifiers_ignore_case"`
	KeyRequired      bool   `json:"primary_key_required"`
	Compression      string `json:"compression"`
	FileSizeMB       int64  `json:"file_size_mb"`
	TempDir          string `json:"temp_dir"`
	QueryTag         string `json:"query_tag"`
	CleanUp          bool   `json:"clean_up_batch_files"`
	StatementTimeout int    `json:"statement_timeout_seconds"`
	Parallelism      int    `json:"parallelism"`
	S3Bucket         string `json:"s3_bucket"`
	Stage            string `json:"stage"`
	MasterKey        string `json:"client_side_encryption_master_key"`
	Archive          bool   `json:"archive_load_files"`

	attempts int           // of a request
	grace    time.Duration // of the statement under way when the run is told to stop
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

// decode reads and checks a configuration; it reaches for no network.
func decode(cfg spec.Config) (*settings, error) {
	var s settings
	if err := cfg.Decode(&s); err != nil {
		return nil, err
	}
	refuse := func(setting, hint string) error {
		return fault.New(fault.BadConfig, "target-snowflake: %s is set, but is not supported", setting).WithHint("%s", hint)
	}
	switch {
	case s.S3Bucket != "" || s.Stage != "":
		return nil, refuse("s3_bucket or stage", "leave both out: files go through a temporary stage inside of Snowflake, which needs only CREATE STAGE on the schema")
	case s.MasterKey != "":
		return nil, refuse("client_side_encryption_master_key", "leave it out: files are encrypted with a key of Snowflake's before they are uploaded")
	case s.Archive:
		return nil, refuse("archive_load_files", "leave it out: loaded files are not kept")
	case s.FileSizeMB < 1:
		return nil, fault.New(fault.BadConfig, "target-snowflake: file_size_mb is %d, but must be at least 1", s.FileSizeMB)
	case s.Dialect == pipelinewiseDialect && s.Schema == "" && len(s.SchemaMapping) == 0:
		return nil, fault.New(fault.BadConfig, "target-snowflake: neither default_target_schema nor schema_mapping is set").
			WithHint("name the schema to load into: default_target_schema: RAW")
	}
	var err error
	if s.Account, err = account(s.Account, s.Host); err != nil {
		return nil, err
	}
	s.attempts, s.grace = retries, stopGrace
	if s.TempDir == "" {
		s.TempDir = os.TempDir()
	}
	if s.TempDir, err = filepath.Abs(s.TempDir); err != nil {
		return nil, err
	}
	return &s, nil
}

func (s *settings) pipelinewise() bool { return s.Dialect == pipelinewiseDialect }

func (s *settings) upper() bool { return s.NormaliseCasing || s.IgnoreCase }

func (s *settings) metadata() sqltarget.Metadata {
	switch {
	case s.pipelinewise() && (s.AddMetadata != nil && *s.AddMetadata || s.HardDelete):
		return sqltarget.PipelinewiseMetadata
	case !s.pipelinewise() && (s.AddMetadata == nil || *s.AddMetadata):
		return sqltarget.SDKMetadata
	}
	return sqltarget.NoMetadata
}

// naming: identifiers are always quoted, so reserved words and any character
// do as names; they have at most 255 characters.
func (s *settings) naming() sqltarget.Naming {
	return sqltarget.Naming{Upper: s.upper(), Max: 255, Characters: true}
}

// home is the schema of _ELT_STATE.
func (s *settings) home() string {
	n := s.naming()
	switch {
	case s.Schema != "":
		return n.Ident(s.Schema)
	case len(s.SchemaMapping) > 0 && s.pipelinewise():
		var all []string
		for _, m := range s.SchemaMapping {
			all = append(all, m.Target)
		}
		slices.Sort(all)
		return n.Ident(all[0])
	case s.ConnectSchema != "":
		return n.Ident(s.ConnectSchema)
	}
	return "PUBLIC"
}

// place is the schema and table of a stream, and who may read it.
func (s *settings) place(stream string) (schema, table string, grantees []string, err error) {
	n, split := s.naming(), sqltarget.SDK
	if s.pipelinewise() {
		split = sqltarget.Pipelinewise
	}
	from, table := split.Table(stream)
	if !s.pipelinewise() {
		table = conform(table)
	}
	grantees = s.Grantees
	switch m, mapped := s.SchemaMapping[from]; {
	case mapped && from != "":
		schema = m.Target
		if m.Grantees != nil {
			grantees = m.Grantees
		}
	case s.Schema != "":
		schema = s.Schema
	case s.pipelinewise():
		return "", "", nil, fault.New(fault.BadConfig, "target-snowflake: no schema for stream %q: schema_mapping has no %q and default_target_schema is not set", stream, from)
	case from != "":
		schema = conform(from)
	default:
		schema = s.home()
	}
	return n.Ident(schema), n.Ident(table), grantees, nil
}

// conform is the Meltano SDK's rule for names of tables and schemas: letters,
// digits and underscores, what separates words as an underscore.
func conform(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '-' || r == '.' || r == ' ':
			b.WriteByte('_')
		case r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			b.WriteRune(r)
		case r > 127: // the SDK drops them; two names could then be one
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return name
	}
	return b.String()
}

// dialect is how columns are stored.
func (s *settings) dialect() dialect {
	kind := row.Timestamp
	if s.TimestampType != "TIMESTAMP_NTZ" {
		kind = row.TimestampTZ
	}
	return dialect{instant: kind, instantType: s.TimestampType}
}

// tag is the QUERY_TAG of a session.
func (s *settings) tag(stateID, run string) string {
	if s.QueryTag == "" {
		return strings.TrimSpace("elt " + stateID + " " + run)
	}
	return strings.NewReplacer("{{database}}", s.Database, "{{schema}}", s.home(), "{{table}}", "", "{{run_id}}", run).Replace(s.QueryTag)
}

// micros is now in µs since 2000-01-01 UTC.
func micros() int64 { return time.Now().UnixMicro() - 946684800_000_000 }
