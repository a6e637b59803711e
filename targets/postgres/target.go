package postgres

import (
	"context"
	"runtime"

	"elt/internal/row"
	"elt/internal/spec"
	"elt/internal/sqltarget"
	"elt/targets"
)

type target struct{}

// New is target-postgres.
func New() targets.Target { return target{} }

func (target) Spec() spec.Spec {
	return spec.Spec{
		Name:         "target-postgres",
		Summary:      "Loads streams into PostgreSQL tables.",
		Capabilities: []string{"about", "stream-maps", "schema-flattening", "validate-records", "target-schema", "hard-delete", "activate-version", "batch"},
		Settings:     append(connection(), sqltarget.Settings()...),
		Replaces: []spec.Replacement{
			{Package: "meltanolabs-target-postgres", Variant: "meltanolabs", Dialect: sdkDialect},
			{Package: "pipelinewise-target-postgres", Variant: "transferwise", Dialect: pipelinewiseDialect},
		},
	}
}

func (target) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, err
	}
	server, err := set.server()
	if err != nil {
		return nil, err
	}
	s := &sink{set: set, server: server, streams: map[string]string{}, asides: map[string]bool{}, lanes: min(4, runtime.NumCPU())}
	if set.Parallelism > 0 {
		s.lanes = set.Parallelism
	}
	s.seqs = make([]int64, s.lanes)
	for slot := range s.lanes {
		s.free = append(s.free, slot)
	}
	s.started = micros()
	if s.admin, err = s.dial(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Merges says that a stream's rows replace themselves by key.
func (s *sink) Merges(schema *row.Schema) bool { return s.set.Options.Merges(schema.Key) }
