package postgres

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"elt/internal/load"
	"elt/internal/pgdial"
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
		Capabilities: []string{"about", "schema-flattening", "validate-records", "target-schema", "hard-delete", "activate-version", "batch"},
		Settings:     slices.Concat(pgdial.Spec(), own(), sqltarget.Settings(), load.Settings()),
		Replaces: []spec.Replacement{
			{Package: "meltanolabs-target-postgres", Variant: "meltanolabs", Dialect: sdkDialect},
			{Package: "pipelinewise-target-postgres", Variant: "transferwise", Dialect: pipelinewiseDialect},
		},
	}
}

// Remote implements targets.Remote.
func (target) Remote() {}

func (target) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	if err := set.check(); err != nil {
		return nil, err
	}
	s := &sink{set: set, streams: map[string]string{}, asides: map[string]bool{}, places: map[string]*place{}, granted: map[string]bool{}, lanes: min(4, runtime.NumCPU())}
	if set.Parallelism > 0 {
		s.lanes = set.Parallelism
	}
	s.seqs = make([]int64, s.lanes)
	for slot := range s.lanes {
		s.free = append(s.free, slot)
	}
	s.started = micros()
	var err error
	if s.admin, err = s.dial(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Place implements targets.Placer.
func (target) Place(cfg spec.Config, schema *row.Schema) (targets.Place, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return targets.Place{}, err
	}
	schemaName, table, _, err := set.place(schema.Stream)
	return targets.Place{Table: schemaName + "." + table, Method: set.Options.Method(schema.Key)}, err
}

// Method says how a stream's rows meet those that are there.
func (s *sink) Method(schema *row.Schema) targets.Method { return s.set.Options.Method(schema.Key) }

// dial connects with what every session of ours needs. Notices are off: read
// by nobody during a COPY, they could fill the socket.
func (s *sink) dial(ctx context.Context) (*pgconn.PgConn, error) {
	conn, err := s.set.DialWith(ctx, fmt.Sprintf("set client_min_messages = error; set lock_timeout = '%ds'; set statement_timeout = '%ds'", s.set.LockTimeout, s.set.StatementTimeout))
	if err != nil {
		return nil, err
	}
	return conn.PgConn(), nil
}
