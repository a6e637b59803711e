import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.Driver;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Iterator;
import java.util.TimeZone;
import java.util.UUID;

/** A connection through a driver, and the queries over it. */
final class Source {
  private final Connection conn;
  private final Frames out;
  private final boolean backwards; // MySQL's driver streams with the smallest int only

  private Source(Connection conn, Frames out, boolean backwards) {
    this.conn = conn;
    this.out = out;
    this.backwards = backwards;
  }

  Connection connection() {
    return conn;
  }

  /**
   * open, class or "", URL, number of system properties, those as name and
   * value, then the connection's. The answer is 'O': product, its version,
   * driver, its version, identifier quote, "1" where schemas are catalogs.
   */
  static Source open(String[] r, Frames out) throws Exception {
    int system = Integer.parseInt(r[3]);
    for (int i = 4; i < 4 + 2 * system; i += 2) {
      System.setProperty(r[i], r[i + 1]);
    }
    TimeZone.setDefault(null); // user.timezone may have come with them
    Properties properties = new Properties();
    for (int i = 4 + 2 * system; i < r.length; i += 2) {
      properties.setProperty(r[i], r[i + 1]);
    }
    Driver driver = r[1].isEmpty() ? find(r[2]) : load(r[1]);
    Connection conn = driver.connect(r[2], properties);
    if (conn == null) {
      throw new Refusal("url", driver.getClass().getName(), null);
    }
    try {
      conn.setReadOnly(true);
    } catch (SQLException e) {
      System.err.println("the driver takes no read-only connection: " + e.getMessage());
    }
    try {
      conn.setAutoCommit(false); // with it, some drivers read whole results into memory
    } catch (SQLException e) {
      System.err.println("the driver has no transactions: " + e.getMessage());
    }
    DatabaseMetaData meta = conn.getMetaData();
    String name = text(meta.getDriverName());
    Source source = new Source(conn, out, name.startsWith("MySQL"));
    out.strings('O', text(meta.getDatabaseProductName()), text(meta.getDatabaseProductVersion()), name,
        text(meta.getDriverVersion()), text(meta.getIdentifierQuoteString()).trim(), Discovery.schemasAreCatalogs(meta) ? "1" : "");
    source.settle();
    return source;
  }

  private static String text(String s) {
    return s == null ? "" : s;
  }

  private static Driver load(String name) throws Refusal {
    try {
      Object driver = Class.forName(name).getDeclaredConstructor().newInstance();
      if (driver instanceof Driver) {
        return (Driver) driver;
      }
      throw new Refusal("notadriver", name, null);
    } catch (ClassNotFoundException e) {
      throw new Refusal("noclass", name, e);
    } catch (UnsupportedClassVersionError e) {
      throw new Refusal("newer", e.getMessage(), e);
    } catch (ReflectiveOperationException e) {
      throw new Refusal("notadriver", name, e);
    } catch (NoClassDefFoundError e) {
      throw new Refusal("incomplete", e.getMessage(), e);
    }
  }

  /** The first driver that its jar names as a service and that takes the URL. */
  private static Driver find(String url) throws Refusal {
    List<String> seen = new ArrayList<>();
    Throwable failed = null;
    for (Iterator<Driver> i = ServiceLoader.load(Driver.class).iterator(); ; ) {
      try {
        if (!i.hasNext()) {
          break;
        }
        Driver d = i.next();
        if (d.acceptsURL(url)) {
          return d;
        }
        seen.add(d.getClass().getName());
      } catch (ServiceConfigurationError | SQLException e) {
        failed = e;
      } catch (UnsupportedClassVersionError e) {
        throw new Refusal("newer", e.getMessage(), e);
      } catch (NoClassDefFoundError e) {
        throw new Refusal("incomplete", e.getMessage(), e);
      }
    }
    if (seen.isEmpty()) {
      throw new Refusal("nodriver", failed == null ? "" : failed.getMessage(), failed);
    }
    throw new Refusal("url", String.join(", ", seen), failed);
  }

  /** describe, SQL: the columns as a frame 'T', nothing is read. */
  void describe(String sql) throws Exception {
    try (PreparedStatement s = conn.prepareStatement(sql)) {
      ResultSetMetaData meta = null;
      try {
        meta = s.getMetaData();
      } catch (SQLException e) {
        // only some drivers know it before they ran the statement
      }
      if (meta != null && meta.getColumnCount() > 0) {
        Column.announce(Column.of(meta), out);
      } else {
        s.setMaxRows(1);
        try (ResultSet rows = s.executeQuery()) {
          Column.announce(Column.of(rows.getMetaData()), out);
        }
      }
    }
    settle();
  }

  /** read, SQL, fetch size, most rows (0: all), then kind and value of each parameter. */
  void read(String[] r) throws Exception {
    int fetch = Integer.parseInt(r[2]);
    int most = Integer.parseInt(r[3]);
    try (Statement s = r.length > 4
        ? conn.prepareStatement(r[1], ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)
        : conn.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY)) {
      s.setFetchSize(backwards ? Integer.MIN_VALUE : fetch);
      if (most > 0) {
        s.setMaxRows(most);
      }
      for (int i = 4; i < r.length; i += 2) {
        bind((PreparedStatement) s, (i - 2) / 2, r[i], r[i + 1]);
      }
      try (ResultSet rows = r.length > 4 ? ((PreparedStatement) s).executeQuery() : s.executeQuery(r[1])) {
        send(rows);
        if (Bridge.stopped()) {
          cancel(s); // or some drivers read the rest to close the result
        }
      }
    }
    settle();
  }

  private static void cancel(Statement s) {
    try {
      s.cancel();
    } catch (SQLException | RuntimeException e) {
      // then it takes longer
    }
  }

  private void send(ResultSet rows) throws Exception {
    Column[] columns = Column.of(rows.getMetaData());
    Column.announce(columns, out);
    long n = 0;
    while (rows.next()) {
      int mark = out.size();
      while (true) {
        try {
          out.row(columns.length);
          for (Column c : columns) {
            c.write(rows, out);
          }
          break;
        } catch (Column.Widened e) { // the column can say more now: the row once more
          out.truncate(mark);
          out.flush();
          Column.announce(columns, out);
          mark = out.size();
        }
      }
      n++;
      if (out.full()) {
        out.flush();
        if (Bridge.stopped()) {
          break;
        }
      }
    }
    out.flush();
    out.strings('E', Long.toString(n));
  }

  private static void bind(PreparedStatement s, int i, String kind, String v) throws SQLException {
    switch (kind) {
      case "int2":
      case "int4":
      case "int8":
        s.setLong(i, Long.parseLong(v));
        return;
      case "numeric":
        s.setBigDecimal(i, new BigDecimal(v));
        return;
      case "float4":
      case "float8":
        s.setDouble(i, Double.parseDouble(v));
        return;
      case "bool":
        s.setBoolean(i, Boolean.parseBoolean(v));
        return;
      case "date":
        modern(s, i, LocalDate.parse(v), Types.DATE, Date.valueOf(LocalDate.parse(v)));
        return;
      case "timestamp":
        modern(s, i, LocalDateTime.parse(v), Types.TIMESTAMP, Timestamp.valueOf(LocalDateTime.parse(v)));
        return;
      case "timestamptz":
        OffsetDateTime at = OffsetDateTime.parse(v);
        modern(s, i, at, 2014, Timestamp.from(at.toInstant()));
        return;
      case "uuid":
        try {
          s.setObject(i, UUID.fromString(v));
        } catch (SQLException e) {
          s.setString(i, v);
        }
        return;
      default:
        s.setString(i, v);
    }
  }

  /** Drivers older than JDBC 4.2 know java.sql's classes only. */
  private static void modern(PreparedStatement s, int i, Object value, int type, Object old) throws SQLException {
    try {
      s.setObject(i, value);
    } catch (SQLException | RuntimeException | LinkageError e) {
      s.setObject(i, old, type == 2014 ? Types.TIMESTAMP : type);
    }
  }

  /** Ends the transaction, so that no lock and no snapshot is held between requests. */
  private void settle() {
    try {
      if (!conn.getAutoCommit()) {
        conn.commit();
      }
    } catch (SQLException e) {
      System.err.println("the transaction cannot be ended: " + e.getMessage());
    }
  }

  void abandon() {
    try {
      if (!conn.isClosed() && !conn.getAutoCommit()) {
        conn.rollback();
      }
    } catch (SQLException | RuntimeException e) {
      // the connection may be what failed
    }
  }

  void close() {
    abandon();
    try {
      conn.close();
    } catch (SQLException | RuntimeException e) {
      System.err.println("the connection cannot be closed: " + e.getMessage());
    }
  }
}
