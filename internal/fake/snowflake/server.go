package snowflake

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"elt/internal/fake/snowflake/engine"
)

// Server is the fake.
type Server struct {
	http   *httptest.Server
	engine *engine.Engine
	dir    string

	account                         string
	users                           map[string]User
	parameters                      map[string]string
	hold                            time.Duration
	sessionValidity, masterValidity time.Duration
	chunkRows                       int
	noWarehouse, noDatabase         bool
	telemetry                       bool

	stop    context.Context // ends at Close
	end     context.CancelFunc
	running sync.WaitGroup // executions

	mu         sync.Mutex // all below
	sessions   map[int64]*session
	queries    map[string]*query // by query id
	requests   map[string]*query // by request id
	uploads    map[string]*upload
	statements []Statement
	faults     []*Fault
	roundTrips int
	logins     int
	sent       int // telemetry
	next       int64
}

// Start starts a server that ends with the test.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := New(opts...)
	if err != nil {
		t.Fatalf("start the fake of Snowflake: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// New starts a server without a test.
func New(opts ...Option) (*Server, error) {
	dir, err := os.MkdirTemp("", "fake-snowflake-")
	if err != nil {
		return nil, err
	}
	s := &Server{
		dir: dir, engine: engine.New(dir, time.Now), account: strings.ToUpper(Account), users: map[string]User{}, parameters: map[string]string{},
		hold: 45 * time.Second, sessionValidity: time.Hour, masterValidity: 4 * time.Hour, chunkRows: 10000,
		sessions: map[int64]*session{}, queries: map[string]*query{}, requests: map[string]*query{}, uploads: map[string]*upload{}, next: 1000,
	}
	s.stop, s.end = context.WithCancel(context.Background())
	WithUser(User{Name: UserName, Password: Password, Roles: []string{Role}})(s)
	for _, o := range opts {
		o(s)
	}
	if !s.noWarehouse && !s.engine.HasWarehouse(Warehouse, "") {
		s.engine.AddWarehouse(Warehouse, true)
	}
	if !s.noDatabase && !s.engine.HasDatabase(Database) {
		s.engine.AddDatabase(Database)
	}
	s.http = httptest.NewUnstartedServer(s.handler())
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.Start()
	return s, nil
}

// Close ends the server, its running statements and its sessions, and removes
// the staged files.
func (s *Server) Close() {
	s.end()
	s.http.CloseClientConnections()
	s.http.Close()
	s.running.Wait()
	s.mu.Lock()
	sessions := s.sessions
	s.sessions = map[int64]*session{}
	s.mu.Unlock()
	for _, ss := range sessions {
		ss.engine.Close()
	}
	os.RemoveAll(s.dir)
}

// Host is the address without the port.
func (s *Server) Host() string {
	h, _, _ := net.SplitHostPort(s.http.Listener.Addr().String())
	return h
}

// Port is the port in digits.
func (s *Server) Port() string {
	_, p, _ := net.SplitHostPort(s.http.Listener.Addr().String())
	return p
}

// PortNumber is the port.
func (s *Server) PortNumber() int { n, _ := strconv.Atoi(s.Port()); return n }

// URL is the server's address with its scheme.
func (s *Server) URL() string { return s.http.URL }

// DSN is a data source name for the default user, with further parameters.
func (s *Server) DSN(more string) string {
	dsn := fmt.Sprintf("%s:%s@%s:%s/%s/PUBLIC?account=%s&protocol=http&warehouse=%s&role=%s", UserName, Password, s.Host(), s.Port(), Database, strings.ToLower(s.account), Warehouse, Role)
	if more != "" {
		dsn += "&" + more
	}
	return dsn
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, endpoint string, h func(http.ResponseWriter, *http.Request)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if endpoint != EndpointTelemetry && endpoint != EndpointStorage {
				s.mu.Lock()
				s.roundTrips++
				s.mu.Unlock()
			}
			s.faulty(endpoint, h)(w, r)
		})
	}
	handle("POST /session/v1/login-request", EndpointLogin, s.login)
	handle("POST /session/token-request", EndpointRenew, s.renew)
	handle("POST /session/heartbeat", EndpointHeartbeat, s.heartbeat)
	handle("POST /session", EndpointLogout, s.logout)
	handle("POST /queries/v1/query-request", EndpointQuery, s.query)
	handle("POST /queries/v1/abort-request", EndpointAbort, s.abort)
	handle("GET /queries/{id}/result", EndpointResult, s.result)
	handle("GET /monitoring/queries/{id}", EndpointMonitor, s.monitor)
	handle("POST /telemetry/send", EndpointTelemetry, s.sendTelemetry)
	handle("GET /chunks/{id}/{n}", EndpointChunk, s.chunk)
	handle("PUT /storage/{token}/{name...}", EndpointStorage, s.store)
	return mux
}

// RoundTrips counts the requests of clients, uploads and telemetry left out.
func (s *Server) RoundTrips() int { s.mu.Lock(); defer s.mu.Unlock(); return s.roundTrips }

// Logins counts successful logins.
func (s *Server) Logins() int { s.mu.Lock(); defer s.mu.Unlock(); return s.logins }

// Sessions counts the sessions that are open.
func (s *Server) Sessions() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.sessions) }

// WarehouseStarts counts how often a warehouse was resumed, which is when
// Snowflake begins to charge.
func (s *Server) WarehouseStarts() int { return s.engine.WarehouseStarts() }

// SuspendWarehouses suspends all warehouses, as AUTO_SUSPEND does.
func (s *Server) SuspendWarehouses() { s.engine.SuspendWarehouses() }

// Deny takes privileges away while the server runs.
func (s *Server) Deny(list ...Denied) { s.engine.Deny(list...) }

// Files lists the staged files.
func (s *Server) Files() []engine.StagedFile {
	s.mu.Lock()
	var open []*engine.Session
	for _, ss := range s.sessions {
		open = append(open, ss.engine)
	}
	s.mu.Unlock()
	return s.engine.Files(open)
}
