package taps

import (
	"context"
	"encoding/json"
	"io"
	"os"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/program"
	"elt/internal/singer"
	"elt/internal/spec"
)

// IO are the streams of a tap's process.
type IO = program.IO

// Serve runs a tap with the command line that every Singer tap has. When ctx
// ends (SIGTERM), the tap stops soon; what it read up to its last position
// stays valid, since each position was followed by its STATE. The error says
// by its fault.Code how to exit; singer.ErrReaderGone needs no words.
func Serve(ctx context.Context, tap Tap, args []string, io IO, environ []string) error {
	s := tap.Spec()
	o := &options{}
	p, err := program.Program{Spec: s, Usage: usage(s), Flags: o.flags(s.Name)}.Start(args, io, environ)
	if p == nil {
		return o.checking.Refused(err, io.Out)
	}
	defer p.Close()
	ctx = p.Log.WithContext(ctx)
	if o.authorize {
		return authorize(ctx, tap, p.Config, io.Out)
	}
	if o.discover {
		return discover(ctx, tap, p.Config, io.Out)
	}
	catalog, bookmarks, err := o.inputs()
	if err != nil {
		return err
	}
	if o.checking.On {
		return examine(ctx, tap, p, catalog, o.checking.Patience, io.Out)
	}
	if catalog != nil && len(catalog.Selected()) == 0 {
		p.Log.Warn().Msg("no stream of the catalog is selected")
	}
	return read(ctx, tap, p.Config, catalog, bookmarks, io.Out, o.test, environ)
}

func discover(ctx context.Context, tap Tap, cfg spec.Config, out io.Writer) error {
	catalog, err := tap.Discover(ctx, cfg)
	if err != nil {
		return stopped(ctx, err)
	}
	text, err := catalog.Print()
	if err != nil {
		return err
	}
	return program.Say(out, string(text)+"\n")
}

func read(ctx context.Context, tap Tap, cfg spec.Config, catalog *singer.Catalog, bookmarks singer.Bookmarks, out io.Writer, test string, environ []string) error {
	style, lanes := reader(environ)
	parallel := Parallel(cfg)
	if style == singer.Native {
		parallel = min(parallel, lanes)
	}
	w := singer.NewWriter(out, singer.WriterOptions{Bookmarks: bookmarks, Style: style})
	o := newOutput(w, parallel)
	var err error
	if test != "" {
		err = tested(tap.Sync(ctx, cfg, catalog, singer.Bookmarks{}, probe{o, test == "schema"}))
	} else {
		err = tap.Sync(ctx, cfg, catalog.BeginAt(bookmarks.Interrupted()), bookmarks, o)
	}
	o.close()
	if wrote := w.Close(); wrote != nil {
		err = wrote // what the tap met is its consequence
	}
	metrics(zerolog.Ctx(ctx), w.Counts())
	return stopped(ctx, err)
}

func stopped(ctx context.Context, err error) error {
	return program.Stopped(ctx, err, "the tap was stopped")
}

// metrics writes what each stream sent, in the form of singer-python.
func metrics(log *zerolog.Logger, counts []singer.StreamCount) {
	for _, c := range counts {
		for _, m := range []any{
			metric{"counter", "record_count", c.Rows, map[string]string{"stream": c.Stream}},
			metric{"timer", "sync_duration", c.Seconds, map[string]string{"stream": c.Stream}},
		} {
			if raw, err := json.Marshal(m); err == nil {
				log.Info().Msgf("METRIC: %s", raw)
			}
		}
	}
}

type metric struct {
	Type   string            `json:"type"`
	Metric string            `json:"metric"`
	Value  any               `json:"value"`
	Tags   map[string]string `json:"tags"`
}

// inputs reads the catalog and the state that the arguments name.
func (o *options) inputs() (*singer.Catalog, singer.Bookmarks, error) {
	var catalog *singer.Catalog
	if o.catalog != "" {
		raw, err := os.ReadFile(o.catalog)
		if err != nil {
			return nil, singer.Bookmarks{}, fault.Wrap(fault.Usage, err, "the catalog cannot be read")
		}
		if catalog, err = singer.ParseCatalog(raw); err != nil {
			return nil, singer.Bookmarks{}, err
		}
	}
	if o.state == "" {
		return catalog, singer.Bookmarks{}, nil
	}
	raw, err := os.ReadFile(o.state)
	if err != nil {
		return nil, singer.Bookmarks{}, fault.Wrap(fault.Usage, err, "the state cannot be read")
	}
	bookmarks := singer.NewBookmarks(raw)
	var object map[string]json.RawMessage
	if !bookmarks.IsZero() && json.Unmarshal(raw, &object) != nil {
		return nil, singer.Bookmarks{}, fault.New(fault.BadInput, "%s holds no state: it is no JSON object", o.state)
	}
	return catalog, bookmarks, nil
}
