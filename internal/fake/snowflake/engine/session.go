package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"elt/internal/fake/snowflake/sql"
)

// Session is one session: what it uses, its parameters, its temporary tables
// and its transaction. One statement runs at a time, as in Snowflake.
type Session struct {
	ID                                int64
	User                              string
	Role, Warehouse, Database, Schema string
	Roles                             []string // that may be used
	Admin                             bool     // asks for no warehouse

	engine     *Engine
	busy       sync.Mutex
	parameters map[string]string
	temporary  map[string]*table
	tempStages map[string]*stage
	tx         *transaction
	explicit   bool         // tx was begun by BEGIN, or AUTOCOMMIT is off
	waiting    *transaction // guarded by the engine's lock
	query      string       // id of the statement before; guarded by the engine's lock
	used       time.Time    // when it ended; guarded by the engine's lock
	binds      []sql.Expr
	bindRows   [][]sql.Expr // of an array binding
}

// Result is what a statement gives.
type Result struct {
	Columns []OutColumn
	Rows    []string // see Decode
	Type    int64    // statementTypeId
	Put     *Upload

	Kind      string // the statement's first word or two
	Warehouse bool   // real Snowflake would have used a warehouse
	InTx      bool   // inside an explicit transaction
	Changed   int64  // rows inserted, updated, deleted or loaded
}

// OutColumn is a column of a result.
type OutColumn struct {
	Name     string
	Type     Type
	Nullable bool
}

// Decode reads row i into cells.
func (r *Result) Decode(i int, cells []Value) { decodeRow(r.Rows[i], cells) }

// NewSession opens a session.
func (e *Engine) NewSession(id int64, user, role, wh, db, schema string, parameters map[string]string) *Session {
	s := &Session{ID: id, User: user, Role: role, Warehouse: wh, Database: db, Schema: schema, engine: e,
		parameters: map[string]string{}, temporary: map[string]*table{}, tempStages: map[string]*stage{}}
	for k, v := range parameters {
		s.parameters[strings.ToUpper(k)] = v
	}
	return s
}

// defaults of the parameters that matter here (docs: Parameters).
var defaults = map[string]string{
	"AUTOCOMMIT": "true", "LOCK_TIMEOUT": "43200", "QUERY_TAG": "", "QUOTED_IDENTIFIERS_IGNORE_CASE": "false",
	"TIMEZONE": "America/Los_Angeles", "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ", "MULTI_STATEMENT_COUNT": "1",
	"STATEMENT_TIMEOUT_IN_SECONDS": "172800", "ERROR_ON_NONDETERMINISTIC_MERGE": "true", "CLIENT_SESSION_KEEP_ALIVE": "false",
	"CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": "65280", "TIMESTAMP_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
	"DATE_OUTPUT_FORMAT": "YYYY-MM-DD", "BINARY_INPUT_FORMAT": "HEX", "ABORT_DETACHED_QUERY": "false", "WEEK_START": "0",
	"STRICT_JSON_OUTPUT": "false", "USE_CACHED_RESULT": "true", "JSON_INDENT": "2", "ERROR_ON_NONDETERMINISTIC_UPDATE": "false",
	"TIMESTAMP_NTZ_OUTPUT_FORMAT": "YYYY-MM-DD HH24:MI:SS.FF3", "TIMESTAMP_TZ_OUTPUT_FORMAT": "", "TIMESTAMP_LTZ_OUTPUT_FORMAT": "",
	"TIME_OUTPUT_FORMAT": "HH24:MI:SS", "BINARY_OUTPUT_FORMAT": "HEX", "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS": "0",
	"CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": "3600", "TRANSACTION_ABORT_ON_ERROR": "false", "CLIENT_PREFETCH_THREADS": "4",
	"GO_QUERY_RESULT_FORMAT": "JSON", "CLIENT_TELEMETRY_ENABLED": "false", "DATE_INPUT_FORMAT": "AUTO", "TIMESTAMP_INPUT_FORMAT": "AUTO",
	"TIME_INPUT_FORMAT": "AUTO", "LOG_LEVEL": "OFF", "ROWS_PER_RESULTSET": "0", "TRANSACTION_DEFAULT_ISOLATION_LEVEL": "READ COMMITTED",
	"CLIENT_RESULT_CHUNK_SIZE": "160", "CLIENT_VALIDATE_DEFAULT_PARAMETERS": "false", "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON",
	"CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX": "false", "USE_SECONDARY_ROLES": "", "SEARCH_PATH": "$current, $public",
}

func (s *Session) parameter(name string) string {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	return s.parameterLocked(name)
}

func (s *Session) parameterLocked(name string) string {
	if v, ok := s.parameters[name]; ok {
		return v
	}
	return defaults[name]
}

// Parameter is a session parameter's value.
func (s *Session) Parameter(name string) string { return s.parameter(name) }

func (s *Session) on(parameter string) bool { return strings.EqualFold(s.parameter(parameter), "true") }

func (s *Session) lastQuery() string { return s.query }

func (s *Session) casting() *casting {
	zone, err := time.LoadLocation(s.parameter("TIMEZONE"))
	if err != nil {
		zone = time.UTC
	}
	return &casting{zone: zone}
}

func (s *Session) mapping() Kind {
	switch strings.ToUpper(s.parameter("TIMESTAMP_TYPE_MAPPING")) {
	case "TIMESTAMP_LTZ":
		return LTZ
	case "TIMESTAMP_TZ":
		return TZ
	}
	return NTZ
}

func (s *Session) resolve(t sql.Type) (Type, error) { return resolve(t, s.mapping()) }

// Request is one call of the query endpoint.
type Request struct {
	ID    string // query id
	Text  string
	Binds []sql.Expr
	Rows  [][]sql.Expr // array binding: Binds of each row
	Stage string       // array binding whose rows the client staged as CSV
	Count int          // MULTI_STATEMENT_COUNT: 1 unless given, 0 any
}

// Execute runs a text's statement, or statements, and returns one result each.
func (s *Session) Execute(ctx context.Context, r Request) ([]*Result, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	defer func() {
		s.engine.mu.Lock()
		s.used = time.Now()
		s.engine.mu.Unlock()
	}()
	if err := ctx.Err(); err != nil {
		return nil, aborted(err)
	}
	list, err := sql.Parse(r.Text, sql.ParseOptions{FoldQuoted: s.on("QUOTED_IDENTIFIERS_IGNORE_CASE")})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, sql.Compile(900, "42601", "Empty SQL statement.")
	}
	if r.Count != 0 && r.Count != len(list) {
		return nil, sql.Errorf(8, "0A000", "Actual statement count %d did not match the desired statement count %d.", len(list), r.Count)
	}
	var out []*Result
	for _, st := range list {
		res, err := s.one(ctx, st, r)
		if res != nil {
			out = append(out, res)
		}
		if err != nil {
			return out, aborted(err)
		}
	}
	return out, nil
}

// aborted is the error of a cancelled statement.
func aborted(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return sql.Errorf(630, "57014", "Statement reached its statement or warehouse timeout and was canceled.")
	case errors.Is(err, context.Canceled):
		return sql.Errorf(604, "57014", "SQL execution canceled")
	}
	return err
}

// one runs a statement. Its result says what the statement was even beside an
// error.
func (s *Session) one(ctx context.Context, st sql.Statement, r Request) (*Result, error) {
	about := Result{Kind: kindOf(st.Do), Warehouse: s.needsWarehouse(st.Do), InTx: s.explicit}
	if about.Warehouse && !s.Admin {
		if err := s.resume(); err != nil {
			return &about, err
		}
	}
	s.binds, s.bindRows = r.Binds, r.Rows
	if r.Stage != "" {
		var err error
		if s.bindRows, err = s.stagedBinds(ctx, r.Stage); err != nil {
			return &about, err
		}
	}
	res, err := s.dispatch(ctx, st.Do)
	if err != nil {
		return &about, err
	}
	res.Kind, res.Warehouse, res.InTx = about.Kind, about.Warehouse, about.InTx || s.explicit
	s.engine.mu.Lock()
	s.query = r.ID
	if r.ID != "" {
		s.engine.keep(r.ID, res)
	}
	s.engine.mu.Unlock()
	return res, nil
}

// kindOf names a statement: its type in words.
func kindOf(do any) string {
	switch d := do.(type) {
	case *sql.Query:
		return "SELECT"
	case *sql.Create:
		return "CREATE " + d.What
	case *sql.Drop:
		return "DROP " + d.What
	case *sql.Alter:
		return "ALTER " + d.What
	case *sql.CreateTable:
		if d.As != nil {
			return "CREATE TABLE AS SELECT"
		}
		return "CREATE TABLE"
	case *sql.AlterTable:
		return "ALTER TABLE"
	case *sql.AlterSession:
		return "ALTER SESSION"
	case *sql.Show:
		return "SHOW " + d.What
	case *sql.Use:
		return "USE " + d.What
	case *sql.Truncate:
		return "TRUNCATE TABLE"
	}
	return strings.ToUpper(strings.TrimPrefix(fmt.Sprintf("%T", do), "*sql."))
}

// Close ends the session: its open transaction is rolled back, its temporary
// tables and stages go.
func (s *Session) Close() {
	s.busy.Lock()
	defer s.busy.Unlock()
	if s.tx != nil {
		s.tx.rollback()
		s.tx, s.explicit = nil, false
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	for _, t := range s.temporary {
		t.dropped = true
		t.stage.drop()
	}
	for _, st := range s.tempStages {
		st.drop()
	}
	s.temporary, s.tempStages = map[string]*table{}, map[string]*stage{}
}

// resume makes sure that the session's warehouse runs.
func (s *Session) resume() error {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	w := e.warehouses[s.Warehouse]
	if w == nil || e.lacks(s.Role, "USAGE", s.Warehouse) || !w.running && !w.autoResume {
		return sql.Errorf(606, "57P03", "No active warehouse selected in the current session.  Select an active warehouse with the 'use warehouse' command.")
	}
	if !w.running {
		w.running = true
		e.starts++
	}
	return nil
}
