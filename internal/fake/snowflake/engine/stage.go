package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
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

// unwrap takes the file's key out of the metadata: AES-ECB under the stage's
// master key.
func unwrap(encryption, matdesc string, master []byte) (key, iv []byte, err error) {
	var meta struct {
		WrappedContentKey   struct{ EncryptedKey string }
		ContentEncryptionIV string
	}
	if err := json.Unmarshal([]byte(encryption), &meta); err != nil {
		return nil, nil, fmt.Errorf("encryptiondata: %w", err)
	}
	var desc struct{ SmkID, QueryID, KeySize string }
	if err := json.Unmarshal([]byte(matdesc), &desc); err != nil {
		return nil, nil, fmt.Errorf("matdesc: %w", err)
	}
	if desc.KeySize != fmt.Sprint(len(master)*8) {
		return nil, nil, fmt.Errorf("matdesc: key size %q where the master key has %d bits", desc.KeySize, len(master)*8)
	}
	wrapped, err := base64.StdEncoding.DecodeString(meta.WrappedContentKey.EncryptedKey)
	if err != nil {
		return nil, nil, err
	}
	if iv, err = base64.StdEncoding.DecodeString(meta.ContentEncryptionIV); err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(master)
	if err != nil {
		return nil, nil, err
	}
	if len(wrapped) == 0 || len(wrapped)%16 != 0 || len(iv) != 16 {
		return nil, nil, errors.New("encryptiondata: wrong length of key or vector")
	}
	for i := 0; i < len(wrapped); i += 16 {
		block.Decrypt(wrapped[i:i+16], wrapped[i:i+16])
	}
	n := int(wrapped[len(wrapped)-1])
	if n < 1 || n > 16 || len(wrapped)-n != len(master) {
		return nil, nil, errors.New("encryptiondata: the wrapped key does not unwrap with the stage's master key")
	}
	return wrapped[:len(wrapped)-n], iv, nil
}

// open reads a file's plain bytes, still compressed if they were.
func (f *stagedFile) open() (io.ReadCloser, error) {
	disk, err := os.Open(f.disk)
	if err != nil || f.fileKey == nil {
		return disk, err
	}
	block, err := aes.NewCipher(f.fileKey)
	if err != nil {
		disk.Close()
		return nil, err
	}
	return &decrypting{disk: disk, left: f.size, mode: cipher.NewCBCDecrypter(block, f.iv), sum: sha256.New(), want: f.digest, name: f.name}, nil
}

// decrypting is a stream of decrypted bytes which checks the digest at its end.
type decrypting struct {
	disk *os.File
	left int64
	mode cipher.BlockMode
	sum  hash.Hash
	want string
	name string
	buf  [64 << 10]byte
	out  []byte
}

// emptyDigest is what the driver sends for a PUT from a stream, whose content
// it does not digest.
var emptyDigest = base64.StdEncoding.EncodeToString(sha256.New().Sum(nil))

func (d *decrypting) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.left == 0 {
			if got := base64.StdEncoding.EncodeToString(d.sum.Sum(nil)); got != d.want && d.want != emptyDigest {
				return 0, fmt.Errorf("fake: file %s decrypts to bytes whose SHA-256 is %s, its sfc-digest is %s", d.name, got, d.want)
			}
			return 0, io.EOF
		}
		n := min(int64(len(d.buf)), d.left)
		if _, err := io.ReadFull(d.disk, d.buf[:n]); err != nil {
			return 0, err
		}
		if n%16 != 0 {
			return 0, fmt.Errorf("fake: file %s is no whole number of cipher blocks", d.name)
		}
		d.left -= n
		d.mode.CryptBlocks(d.buf[:n], d.buf[:n])
		d.out = d.buf[:n]
		if d.left == 0 {
			padding := int(d.out[n-1])
			if padding < 1 || padding > 16 {
				return 0, fmt.Errorf("fake: file %s has wrong padding", d.name)
			}
			d.out = d.out[:int(n)-padding]
		}
		d.sum.Write(d.out)
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *decrypting) Close() error { return d.disk.Close() }

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
