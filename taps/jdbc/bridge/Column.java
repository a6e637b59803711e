import java.sql.Blob;
import java.sql.Clob;
import java.sql.Date;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLXML;
import java.sql.Timestamp;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.UUID;

/** One column: which kind its values are sent as, and how they are read. */
final class Column {
  private static final long EPOCH = 946684800L; // 2000-01-01 in seconds since 1970
  private static final long FAR = 9_000_000_000_000L; // seconds beyond which no server keeps microseconds
  private static final int NO_OFFSET = Integer.MIN_VALUE;

  private final int at;
  private final String name;
  private final String typeName;
  private final int precision;
  private final int scale;
  private final boolean nullable;
  private Kind kind;
  private boolean modern = true; // the driver knows java.time

  Column(int at, String name, int type, String typeName, int precision, int scale, boolean signed, boolean nullable) {
    this.at = at;
    this.name = name;
    this.typeName = typeName == null ? "" : typeName;
    this.precision = precision;
    this.scale = scale;
    this.nullable = nullable;
    this.kind = Kind.of(type, this.typeName, precision, signed);
  }

  /** A value does not fit the column's kind, which is a wider one now. */
  static final class Widened extends Exception {
    private static final long serialVersionUID = 1;

    Widened() {
      super(null, null, false, false);
    }
  }

  static Column[] of(ResultSetMetaData meta) throws SQLException {
    Column[] columns = new Column[meta.getColumnCount()];
    for (int i = 0; i < columns.length; i++) {
      int at = i + 1;
      boolean signed = true;
      int precision = 0;
      int scale = 0;
      boolean nullable = true;
      try {
        signed = meta.isSigned(at);
        precision = meta.getPrecision(at);
        scale = meta.getScale(at);
        nullable = meta.isNullable(at) != ResultSetMetaData.columnNoNulls;
      } catch (SQLException | RuntimeException e) {
        // what a driver does not say is unlimited and nullable
      }
      String name = meta.getColumnLabel(at);
      columns[i] = new Column(at, name == null || name.isEmpty() ? meta.getColumnName(at) : name,
          meta.getColumnType(at), meta.getColumnTypeName(at), precision, scale, signed, nullable);
    }
    return columns;
  }

  /** Sends 'T': of each column name, kind, precision, scale, nullable, SQL type, whether it is an unknown one. */
  static void announce(Column[] columns, Frames out) {
    String[] all = new String[7 * columns.length];
    int i = 0;
    for (Column c : columns) {
      all[i++] = c.name;
      all[i++] = c.kind.wire;
      all[i++] = c.kind == Kind.UNSIGNED ? "20" : Integer.toString(c.precision);
      all[i++] = Integer.toString(c.scale);
      all[i++] = c.nullable ? "1" : "";
      all[i++] = c.typeName;
      all[i++] = c.kind == Kind.UNKNOWN ? "1" : "";
    }
    out.strings('T', all);
  }

  /** Reads the current row's value and appends it as a field. */
  void write(ResultSet rows, Frames out) throws SQLException, Widened, Refusal {
    switch (kind) {
      case INT2:
      case INT4:
      case INT8:
        long n = rows.getLong(at);
        if (n == 0 && rows.wasNull()) {
          out.nothing();
        } else if (kind == Kind.INT8) {
          out.int8(n);
        } else if (kind == Kind.INT4 && n == (int) n) {
          out.int4((int) n);
        } else if (kind == Kind.INT2 && n == (short) n) {
          out.int2((short) n);
        } else {
          throw widen(Kind.INT8);
        }
        return;
      case BOOL:
        boolean b = rows.getBoolean(at);
        if (!b && rows.wasNull()) {
          out.nothing();
        } else {
          out.bool(b);
        }
        return;
      case FLOAT4:
        float f = rows.getFloat(at);
        if (f == 0 && rows.wasNull()) {
          out.nothing();
        } else {
          out.int4(Float.floatToIntBits(f));
        }
        return;
      case FLOAT8:
        double d = rows.getDouble(at);
        if (d == 0 && rows.wasNull()) {
          out.nothing();
        } else {
          out.int8(Double.doubleToLongBits(d));
        }
        return;
      case NUMERIC:
      case UNSIGNED:
      case TEXT:
      case UNKNOWN:
      case JSON:
        text(rows.getString(at), out);
        return;
      case CLOB:
        text(clob(rows), out);
        return;
      case XML:
        SQLXML xml = rows.getSQLXML(at);
        text(xml == null ? null : xml.getString(), out);
        return;
      case BYTES:
        byte[] bytes = bytes(rows);
        if (bytes == null) {
          out.nothing();
        } else {
          out.bytes(bytes);
        }
        return;
      case DATE:
        date(rows, out);
        return;
      case TIME:
        time(rows, out);
        return;
      case TIMESTAMP:
      case TIMESTAMP_EXT:
        timestamp(rows, out);
        return;
      case TIMESTAMPTZ:
      case TIMESTAMPTZ_EXT:
        zoned(rows, out);
        return;
      case UUID:
        uuid(rows, out);
        return;
      case ARRAY:
        java.sql.Array array = rows.getArray(at);
        if (array == null) {
          out.nothing();
        } else {
          out.text(array(array, rows));
          array.free();
        }
        return;
      default:
        throw new IllegalStateException(kind.toString());
    }
  }

  private Widened widen(Kind to) {
    kind = to;
    return new Widened();
  }

  private static void text(String v, Frames out) {
    if (v == null) {
      out.nothing();
    } else {
      out.text(v);
    }
  }

  /** An array that its driver cannot take apart (PostgreSQL's decimals with a NaN) is a JSON text of what it prints. */
  private String array(java.sql.Array array, ResultSet rows) throws SQLException {
    try {
      return Json.of(array);
    } catch (SQLException | RuntimeException e) {
      return Json.quoted(rows.getString(at));
    }
  }

  private String clob(ResultSet rows) throws SQLException {
    if (modern) {
      try {
        return rows.getString(at);
      } catch (SQLException e) {
        modern = false;
      }
    }
    Clob c = rows.getClob(at);
    return c == null ? null : c.getSubString(1, (int) Math.min(c.length(), Integer.MAX_VALUE));
  }

  private byte[] bytes(ResultSet rows) throws SQLException {
    if (modern) {
      try {
        return rows.getBytes(at);
      } catch (SQLException e) {
        modern = false;
      }
    }
    Blob b = rows.getBlob(at);
    return b == null ? null : b.getBytes(1, (int) Math.min(b.length(), Integer.MAX_VALUE));
  }

  /** The value as a class of java.time, null for NULL and where the driver cannot: then modern is false. */
  private <T> T get(ResultSet rows, Class<T> type) {
    if (!modern) {
      return null;
    }
    try {
      return rows.getObject(at, type);
    } catch (SQLException | RuntimeException | AbstractMethodError e) {
      modern = false;
      return null;
    }
  }

  private void date(ResultSet rows, Frames out) throws SQLException, Refusal {
    LocalDate d = get(rows, LocalDate.class);
    if (!modern) {
      Date old = rows.getDate(at);
      d = old == null ? null : old.toLocalDate();
    }
    if (d == null) {
      zero(rows);
      out.nothing();
    } else if (d.equals(LocalDate.MAX) || d.equals(LocalDate.MIN)) {
      out.int4(d.getYear() > 0 ? Integer.MAX_VALUE : Integer.MIN_VALUE);
    } else {
      long days = d.toEpochDay() - EPOCH / 86400;
      if (days >= Integer.MAX_VALUE || days <= Integer.MIN_VALUE) { // these are the infinities
        throw new Refusal("value", "column " + name + ": the date " + d + " is too far away", null);
      }
      out.int4((int) days);
    }
  }

  /** What a driver returns as null though something stands there (MySQL's 0000-00-00) is NULL, said once. */
  private boolean zeroSaid;

  private void zero(ResultSet rows) throws SQLException {
    if (zeroSaid || rows.wasNull()) {
      return;
    }
    zeroSaid = true;
    System.err.println("column " + name + " holds dates that its driver gives as nothing; they are NULL");
  }

  private void time(ResultSet rows, Frames out) throws SQLException, Widened {
    String v = rows.getString(at);
    if (v == null) {
      out.nothing();
      return;
    }
    long micros = micros(v);
    if (micros < 0) {
      throw widen(Kind.TEXT);
    }
    out.int8(micros);
  }

  /** hh:mm:ss with at most six digits after the point, up to 24:00:00; else -1. */
  private static long micros(String v) {
    int n = v.length();
    if (n < 8 || n > 15 || v.charAt(2) != ':' || v.charAt(5) != ':' || n > 8 && v.charAt(8) != '.' || n == 9) {
      return -1;
    }
    long total = 0;
    int[] weight = {36000, 3600, 0, 600, 60, 0, 10, 1};
    for (int i = 0; i < 8; i++) {
      int digit = v.charAt(i) - '0';
      if (i == 2 || i == 5) {
        continue;
      }
      if (digit < 0 || digit > 9) {
        return -1;
      }
      total += (long) digit * weight[i];
    }
    long fraction = 0;
    for (int i = 9; i < 15; i++) {
      int digit = i < n ? v.charAt(i) - '0' : 0;
      if (digit < 0 || digit > 9) {
        return -1;
      }
      fraction = fraction * 10 + digit;
    }
    total = total * 1_000_000 + fraction;
    return total > 86_400_000_000L ? -1 : total;
  }

  private void timestamp(ResultSet rows, Frames out) throws SQLException, Widened {
    LocalDateTime t = get(rows, LocalDateTime.class);
    if (!modern) {
      Timestamp old = rows.getTimestamp(at);
      t = old == null ? null : old.toLocalDateTime();
    }
    if (t == null) {
      zero(rows);
      out.nothing();
    } else if (t.equals(LocalDateTime.MAX) || t.equals(LocalDateTime.MIN)) {
      infinity(t.getYear() > 0, NO_OFFSET, kind == Kind.TIMESTAMP, out);
    } else {
      instant(t.toEpochSecond(ZoneOffset.UTC), t.getNano(), NO_OFFSET, Kind.TIMESTAMP, Kind.TIMESTAMP_EXT, out);
    }
  }

  private void zoned(ResultSet rows, Frames out) throws SQLException, Widened {
    OffsetDateTime t = get(rows, OffsetDateTime.class);
    if (!modern) {
      Timestamp old = rows.getTimestamp(at);
      t = old == null ? null : old.toInstant().atOffset(ZoneOffset.UTC);
    }
    if (t == null) {
      out.nothing();
    } else if (t.equals(OffsetDateTime.MAX) || t.equals(OffsetDateTime.MIN)) {
      infinity(t.getYear() > 0, 0, kind == Kind.TIMESTAMPTZ, out);
    } else {
      instant(t.toEpochSecond(), t.getNano(), t.getOffset().getTotalSeconds(), Kind.TIMESTAMPTZ, Kind.TIMESTAMPTZ_EXT, out);
    }
  }

  private void infinity(boolean positive, int offset, boolean narrow, Frames out) {
    long v = positive ? Long.MAX_VALUE : Long.MIN_VALUE;
    if (narrow) {
      out.int8(v);
    } else {
      out.instant(v, 0, offset);
    }
  }

  private void instant(long seconds, int nanos, int offset, Kind narrow, Kind wide, Frames out) throws Widened {
    if (kind == wide) {
      out.instant(seconds, nanos, offset);
    } else if (nanos % 1000 != 0 || Math.abs(seconds) > FAR) {
      throw widen(wide);
    } else {
      out.int8((seconds - EPOCH) * 1_000_000 + nanos / 1000);
    }
  }

  private void uuid(ResultSet rows, Frames out) throws SQLException, Widened {
    Object v = rows.getObject(at);
    if (v == null) {
      out.nothing();
    } else if (v instanceof UUID) {
      out.uuid(((UUID) v).getMostSignificantBits(), ((UUID) v).getLeastSignificantBits());
    } else if (v instanceof byte[] && ((byte[]) v).length == 16) {
      out.bytes((byte[]) v);
    } else {
      try {
        UUID u = UUID.fromString(v.toString());
        out.uuid(u.getMostSignificantBits(), u.getLeastSignificantBits());
      } catch (IllegalArgumentException e) {
        throw widen(Kind.TEXT);
      }
    }
  }
}
