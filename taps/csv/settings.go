package csv

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"elt/internal/fault"
	"elt/internal/spec"
	"elt/taps/files"
)

// settings is the configuration, in the dialect of MeltanoLabs' tap-csv.
type settings struct {
	Files       []*entity `json:"files"`
	Definition  string    `json:"csv_files_definition"`
	AddMetadata bool      `json:"add_metadata_columns"`
	Infer       bool      `json:"infer"`
	Empty       string    `json:"empty"`
	files.Settings
}

// entity is one stream: one or more files of the same shape.
type entity struct {
	files.Stream
	Encoding         string  `json:"encoding"`
	Delimiter        string  `json:"delimiter"`
	QuoteChar        *string `json:"quotechar"`
	EscapeChar       string  `json:"escapechar"`
	DoubleQuote      *bool   `json:"doublequote"`
	SkipInitialSpace bool    `json:"skipinitialspace"`
	Strict           bool    `json:"strict"`
	Infer            *bool   `json:"infer"`
	Empty            string  `json:"empty"`
}

// emptyRules are the values of empty.
var emptyRules = [...]string{"string", "null", "unquoted"}

const filesExample = `[{"entity": "orders", "path": "data/orders*.csv.gz", "keys": ["id"]}]`

func (tap) Spec() spec.Spec {
	return spec.Spec{
		Name:    "tap-csv",
		Summary: "Reads CSV files, compressed or not, of any encoding and delimiter.",
		Settings: append([]spec.Setting{
			{Name: "files", Type: spec.Array, Help: "The streams: per entry entity, path (a file, a folder, a glob with **; also of a bucket: s3://, gs://, az://), keys, and optionally encoding, delimiter, quotechar, escapechar, doublequote, skipinitialspace, strict, infer, empty.", Example: filesExample},
			{Name: "csv_files_definition", Type: spec.String, Help: "A JSON file with such a list, instead of files.", Example: "files.json"},
			{Name: "add_metadata_columns", Type: spec.Boolean, Default: false, Help: "Adds _sdc_source_file, _sdc_source_file_mtime and _sdc_source_lineno to each row.", Example: "true"},
			{Name: "infer", Type: spec.Boolean, Default: false, Help: "Finds out numbers, dates and truth values; else every column is text.", Example: "true"},
			{Name: "empty", Type: spec.String, Default: "string", OneOf: emptyRules[:], Help: "What an empty field of a text column becomes: an empty string, or NULL, or NULL unless it is in quotes, as target-csv and COPY of PostgreSQL write it (unquoted). In other columns it is NULL.", Example: "unquoted"},
		}, files.TextSpecs()...),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Replaces: []spec.Replacement{
			{Package: "meltanolabs-tap-csv", Variant: "meltanolabs"},
			{Package: "tap-csv", Variant: "meltanolabs"},
		},
	}
}

// load decodes the settings and fills in what an entry leaves out.
func load(cfg spec.Config) (*settings, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, files.Shapeless("tap-csv", filesExample, err)
	}
	if s.Definition != "" {
		if err := s.readDefinition(); err != nil {
			return nil, err
		}
	}
	if err := files.Accept("tap-csv", filesExample, s.Settings, s.Files); err != nil {
		return nil, err
	}
	for _, e := range s.Files {
		if e.Infer == nil {
			e.Infer = &s.Infer
		}
		if e.Empty == "" {
			e.Empty = s.Empty
		}
		if !slices.Contains(emptyRules[:], e.Empty) {
			return nil, fault.New(fault.BadConfig, "tap-csv: empty of %s is %q", e, e.Empty).WithHint("it is %s", strings.Join(emptyRules[:], ", "))
		}
		if _, err := e.format(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settings) readDefinition() error {
	text, err := os.ReadFile(s.Definition)
	if err != nil {
		return fault.Wrap(fault.BadConfig, err, "tap-csv: csv_files_definition cannot be read")
	}
	var list []*entity
	if err := json.Unmarshal(text, &list); err != nil {
		return fault.Wrap(fault.BadConfig, err, "tap-csv: %s is no list of files", s.Definition).WithHint("it should look like %s", filesExample)
	}
	s.Files = append(s.Files, list...)
	return nil
}

// format is how a file's bytes are cut into fields.
type format struct {
	delimiter   byte
	quote       byte // 0: no quoting
	escape      byte // 0: none
	doubleQuote bool
	skipSpace   bool
	strict      bool
}

func (e *entity) format() (format, error) {
	f := format{delimiter: ',', quote: '"', doubleQuote: e.DoubleQuote == nil || *e.DoubleQuote, skipSpace: e.SkipInitialSpace, strict: e.Strict}
	set := func(into *byte, name, value string) error {
		if value == `\t` {
			value = "\t"
		}
		if len(value) != 1 || value[0] >= utf8.RuneSelf || value == "\n" || value == "\r" {
			return fault.New(fault.BadConfig, "tap-csv: %s of entity %q is %q, but must be one ASCII character", name, e.Entity, value)
		}
		*into = value[0]
		return nil
	}
	if e.Delimiter != "" {
		if err := set(&f.delimiter, "delimiter", e.Delimiter); err != nil {
			return f, err
		}
	}
	if e.QuoteChar != nil {
		if *e.QuoteChar == "" {
			f.quote = 0
		} else if err := set(&f.quote, "quotechar", *e.QuoteChar); err != nil {
			return f, err
		}
	}
	if e.EscapeChar != "" {
		if err := set(&f.escape, "escapechar", e.EscapeChar); err != nil {
			return f, err
		}
	}
	if f.delimiter == f.quote {
		return f, fault.New(fault.BadConfig, "tap-csv: delimiter and quotechar of entity %q are the same", e.Entity)
	}
	return f, nil
}

func (e *entity) set() files.Set {
	return e.Set("tap-csv", e.Encoding, ".csv", ".tsv")
}

func (e *entity) String() string { return fmt.Sprintf("entity %q", e.Entity) }
