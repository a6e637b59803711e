package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"elt/internal/fault"
	"elt/internal/limit"
	"elt/internal/load"
	"elt/internal/pipe"
	"elt/internal/proc"
	"elt/internal/project"
	"elt/internal/singer"
	"elt/state"
	"elt/targets"
)

// open starts the built-in target (or the fused pair). A target claims its
// destination at once; a pair discovers, and waits for its catalog.
func (s *set) open(ctx context.Context, edit int64) (*opened, error) {
	there, err := s.destination(ctx)
	if err != nil {
		return nil, err
	}
	ask := load.ClaimRequest{
		StateID: s.plan.StateID, RunID: s.runID, Epoch: s.keeper.current().Epoch, Edit: edit,
		Bookmarks: s.start, HadDestination: there.had, TrustState: s.TrustState, FullRefresh: s.FullRefresh,
		Windowed: s.Window != nil, Whole: s.whole(), AllowAppend: s.Window != nil && s.Window.AllowAppend,
		NoUpdate: s.NoStateUpdate && s.Window == nil, Limits: limit.Limits{PerStream: s.bounds.PerStream},
	}
	if s.fused() {
		ask.Limits = s.bounds
	}
	if s.once != nil {
		ask.Bookmarks, ask.Start = s.kept, s.once
	} else if s.Window == nil {
		ask.Kept = there.kept
	}
	request, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	requestPath, err := s.folder.write("claim.json", request)
	if err != nil {
		return nil, err
	}
	events, err := s.counts.listen(s.folder)
	if err != nil {
		return nil, err
	}
	cmd := s.target().command()
	if s.fused() {
		cmd = s.fuseCommand()
	}
	cmd.Stderr = s.speaker(cmd.Name)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)],
		load.EnvEnd+"=1", load.EnvClaim+"="+requestPath, load.EnvEvents+"="+events)
	if s.peers() {
		cmd.Env = append(cmd.Env, singer.PeerEnv+"=elt")
	}
	p, err := s.guard.Start(cmd)
	if err != nil {
		s.counts.close()
		return nil, err
	}
	return newOpened(p, there), nil
}

// claim waits until an opened target has claimed its destination, and adopts
// what it answers (invariant 3).
func (s *set) claim(ctx context.Context, o *opened) (*claimed, error) {
	if s.fused() {
		if err := o.hand(s.catalog); err != nil {
			s.counts.close()
			return nil, startFailed(ctx, o.process, o.process.Name(), "claim its destination", err)
		}
	}
	c, err := awaitClaim(ctx, o)
	if err != nil {
		s.counts.close()
		return nil, err
	}
	if err := s.adopt(ctx, c.reply, o.there); err != nil {
		s.counts.close()
		return nil, s.giveUp(c, err)
	}
	return c, nil
}

// adopt takes over the epoch, the edit and the bookmarks that the claim settled.
func (s *set) adopt(ctx context.Context, reply load.ClaimReply, there destination) error {
	if reply.Note != "" {
		s.report.say(s.log, "%s", reply.Note)
	}
	if err := s.keeper.adopt(ctx, reply.Epoch, reply.Edit); err != nil {
		return err
	}
	s.start, s.lanes = singer.NewBookmarks(reply.Bookmarks).Raw(), reply.Lanes
	return s.noteDestination(ctx, there, destination{had: there.had || reply.Kept && !reply.Late})
}

// fuseCommand is tap and target in one process. The catalog comes on its
// standard input, after it has said what the tap finds unless that is known.
func (s *set) fuseCommand() proc.Command {
	tap, target := s.tap(), s.target()
	args := []string{"fuse", tap.Choice.Connector, target.Choice.Connector,
		"--tap-config", tap.configPath, "--target-config", target.configPath}
	if s.discovers() {
		args = append(args, "--discover")
	} else {
		args = append(args, "--catalog", "-")
	}
	return proc.Command{
		Name: tap.Name + "+" + target.Name, Path: s.Plugins.Self, Args: args,
		Dir: s.Project.Root, Env: target.environ,
	}
}

// pipe runs the chain with the store behind it, and judges.
func (s *set) pipe(ctx context.Context, chain pipe.Chain) error {
	s.saver = newSaver(ctx, s.Store, s.keeper, s.merge(), s.NoStateUpdate, s.refreshStateFile, s.log)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.keeper.lost:
			if _, forced := s.keeper.isLost(); !forced {
				cancel(fault.New(fault.Fenced, "another run took over the state id %s", s.plan.StateID))
			}
		case <-ctx.Done():
		}
	}()
	chain.Events = pipe.Events{
		Ack: func(value json.RawMessage) error {
			s.counts.acked(value)
			return s.saver.acked(value)
		},
		Line: func(line []byte) {
			if kept, ok := bytes.CutPrefix(line, []byte(load.KeptLine)); ok {
				s.left = string(kept)
				return
			}
			s.log.Info().Str("plugin", s.target().Name).Msg(string(line))
		},
		Warn: func(text string) { s.report.say(s.log, "%s", text) },
	}
	if !s.target().Choice.Native { // a built-in one tells what it gets
		chain.Events.Schema = s.counts.schema
	}
	s.launched = time.Now()
	done := s.Watcher.Begin(s.plan, s.live)
	outcome := pipe.Run(ctx, chain)
	done()
	cancel(nil)
	<-watched
	if err := s.judge(ctx, outcome); err != nil || s.left == "" || s.NoStateUpdate {
		return err
	}
	ctx, stop := s.afterwards(ctx)
	defer stop()
	return s.noteDestination(ctx, destination{}, destination{had: s.left != targets.KeptNone, kept: s.left})
}

// live is how far the set is.
func (s *set) live() Live {
	return Live{Streams: s.counts.passing(), Seconds: s.report.elapsed(), Bottleneck: s.bottleneck()}
}

// bottleneck is the plugin that the others wait for; "" while nothing moved.
func (s *set) bottleneck() string {
	names := make([]string, len(s.stages))
	for i, stage := range s.stages {
		names[i] = stage.Name
	}
	return s.counts.bottleneck(names)
}

// judge turns how the processes ended, and what the store took, into the
// run's result (invariant 5).
func (s *set) judge(ctx context.Context, o pipe.Outcome) error {
	last, stored := s.saver.finish(2 * s.LeaseTTL)
	s.report.ExitCodes = map[string]int{}
	for _, end := range o.Stages {
		s.report.ExitCodes[end.Name] = end.Status.Code
		s.report.Processes = append(s.report.Processes, ProcessReport{end.Name, s.launched, end.Ended, end.Status.Code})
		if end.Dropped > 0 {
			s.log.Warn().Str("plugin", end.Name).Msgf("%d lines of its standard error were not logged", end.Dropped)
		}
	}
	s.counts.close()
	s.report.Streams = s.counts.streams()
	s.report.Changes = s.counts.changes()
	s.report.Gauges = s.gauges.all()
	s.report.Bottleneck = s.bottleneck()
	lost, forced := s.keeper.isLost()
	switch {
	case o.Failure != nil:
		return s.failure(ctx, o)
	case lost && forced && !s.target().Choice.Native:
		s.report.Unconfirmed = true
		s.report.say(s.log, "another run was started beside this one with --force; this one's bookmark is not kept")
	case lost:
		return fault.New(fault.Fenced, "another run took over the state id %s; this one's bookmark is not kept", s.plan.StateID)
	case !stored && last != nil && !s.NoStateUpdate:
		return fault.New(fault.StoreAway, "all rows are loaded, but the state store did not take the bookmark").
			WithHint("when it is back the next run repeats what came after the last bookmark stored")
	case !o.Confirmed && o.Limit == nil:
		s.report.Unconfirmed = true
		s.report.say(s.log, "%s took every row but did not confirm the last bookmark; the next run repeats what came after the one that it did", s.target().Name)
	}
	if o.Limit != nil && s.bounds.PerStream == 0 {
		return s.limited(o.Limit.Error())
	}
	if n := s.bounds.PerStream; n > 0 {
		s.report.Notes = append(s.report.Notes, fmt.Sprintf("a preview: at most %d rows of each stream, and the bookmark stays where it was", n))
		return nil
	}
	if s.NoStateUpdate && last != nil {
		s.report.say(s.log, "the bookmark stays where it was (--no-state-update): the next run loads these rows again, and streams without a key have them twice then")
	}
	return nil
}

// failure explains why the chain failed: the cause, not what followed from it.
func (s *set) failure(ctx context.Context, o pipe.Outcome) error {
	f := o.Failure
	if f.Kind == pipe.Stopped {
		return context.Cause(ctx)
	}
	var tail []string
	for _, end := range o.Stages {
		if end.Name == f.Stage {
			tail = end.Tail
		}
	}
	var known *fault.Error
	if errors.As(f.Err, &known) {
		return f
	}
	if f.Kind == pipe.Exit && s.builtIn(f.Stage) {
		said := ownWords(f.Stage, f.Status, tail)
		if code := fault.CodeOf(said); code == fault.LimitReached {
			return s.limited(strings.TrimPrefix(said.Error(), f.Stage+": "))
		}
		if said != nil {
			return said
		}
	}
	return endedWith(f.Error(), f.Status, tail)
}

// builtIn says whether a process of this name is elt's own.
func (s *set) builtIn(process string) bool {
	for _, stage := range s.stages {
		if stage.Name == process {
			return stage.Choice.Native
		}
	}
	return s.fused()
}

// refreshStateFile rewrites the tap's --state file: some taps read it again
// to learn what is durable (pipelinewise-tap-postgres acknowledges its slot so).
func (s *set) refreshStateFile(value json.RawMessage) {
	path := filepath.Join(s.folder.path, stateName)
	if _, err := os.Stat(path); err != nil {
		return
	}
	if err := renameio.WriteFile(path, value, 0o600); err != nil {
		s.log.Debug().Err(err).Msg("the tap's state file is not up to date")
	}
}

// finish writes the run record and prunes old ones.
func (s *set) finish(ctx context.Context, err error) {
	s.report.Seconds = s.report.elapsed()
	s.report.Status = state.Succeeded
	if err != nil {
		s.report.fail(ctx, err)
		s.unpin(ctx)
	}
	after, cancel := s.afterwards(ctx)
	defer cancel()
	record := s.record()
	switch e := s.Store.FinishRun(after, record); {
	case e == nil && s.Window == nil: // a backfill's chunk says nothing of the regular run
		if e := s.Store.NoteStreams(after, record, s.counts.shapes()); e != nil {
			s.log.Debug().Err(e).Msg("what is known of the streams is as old as the run before")
		}
	case e != nil && !errors.Is(e, state.ErrFenced):
		s.report.say(s.log, "the run's record could not be stored: %v", e)
	}
	s.prune(after)
}

func (s *set) prune(ctx context.Context) {
	if s.KeepRuns <= 0 && s.KeepAge <= 0 {
		return
	}
	logs, err := s.Store.PruneRuns(ctx, s.KeepRuns, s.KeepAge)
	if err != nil {
		s.log.Debug().Err(err).Msg("old runs are not pruned")
	}
	for _, path := range logs {
		os.RemoveAll(filepath.Dir(path))
	}
}

// record is the run as the store keeps it.
func (s *set) record() state.Run {
	env, _ := s.Project.Environment()
	run := state.Run{
		ID: s.runID, StateID: s.plan.StateID, Name: s.report.Name, Environment: env, Trigger: s.Trigger, Execution: s.Execution,
		Status: s.report.Status, Unconfirmed: s.report.Unconfirmed, Cause: s.Redactor.String(s.report.Cause),
		Started: s.report.Started, Heartbeat: s.report.Started, LogPath: s.report.LogPath,
		Streams: s.report.stats(), Detail: s.masked(s.detail()),
	}
	if run.Status != state.Running {
		end := s.report.Started.Add(s.report.duration())
		run.Ended, run.Heartbeat = &end, end
		if run.Status != state.Succeeded {
			run.ExitCode = int(fault.Failed)
		}
	}
	return run
}

// givenState is what a tap's extra `state` names; nil when there is none.
func givenState(root string, tap *project.Settings) (json.RawMessage, error) {
	path, _ := tap.Extra("state").(string)
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(root, path)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the state of %s", tap.Plugin.Name).
			WithHint("the extra `state` names a file, from the project's root")
	}
	var wrapped struct {
		Singer json.RawMessage `json:"singer_state"`
	}
	if err := json.Unmarshal(raw, &wrapped); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "the state file %s is no JSON object", path)
	}
	if wrapped.Singer != nil {
		raw = wrapped.Singer
	}
	return singer.NewBookmarks(raw).Raw(), nil
}
