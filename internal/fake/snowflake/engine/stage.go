package engine

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// stage is an internal stage: named, a table's or a user's. Its files lie on
// disk as the client encrypted them; nothing decrypts them before they are read.
type stage struct {
	name      string
	temporary bool
	comment   string
	format    sql.Options
	dir       string
	key       []byte                 // queryStageMasterKey
	files     map[string]*stagedFile // guarded by the engine's lock
	engine    *Engine
}

// stagedFile is one file. name is its path below the stage.
type stagedFile struct {
	name     string
	disk     string
	size     int64 // as stored
	md5      string
	digest   string // sfc-digest: SHA-256 of the plain, perhaps compressed, bytes
	fileKey  []byte
	iv       []byte
	modified time.Time
}

// newStage may be called with or without the lock.
func (e *Engine) newStage() *stage {
	key := make([]byte, 16)
	rand.Read(key)
	id := make([]byte, 8)
	rand.Read(id)
	return &stage{dir: filepath.Join(e.dir, hex.EncodeToString(id)), key: key, files: map[string]*stagedFile{}, engine: e}
}

// drop removes the files; the lock is held.
func (st *stage) drop() {
	if st == nil {
		return
	}
	os.RemoveAll(st.dir)
	st.files = map[string]*stagedFile{}
}

// find resolves a reference; shown is how its files are named in LIST and COPY.
func (s *Session) find(ref sql.Stage) (st *stage, shown string, err error) {
	e := s.engine
	if ref.Kind == 'u' {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.home[s.User] == nil {
			e.home[s.User] = e.newStage()
		}
		return e.home[s.User], "", nil
	}
	db, sch, obj, err := s.full(ref.Name, "SELECT")
	if err != nil {
		return nil, "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if ref.Kind == 't' {
		t, err := s.table(ref.Name)
		if err != nil {
			return nil, "", missing("Table", display(ref.Name...))
		}
		return t.stage, "", nil
	}
	if st := s.tempStages[db+"."+sch+"."+obj]; st != nil {
		return st, strings.ToLower(obj) + "/", nil
	}
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return nil, "", err
	}
	st = at.stages[obj]
	if st == nil || e.lacks(s.Role, "READ", db+"."+sch+"."+obj) {
		return nil, "", missing("Stage", display(ref.Name...))
	}
	return st, strings.ToLower(obj) + "/", nil
}

// Upload is what a PUT was answered with, and takes the files that come.
type Upload struct {
	Source, SourceCompression string
	AutoCompress, Overwrite   bool
	Parallel                  int
	Prefix                    string // path in the stage, "" or with a slash at its end
	Key                       string // base64
	Local                     string // directory, where files are stored by path

	stage *stage
}

func (s *Session) put(d *sql.Put) (*Result, error) {
	st, _, err := s.find(d.Stage)
	if err != nil {
		return nil, err
	}
	u := &Upload{Source: d.Source, SourceCompression: "auto_detect", AutoCompress: true, Parallel: 4, stage: st, Key: base64.StdEncoding.EncodeToString(st.key)}
	for k, v := range d.Options {
		text, _ := v.(string)
		switch k {
		case "AUTO_COMPRESS":
			u.AutoCompress = strings.EqualFold(text, "true")
		case "OVERWRITE":
			u.Overwrite = strings.EqualFold(text, "true")
		case "SOURCE_COMPRESSION":
			u.SourceCompression = strings.ToLower(text)
		case "PARALLEL":
			fmt.Sscanf(text, "%d", &u.Parallel)
			if u.Parallel < 1 || u.Parallel > 99 {
				return nil, sql.Compile(1003, "22023", "invalid value [%s] for parameter 'PARALLEL'", text)
			}
		default:
			return nil, sql.Compile(1003, "42000", "syntax error: invalid option '%s'.", k)
		}
	}
	switch u.SourceCompression {
	case "auto_detect", "none", "gzip", "bz2", "brotli", "zstd", "deflate", "raw_deflate":
	default:
		return nil, sql.Compile(1003, "22023", "invalid value [%s] for parameter 'SOURCE_COMPRESSION'", u.SourceCompression)
	}
	if u.Prefix = strings.Trim(d.Stage.Path, "/"); u.Prefix != "" {
		u.Prefix += "/"
	}
	if s.engine.localFS {
		u.Local = filepath.Join(st.dir, filepath.FromSlash(u.Prefix))
		if err := os.MkdirAll(u.Local, 0o700); err != nil {
			return nil, err
		}
	}
	return &Result{Type: typeTransfer, Put: u}, nil
}

// UseLocalFS makes PUT answer with a directory, as an emulator may, instead of
// a presigned URL.
func (e *Engine) UseLocalFS() { e.localFS = true }

// Store keeps an uploaded file. digest, encryption and matdesc are the
// metadata headers of the upload.
func (u *Upload) Store(name string, body io.Reader, digest, encryption, matdesc string) error {
	f := &stagedFile{name: u.Prefix + name, digest: digest, modified: u.stage.engine.now()}
	if encryption != "" {
		var err error
		if f.fileKey, f.iv, err = unwrap(encryption, matdesc, u.stage.key); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(u.stage.dir, 0o700); err != nil {
		return err
	}
	disk, err := os.CreateTemp(u.stage.dir, "part-")
	if err != nil {
		return err
	}
	defer disk.Close()
	if f.size, err = io.Copy(disk, body); err != nil {
		os.Remove(disk.Name())
		return err
	}
	f.disk = disk.Name()
	f.md5 = f.digest
	e := u.stage.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := u.stage.files[f.name]; old != nil {
		os.Remove(old.disk)
	}
	u.stage.files[f.name] = f
	return nil
}
