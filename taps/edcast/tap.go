// Package edcast is tap-edcast: EdCast's reporting, which is an instance of
// Domo. A stream per dataset, by slices of time where it has a time, else as
// one export; and the list of datasets.
package edcast

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

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
	Username  string              `json:"username"`
	Password  string              `json:"password"`
	StartDate string              `json:"start_date"`
	EndDate   string              `json:"end_date"`
	Base      string              `json:"url_base"`
	Names     []string            `json:"datasets"`
	Key       string              `json:"replication_key"`
	Keys      map[string][]string `json:"stream_keys"`
	Lookback  float64             `json:"lookback_seconds"`
	SliceRows int                 `json:"slice_rows"`
	OnError   string              `json:"on_stream_error"`

	base       *url.URL
	start, end time.Time
	secrets    *httpapi.Secrets
}

func (tap) Spec() spec.Spec {
	own := []spec.Setting{
		{Name: "username", Type: spec.String, Required: true, Help: "The client id of the Domo API client.", Example: "$EDCAST_CLIENT_ID"},
		{Name: "password", Type: spec.String, Required: true, Secret: true, Help: "The client secret.", Example: "$EDCAST_CLIENT_SECRET"},
		{Name: "start_date", Type: spec.Date, Default: "1900-01-01T00:00:00Z", Help: "Nothing older is read of streams with a replication key.", Example: "2021-12-01T00:00:00Z"},
		{Name: "end_date", Type: spec.Date, Default: "2030-01-01T00:00:00Z", Help: "Nothing from here on is read: the window is half open.", Example: "2022-01-01T00:00:00Z"},
		{Name: "url_base", Type: spec.String, Default: "https://api.domo.com", Help: "Where the API lives.", Example: "https://api.domo.com"},
		{Name: "datasets", Type: spec.Array, Help: "Ids or names of the datasets to discover, with or without their numeric prefix; without it all.", Example: `["Glue_ Groups [G][3] Group Performance Data Explorer"]`},
		{Name: "replication_key", Type: spec.String, Default: "Time", Help: "The column by which datasets that have it are read incrementally.", Example: "Time"},
		{Name: "stream_keys", Type: spec.Object, Help: "Per stream its key columns; [] for none. Without it the key is " + rowHash + ", a hash of the row, because the columns that look like a key are not unique.", Example: `{"Glue_ Users": ["User ID"]}`},
		{Name: "lookback_seconds", Type: spec.Number, Default: 0, Help: "How far before its bookmark a stream is read again, for rows that arrive late.", Example: "3600"},
		{Name: "slice_rows", Type: spec.Integer, Default: 100000, Help: "How many rows a query may give; one that gives so many is asked again for half the time. Never above what the server caps answers at (1000000).", Example: "50000"},
	}
	shared := httpapi.Settings()
	for i := range shared {
		if shared[i].Name == "request_timeout" {
			shared[i].Default = 90 // Domo gives a query 60
		}
	}
	return spec.Spec{
		Name:         "tap-edcast",
		Summary:      "Reads EdCast's reporting datasets through Domo's API.",
		Settings:     slices.Concat(own, shared, taps.Settings()),
		Capabilities: []string{"catalog", "discover", "state", "about"},
		Window:       &spec.Window{Start: "start_date", End: "end_date"},
		Replaces:     []spec.Replacement{{Package: "gitlab-data-meltano-taps-tap-edcast", Variant: "gitlab-data"}, {Package: "tap-edcast"}},
	}
}

func decode(cfg spec.Config) (s *settings, err error) {
	s = &settings{secrets: &httpapi.Secrets{}}
	if err := cfg.Decode(s); err != nil {
		return nil, fault.Wrap(fault.BadConfig, err, "tap-edcast: the settings do not have the expected shape").WithHint(`stream_keys is like {"stream": ["column"]}`)
	}
	s.secrets.Add(s.Password)
	if s.start, err = httpapi.ParseTime("start_date", s.StartDate); err != nil {
		return nil, err
	}
	if s.end, err = httpapi.ParseTime("end_date", s.EndDate); err != nil {
		return nil, err
	}
	if !s.start.Before(s.end) {
		return nil, fault.New(fault.BadConfig, "tap-edcast: start_date %s is not before end_date %s", s.StartDate, s.EndDate)
	}
	if s.SliceRows < 1 || s.SliceRows > mostRows {
		return nil, fault.New(fault.BadConfig, "tap-edcast: slice_rows is %d, not between 1 and %d", s.SliceRows, mostRows)
	}
	if s.base, err = url.Parse(s.Base); err != nil || s.base.Host == "" || s.base.User != nil {
		return nil, fault.New(fault.BadConfig, "tap-edcast: url_base is no URL of a server").WithHint("it is usually https://api.domo.com")
	}
	return s, nil
}

func (s *settings) client() *httpapi.Client {
	o := s.Options(s.secrets)
	o.Auth = httpapi.OAuth2{TokenURL: s.at("oauth", "token").String(), Grant: "client_credentials", ClientID: s.Username, ClientSecret: s.Password,
		Scopes: []string{"data"}, Style: oauth2.AuthStyleInHeader, Silence: o.Silence, Secrets: s.secrets}.Auth()
	// What Domo says now and then to a sound query; a new login helps.
	o.Again = func(e *httpapi.StatusError) bool { return strings.Contains(e.Body, "Error creating query") }
	return httpapi.NewClient(o)
}

func (s *settings) at(parts ...string) *url.URL { return s.base.JoinPath(parts...) }

func (tap) Discover(ctx context.Context, cfg spec.Config) (*singer.Catalog, error) {
	s, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	client := s.client()
	defer client.Close()
	return s.discover(ctx, client)
}

func (tap) Sync(ctx context.Context, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out taps.Output) error {
	s, err := decode(cfg)
	if err != nil {
		return err
	}
	client := s.client()
	defer client.Close()
	if catalog == nil {
		if catalog, err = s.discover(ctx, client); err != nil {
			return err
		}
	}
	return taps.Each(ctx, out.Parallel(), s.OnError == "stop", catalog.Selected(), (*singer.CatalogStream).ID, func(ctx context.Context, cs *singer.CatalogStream) error {
		return s.sync(ctx, client, cs, bookmarks, out)
	})
}

func (s *settings) sync(ctx context.Context, client *httpapi.Client, cs *singer.CatalogStream, bookmarks singer.Bookmarks, out taps.Output) error {
	r := &reader{set: s, client: client, keyed: slices.Contains(cs.Keys(), rowHash)}
	r.id, _ = cs.Meta()[metaDataset].(string)
	if r.id == "" && cs.ID() != listStream {
		return fault.New(fault.BadConfig, "the catalog does not say which dataset it is").WithHint("run discovery again")
	}
	if r.types = typesOf(cs); r.types == nil {
		r.types = map[string]string{}
	}
	declared := httpapi.DeclaredBy(cs, true, false)
	declared.Added = []string{rowHash}
	method, key := cs.Replication()
	if method != singer.FullTable && r.id != "" {
		if key == "" && cs.Property(s.Key) != nil {
			key = s.Key
		}
		r.key, declared.ReplicationKey = key, key
	}
	r.rows = httpapi.NewRows(out, declared)
	defer r.rows.Close()
	if r.key != "" {
		var err error
		if r.from, err = httpapi.ReadBookmark(bookmarks.Stream(cs.ID()), r.key, ""); err != nil {
			return err
		}
	}
	// The stream is announced before the first request, and though none comes.
	if err := r.rows.Flush(ctx, cs.ID()); err != nil {
		return err
	}
	var err error
	switch {
	case r.id == "":
		err = r.list(ctx)
	case r.key == "":
		err = r.export(ctx)
	default:
		err = r.slices(ctx)
	}
	if err != nil {
		return err
	}
	return r.rows.End(ctx)
}
