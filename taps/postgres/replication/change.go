package replication

// Kind says what a Change is.
type Kind uint8

// Skip is a message that says nothing to a consumer of rows.
const (
	Skip Kind = iota
	Begin
	Commit
	Insert
	Update
	Delete
	Truncate
	KeepAlive // nothing happened up to LSN
)

// Change is one message of the log. It and everything in it is valid until
// the next one is decoded; Relations live on.
type Change struct {
	Kind Kind
	// LSN is where the change stands in the log. Of a Begin it is where the
	// transaction's commit record begins, which decides whether a consumer that
	// starts at an LSN has seen the transaction (it has when this is smaller);
	// of a Commit where that record ends, which is where to go on.
	LSN LSN
	// Time is when the transaction was committed (µs since 2000-01-01 UTC), of
	// Begin and Commit.
	Time     int64
	Relation *Relation // of Insert, Update, Delete
	// New is the row as it is now, of Insert and Update.
	New []Value
	// Old is the row as it was, of Update and Delete: nil where nothing
	// identifying changed, the columns of the replica identity, or all.
	Old       []Value
	Truncated []*Relation
}

// Relation is a table as it was when a change was written. A new shape is a
// new Relation.
type Relation struct {
	OID          uint32 // 0 when the plugin does not say
	Schema, Name string
	Columns      []Column
}

// Column of a Relation, in the order of a Change's values.
type Column struct {
	Name string
	Type uint32 // OID
	Mod  int32  // its modifier, -1 for none or unknown
}

// State of a Value.
type State uint8

const (
	Absent    State = iota // the log does not say
	Null                   // NULL
	Unchanged              // a large value that the change did not touch and the log does not repeat
	Text                   // the server's text
	Hex                    // bytes as hexadecimal digits
)

// Value of a column.
type Value struct {
	State State
	Bytes []byte
}

// Decoder turns the messages of an output plugin into Changes.
type Decoder interface {
	// Plugin is the name of the output plugin.
	Plugin() string
	// Options are for START_REPLICATION.
	Options() []Option
	// Decode reads one message that stands at lsn into c.
	Decode(lsn LSN, message []byte, c *Change) error
}

// Option of an output plugin.
type Option struct{ Name, Value string }
