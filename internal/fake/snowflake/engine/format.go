package engine

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"elt/internal/fake/snowflake/sql"
)

// format is a file format, its options resolved to bytes
// (docs.snowflake.com/en/sql-reference/sql/create-file-format).
type format struct {
	json            bool
	compression     string
	fieldDelimiter  string
	recordDelimiter string // "" is a new line of any kind
	skipHeader      int
	parseHeader     bool
	skipBlank       bool
	enclosedBy      byte
	escape          byte
	escapeUnencl    byte
	nullIf          []string
	emptyAsNull     bool
	trimSpace       bool
	countMismatch   bool // ERROR_ON_COLUMN_COUNT_MISMATCH
	replaceInvalid  bool
	multiLine       bool
	stripArray      bool
	stripNulls      bool
	timestamp       string
	binary          string
}

// newFormat resolves options; an option it does not know is refused.
func newFormat(o sql.Options) (*format, error) {
	f := &format{compression: "AUTO", fieldDelimiter: ",", escapeUnencl: '\\', nullIf: []string{`\N`}, emptyAsNull: true, countMismatch: true, multiLine: true, binary: "HEX"}
	if t, ok := o["TYPE"].(string); ok {
		switch strings.ToUpper(t) {
		case "CSV":
		case "JSON":
			f.json = true
			f.nullIf = nil
		default:
			return nil, sql.Unsupported("file format TYPE = %s", t)
		}
	}
	for key, v := range o {
		s, _ := v.(string)
		is := strings.EqualFold(s, "true")
		none := strings.EqualFold(s, "none")
		one := func() (byte, error) {
			if none || s == "" {
				return 0, nil
			}
			if len(s) != 1 {
				return 0, sql.Compile(1003, "22023", "invalid value ['%s'] for parameter '%s'", s, key)
			}
			return s[0], nil
		}
		var err error
		switch key {
		case "TYPE", "COMMENT", "FORMAT_NAME":
		case "COMPRESSION":
			f.compression = strings.ToUpper(s)
		case "FIELD_DELIMITER":
			f.fieldDelimiter = s
			if none {
				f.fieldDelimiter = ""
			}
		case "RECORD_DELIMITER":
			f.recordDelimiter = s
			if s == "\n" || s == "\r\n" || s == "\r" || none {
				f.recordDelimiter = ""
			}
		case "SKIP_HEADER":
			for _, c := range s {
				f.skipHeader = f.skipHeader*10 + int(c-'0')
			}
		case "PARSE_HEADER":
			f.parseHeader = is
		case "SKIP_BLANK_LINES":
			f.skipBlank = is
		case "FIELD_OPTIONALLY_ENCLOSED_BY":
			f.enclosedBy, err = one()
		case "ESCAPE":
			f.escape, err = one()
		case "ESCAPE_UNENCLOSED_FIELD":
			f.escapeUnencl, err = one()
		case "NULL_IF":
			if list, ok := v.([]string); ok {
				f.nullIf = list
			} else {
				f.nullIf = []string{s}
			}
		case "EMPTY_FIELD_AS_NULL":
			f.emptyAsNull = is
		case "TRIM_SPACE":
			f.trimSpace = is
		case "ERROR_ON_COLUMN_COUNT_MISMATCH":
			f.countMismatch = is
		case "REPLACE_INVALID_CHARACTERS":
			f.replaceInvalid = is
		case "MULTI_LINE":
			f.multiLine = is
		case "STRIP_OUTER_ARRAY":
			f.stripArray = is
		case "STRIP_NULL_VALUES":
			f.stripNulls = is
		case "ENCODING":
			if e := strings.ToUpper(s); e != "UTF8" && e != "UTF-8" {
				return nil, sql.Unsupported("ENCODING = %s", s)
			}
		case "BINARY_FORMAT":
			f.binary = strings.ToUpper(s)
		case "TIMESTAMP_FORMAT":
			if !strings.EqualFold(s, "AUTO") {
				f.timestamp = goLayout(s)
			}
		case "DATE_FORMAT", "TIME_FORMAT":
			if !strings.EqualFold(s, "AUTO") && s != "YYYY-MM-DD" && s != "HH24:MI:SS" && s != "HH24:MI:SS.FF" && s != "HH24:MI:SS.FF9" {
				return nil, sql.Unsupported("%s = %s", key, s)
			}
		case "SKIP_BYTE_ORDER_MARK", "ALLOW_DUPLICATE", "ENABLE_OCTAL", "IGNORE_UTF8_ERRORS", "FILE_EXTENSION":
		default:
			return nil, sql.Compile(1003, "42000", "syntax error: invalid file format option '%s'.", key)
		}
		if err != nil {
			return nil, err
		}
	}
	if f.escape != 0 {
		f.escapeUnencl = f.escape // ESCAPE overrides ESCAPE_UNENCLOSED_FIELD
	}
	if f.enclosedBy != 0 && f.fieldDelimiter != "" && f.fieldDelimiter[0] == f.enclosedBy {
		return nil, sql.Compile(1003, "22023", "FIELD_DELIMITER and FIELD_OPTIONALLY_ENCLOSED_BY are the same character")
	}
	if f.parseHeader && f.skipHeader > 0 {
		return nil, sql.Compile(1003, "22023", "SKIP_HEADER cannot be used with PARSE_HEADER = TRUE")
	}
	return f, nil
}

// format resolves FILE_FORMAT = (…), FORMAT_NAME and the stage's own format.
func (s *Session) format(given any, st *stage) (*format, error) {
	o, _ := given.(sql.Options)
	if name, ok := given.(string); ok {
		o = sql.Options{"FORMAT_NAME": name}
	}
	if name, ok := o["FORMAT_NAME"].(string); ok {
		parts, err := sql.ParseName(name, sql.ParseOptions{FoldQuoted: s.on("QUOTED_IDENTIFIERS_IGNORE_CASE")})
		if err != nil {
			return nil, err
		}
		db, sch, obj, err := s.full(parts, "SELECT")
		if err != nil {
			return nil, err
		}
		s.engine.mu.Lock()
		at, err := s.schemaOf(db, sch)
		var named sql.Options
		if err == nil {
			named = at.formats[obj]
		}
		s.engine.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if named == nil {
			return nil, missing("File format", display(parts...))
		}
		o = named
	} else if o == nil {
		o = st.format
		if _, named := o["FORMAT_NAME"]; named {
			return s.format(o, &stage{})
		}
	}
	return newFormat(o)
}

func (f *format) casting(s *Session) *casting {
	c := *s.casting()
	c.layout, c.base64, c.utf8 = f.timestamp, f.binary == "BASE64", f.binary == "UTF8" || f.binary == "UTF-8"
	return &c
}

// detect tells a file's compression by its first bytes.
func (f *stagedFile) detect() string {
	r, err := f.open()
	if err != nil {
		return ""
	}
	defer r.Close()
	head := make([]byte, 4)
	n, _ := io.ReadFull(r, head)
	return magic(head[:n])
}

func magic(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "GZIP"
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "ZSTD"
	case bytes.HasPrefix(head, []byte("BZh")):
		return "BZ2"
	}
	return "NONE"
}

// plain decrypts and decompresses.
func (f *stagedFile) plain(compression string) (io.ReadCloser, error) {
	r, err := f.open()
	if err != nil {
		return nil, err
	}
	b := bufio.NewReaderSize(r, 64<<10)
	head, _ := b.Peek(4)
	is := magic(head)
	if compression == "AUTO" {
		compression = is
	}
	bad := func() (io.ReadCloser, error) {
		r.Close()
		return nil, sql.Errorf(100066, "22000", "Error decompressing file '%s': it is no %s data", f.name, compression)
	}
	if compression != "NONE" && compression != is {
		return bad()
	}
	switch compression {
	case "GZIP":
		z, err := gzip.NewReader(b)
		if err != nil {
			return bad()
		}
		return &closing{z, r}, nil
	case "ZSTD":
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return bad()
		}
		return &closing{z.IOReadCloser(), r}, nil
	case "BZ2":
		return &closing{bzip2.NewReader(b), r}, nil
	case "NONE":
		return &closing{b, r}, nil
	}
	r.Close()
	return nil, sql.Unsupported("COMPRESSION = %s", compression)
}

type closing struct {
	io.Reader
	under io.Closer
}

func (c *closing) Close() error {
	if z, ok := c.Reader.(io.Closer); ok {
		z.Close()
	}
	return c.under.Close()
}
