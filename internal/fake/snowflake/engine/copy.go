package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// loadedFile is an entry of a table's load history, which lives 64 days.
type loadedFile struct {
	etag string
	at   time.Time
}

func rowError(number int, state, format string, args ...any) error {
	return sql.Errorf(number, state, format, args...)
}

// fileResult is one row of COPY's answer.
type fileResult struct {
	file                   string
	status                 string
	parsed, loaded, errors int64
	first                  string
	line, character        int64
	column                 string
	added                  []*record
	fatal                  error
}

// copying is one COPY INTO.
type copying struct {
	s       *Session
	t       *table
	w       *writer
	f       *format
	how     *casting
	items   []compiled // of a transformation
	byName  string     // MATCH_BY_COLUMN_NAME: "", 's' or 'i'
	onError string
	limit   int64 // SKIP_FILE_n
	trunc   bool
	cells   []Value
	jsonRow []Value
}

func (s *Session) copyInto(ctx context.Context, tx *transaction, d *sql.Copy) (*Result, error) {
	t, err := s.lookup(d.Table)
	if err != nil {
		return nil, missing("Table", display(d.Table...))
	}
	if err := s.mayWrite(t, "INSERT"); err != nil {
		return nil, err
	}
	st, shown, err := s.find(d.Stage)
	if err != nil {
		return nil, err
	}
	c := &copying{s: s, t: t, onError: "ABORT_STATEMENT"}
	if c.w, err = s.writer(t, d.Columns); err != nil {
		return nil, err
	}
	given := d.Options["FILE_FORMAT"]
	if c.f, err = s.format(given, st); err != nil {
		return nil, err
	}
	var files, pattern = []string(nil), ""
	purge, force := false, false
	for k, v := range d.Options {
		text, _ := v.(string)
		switch k {
		case "FILE_FORMAT":
		case "FILES":
			files, _ = v.([]string)
			if len(files) > 1000 {
				return nil, sql.Compile(1003, "42601", "The number of files specified in the FILES option (%d) exceeds the maximum of 1000.", len(files))
			}
		case "PATTERN":
			pattern = text
		case "ON_ERROR":
			c.onError = strings.ToUpper(text)
		case "PURGE":
			purge = strings.EqualFold(text, "true")
		case "FORCE":
			force = strings.EqualFold(text, "true")
		case "TRUNCATECOLUMNS":
			c.trunc = strings.EqualFold(text, "true")
		case "ENFORCE_LENGTH":
			c.trunc = strings.EqualFold(text, "false")
		case "MATCH_BY_COLUMN_NAME":
			switch strings.ToUpper(text) {
			case "CASE_SENSITIVE":
				c.byName = "s"
			case "CASE_INSENSITIVE":
				c.byName = "i"
			case "NONE":
			default:
				return nil, sql.Compile(1003, "22023", "invalid value [%s] for parameter 'MATCH_BY_COLUMN_NAME'", text)
			}
		case "RETURN_FAILED_ONLY", "LOAD_UNCERTAIN_FILES", "SIZE_LIMIT":
			return nil, sql.Unsupported("COPY option %s", k)
		default:
			return nil, sql.Compile(1003, "42000", "syntax error: invalid COPY option '%s'.", k)
		}
	}
	switch {
	case c.onError == "ABORT_STATEMENT", c.onError == "CONTINUE", c.onError == "SKIP_FILE":
	case strings.HasPrefix(c.onError, "SKIP_FILE_") && !strings.HasSuffix(c.onError, "%"):
		if _, err := fmt.Sscanf(c.onError, "SKIP_FILE_%d", &c.limit); err != nil {
			return nil, sql.Compile(1003, "22023", "invalid value [%s] for parameter 'ON_ERROR'", c.onError)
		}
	default:
		return nil, sql.Compile(1003, "22023", "invalid value [%s] for parameter 'ON_ERROR'", c.onError)
	}
	if err := c.prepare(d); err != nil {
		return nil, err
	}
	chosen, results, err := c.choose(st, shown, d.Stage.Path, files, pattern)
	if err != nil {
		return nil, err
	}
	s.engine.mu.Lock()
	history := map[string]string{}
	for k, f := range t.loaded {
		if tx.change(t).truncated {
			break
		}
		history[k] = f.etag
	}
	for k, f := range tx.change(t).loaded {
		history[k] = f.etag
	}
	s.engine.mu.Unlock()
	var added []*record
	var loaded []*stagedFile
	for _, f := range chosen {
		key := st.dir + "/" + f.name
		if !force && history[key] == f.md5 {
			if files != nil {
				results = append(results, &fileResult{file: shown + f.name, status: "LOAD_SKIPPED", first: "File was loaded before."})
			}
			continue
		}
		r := c.file(ctx, f, shown)
		if r.fatal != nil {
			return nil, r.fatal
		}
		results = append(results, r)
		if r.status != "LOAD_FAILED" {
			added, loaded = append(added, r.added...), append(loaded, f)
		}
	}
	tx.apply(t, nil, added)
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, f := range loaded {
		tx.change(t).loaded[st.dir+"/"+f.name] = loadedFile{f.md5, s.engine.now()}
	}
	if purge { // after the load; a file that cannot be removed is no error
		for _, f := range loaded {
			os.Remove(f.disk)
			delete(st.files, f.name)
		}
	}
	return copyResult(results), nil
}

func copyResult(list []*fileResult) *Result {
	if len(list) == 0 {
		return status(typeCopy, "Copy executed with 0 files processed.")
	}
	r := &Result{Type: typeCopy}
	for _, n := range []string{"file", "status"} {
		r.Columns = append(r.Columns, OutColumn{Name: n, Type: textType, Nullable: true})
	}
	for _, n := range []string{"rows_parsed", "rows_loaded", "error_limit", "errors_seen"} {
		r.Columns = append(r.Columns, OutColumn{Name: n, Type: integerType, Nullable: true})
	}
	r.Columns = append(r.Columns, OutColumn{Name: "first_error", Type: textType, Nullable: true}, OutColumn{Name: "first_error_line", Type: integerType, Nullable: true},
		OutColumn{Name: "first_error_character", Type: integerType, Nullable: true}, OutColumn{Name: "first_error_column_name", Type: textType, Nullable: true})
	for _, f := range list {
		first, line, char, col := null, null, null, null
		if f.first != "" {
			first = text(f.first)
		}
		if f.line > 0 {
			line, char, col = integer(f.line), integer(f.character), text(f.column)
		}
		limit := int64(1)
		if f.status == "PARTIALLY_LOADED" {
			limit = f.parsed
		}
		r.Rows = append(r.Rows, rowOf(text(f.file), text(f.status), integer(f.parsed), integer(f.loaded), integer(limit), integer(f.errors), first, line, char, col))
		r.Changed += f.loaded
	}
	return r
}

// choose finds the files to load, by FILES or by path and PATTERN.
func (c *copying) choose(st *stage, shown, path string, names []string, pattern string) (out []*stagedFile, results []*fileResult, err error) {
	if names == nil {
		out, err = st.matching(path, pattern)
		return out, nil, err
	}
	all, err := st.matching("", "")
	if err != nil {
		return nil, nil, err
	}
	by := map[string]*stagedFile{}
	for _, f := range all {
		by[f.name] = f
	}
	for _, n := range names {
		full := path + n
		if path != "" && !strings.HasSuffix(path, "/") && by[full] == nil {
			full = path + "/" + n
		}
		f := by[full]
		if f == nil {
			gone := sql.Errorf(91016, "22000", "Remote file '%s' was not found. There are several potential causes. The file might not exist. The required credentials may be missing or invalid. If you are running a copy command, please make sure files are not deleted when they are being loaded or files are not being loaded into two different tables concurrently with auto purge option.", shown+full)
			if c.onError == "ABORT_STATEMENT" {
				return nil, nil, gone
			}
			results = append(results, &fileResult{file: shown + full, status: "LOAD_FAILED", errors: 1, first: gone.Message})
			continue
		}
		out = append(out, f)
	}
	return out, results, nil
}

// prepare compiles the transformation and checks what goes with what.
func (c *copying) prepare(d *sql.Copy) error {
	c.how = c.f.casting(c.s)
	c.w.how = c.how
	c.cells = make([]Value, len(c.w.cols))
	if d.Transform != nil {
		if c.byName != "" {
			return sql.Compile(2078, "0A000", "MATCH_BY_COLUMN_NAME cannot be used with a COPY transformation.")
		}
		sel := d.Transform.Body.(*sql.Select)
		t := textType
		if c.f.json {
			t = variantType
		}
		sc := &scope{s: c.s, cols: metadataColumns(sel.From.(*sql.StageRef).Alias), positional: &t}
		if len(sel.Items) != len(c.w.cols) {
			return sql.Compile(2020, "21S01", "Insert value list does not match column list expecting %d but got %d", len(c.w.cols), len(sel.Items))
		}
		for i, it := range sel.Items {
			x, err := sc.compile(it.X)
			if err != nil {
				return err
			}
			if err := implicit(x.t, c.w.cols[i]); err != nil && x.t.K != Text {
				return err
			}
			c.items = append(c.items, x)
		}
		return nil
	}
	if c.f.json && c.byName == "" && (len(c.w.cols) != 1 || !isVariant(c.w.cols[0].t.K)) {
		return sql.Compile(2019, "0A000", "JSON file format can produce one and only one column of variant, object, or array type. Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation.")
	}
	if !c.f.json && c.byName != "" && !c.f.parseHeader {
		return sql.Compile(2078, "0A000", "MATCH_BY_COLUMN_NAME with CSV needs the file format option PARSE_HEADER = TRUE.")
	}
	return nil
}

func metadataColumns(aliasName string) []relColumn {
	return []relColumn{{path: alias(aliasName), name: "METADATA$FILENAME", t: textType}, {path: alias(aliasName), name: "METADATA$FILE_ROW_NUMBER", t: integerType}}
}

// file loads one file; its rows are added only if the statement succeeds.
func (c *copying) file(ctx context.Context, f *stagedFile, shown string) *fileResult {
	r := &fileResult{file: shown + f.name, status: "LOADED"}
	plain, err := f.plain(c.f.compression)
	if err != nil {
		return c.broken(r, err)
	}
	defer plain.Close()
	each := func(line, char int64, column string, add func() (*record, error)) bool {
		r.parsed++
		if r.parsed&1023 == 0 && ctx.Err() != nil {
			r.fatal = ctx.Err()
			return false
		}
		rec, err := add()
		if err == nil {
			r.loaded++
			r.added = append(r.added, rec)
			return true
		}
		var at *located
		if errors.As(err, &at) {
			char, column = at.character, at.column
			err = at.err
		}
		return c.failed(r, err, line, char, column)
	}
	if c.f.json {
		err = c.jsonFile(plain, r.file, each)
	} else {
		err = c.csvFile(plain, r.file, each)
	}
	if r.fatal != nil {
		return r
	}
	if err != nil {
		return c.broken(r, err)
	}
	if r.errors > 0 {
		switch {
		case c.onError == "SKIP_FILE" || c.limit > 0 && r.errors >= c.limit, r.loaded == 0:
			r.status, r.loaded, r.added = "LOAD_FAILED", 0, nil
		default:
			r.status = "PARTIALLY_LOADED"
		}
	}
	return r
}

// located is an error of a value with its place on the line.
type located struct {
	err       error
	character int64
	column    string
}

func (l *located) Error() string { return l.err.Error() }

// failed handles a bad row; it reports whether to go on.
func (c *copying) failed(r *fileResult, err error, line, char int64, column string) bool {
	var e *sql.Error
	if !errors.As(err, &e) {
		r.fatal = err
		return false
	}
	r.errors++
	if r.first == "" {
		r.first, r.line, r.character, r.column = e.Message, line, char, column
	}
	if c.onError == "ABORT_STATEMENT" {
		msg := fmt.Sprintf("%s\n  File '%s', line %d, character %d\n  Row %d, column %s\n", e.Message, r.file, line, char, r.parsed, column)
		msg += "  If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' or 'CONTINUE' for the ON_ERROR option. For more information on loading options, please run 'info loading_data' in a SQL client."
		r.fatal = &sql.Error{Number: e.Number, State: e.State, Message: msg}
		return false
	}
	return true
}

// broken handles a file that cannot be read on.
func (c *copying) broken(r *fileResult, err error) *fileResult {
	var e *sql.Error
	if !errors.As(err, &e) {
		e = sql.Errorf(100066, "22000", "Error reading file '%s': %v", r.file, err)
	}
	if c.onError == "ABORT_STATEMENT" {
		r.fatal = e
		return r
	}
	r.errors++
	r.first = e.Message
	if c.onError != "CONTINUE" || r.loaded == 0 {
		r.status, r.loaded, r.added = "LOAD_FAILED", 0, nil
	} else {
		r.status = "PARTIALLY_LOADED"
	}
	return r
}

type rowFunc func(line, char int64, column string, add func() (*record, error)) bool

func truncated(s string, t Type) Value {
	if r := []rune(s); len(r) > t.Length {
		s = string(r[:t.Length])
	}
	return text(s)
}

func validUTF8(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return strings.ToValidUTF8(s, "") == s
		}
	}
	return true
}
