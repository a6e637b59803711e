import java.math.BigDecimal;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.Locale;

/** Writes arrays as JSON: numbers with all their digits, dates and times as ISO texts, bytes in base64. */
final class Json {
  private final StringBuilder to = new StringBuilder();
  private final boolean zoned;

  private Json(boolean zoned) {
    this.zoned = zoned;
  }

  static String of(java.sql.Array array) throws SQLException {
    String element = array.getBaseTypeName();
    element = element == null ? "" : element.toUpperCase(Locale.ROOT);
    Json j = new Json(element.contains("TIMESTAMPTZ") || element.contains("WITH TIME ZONE"));
    j.value(array.getArray());
    return j.to.toString();
  }

  static String quoted(String text) {
    Json j = new Json(false);
    j.text(text);
    return j.to.toString();
  }

  private void value(Object v) throws SQLException {
    if (v == null) {
      to.append("null");
    } else if (v instanceof byte[]) {
      text(Base64.getEncoder().encodeToString((byte[]) v));
    } else if (v.getClass().isArray()) {
      to.append('[');
      int n = java.lang.reflect.Array.getLength(v);
      for (int i = 0; i < n; i++) {
        if (i > 0) {
          to.append(',');
        }
        value(java.lang.reflect.Array.get(v, i));
      }
      to.append(']');
    } else if (v instanceof java.sql.Array) {
      value(((java.sql.Array) v).getArray());
    } else if (v instanceof Boolean) {
      to.append(v);
    } else if (v instanceof Float || v instanceof Double) {
      double d = ((Number) v).doubleValue();
      if (Double.isNaN(d) || Double.isInfinite(d)) {
        text(v.toString());
      } else {
        to.append(new BigDecimal(v.toString()).toPlainString());
      }
    } else if (v instanceof BigDecimal) {
      to.append(((BigDecimal) v).toPlainString());
    } else if (v instanceof Number) {
      to.append(v);
    } else if (v instanceof Timestamp) {
      Timestamp t = (Timestamp) v;
      text(zoned ? t.toInstant().atOffset(ZoneOffset.UTC).toString() : t.toLocalDateTime().toString());
    } else {
      text(v.toString());
    }
  }

  private void text(String v) {
    to.append('"');
    for (int i = 0; i < v.length(); i++) {
      char c = v.charAt(i);
      if (c == '"' || c == '\\') {
        to.append('\\').append(c);
      } else if (c < 0x20) {
        to.append(String.format("\\u%04x", (int) c));
      } else {
        to.append(c);
      }
    }
    to.append('"');
  }
}
