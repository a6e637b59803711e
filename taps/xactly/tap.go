// Package xactly is tap-xactly: the tables of Xactly Incent, through the REST
// interface of Xactly Connect. A stream per table, by date and key where it has
// them.
package xactly

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/singer"
	"elt/internal/spec"
	"elt/taps"
	"elt/taps/httpapi"
)

// New is the tap.
func New() taps.Tap { return tap{} }

type tap struct{}

type settings struct {
	httpapi.Config
	Username  string  `json:"username"`
	Password  string  `json:"password"`
	ClientID  string  `json:"client_id"`
	Consumer  string  `json:"consumer"`
	Base      string  `json:"url_base"`
	Schema    string  `json:"schema"`
	StartDate string  `json:"start_date"`
	EndDate   string  `json:"end_date"`
	PageSize  int     `json:"page_size"`
	Tables    []given `json:"tables"`
	Lookback  float64 `json:"lookback_seconds"`
	Undated   string  `json:"undated_rows"`
	OnError   string  `json:"on_stream_error"`

	root       *url.URL
	start, end time.Time // the end is the run's start where none is set
	tables     []table
	secrets    *httpapi.Secrets
}

func (tap) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "username", Aliases: []string{"user"}, Type: spec.String, Required: true, Help: "The user's name.", Example: "data@example.com"},
		{Name: "password", Type: spec.String, Required: true, Secret: true, Help: "The user's password.", Example: "$XACTLY_PASSWORD"},
		{Name: "client_id", Type: spec.String, Required: true, Help: "The client id that Xactly gave.", Example: "$XACTLY_CLIENT_ID"},
		{Name: "consumer", Type: spec.String, Required: true, Help: "The consumer that Xactly gave.", Example: "$XACTLY_CONSUMER"},
		{Name: "url_base", Type: spec.String, Default: "https://api.xactlycorp.com", Help: "Where the API lives, with or without /api at the end.", Example: "https://api.xactlycorp.com"},
		{Name: "schema", Type: spec.String, Default: "xactly", Help: "The schema of tables that are named without one.", Example: "xactly"},
		{Name: "start_date", Type: spec.Date, Default: "1970-01-01", Help: "Nothing older is read of streams with a replication key.", Example: "2021-12-01T00:00:00Z"},
		{Name: "end_date", Type: spec.Date, Help: "Nothing from here on is read of streams with a replication key: the window is half open. Without it, it ends when the run begins.", Example: "2022-01-01T00:00:00Z"},
		{Name: "page_size", Type: spec.Integer, Default: 10000, Help: "How many rows a query asks for; a page is held in memory.", Example: "5000"},
		{Name: "tables", Aliases: []string{"streams"}, Type: spec.Array, Help: "Further tables, or other keys and columns for known ones: name, keys, replication_key (MODIFIED_DATE where there is one), columns as NAME, NAME:integer or NAME:number.", Example: `[{"name": "xc_plan", "keys": ["PLAN_ID"], "columns": ["PLAN_ID:integer", "NAME", "MODIFIED_DATE"]}]`},
		{Name: "lookback_seconds", Aliases: []string{"lookback"}, Type: spec.Number, Default: 0, Help: "How far before its bookmark a stream is read again, for rows that arrive late.", Example: "3600"},
		{Name: "undated_rows", Type: spec.String, Default: "once", OneOf: []string{"once", "always", "never"}, Help: "When the rows without a date of streams with a replication key are read: once, in the first run without an end_date; in each run; or not at all.", Example: "always"},
	}
	return spec.Spec{
		Name:         "tap-xactly",
		Summary:      "Reads tables of Xactly Incent through Xactly Connect's REST interface.",
		Settings:     slices.Concat(own, httpapi.Settings(), taps.Settings()),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
		Replaces:     []spec.Replacement{{Package: "gitlab-data-meltano-taps-tap-xactly", Variant: "gitlab-data"}, {Package: "tap-xactly"}},
	}
}

func decode(cfg spec.Config) (s *settings, err error) {
	s = &settings{secrets: &httpapi.Secrets{}}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-xactly: the settings do not have the expected shape").WithHint(`tables is a list like [{"name": "xc_plan", "keys": ["PLAN_ID"], "columns": ["PLAN_ID:integer", "NAME"]}]`)
	}
	s.secrets.Add(s.Password)
	if s.start, err = httpapi.ParseTime("start_date", s.StartDate); err != nil {
		return nil, err
	}
	if s.end, err = httpapi.ParseTime("end_date", s.EndDate); err != nil {
		return nil, err
	}
	if s.EndDate == "" {
		s.end = time.Now().UTC().Truncate(time.Second)
	}
	if !s.start.Before(s.end) {
		return nil, fault.New(fault.BadConfig, "tap-xactly: start_date %s is not before end_date %s", s.StartDate, s.end.Format(time.RFC3339))
	}
	if s.PageSize < 2 {
		return nil, fault.New(fault.BadConfig, "tap-xactly: page_size is %d, but must be 2 at least", s.PageSize)
	}
	if s.root, err = url.Parse(s.Base); err != nil || s.root.Host == "" || s.root.User != nil {
		return nil, fault.New(fault.BadConfig, "tap-xactly: url_base is no URL of a server").WithHint("it is usually https://api.xactlycorp.com")
	}
	if s.root = s.root.JoinPath(); !strings.HasSuffix(strings.TrimSuffix(s.root.Path, "/"), "/api") {
		s.root = s.root.JoinPath("api")
	}
	s.root.Path = strings.TrimSuffix(s.root.Path, "/")
	s.tables = known()
	for _, g := range s.Tables {
		n := slices.IndexFunc(s.tables, func(t table) bool { return t.name == g.Name })
		if n < 0 {
			n, s.tables = len(s.tables), append(s.tables, table{})
		}
		if s.tables[n], err = g.apply(s.tables[n]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *settings) connect() *api {
	o := s.Options(s.secrets)
	once := o
	once.Retries = 0
	at := s.root.JoinPath("oauth2", "token")
	at.RawQuery = url.Values{"client_id": {s.ClientID}, "consumer": {s.Consumer}, "api": {"connect"}}.Encode()
	body, _ := json.Marshal(map[string]string{"username": s.Username, "password": s.Password}) // never fails
	l := &login{at: at, body: body, client: httpapi.NewClient(once), secrets: s.secrets}
	o.Auth = l
	return &api{client: httpapi.NewClient(o), login: l, root: s.root, schema: s.Schema}
}

// Discover asks nobody: the tables are known, or in the settings.
func (tap) Discover(_ context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	return s.catalog()
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := decode(cfg)
	if err != nil {
		return err
	}
	a := s.connect()
	defer a.close()
	if catalog == nil {
		if catalog, err = s.catalog(); err != nil {
			return err
		}
	}
	return taps.Each(ctx, out.Parallel(), s.OnError == "stop", catalog.Selected(), (*singer.CatalogStream).ID, func(ctx context.Context, cs *singer.CatalogStream) error {
		return s.sync(ctx, a, cs, bookmarks, out)
	})
}

func (s *settings) sync(ctx context.Context, a *api, cs *singer.CatalogStream, bookmarks singer.Bookmarks, out taps.Output) error {
	declared := httpapi.DeclaredBy(cs, false, false)
	r := &reader{set: s, api: a, table: s.tableOf(cs), date: -1}
	method, date := cs.Replication()
	switch {
	case method == singer.FullTable:
		date = ""
	case method != "" && method != singer.Incremental:
		return fault.New(fault.BadConfig, "replication method %s is not supported", method).WithHint("it is one of FULL_TABLE, INCREMENTAL")
	case date == "" && cs.Property(modified) != nil:
		date = modified
	case date != "" && cs.Property(date) == nil:
		// A rule for all streams ("*") names a column that this one lacks.
		zerolog.Ctx(ctx).Warn().Msgf("stream %q has no column %q to go on from: it is read whole each time", cs.ID(), date)
		date = ""
	}
	sorted := slices.Clone(declared.Keys)
	if date != "" {
		sorted = append(sorted, date)
	}
	r.columns = choose(cs, declared.Properties, sorted)
	for part := range strings.SplitSeq(r.table, ".") {
		if !plain().MatchString(part) {
			return fault.New(fault.BadConfig, "%q is no name of a table", r.table).WithHint("check the catalog and the setting schema")
		}
	}
	for n, c := range r.columns {
		if !plain().MatchString(c.name) || cs.Property(c.name) == nil {
			return fault.New(fault.BadConfig, "the catalog has %q, which is no column of it", c.name).WithHint("run discovery again")
		}
		if c.name == date {
			r.date = n
		}
	}
	for _, key := range declared.Keys {
		if n := slices.IndexFunc(r.columns, func(c selected) bool { return c.name == key }); n != r.date {
			r.keys = append(r.keys, n)
		}
	}
	var err error
	if date != "" {
		declared.ReplicationKey = date
		if r.mark, err = readBookmark(bookmarks.Stream(cs.ID()), date); err != nil {
			return err
		}
	}
	r.rows = httpapi.NewRows(out, declared)
	defer r.rows.Close()
	// The stream is announced before the first request, and though none comes.
	if err := r.rows.Flush(ctx, cs.ID()); err != nil {
		return err
	}
	if err := r.all(ctx); err != nil {
		return err
	}
	return r.rows.End(ctx)
}

// all reads the stream in the way that it can be read in.
func (r *reader) all(ctx context.Context) error {
	if r.date < 0 && len(r.keys) == 0 {
		return r.whole(ctx)
	}
	if r.date < 0 {
		return r.full(ctx)
	}
	if err := r.dated(ctx); err != nil {
		return err
	}
	if r.set.Undated == "always" || r.set.Undated == "once" && r.set.EndDate == "" && !r.mark.Undated {
		if err := r.undated(ctx); err != nil {
			return err
		}
	}
	r.mark.After = nil
	return r.position()
}
