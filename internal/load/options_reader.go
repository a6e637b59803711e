package load

import (
	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
)

// readerSettings are the shared settings about the Singer input.
func readerSettings() []spec.Setting {
	return []spec.Setting{
		{Name: "flattening_enabled", Type: spec.Boolean, Default: false,
			Help: "Make columns of the properties of nested objects, named parent__child."},
		{Name: "flattening_max_depth", Type: spec.Integer,
			Help: "How many levels of objects flattening_enabled takes apart; all when it is not set."},
		{Name: "data_flattening_max_level", Type: spec.Integer, Default: 0,
			Help: "PipelineWise's way to say it: how many levels of objects are taken apart, 0 for none."},
		{Name: "flattening_separator", Type: spec.String, Default: "__", Help: "What joins the names of nested properties."},
		{Name: "flattening_max_key_length", Type: spec.Integer, Default: 255, Help: "Names this long have their parents abbreviated."},
		{Name: "interpret_content_encoding", Type: spec.Boolean, Default: false,
			Help: "Load strings whose contentEncoding is base16 as bytes."},
		{Name: "validate_records", Type: spec.Boolean, Default: false,
			Help: "Check every record against its JSON Schema. Types are checked in any case."},
		{Name: "stream_maps", Type: spec.Object,
			Help: "Refused unless empty: targets transform nothing. Put a mapper between tap and target."},
		{Name: "stream_map_config", Type: spec.Object, Help: "Accepted for compatibility and ignored."},
		{Name: "faker_config", Type: spec.Object, Help: "Accepted for compatibility and ignored."},
		nulSetting("replace"),
		emptySetting("null"),
		{Name: "absent", Type: spec.String, Default: "null", OneOf: []string{"null", "keep"},
			Help: "A property that a record lacks becomes NULL, as in other targets, or keeps what the destination has."},
	}
}

// KeepNUL is the setting "nul" of a target that can store the character.
var KeepNUL = nulSetting("keep")

func nulSetting(byDefault string) spec.Setting {
	return spec.Setting{Name: "nul", Type: spec.String, Default: byDefault, OneOf: []string{"replace", "keep", "fail"},
		Help: "What becomes of a NUL character in a text: U+FFFD, itself where the destination can store it, or an error."}
}

// KeepEmpty is the setting "empty" of a target that has no types to keep to.
var KeepEmpty = emptySetting("text")

func emptySetting(byDefault string) spec.Setting {
	return spec.Setting{Name: "empty", Type: spec.String, Default: byDefault, OneOf: []string{"null", "text"},
		Help: "What an empty string is where the schema wants a date, a number or a boolean: NULL, or a text, for which the column must become text. Elsewhere it stays what it is."}
}

// reading is the decoded form of readerSettings.
type reading struct {
	Flatten      bool           `json:"flattening_enabled"`
	FlattenDepth *int           `json:"flattening_max_depth"`
	Levels       int            `json:"data_flattening_max_level"`
	Separator    string         `json:"flattening_separator"`
	KeyLength    int            `json:"flattening_max_key_length"`
	Base16       bool           `json:"interpret_content_encoding"`
	Validate     bool           `json:"validate_records"`
	NUL          string         `json:"nul"`
	Empty        string         `json:"empty"`
	Absent       string         `json:"absent"`
	Maps         map[string]any `json:"stream_maps"`
}

// deep is the depth of flattening that is enabled without one.
const deep = 100

// ReaderOptions are how a target's configuration wants its input read.
func ReaderOptions(cfg spec.Config) (singer.ReaderOptions, error) {
	var r reading
	if err := cfg.Decode(&r); err != nil {
		return singer.ReaderOptions{}, err
	}
	if len(r.Maps) > 0 { // loading what should have been masked or left out is worse than not loading
		return singer.ReaderOptions{}, fault.New(fault.BadConfig, "setting \"stream_maps\": targets transform nothing").
			WithHint("put a mapper between tap and target, or take the setting away")
	}
	o := singer.ReaderOptions{Base16: r.Base16, Validate: r.Validate, BlankNull: r.Empty == "null", KeepAbsent: r.Absent == "keep"}
	o.NUL = map[string]singer.NULPolicy{"keep": singer.NULKeep, "fail": singer.NULFail}[r.NUL]
	o.Flatten.Separator, o.Flatten.MaxKeyLength = r.Separator, r.KeyLength
	switch {
	case r.Flatten && r.FlattenDepth != nil:
		o.Flatten.MaxLevel = max(0, *r.FlattenDepth)
	case r.Flatten:
		o.Flatten.MaxLevel = deep
	default:
		o.Flatten.MaxLevel = max(0, r.Levels)
	}
	return o, nil
}
