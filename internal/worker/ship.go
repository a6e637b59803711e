package worker

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"elt/internal/fault"
	"elt/state"
)

// Copies says how logs get to daemons on other machines; nil Logs: not at all.
type Copies struct {
	Logs state.Logs
	// Tail is how many of a log's last bytes are kept beside its first HeadOfLog.
	Tail int64
}

const (
	// HeadOfLog is how much of the beginning of a log is kept in the store.
	HeadOfLog = 1 << 20
	// largePart is the most that one part of a log holds.
	largePart = 256 << 10
	// freshLog is how old the copy of a log is that is being written.
	freshLog = time.Second
	// lateLog is for how long after a run's end the rest of its log is copied.
	lateLog = time.Minute
)

// shipment copies an execution's log into the store while it is written. The
// file comes first, and its lines are masked (invariant 10): the store has what
// the file has, later. One part is held in memory.
type shipment struct {
	Copies
	execution, worker string
	file              *os.File
	anew              *atomic.Int64
	log               zerolog.Logger

	old  int64 // how long the file was when this worker began
	at   int64 // how much of the file was copied, or left out
	base int64 // where the file begins in the store's log: a part of the run may have been elsewhere
	from int64 // value of anew that this holds for
	part *state.LogPart
	next int64 // of at, when part is stored
	buf  []byte

	quit chan struct{}
	idle chan struct{} // closed when nothing more is to be copied
}

// ship begins to copy; finish waits until the log's end is in the store, for as
// long as limit; what is not by then is still tried for a while.
func (w *Worker) ship(ctx context.Context, e state.Execution, log *Log) (finish func(limit time.Duration)) {
	if w.Copies.Logs == nil {
		return func(time.Duration) {}
	}
	file, err := os.Open(log.file.Name())
	var info os.FileInfo
	if err == nil {
		info, err = file.Stat()
	}
	if err != nil {
		w.Log.Warn().Str("run", e.ID).Err(err).Msg("the run's log is not copied to the store")
		return func(time.Duration) {}
	}
	s := &shipment{Copies: w.Copies, execution: e.ID, worker: w.Name, file: file, old: info.Size(), anew: &log.anew, from: log.anew.Load(), buf: make([]byte, largePart),
		log: w.Log.With().Str("run", e.ID).Logger(), quit: make(chan struct{}), idle: make(chan struct{})}
	w.book.ships.Go(func() { s.run(ctx) })
	return func(limit time.Duration) {
		close(s.quit)
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-s.idle:
		case <-timer.C:
		}
	}
}

func (s *shipment) run(ctx context.Context) {
	defer close(s.idle)
	defer s.file.Close()
	ticker := time.NewTicker(freshLog)
	defer ticker.Stop()
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	begun, ending := false, false
	for {
		err := error(nil)
		if !begun {
			err = s.begin(own)
			begun = err == nil
		}
		for more := begun; more && err == nil; {
			more, err = s.step(own, ending)
		}
		switch {
		case errors.Is(err, state.ErrFenced):
			return // another worker has it
		case err != nil && fault.CodeOf(err) == fault.StoreSchema:
			s.log.Debug().Err(err).Msg("the run's log is not copied to the store")
			return
		case err != nil && own.Err() == nil:
			s.log.Debug().Err(err).Msg("the run's log is not copied to the store yet")
		case ending:
			return
		}
		if own.Err() != nil {
			s.log.Warn().Msg("the end of the run's log is not in the store")
			return
		}
		quit := s.quit
		if ending {
			quit = nil
		}
		select {
		case <-quit:
			ending = true
			defer time.AfterFunc(lateLog, cancel).Stop()
			defer context.AfterFunc(ctx, func() { time.AfterFunc(patience/2, cancel) })()
		case <-ticker.C:
		case <-own.Done():
		}
	}
}

// begin finds out what the store has already: the run was here before, or elsewhere.
func (s *shipment) begin(ctx context.Context) error {
	size, err := s.Logs.LogSize(ctx, s.execution)
	if err != nil {
		return err
	}
	s.at = min(size, s.old)
	s.base = size - s.at
	return nil
}

// again begins anew: the executor keeps logs itself, and gives all of this one.
func (s *shipment) again(ctx context.Context) error {
	from := s.anew.Load()
	if err := s.Logs.DropLog(ctx, s.execution, s.worker); err != nil {
		return err
	}
	s.at, s.base, s.part, s.from = 0, 0, nil, from
	return nil
}

// step copies one part; more says that there may be another one.
func (s *shipment) step(ctx context.Context, ending bool) (more bool, err error) {
	if s.anew.Load() != s.from {
		if err := s.again(ctx); err != nil {
			return false, err
		}
	}
	if s.part == nil {
		if err := s.leaveOut(); err != nil {
			return false, err
		}
		if s.part, err = s.read(ending); s.part == nil {
			return false, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.Logs.AddLogPart(ctx, s.execution, s.worker, *s.part, HeadOfLog, s.Tail); err != nil {
		return false, err // the same part is tried again
	}
	s.at, s.part = s.next, nil
	return true, nil
}

// leaveOut skips what would be deleted again: a log may grow faster than the
// store takes it.
func (s *shipment) leaveOut() error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if behind := info.Size() - s.at; s.base+s.at >= HeadOfLog && behind > s.Tail {
		s.at = info.Size() - s.Tail/2
		n, err := s.file.ReadAt(s.buf, s.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if i := bytes.IndexByte(s.buf[:n], '\n'); i >= 0 {
			s.at += int64(i) + 1
		}
	}
	return nil
}

// read is the next part of whole lines; nil: there is none yet.
func (s *shipment) read(ending bool) (*state.LogPart, error) {
	n, err := s.file.ReadAt(s.buf, s.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the run's log: %w", err)
	}
	if end := bytes.LastIndexByte(s.buf[:n], '\n'); end >= 0 {
		n = end + 1
	} else if n < len(s.buf) && !ending {
		n = 0 // the line is still being written
	}
	if n == 0 {
		return nil, nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(s.buf[:n]); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	s.next = s.at + int64(n)
	return &state.LogPart{Start: s.base + s.at, Size: int64(n), Gzip: packed.Bytes()}, nil
}
