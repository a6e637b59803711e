import java.sql.Types;
import java.util.Locale;

/** What a column's values are sent as; wire is the name of the field's bytes. */
enum Kind {
  BOOL("bool"),
  INT2("int2"),
  INT4("int4"),
  INT8("int8"),
  UNSIGNED("numeric"), // whole numbers up to 2^64-1
  NUMERIC("numeric"), // as text; the other side makes digits of it
  FLOAT4("float4"),
  FLOAT8("float8"),
  TEXT("text"),
  UNKNOWN("text"),
  CLOB("text"),
  XML("text"),
  BYTES("bytes"),
  DATE("date"),
  TIME("time"),
  TIMESTAMP("timestamp"),
  TIMESTAMP_EXT("timestamp_ext"),
  TIMESTAMPTZ("timestamptz"),
  TIMESTAMPTZ_EXT("timestamptz_ext"),
  UUID("uuid"),
  JSON("json"),
  ARRAY("json");

  final String wire;

  Kind(String wire) {
    this.wire = wire;
  }

  /** type is of java.sql.Types, or a vendor's own; some type names say more than it. */
  static Kind of(int type, String typeName, int precision, boolean signed) {
    String name = typeName.toUpperCase(Locale.ROOT);
    boolean unsigned = name.contains("UNSIGNED") || !signed && name.contains("INT");
    switch (name) {
      case "UUID":
      case "UNIQUEIDENTIFIER":
        return UUID;
      case "JSON":
      case "JSONB":
        return JSON;
      case "YEAR":
        return INT4;
      case "MONEY": // PostgreSQL's is text with a currency; SQL Server's is a DECIMAL
        return type == Types.DECIMAL || type == Types.NUMERIC ? NUMERIC : TEXT;
      case "TIMETZ":
      case "BPCHAR":
      case "BIT VARYING":
      case "VARBIT":
        return TEXT;
      case "TIMESTAMPTZ":
        return TIMESTAMPTZ;
      default:
    }
    switch (type) {
      case Types.BOOLEAN:
        return BOOL;
      case Types.BIT:
        return precision <= 1 ? BOOL : TEXT;
      case Types.TINYINT:
      case Types.SMALLINT:
        return unsigned ? INT4 : INT2;
      case Types.INTEGER:
        return unsigned ? INT8 : INT4;
      case Types.BIGINT:
        return unsigned ? UNSIGNED : INT8;
      case Types.REAL:
      case 100: // Oracle's BINARY_FLOAT
        return FLOAT4;
      case Types.FLOAT:
      case Types.DOUBLE:
      case 101: // Oracle's BINARY_DOUBLE
        return FLOAT8;
      case Types.NUMERIC:
      case Types.DECIMAL:
        return NUMERIC;
      case Types.CHAR:
      case Types.VARCHAR:
      case Types.LONGVARCHAR:
      case Types.NCHAR:
      case Types.NVARCHAR:
      case Types.LONGNVARCHAR:
      case Types.ROWID:
      case Types.DATALINK:
      case Types.TIME_WITH_TIMEZONE:
        return TEXT;
      case Types.CLOB:
      case Types.NCLOB:
        return CLOB;
      case Types.SQLXML:
        return XML;
      case Types.BINARY:
      case Types.VARBINARY:
      case Types.LONGVARBINARY:
      case Types.BLOB:
        return BYTES;
      case Types.DATE:
        return DATE;
      case Types.TIME:
        return TIME;
      case Types.TIMESTAMP:
        return TIMESTAMP;
      case Types.TIMESTAMP_WITH_TIMEZONE:
      case -101: // Oracle's
      case -102:
      case -155: // SQL Server's DATETIMEOFFSET
        return TIMESTAMPTZ;
      case Types.ARRAY:
        return ARRAY;
      default:
        return name.contains("INTERVAL") ? TEXT : UNKNOWN;
    }
  }
}
