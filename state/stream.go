package state

import (
	"context"
	"encoding/json"
	"time"
)

// Stream is what is known of a stream over all its runs.
type Stream struct {
	StateID     string
	Stream      string
	Environment string
	Name        string // of the set, as in Run
	// The last run that met it, and what that moved.
	RunID, Execution string
	Status           string
	Rows, Bytes      int64
	Seconds          float64
	Error            string
	Ended            time.Time
	Succeeded        *time.Time // the end of the last run that succeeded
	FirstSeen        time.Time
	Schema           *SchemaVersion // the newest; nil: none was seen
}

// SchemaVersion is what a stream's schema was from some run on. Versions count from 1.
type SchemaVersion struct {
	Version     int
	Fingerprint string          // equal for equal shapes
	Shape       json.RawMessage // columns, key and replication key: singer.Shape
	RunID       string
	Seen        time.Time
}

// StreamsOf says which streams are listed, by state id and name; zero fields say nothing.
type StreamsOf struct {
	Environment   string
	StateIDs      []string // any of them
	StateID, Name string   // this stream alone
	// After lists only what comes after this state id and stream.
	After [2]string
	Limit int // 0: all
}

// Streams is every stream that was ever seen, and how its schema changed. It
// is derived from runs, after their end: one that is killed in between leaves
// its streams as the run before did.
type Streams interface {
	// NoteStreams takes over the streams of a run that has ended, and a version
	// of the schema of each whose fingerprint is another than before.
	NoteStreams(ctx context.Context, r Run, schemas map[string]SchemaVersion) error
	Streams(ctx context.Context, of StreamsOf) ([]Stream, error)
	// Schemas lists the versions of a stream's schema, newest first.
	Schemas(ctx context.Context, stateID, stream string, limit int) ([]SchemaVersion, error)
}
