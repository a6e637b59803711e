package row

// Kind is what a column means, independent of how its bytes look.
type Kind uint8

const (
	Bool Kind = iota + 1
	Int64
	Float64
	Numeric // exact decimal of any size; NaN and infinities included
	Text
	Bytes
	Date
	Time // time of day without zone
	Timestamp
	TimestampTZ
	UUID
	JSON // also arrays, objects and unions of scalars
)

var kindNames = [...]string{"", "bool", "int64", "float64", "numeric", "text", "bytes", "date", "time", "timestamp", "timestamptz", "uuid", "json"}

func (k Kind) String() string { return kindNames[k] }

// KindByName is the inverse of String; 0 for an unknown name.
func KindByName(name string) Kind {
	for k, n := range kindNames {
		if n == name && k > 0 {
			return Kind(k)
		}
	}
	return 0
}

// Wire is the exact encoding of a field's bytes: the PostgreSQL type OID
// whose binary send format they are in, or one of our own above 1<<31.
type Wire uint32

const (
	WireBool        Wire = 16   // 1 byte, 0 or 1
	WireBytea       Wire = 17   // raw bytes
	WireInt8        Wire = 20   // int64
	WireInt2        Wire = 21   // int16
	WireInt4        Wire = 23   // int32
	WireText        Wire = 25   // UTF-8
	WireJSON        Wire = 114  // UTF-8 JSON text
	WireFloat4      Wire = 700  // IEEE single
	WireFloat8      Wire = 701  // IEEE double
	WireDate        Wire = 1082 // int32 days since 2000-01-01; extremes are infinities
	WireTime        Wire = 1083 // int64 µs since midnight
	WireTimestamp   Wire = 1114 // int64 µs since 2000-01-01; extremes are infinities
	WireTimestampTZ Wire = 1184 // the same, UTC
	WireNumeric     Wire = 1700 // base-10000 digits
	WireUUID        Wire = 2950 // 16 bytes
	WireJSONB       Wire = 3802 // version byte 1, then JSON text

	// WireTimestampExt is 16 bytes: int64 Unix seconds, int32 nanoseconds,
	// int32 offset in seconds east of UTC (NoOffset: none was written).
	// Kinds Timestamp and TimestampTZ.
	WireTimestampExt Wire = 1<<31 + 1
)

// NoOffset in a WireTimestampExt field says that the value had no zone.
const NoOffset int32 = -1 << 31

// DefaultWire is the wire a reader chooses for a kind when nothing asks for another.
func (k Kind) DefaultWire() Wire {
	switch k {
	case Bool:
		return WireBool
	case Int64:
		return WireInt8
	case Float64:
		return WireFloat8
	case Numeric:
		return WireNumeric
	case Bytes:
		return WireBytea
	case Date:
		return WireDate
	case Time:
		return WireTime
	case Timestamp:
		return WireTimestamp
	case TimestampTZ:
		return WireTimestampTZ
	case UUID:
		return WireUUID
	case JSON:
		return WireJSON
	default:
		return WireText
	}
}
