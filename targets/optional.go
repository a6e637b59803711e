package targets

import (
	"context"
	"encoding/json"

	"elt/internal/check"
	"elt/internal/row"
	"elt/internal/spec"
)

// Method is how rows of a stream meet those that are there.
type Method uint8

const (
	// Upsert merges by key: rows that come again replace themselves, so they
	// may be committed at any time (invariant 4).
	Upsert Method = iota
	// Append adds: rows that come again double, so they are committed only
	// together with a position that covers exactly them.
	Append
	// Overwrite gathers rows in a place nobody sees until Loader.End: they
	// may be committed at any time, their positions only with the End.
	Overwrite
)

// Planner is a Sink that knows how it loads a stream. Without it streams with
// a key are upserted and the others appended. A Sink overwrites all streams or
// none: asked with an empty schema it says whether it does.
type Planner interface {
	Method(schema *row.Schema) Method
}

// Remote is a Target whose Open connects to a server and leaves nothing there,
// so it may go ahead before it is known whether the tap has anything to read.
type Remote interface {
	Remote()
}

// Placer is a Target that says, without connecting, where and how it will load
// a stream; of the schema it looks at the name and the key.
type Placer interface {
	Place(cfg spec.Config, schema *row.Schema) (Place, error)
}

// Place is where a stream goes: a table or a file, as a user would write it.
type Place struct {
	Table  string
	Method Method
}

// ChangeReporter is a Sink that says what it did to the destination's shape.
// OnChange is called once, before anything else; report may be called by any
// lane at any time.
type ChangeReporter interface {
	OnChange(report func(Change))
}

// Change is one change of the destination's shape, recorded with the run.
type Change struct {
	Stream string `json:"stream"`
	Kind   string `json:"kind"` // "create", "add", "widen", "version", "drop", "rekey", "ignore"
	Column string `json:"column,omitempty"`
	Detail string `json:"detail,omitempty"` // "integer -> numeric", the new file, the reason
}

// Rejecter is a Lane that can keep rejected records, in the transaction of
// the rows around them (table or file _elt_rejects). Under on_bad_record:
// quarantine a Lane without it is an error at start.
type Rejecter interface {
	Reject(ctx context.Context, r Reject) error
}

// Reject is a record that could not be loaded. The record lies only at r's
// memory until Reject returns.
type Reject struct {
	Stream string
	Reason string
	Record json.RawMessage
}

// VersionMillis makes table versions (ACTIVATE_VERSION) comparable: some taps
// count milliseconds since 1970, others seconds; whatever lies before the
// year 1973 in milliseconds was seconds. Rows keep the number they came with.
func VersionMillis(version int64) int64 {
	if version > 0 && version < 100_000_000_000 {
		return version * 1000
	}
	return version
}

// Checker is a Target that can tell what stands between it and its
// destination. Without it `elt test` opens and aborts a Sink.
type Checker interface {
	// Check makes its checks in the order in which a connection comes about,
	// each by report.Do under a plain name: "settings", "connect" (name
	// server, network and TLS), "login", "permission" … It returns at the
	// first failure that makes the rest pointless. It makes one attempt and
	// leaves nothing behind: what it must write to try a privilege it undoes,
	// in a transaction that is rolled back where there is one. A failure's
	// kind comes from fault.KindOf its error.
	Check(ctx context.Context, cfg spec.Config, report *check.Report)
}

// KeptNone is what Kept says of a destination that holds nothing of a state id.
const KeptNone = "none"

// Keeper is a Sink that can claim without asking its destination, because
// asking costs money there (invariant 3).
type Keeper interface {
	// Recall is called before Claim. run names this run and no other. kept is
	// what Kept said at the end of the last run of this state id, provided
	// that it succeeded and that nothing has run since; else "". With it Claim
	// may call decide with Fence{Unasked: true}, and leave it to the first
	// transaction to compare: where the destination is not as kept says, that
	// one fails with ErrMoved, and nothing of the run was written.
	Recall(run, kept string)
	// Kept is, after Finish, what the destination holds for the state id: some
	// text of one line, KeptNone for nothing; "" when that is not known.
	Kept() string
}
