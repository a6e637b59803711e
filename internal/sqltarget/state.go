package sqltarget

import "strconv"

// StateTable and RejectsTable are the tables a target keeps beside the data.
const (
	StateTable   = "_elt_state"
	RejectsTable = "_elt_rejects"
)

// stateFormat is the version of what rows of _elt_state mean.
const stateFormat = 1

// Parts of a state id's rows in _elt_state: one fence, one lane row per lane,
// one whole position at most, one stream row per stream with a position.
const (
	FencePart  = "fence"
	LanePart   = "lane"
	WholePart  = "whole"
	StreamPart = "stream"
	AsidePart  = "aside" // SQLite: what an unpublished table holds
)

// State is the SQL of _elt_state (invariant 3). Parameters are
// numbered in the order of each method's comment.
type State struct{ Table string }

// Create makes the table.
func (s State) Create() string {
	return "create table if not exists " + s.Table + ` (
	state_id text not null,
	part text not null,
	stream text not null,
	position text,
	epoch bigint not null,
	edit bigint not null,
	seq bigint not null,
	format integer not null default ` + strconv.Itoa(stateFormat) + `,
	updated_at timestamp default current_timestamp,
	primary key (state_id, part, stream)
)`
}

// NewFence makes the fence row of a state id that has none: (state id).
func (s State) NewFence() string {
	return "insert into " + s.Table + " (state_id, part, stream, epoch, edit, seq) values ($1, '" + FencePart + "', '', 0, 0, 0) on conflict (state_id, part, stream) do nothing"
}

// Fence reads the fence row: (state id) -> epoch, edit, seq, format. suffix
// is " for update" where the destination locks rows.
func (s State) Fence(suffix string) string {
	return "select epoch, edit, seq, format from " + s.Table + " where state_id = $1 and part = '" + FencePart + "'" + suffix
}

// Guard finds the fence row at an epoch: (state id, epoch). No row: fenced.
// suffix is " for share" where the destination locks rows.
func (s State) Guard(suffix string) string {
	return "select 1 from " + s.Table + " where state_id = $1 and part = '" + FencePart + "' and epoch = $2" + suffix
}

// Claim sets the fence: (state id, epoch, edit, seq).
func (s State) Claim() string {
	return "update " + s.Table + " set epoch = $2, edit = $3, seq = $4, updated_at = current_timestamp where state_id = $1 and part = '" + FencePart + "'"
}

// Lane sets a lane's count of commits: (state id, lane, epoch, seq).
func (s State) Lane() string {
	return "insert into " + s.Table + " (state_id, part, stream, epoch, edit, seq) values ($1, '" + LanePart + "', $2, $3, 0, $4) on conflict (state_id, part, stream) do update set epoch = excluded.epoch, seq = excluded.seq, updated_at = current_timestamp"
}

// Count is Lane for a lane that has its row at the epoch, which it locks:
// (state id, lane, epoch, seq).
func (s State) Count() string {
	return "update " + s.Table + " set seq = $4, updated_at = current_timestamp where state_id = $1 and part = '" + LanePart + "' and stream = $2 and epoch = $3"
}

// LaneSeq reads it back: (state id, lane, epoch). suffix as in Fence.
func (s State) LaneSeq(suffix string) string {
	return "select seq from " + s.Table + " where state_id = $1 and part = '" + LanePart + "' and stream = $2 and epoch = $3" + suffix
}

// Positions reads every position: (state id) -> part, stream, position.
func (s State) Positions() string {
	return "select part, stream, position from " + s.Table + " where state_id = $1 and part in ('" + WholePart + "', '" + StreamPart + "') and position is not null order by part desc, stream"
}

// Clear removes every position: (state id).
func (s State) Clear() string {
	return "delete from " + s.Table + " where state_id = $1 and part in ('" + WholePart + "', '" + StreamPart + "')"
}

// Put sets a position: (state id, part, stream, position, epoch).
func (s State) Put() string {
	return "insert into " + s.Table + " (state_id, part, stream, position, epoch, edit, seq) values ($1, $2, $3, $4, $5, 0, 0) on conflict (state_id, part, stream) do update set position = excluded.position, epoch = excluded.epoch, updated_at = current_timestamp"
}

// Drop removes one position: (state id, part, stream).
func (s State) Drop() string {
	return "delete from " + s.Table + " where state_id = $1 and part = $2 and stream = $3"
}

// Get reads one position: (state id, part, stream) -> position.
func (s State) Get() string {
	return "select position from " + s.Table + " where state_id = $1 and part = $2 and stream = $3"
}

// ClearStreams removes the positions of single streams, which a whole one replaces: (state id).
func (s State) ClearStreams() string {
	return "delete from " + s.Table + " where state_id = $1 and part = '" + StreamPart + "'"
}

// Rejects is the SQL of _elt_rejects, where records that could not be loaded
// are kept by the transaction that goes on without them.
type Rejects struct{ Table string }

// Create makes the table.
func (r Rejects) Create() string {
	return "create table if not exists " + r.Table + ` (
	state_id text not null,
	stream text not null,
	reason text not null,
	record text not null,
	rejected_at timestamp default current_timestamp
)`
}

// Put adds a record: (state id, stream, reason, record).
func (r Rejects) Put() string {
	return "insert into " + r.Table + " (state_id, stream, reason, record) values ($1, $2, $3, $4)"
}
