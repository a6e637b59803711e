package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/logging"
)

// openLog makes the run's log file; events go there (all of them, masked) and
// to the console.
func (s *set) openLog() (closeLog func(), err error) {
	path := s.logFile(s.plan.StateID, s.runID)
	s.log, closeLog, err = s.Runner.openLog(path, s.runID)
	if err == nil {
		s.report.LogPath = path
	}
	return closeLog, err
}

func (b *BlockReport) elapsed() float64 { return time.Since(b.Started).Seconds() }

func (b *BlockReport) duration() time.Duration {
	return time.Duration(b.Seconds * float64(time.Second))
}

func (s *set) cacheFolder() string { return s.Runner.cacheFolder() }

// cacheFolder is where discovered catalogs are kept, one folder per tap.
func (r *Runner) cacheFolder() string { return filepath.Join(r.Project.SysDir(), "run") }

func (r *Runner) openLog(path, runID string) (log zerolog.Logger, closeLog func(), err error) {
	if err = os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return log, nil, unwritable(err, filepath.Dir(path))
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return log, nil, unwritable(err, path)
	}
	masked := r.Redactor.Writer(file) // invariant 10
	sink, err := logging.NewSink(masked, logging.Options{Level: "debug"})
	if err != nil {
		return log, nil, fmt.Errorf("log of the run: %w", err)
	}
	log = logging.Join(r.Console, sink).With().Str("run_id", runID).Logger()
	return log, func() { masked.Flush(); file.Close() }, nil
}
