package engine

import (
	"fmt"

	"elt/internal/fake/snowflake/sql"
)

// Type is the type of a column or an expression. Length counts characters of
// text, bytes of binary.
type Type struct {
	K           Kind
	Prec, Scale int
	Length      int
}

// MaxText is the length of a VARCHAR without one; columns of up to 128 MB can
// be declared since release 9.17.
const (
	MaxText    = 16777216
	limitText  = 134217728
	MaxBinary  = 8388608
	limitBytes = 67108864
)

var (
	textType    = Type{K: Text, Length: MaxText}
	boolType    = Type{K: Bool}
	integerType = Type{K: Number, Prec: 38}
	floatType   = Type{K: Float}
	variantType = Type{K: Variant}
)

// Name is the type's name as SHOW COLUMNS and the wire have it.
func (t Type) Name() string {
	switch t.K {
	case Bool:
		return "BOOLEAN"
	case Number:
		return "FIXED"
	case Float:
		return "REAL"
	case Binary:
		return "BINARY"
	case Date:
		return "DATE"
	case Time:
		return "TIME"
	case NTZ:
		return "TIMESTAMP_NTZ"
	case LTZ:
		return "TIMESTAMP_LTZ"
	case TZ:
		return "TIMESTAMP_TZ"
	case Variant:
		return "VARIANT"
	case Object:
		return "OBJECT"
	case Array:
		return "ARRAY"
	}
	return "TEXT"
}

// String is the type as DESCRIBE TABLE writes it.
func (t Type) String() string {
	switch t.K {
	case Number:
		return fmt.Sprintf("NUMBER(%d,%d)", t.Prec, t.Scale)
	case Float:
		return "FLOAT"
	case Text, Null:
		if t.Length == 0 {
			return fmt.Sprintf("VARCHAR(%d)", MaxText)
		}
		return fmt.Sprintf("VARCHAR(%d)", t.Length)
	case Binary:
		return fmt.Sprintf("BINARY(%d)", t.Length)
	case Time, NTZ, LTZ, TZ:
		return fmt.Sprintf("%s(%d)", t.Name(), t.Scale)
	}
	return t.Name()
}

// resolve reads a type as written (docs.snowflake.com/en/sql-reference/intro-summary-data-types).
// mapping is TIMESTAMP_TYPE_MAPPING of the session.
func resolve(t sql.Type, mapping Kind) (Type, error) {
	arg := func(i, otherwise int) int {
		if i < len(t.Args) {
			return t.Args[i]
		}
		return otherwise
	}
	bad := func() (Type, error) {
		return Type{}, sql.Compile(2040, "42601", "Unsupported data type '%s'.", t.Name)
	}
	switch t.Name {
	case "NUMBER", "DECIMAL", "NUMERIC", "DEC":
		out := Type{K: Number, Prec: arg(0, 38), Scale: arg(1, 0)}
		if out.Prec < 1 || out.Prec > 38 {
			return Type{}, sql.Compile(1003, "42601", "Invalid number precision: %d. Must be between 0 and 38.", out.Prec)
		}
		if out.Scale > out.Prec || out.Scale > 37 {
			return Type{}, sql.Compile(1003, "42601", "Invalid number scale: %d. Must be between 0 and %d.", out.Scale, out.Prec)
		}
		return out, nil
	case "INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "BYTEINT":
		return integerType, nil
	case "FLOAT", "FLOAT4", "FLOAT8", "DOUBLE", "REAL":
		return floatType, nil
	case "VARCHAR", "STRING", "TEXT", "NVARCHAR", "NVARCHAR2":
		n := arg(0, MaxText)
		if n < 1 || n > limitText {
			return Type{}, sql.Compile(2080, "42601", "Invalid data type length: %d. Must be between 1 and %d.", n, limitText)
		}
		return Type{K: Text, Length: n}, nil
	case "CHAR", "CHARACTER", "NCHAR":
		return Type{K: Text, Length: arg(0, 1)}, nil
	case "BINARY", "VARBINARY":
		n := arg(0, MaxBinary)
		if n < 1 || n > limitBytes {
			return Type{}, sql.Compile(2080, "42601", "Invalid data type length: %d.", n)
		}
		return Type{K: Binary, Length: n}, nil
	case "BOOLEAN", "BOOL":
		return boolType, nil
	case "DATE":
		return Type{K: Date}, nil
	case "TIME":
		return Type{K: Time, Scale: arg(0, 9)}, scaleOK(arg(0, 9))
	case "DATETIME", "TIMESTAMP_NTZ", "TIMESTAMPNTZ", "TIMESTAMP_LTZ", "TIMESTAMPLTZ", "TIMESTAMP_TZ", "TIMESTAMPTZ", "TIMESTAMP":
		k := NTZ
		switch t.Name {
		case "TIMESTAMP_LTZ", "TIMESTAMPLTZ":
			k = LTZ
		case "TIMESTAMP_TZ", "TIMESTAMPTZ":
			k = TZ
		case "TIMESTAMP":
			k = mapping
		}
		return Type{K: k, Scale: arg(0, 9)}, scaleOK(arg(0, 9))
	case "VARIANT":
		return variantType, nil
	case "OBJECT":
		return Type{K: Object}, nil
	case "ARRAY":
		return Type{K: Array}, nil
	}
	return bad()
}

func scaleOK(n int) error {
	if n < 0 || n > 9 {
		return sql.Compile(1003, "42601", "Invalid time precision: %d. Must be between 0 and 9.", n)
	}
	return nil
}

// typeOf is the type of a value without a column.
func typeOf(v Value) Type {
	switch v.K {
	case Number:
		return Type{K: Number, Prec: 38, Scale: int(v.Scale)}
	case Time, NTZ, LTZ, TZ:
		return Type{K: v.K, Scale: 9}
	case Text:
		return textType
	case Binary:
		return Type{K: Binary, Length: MaxBinary}
	}
	return Type{K: v.K}
}

// common is the type two branches of a CASE, COALESCE or UNION share.
func common(a, b Type) (Type, error) {
	switch {
	case a.K == Null:
		return b, nil
	case b.K == Null:
		return a, nil
	case a.K == Number && b.K == Number:
		s := max(a.Scale, b.Scale)
		return Type{K: Number, Prec: min(38, max(a.Prec-a.Scale, b.Prec-b.Scale)+s), Scale: s}, nil
	case isNumeric(a.K) && isNumeric(b.K):
		return floatType, nil
	case a.K == b.K:
		a.Length, a.Scale = max(a.Length, b.Length), max(a.Scale, b.Scale)
		return a, nil
	case isVariant(a.K) || isVariant(b.K):
		return variantType, nil
	case a.K == Text:
		return b, nil // a constant string takes the other's type
	case b.K == Text:
		return a, nil
	case a.K == Date && isTimestamp(b.K):
		return b, nil
	case b.K == Date && isTimestamp(a.K):
		return a, nil
	case isTimestamp(a.K) && isTimestamp(b.K):
		if a.K == TZ || b.K == TZ {
			return Type{K: TZ, Scale: 9}, nil
		}
		return Type{K: LTZ, Scale: 9}, nil
	}
	return Type{}, sql.Compile(2007, "22000", "inconsistent data type for result columns for set operator input branches, expected %s, got %s", a, b)
}
