package runner

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/internal/logging"
	"elt/internal/secret"
)

// runLog is where the events of a run go: the console, and a file of its own
// that takes all of them.
type runLog struct {
	all  zerolog.Logger
	file zerolog.Logger // the file alone: what the caller says anyway
	path string
	raw  *os.File
	mask *secret.Writer
}

func (r *Runner) openLog(path, runID string) (*runLog, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, unwritable(err, filepath.Dir(path))
	}
	raw, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, unwritable(err, path)
	}
	l := &runLog{path: path, raw: raw, mask: r.Redactor.Writer(raw)} // invariant 10
	sink, err := logging.NewSink(l.mask, logging.Options{Level: "debug"})
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("log of the run: %w", err)
	}
	l.all = logging.Join(r.Console, sink).With().Str("run_id", runID).Logger()
	l.file = logging.Join(sink).With().Str("run_id", runID).Logger()
	return l, nil
}

// end says in the file how it ended; the console hears of it by the error.
func (l *runLog) end(name string, err error) {
	if err != nil {
		l.file.Error().Msg(name + " failed: " + fault.Render(err))
		return
	}
	l.file.Info().Msg(name + " succeeded")
}

func (l *runLog) close() {
	l.mask.Flush()
	l.raw.Close()
}

// cacheFolder is where discovered catalogs are kept, one folder per tap.
func (r *Runner) cacheFolder() string { return filepath.Join(r.Project.SysDir(), "run") }
