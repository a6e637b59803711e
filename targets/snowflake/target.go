package snowflake

import (
	"context"
	"runtime"
	"slices"

	"github.com/rs/zerolog"

	"elt/internal/load"
	"elt/internal/row"
	"elt/internal/spec"
	"elt/internal/sqltarget"
	"elt/targets"
)

type target struct{}

// New is target-snowflake.
func New() targets.Target { return target{} }

func (target) Spec() spec.Spec {
	return spec.Spec{
		Name:         "target-snowflake",
		Summary:      "Loads streams into Snowflake tables.",
		Capabilities: []string{"about", "schema-flattening", "validate-records", "target-schema", "hard-delete", "activate-version", "batch"},
		Settings:     slices.Concat(login(), own(), sqltarget.Settings(), load.Settings(batching()...)),
		Replaces: []spec.Replacement{
			{Package: "meltanolabs-target-snowflake", Variant: "meltanolabs", Dialect: sdkDialect},
			{Package: "target-snowflake", Variant: "meltano", Dialect: sdkDialect},
			{Package: "pipelinewise-target-snowflake", Variant: "transferwise", Dialect: pipelinewiseDialect},
			{Package: "pipelinewise-target-snowflake", Variant: "pipelinewise", Dialect: pipelinewiseDialect},
		},
	}
}

// Remote implements targets.Remote.
func (target) Remote() {}

// Open logs in, which needs no warehouse.
func (target) Open(ctx context.Context, cfg spec.Config) (targets.Sink, error) {
	set, err := decode(cfg)
	if err != nil {
		return nil, err
	}
	return open(ctx, set)
}

func open(ctx context.Context, set *settings) (*sink, error) {
	if set.Password != "" && set.Authenticator != "username_password_mfa" {
		zerolog.Ctx(ctx).Warn().Msg("Snowflake retires sign-in by password alone; private_key or token goes on working")
	}
	work, err := newFolder(set.TempDir)
	if err != nil {
		return nil, err
	}
	s := &sink{
		set: set, folder: work, started: micros(), signal: ctx, short: upperNonce(), lanes: min(4, runtime.NumCPU()),
		schemas: map[string]*namespace{}, owner: map[string]string{},
	}
	if set.Parallelism > 0 {
		s.lanes = set.Parallelism
	}
	first, err := s.dial(ctx)
	if err != nil {
		return nil, errorsJoin(err, work.remove())
	}
	s.idle = append(s.idle, first)
	return s, nil
}

// Method says how a stream's rows meet those that are there.
func (s *sink) Method(schema *row.Schema) targets.Method { return s.set.Options.Method(schema.Key) }

// Place implements targets.Placer.
func (target) Place(cfg spec.Config, schema *row.Schema) (targets.Place, error) {
	set, err := decode(cfg)
	if err != nil {
		return targets.Place{}, err
	}
	in, name, _, err := set.place(schema.Stream)
	if err != nil {
		return targets.Place{}, err
	}
	return targets.Place{Table: set.Database + "." + in + "." + name, Method: set.Options.Method(schema.Key)}, nil
}
