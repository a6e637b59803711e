package api

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"

	"elt/internal/backfill"
	"elt/internal/project"
	"elt/internal/schedule"
	"elt/internal/secret"
	"elt/internal/singer"
	"elt/state"
)

// Base is where the API lies.
const Base = "/api/v1"

// Store is what the API needs of the store: state.Store has it.
type Store interface {
	state.Bookmarks
	state.Runs
	state.Backfills
	state.Queue
	state.Tokens
	state.Audit
	state.Callbacks
	state.Incidents
	state.Streams
	state.Daemons
	state.Logs
	URI() string
}

// Config is what the API works with.
type Config struct {
	Store Store
	// Now gives the project and its plan as they are now.
	Now func(ctx context.Context) (*project.Project, schedule.Plan, error)
	// LogPath is where this machine would have an execution's log.
	LogPath func(id string) string
	// Enqueued is told of new executions, for a worker in the same process; may be nil.
	Enqueued func()
	// PlanBackfill says what a backfill would do; an error that is the user's
	// comes as a fault.Error, with the plan where there is one.
	PlanBackfill func(ctx context.Context, r BackfillRequest) (*backfill.Plan, error)
	// PlanRun says what a run would do, as far as it can: an error that is the
	// user's comes as a fault.Error with the sets before it.
	PlanRun func(ctx context.Context, blocks []string, o schedule.Options) ([]PlannedSet, error)
	// Discover asks a tap for its catalog, with the project's rules applied; nil
	// where it has none.
	Discover func(ctx context.Context, p *project.Project, tap *project.Plugin) (*singer.Catalog, error)
	// Mask masks secrets in a text.
	Mask func(string) string
	// Secret registers values that Mask is to mask.
	Secret  func(values ...string)
	Version string
	Log     zerolog.Logger
	// NoAuthOnLoopback serves requests of this machine without a token.
	NoAuthOnLoopback bool
	// OIDC is where browsers may log in; nil: with tokens only.
	OIDC *OIDC
	// UI serves what is not the API's; nil: nothing does.
	UI http.Handler
	// Metrics serves /metrics; see NewMetrics.
	Metrics *Metrics
}

// Server is the API.
type Server struct {
	Config
	mux    *http.ServeMux
	api    huma.API
	routes []Route
	// declared are the patterns that have a scope: the others are not served.
	declared map[string]bool
	watch    *watch
	copies   *copies
	oidc     *provider
	limits   *limits
	cross    *http.CrossOriginProtection
	noted    sync.Map // token id -> time of the last note that it was used
	stop     chan struct{}
	stopped  sync.Once
}

// New makes the API; Serve serves it.
func New(c Config) *Server {
	if c.Mask == nil {
		c.Mask = func(text string) string { return text }
	}
	registered := c.Mask
	c.Mask = func(text string) string { return secret.WithoutLogin(registered(text)) }
	if c.Secret == nil {
		c.Secret = func(...string) {}
	}
	if c.Enqueued == nil {
		c.Enqueued = func() {}
	}
	c.Now = knowing(c.Now, c.Secret)
	s := &Server{Config: c, mux: http.NewServeMux(), declared: map[string]bool{}, stop: make(chan struct{}), limits: newLimits(), cross: http.NewCrossOriginProtection()}
	s.watch, s.copies = newWatch(c.Store, c.Log), newCopies(c.Store)
	config := huma.DefaultConfig("elt", "1")
	config.Info.Description = "The API of elt daemon. See docs/api.md."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Servers = []*huma.Server{{URL: "/"}}
	config.Transformers = []huma.Transformer{s.transform}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer", Description: "A token of `elt token create`."},
		"session": {Type: "apiKey", In: "cookie", Name: cookieName, Description: "A browser's session: POST " + Base + "/session."},
	}
	if c.OIDC != nil {
		s.oidc = newProvider(*c.OIDC)
	}
	s.api = humago.New(s.mux, config)
	s.register()
	schemas := config.Components.Schemas.Map()
	for _, huma := range []string{"ErrorModel", "ErrorDetail"} { // which transform replaces by Problem
		delete(schemas, huma)
	}
	for _, schema := range schemas {
		neverNull(schema)
	}
	return s
}

// neverNull says that lists are there, if empty.
func neverNull(schema *huma.Schema) {
	for _, property := range schema.Properties {
		if property.Type == huma.TypeArray {
			property.Nullable = false
		}
		neverNull(property)
	}
}

// register declares every route.
func (s *Server) register() {
	s.healthRoutes()
	s.sessionRoutes()
	s.oidcRoutes()
	s.projectRoutes()
	s.pipelineRoutes()
	s.runRoutes()
	s.logRoutes()
	s.streamRoutes()
	s.scheduleRoutes()
	s.workerRoutes()
	s.alertRoutes()
	s.bookmarkRoutes()
	s.backfillRoutes()
	s.pluginRoutes()
	s.planRoutes()
	s.tokenRoutes()
}

// OpenAPI is the description of the API.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }

// Handler serves everything: the API, health, metrics and the UI.
func (s *Server) Handler() http.Handler { return s.traced(http.HandlerFunc(s.serve)) }

const (
	// maxBody is the largest body of a request.
	maxBody = 1 << 20
	// patience is how long an answer may take to be written; ?wait is shorter.
	patience = 90 * time.Second
	// drain is how long requests under way may take at the end.
	drain = 3 * time.Second
)

// Serve serves on l until the context ends. When stopping is done first, the
// API is not ready any more, ends streams and waits, and goes on with the rest.
func (s *Server) Serve(ctx context.Context, stopping <-chan struct{}, l net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: patience, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: nil}
	var parts sync.WaitGroup
	defer parts.Wait()
	own, cancel := context.WithCancel(ctx)
	defer cancel()
	parts.Go(func() { s.watch.run(own) })
	parts.Go(func() { s.callbacks(own) })
	parts.Go(func() { s.housekeeping(own) })
	parts.Go(func() {
		select {
		case <-stopping:
		case <-own.Done():
		}
		s.Stopping()
	})
	failed := make(chan error, 1)
	parts.Go(func() { failed <- server.Serve(l) })
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.Stopping()
	limit, done := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer done()
	if err := server.Shutdown(limit); err != nil {
		s.Log.Warn().Err(err).Msg("requests under way were cut")
		return server.Close()
	}
	return nil
}

// Look tells those who wait for a run that one has ended.
func (s *Server) Look() { s.watch.Look() }

// Stopping says that the daemon stops: not ready, streams and waits end.
func (s *Server) Stopping() { s.stopped.Do(func() { close(s.stop) }) }

func (s *Server) isStopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}
