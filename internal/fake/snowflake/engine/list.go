package engine

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// matching lists the files below a path, in order of their names.
func (st *stage) matching(path, pattern string) ([]*stagedFile, error) {
	var re *regexp.Regexp
	if pattern != "" {
		var err error
		if re, err = regexp.Compile("^(?:" + pattern + ")$"); err != nil {
			return nil, sql.Errorf(100048, "2201B", "Invalid regular expression: '%s'", pattern)
		}
	}
	st.engine.mu.Lock()
	defer st.engine.mu.Unlock()
	st.readLocal()
	var out []*stagedFile
	for _, name := range sortedKeys(st.files) {
		if !strings.HasPrefix(name, path) {
			continue
		}
		if re != nil && !re.MatchString(name) && !re.MatchString(strings.TrimPrefix(strings.TrimPrefix(name, path), "/")) {
			continue
		}
		out = append(out, st.files[name])
	}
	return out, nil
}

// readLocal finds the files a client put into the directory itself.
func (st *stage) readLocal() {
	if !st.engine.localFS {
		return
	}
	filepath.WalkDir(st.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		rel, _ := filepath.Rel(st.dir, path)
		name := filepath.ToSlash(rel)
		if old := st.files[name]; old == nil || old.size != info.Size() || !old.modified.Equal(info.ModTime()) {
			st.files[name] = &stagedFile{name: name, disk: path, size: info.Size(), modified: info.ModTime(), md5: fmt.Sprint(info.Size(), info.ModTime().UnixNano())}
		}
		return nil
	})
}

func (s *Session) list(d *sql.List) (*Result, error) {
	st, shown, err := s.find(d.Stage)
	if err != nil {
		return nil, err
	}
	files, err := st.matching(d.Stage.Path, d.Pattern)
	if err != nil {
		return nil, err
	}
	r := &Result{Type: typeSelect, Columns: []OutColumn{{Name: "name", Type: textType, Nullable: true}, {Name: "size", Type: integerType, Nullable: true},
		{Name: "md5", Type: textType, Nullable: true}, {Name: "last_modified", Type: textType, Nullable: true}}}
	for _, f := range files {
		r.Rows = append(r.Rows, rowOf(text(shown+f.name), integer(f.size), text(f.md5), text(f.modified.UTC().Format(time.RFC1123))))
	}
	return r, nil
}

func (s *Session) remove(d *sql.Remove) (*Result, error) {
	st, shown, err := s.find(d.Stage)
	if err != nil {
		return nil, err
	}
	files, err := st.matching(d.Stage.Path, d.Pattern)
	if err != nil {
		return nil, err
	}
	r := &Result{Type: typeSelect, Columns: []OutColumn{{Name: "name", Type: textType, Nullable: true}, {Name: "result", Type: textType, Nullable: true}}}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, f := range files {
		os.Remove(f.disk)
		delete(st.files, f.name)
		r.Rows = append(r.Rows, rowOf(text(shown+f.name), text("removed")))
	}
	return r, nil
}

// StagedFile is a file in a stage, for tests to look at.
type StagedFile struct {
	Stage string // "DB.SCHEMA.NAME", "%DB.SCHEMA.TABLE" or "~USER"
	Name  string // path below the stage
	Size  int64  // as stored, encrypted
	file  *stagedFile
}

// Open reads the plain bytes, decrypted and still compressed if they were.
func (f StagedFile) Open() (io.ReadCloser, error) { return f.file.open() }

// Plain reads the plain bytes, decrypted and decompressed.
func (f StagedFile) Plain() (io.ReadCloser, error) { return f.file.plain("AUTO") }

// Compression says how the file is compressed, by its first bytes.
func (f StagedFile) Compression() string { return f.file.detect() }

// Files lists all staged files; temporary ones of the sessions given too.
func (e *Engine) Files(sessions []*Session) (out []StagedFile) {
	e.mu.Lock()
	defer e.mu.Unlock()
	add := func(name string, st *stage) {
		st.readLocal()
		for _, f := range sortedKeys(st.files) {
			out = append(out, StagedFile{name, f, st.files[f].size, st.files[f]})
		}
	}
	for _, db := range sortedKeys(e.databases) {
		for _, sch := range sortedKeys(e.databases[db].schemas) {
			at := e.databases[db].schemas[sch]
			for _, n := range sortedKeys(at.stages) {
				add(db+"."+sch+"."+n, at.stages[n])
			}
			for _, n := range sortedKeys(at.tables) {
				add("%"+at.tables[n].fullName(), at.tables[n].stage)
			}
		}
	}
	for _, u := range sortedKeys(e.home) {
		add("~"+u, e.home[u])
	}
	for _, s := range sessions {
		for _, n := range sortedKeys(s.tempStages) {
			add(n, s.tempStages[n])
		}
		for _, n := range sortedKeys(s.temporary) {
			add("%"+n, s.temporary[n].stage)
		}
	}
	return out
}
