package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"elt/state"
)

const columnsOfStream = `state_id, stream, environment, name, run_id, execution_id, status, row_count, byte_count, seconds, error,
  ended_at, succeeded_at, first_seen_at, schema_version`

// together is how many streams one statement writes: databases limit parameters.
const together = 100

// NoteStreams implements state.Streams.
func (s *Store) NoteStreams(ctx context.Context, r state.Run, schemas map[string]state.SchemaVersion) error {
	if len(r.Streams) == 0 {
		return nil
	}
	return s.write(ctx, func(tx conn, now time.Time) error {
		if r.Ended == nil {
			r.Ended = &now
		}
		newest, err := newestSchemas(ctx, tx, r.StateID)
		if err != nil {
			return err
		}
		var succeeded any
		if r.Status == state.Succeeded {
			succeeded = r.Ended.UTC()
		}
		for some := range slices.Chunk(r.Streams, together) {
			var args []any
			var values []string
			for _, one := range some {
				version := newest[one.Stream].Version
				if v, ok := schemas[one.Stream]; ok && v.Fingerprint != newest[one.Stream].Fingerprint {
					version++
					if err := s.addSchema(ctx, tx, r, one.Stream, version, v, now); err != nil {
						return err
					}
				}
				places := make([]string, 0, 15)
				for _, arg := range []any{r.StateID, one.Stream, r.Environment, r.Name, r.ID, r.Execution, r.Status, one.Rows, one.Bytes, one.Seconds,
					one.Error, r.Ended.UTC(), succeeded, now, version} {
					args = append(args, arg)
					places = append(places, fmt.Sprintf("$%d", len(args)))
				}
				values = append(values, "("+strings.Join(places, ", ")+")")
			}
			_, err := tx.exec(ctx, `insert into elt_streams (`+columnsOfStream+`) values `+strings.Join(values, ", ")+`
on conflict (state_id, stream) do update set environment = excluded.environment, name = excluded.name, run_id = excluded.run_id,
  execution_id = excluded.execution_id, status = excluded.status, row_count = excluded.row_count, byte_count = excluded.byte_count,
  seconds = excluded.seconds, error = excluded.error, ended_at = excluded.ended_at,
  succeeded_at = coalesce(excluded.succeeded_at, elt_streams.succeeded_at), schema_version = excluded.schema_version`, args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// newestSchemas are the versions that a state id's streams have now.
func newestSchemas(ctx context.Context, tx conn, stateID string) (map[string]state.SchemaVersion, error) {
	newest := map[string]state.SchemaVersion{}
	err := each(ctx, tx, func(r row) error {
		var stream string
		var v state.SchemaVersion
		err := r.Scan(&stream, &v.Version, &v.Fingerprint)
		newest[stream] = v
		return err
	}, `select v.stream, v.version, v.fingerprint from elt_stream_schemas v
where v.state_id = $1 and v.version = (select max(o.version) from elt_stream_schemas o where o.state_id = v.state_id and o.stream = v.stream)`, stateID)
	return newest, err
}

// addSchema adds a version; of a stream as many are kept as of a bookmark.
func (s *Store) addSchema(ctx context.Context, tx conn, r state.Run, stream string, version int, v state.SchemaVersion, now time.Time) error {
	_, err := tx.exec(ctx, `insert into elt_stream_schemas (state_id, stream, version, fingerprint, shape, run_id, seen_at)
values ($1, $2, $3, $4, $5, $6, $7)`, r.StateID, stream, version, v.Fingerprint, string(v.Shape), r.ID, now)
	if err == nil {
		_, err = tx.exec(ctx, `delete from elt_stream_schemas where state_id = $1 and stream = $2 and version <= $3`, r.StateID, stream, version-s.keep)
	}
	return err
}

// Streams implements state.Streams.
func (s *Store) Streams(ctx context.Context, of state.StreamsOf) (list []state.Stream, err error) {
	f := &filter{}
	for _, c := range [][2]string{{"s.environment", of.Environment}, {"s.state_id", of.StateID}, {"s.stream", of.Name}} {
		if c[1] != "" {
			f.add(c[0]+" = %s", c[1])
		}
	}
	f.oneOf("s.state_id", of.StateIDs)
	if of.After != [2]string{} {
		f.add("(s.state_id, s.stream) > (%s, %s)", of.After[0], of.After[1])
	}
	err = s.query(ctx, func(r row) error {
		v, err := scanStream(r)
		list = append(list, v)
		return err
	}, `select s.`+strings.Join(strings.Fields(columnsOfStream), " s.")+`, v.fingerprint, v.shape, v.run_id, v.seen_at
from elt_streams s left join elt_stream_schemas v on v.state_id = s.state_id and v.stream = s.stream and v.version = s.schema_version `+
		f.text("s.state_id, s.stream", of.Limit), f.args...)
	return list, err
}

func scanStream(r row) (v state.Stream, err error) {
	var succeeded, seen sql.NullTime
	var fingerprint, run sql.NullString
	var schema state.SchemaVersion
	err = r.Scan(&v.StateID, &v.Stream, &v.Environment, &v.Name, &v.RunID, &v.Execution, &v.Status, &v.Rows, &v.Bytes, &v.Seconds, &v.Error,
		&v.Ended, &succeeded, &v.FirstSeen, &schema.Version, &fingerprint, rawJSON{&schema.Shape}, &run, &seen)
	v.Ended, v.FirstSeen, v.Succeeded = v.Ended.UTC(), v.FirstSeen.UTC(), utc(succeeded)
	if fingerprint.Valid {
		schema.Fingerprint, schema.RunID, schema.Seen = fingerprint.String, run.String, seen.Time.UTC()
		v.Schema = &schema
	}
	return v, err
}

// Schemas implements state.Streams.
func (s *Store) Schemas(ctx context.Context, stateID, stream string, limit int) (list []state.SchemaVersion, err error) {
	err = s.query(ctx, func(r row) error {
		var v state.SchemaVersion
		err := r.Scan(&v.Version, &v.Fingerprint, rawJSON{&v.Shape}, &v.RunID, &v.Seen)
		v.Seen = v.Seen.UTC()
		list = append(list, v)
		return err
	}, `select version, fingerprint, shape, run_id, seen_at from elt_stream_schemas where state_id = $1 and stream = $2
order by version desc limit $3`, stateID, stream, orAll(limit))
	return list, err
}
