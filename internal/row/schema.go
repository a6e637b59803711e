package row

import "slices"

// Nanos is the Unit of timestamps (WireTimestampExt) whose source counts
// nanoseconds of 1677 to 2262, as Parquet's TIMESTAMP(NANOS).
const Nanos = "ns"

// Column describes one field of every row of a stream.
type Column struct {
	Name      string
	Kind      Kind
	Wire      Wire
	Precision int    // Numeric: total digits, 0 unbounded. Text: maximum length, 0 unbounded
	Scale     int    // Numeric: digits after the point; meaningful when Precision > 0
	Unit      string // what a number counts where the source says so ("ms", "USD"), for documentation; Nanos of timestamps
	Nullable  bool
	// Mixed: Kind JSON whose values are of several types, none of them known
	// to be an object or array, or of no declared type. A SQL target keeps
	// them as bare text; JSON keeps 1 and "1" apart.
	Mixed bool
}

// Schema is the shape of a stream's rows. A Schema is never changed after it
// was handed on: a new shape is a new Schema.
type Schema struct {
	Stream         string // the stream's name as in Singer messages
	Columns        []Column
	Key            []string // key properties in order; empty: keyless
	ReplicationKey string   // the bookmark property, "" when none
	// Source is the JSON Schema (draft 7 object) that the stream was
	// announced with, nil when a built-in tap made the schema. The Singer
	// writer sends it on as it is.
	Source []byte
}

// Index is the position of the column called name, or -1.
func (s *Schema) Index(name string) int {
	return slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
}

// KeyIndexes are the positions of the key columns, -1 for one that is no column.
func (s *Schema) KeyIndexes() []int {
	at := make([]int, len(s.Key))
	for i, k := range s.Key {
		at[i] = s.Index(k)
	}
	return at
}

// Same says whether two schemas describe the same columns, wires and keys.
func (s *Schema) Same(o *Schema) bool {
	return s == o || s.Stream == o.Stream && s.ReplicationKey == o.ReplicationKey &&
		slices.Equal(s.Columns, o.Columns) && slices.Equal(s.Key, o.Key)
}
