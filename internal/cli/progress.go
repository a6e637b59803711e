package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"elt/internal/project"
	"elt/internal/runner"
)

// quietEvery is how often a run says how far it is where nobody watches.
const quietEvery = 10 * time.Second

// progress shows sets on their way: a line per stream on a terminal, a log
// line every ten seconds in a pipe.
type progress struct {
	log  zerolog.Logger
	bars *mpb.Progress // nil where standard error is no terminal
}

func (a *App) newProgress() *progress {
	p := &progress{log: a.Log()}
	if a.IO.Terminal != nil && a.Global.LogFormat != "json" {
		p.bars = mpb.New(mpb.WithOutput(a.IO.Terminal), mpb.WithRefreshRate(200*time.Millisecond))
	}
	return p
}

func (p *progress) close() {
	if p.bars != nil {
		p.bars.Wait()
	}
}

// Begin starts to show a set until the function returned is called.
func (p *progress) Begin(set *project.Set, live func() runner.Live) (end func()) {
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		if p.bars == nil {
			p.quiet(set, live, stop)
		} else {
			p.lively(live, stop)
		}
	})
	return func() { close(stop); done.Wait() }
}

func (p *progress) quiet(set *project.Set, live func() runner.Live, stop <-chan struct{}) {
	tick := time.NewTicker(quietEvery)
	defer tick.Stop()
	var before int64
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		now := live()
		var rows, bytes int64
		for _, s := range now.Streams {
			rows += s.Rows
			bytes += s.Bytes
		}
		rate := float64(rows-before) / quietEvery.Seconds()
		before = rows
		e := p.log.Info().Int64("rows", rows).Str("bytes", byteCount(bytes)).Str("rows_per_second", fmt.Sprintf("%.0f", rate))
		if now.Bottleneck != "" {
			e = e.Str("waiting_for", now.Bottleneck)
		}
		e.Msgf("%s to %s is running", set.Extractor.Name, set.Loader.Name)
	}
}

// lively keeps one line per stream, made when the stream first shows up.
func (p *progress) lively(live func() runner.Live, stop <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	lines := map[string]*line{}
	for {
		now := live()
		for _, s := range now.Streams {
			l := lines[s.Stream]
			if l == nil {
				l = &line{name: s.Stream}
				l.bar = p.bars.New(0, nopBar{}, mpb.PrependDecorators(decor.Any(l.text)))
				lines[s.Stream] = l
			}
			l.set(s, now.Bottleneck)
		}
		select {
		case <-stop:
			for _, l := range lines {
				l.bar.Abort(false)
			}
			return
		case <-tick.C:
		}
	}
}

// line is one stream on the terminal.
type line struct {
	name string
	bar  *mpb.Bar

	mu         sync.Mutex
	now        runner.StreamReport
	bottleneck string
	seen       time.Time // when the rate was last taken
	seenRows   int64
	rate       float64
}

func (l *line) set(s runner.StreamReport, bottleneck string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if passed := time.Since(l.seen).Seconds(); passed >= 1 {
		if !l.seen.IsZero() {
			l.rate = float64(s.Rows-l.seenRows) / passed
		}
		l.seen, l.seenRows = time.Now(), s.Rows
	}
	l.now, l.bottleneck = s, bottleneck
}

func (l *line) text(decor.Statistics) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "  %-24s %12d rows %10s %10.0f rows/s", shorten(l.name, 24), l.now.Rows, byteCount(l.now.Bytes), l.rate)
	if l.bottleneck != "" {
		fmt.Fprintf(&b, "  waiting for %s", l.bottleneck)
	}
	return b.String()
}

// nopBar draws no bar: how many rows will come is not known.
type nopBar struct{}

func (nopBar) Build() mpb.BarFiller { return nopBar{} }

func (nopBar) Fill(io.Writer, decor.Statistics) error { return nil }
