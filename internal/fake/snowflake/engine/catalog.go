package engine

import (
	"sort"
	"strings"
	"sync"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// Engine holds an account's databases, warehouses and staged files. Its
// methods are safe for concurrent sessions.
type Engine struct {
	mu         sync.Mutex // everything below, and the committed rows of tables
	databases  map[string]*database
	warehouses map[string]*warehouse
	home       map[string]*stage // user stages by user
	denied     []Denied
	dir        string
	now        func() time.Time
	released   chan struct{} // closed, and made anew, when a lock is given back
	idle       time.Duration // after which a transaction that blocks another is aborted
	sequence   int64
	starts     int
	localFS    bool
	results    map[string]*Result // by query id, for RESULT_SCAN
	kept       []string           // ids of results, oldest first
}

// keep remembers a result for RESULT_SCAN; the oldest of many is forgotten.
// The lock is held.
func (e *Engine) keep(id string, r *Result) {
	if _, again := e.results[id]; !again {
		e.kept = append(e.kept, id)
	}
	e.results[id] = r
	if len(e.kept) > 200 {
		delete(e.results, e.kept[0])
		e.kept = e.kept[1:]
	}
}

// Denied says that a role lacks a privilege on an object. An empty Role is
// every role. Privilege is USAGE, CREATE SCHEMA, CREATE TABLE, CREATE STAGE,
// CREATE FILE FORMAT, INSERT and so on; Object is DB, DB.SCHEMA, DB.SCHEMA.TABLE
// or a warehouse.
type Denied struct{ Role, Privilege, Object string }

type database struct {
	name    string
	comment string
	created time.Time
	schemas map[string]*schema
}

type schema struct {
	name    string
	comment string
	created time.Time
	tables  map[string]*table
	stages  map[string]*stage
	formats map[string]sql.Options
	views   map[string]*view
}

type view struct {
	name    string
	query   *sql.Query
	columns []string
}

type warehouse struct {
	name       string
	running    bool
	autoResume bool
}

// column is a column of a table. at is where its cell stands in stored rows,
// which neither DROP nor RENAME COLUMN rewrites; rows stored before the column
// was added have missing there.
type column struct {
	name     string
	t        Type
	notNull  bool
	deflt    sql.Expr
	identity bool
	comment  string
	at       int
	missing  Value
}

// record is a stored row; its address is its identity.
type record struct{ data string }

// table is a table. rows are committed ones; see transaction for the others.
type table struct {
	db, schema, name string
	kind             string // "", TEMPORARY, TRANSIENT
	created          time.Time
	comment          string
	columns          []*column
	width            int // cells of a stored row
	primaryKey       []string
	rows             []*record
	writer           *transaction // who updates, deletes or merges
	loaded           map[string]loadedFile
	stage            *stage // @%table
	identity         int64
	dropped          bool
}

func (t *table) column(name string) *column {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (t *table) fullName() string { return t.db + "." + t.schema + "." + t.name }

// New makes an engine that keeps staged files below dir.
func New(dir string, now func() time.Time) *Engine {
	return &Engine{
		databases: map[string]*database{}, warehouses: map[string]*warehouse{}, home: map[string]*stage{},
		results: map[string]*Result{}, dir: dir, now: now, released: make(chan struct{}), idle: 5 * time.Minute,
	}
}

// AddDatabase makes a database with PUBLIC and INFORMATION_SCHEMA.
func (e *Engine) AddDatabase(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.addDatabase(name)
}

func (e *Engine) addDatabase(name string) *database {
	d := &database{name: name, created: e.now(), schemas: map[string]*schema{}}
	d.add("PUBLIC", e.now())
	e.databases[name] = d
	return d
}

func (d *database) add(name string, now time.Time) *schema {
	s := &schema{name: name, created: now, tables: map[string]*table{}, stages: map[string]*stage{}, formats: map[string]sql.Options{}, views: map[string]*view{}}
	d.schemas[name] = s
	return s
}

// AddWarehouse makes a suspended warehouse.
func (e *Engine) AddWarehouse(name string, autoResume bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.warehouses[name] = &warehouse{name: name, autoResume: autoResume}
}

// HasDatabase and HasWarehouse answer at login.
func (e *Engine) HasDatabase(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.databases[name] != nil
}

// HasSchema reports whether a schema exists.
func (e *Engine) HasSchema(db, name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.databases[db]
	return d != nil && d.schemas[name] != nil
}

// HasWarehouse reports whether a warehouse exists and the role may use it.
func (e *Engine) HasWarehouse(name, role string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.warehouses[name] != nil && !e.lacks(role, "USAGE", name)
}

// SuspendWarehouses suspends all, as AUTO_SUSPEND does after a while.
func (e *Engine) SuspendWarehouses() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range e.warehouses {
		w.running = false
	}
}

// WarehouseStarts counts how often a warehouse was resumed.
func (e *Engine) WarehouseStarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.starts
}

// AbortIdle sets after how long an idle transaction that blocks another ends.
func (e *Engine) AbortIdle(after time.Duration) { e.idle = after }

// Deny takes privileges away.
func (e *Engine) Deny(list ...Denied) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.denied = append(e.denied, list...)
}

// lacks is called with the lock held.
func (e *Engine) lacks(role, privilege, object string) bool {
	for _, d := range e.denied {
		if (d.Role == "" || d.Role == role) && strings.EqualFold(d.Privilege, privilege) && strings.EqualFold(d.Object, object) {
			return true
		}
	}
	return false
}

func insufficient(what, name string) error {
	return sql.Errorf(3001, "42501", "SQL access control error:\nInsufficient privileges to operate on %s '%s'", what, name)
}

func missing(what, name string) error {
	state := "02000"
	if what == "Object" || what == "Table" {
		state = "42S02"
	}
	return sql.Compile(2003, state, "%s '%s' does not exist or not authorized.", what, name)
}

// full makes a name complete with what the session uses.
func (s *Session) full(name []string, doing string) (db, sch, obj string, err error) {
	obj = name[len(name)-1]
	db, sch = s.Database, s.Schema
	switch len(name) {
	case 2:
		sch = name[0]
	case 3:
		db, sch = name[0], name[1]
	}
	if db == "" {
		return "", "", "", sql.Errorf(90105, "22000", "Cannot perform %s. This session does not have a current database. Call 'USE DATABASE', or use a qualified name.", doing)
	}
	if sch == "" {
		return "", "", "", sql.Errorf(90106, "22000", "Cannot perform %s. This session does not have a current schema. Call 'USE SCHEMA', or use a qualified name.", doing)
	}
	return db, sch, obj, nil
}

// schemaOf finds a schema; the lock is held.
func (s *Session) schemaOf(db, name string) (*schema, error) {
	d := s.engine.databases[db]
	if d == nil || s.engine.lacks(s.Role, "USAGE", db) {
		return nil, missing("Database", display(db))
	}
	sch := d.schemas[name]
	if sch == nil || s.engine.lacks(s.Role, "USAGE", db+"."+name) {
		return nil, missing("Schema", display(db)+"."+display(name))
	}
	return sch, nil
}

// table finds a table the session sees; a temporary one hides another of its
// name. The lock is held.
func (s *Session) table(name []string) (*table, error) {
	db, sch, obj, err := s.full(name, "SELECT")
	if err != nil {
		return nil, err
	}
	if t := s.temporary[db+"."+sch+"."+obj]; t != nil {
		return t, nil
	}
	shown := display(name...)
	at, err := s.schemaOf(db, sch)
	if err != nil {
		return nil, err
	}
	t := at.tables[obj]
	if t == nil || s.engine.lacks(s.Role, "SELECT", t.fullName()) {
		return nil, missing("Object", shown)
	}
	return t, nil
}

// lookup is table with the lock taken.
func (s *Session) lookup(name []string) (*table, error) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	return s.table(name)
}

// display quotes the parts that need it.
func display(name ...string) string {
	parts := make([]string, len(name))
	for i, n := range name {
		parts[i] = n
		if !plain(n) {
			parts[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
		}
	}
	return strings.Join(parts, ".")
}

func plain(n string) bool {
	for i, c := range n {
		if !(c == '_' || c >= 'A' && c <= 'Z' || i > 0 && (c >= '0' && c <= '9' || c == '$')) {
			return false
		}
	}
	return n != ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
