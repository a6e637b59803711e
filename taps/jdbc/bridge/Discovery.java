import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Lists tables and views with their columns and keys, as the driver's metadata has them. */
final class Discovery {
  private static final Set<String> KINDS = new HashSet<>(Arrays.asList("", "TABLE", "BASE TABLE", "VIEW",
      "MATERIALIZED VIEW", "PARTITIONED TABLE", "FOREIGN TABLE", "EXTERNAL TABLE", "SYNONYM", "ALIAS",
      "MATERIALIZED QUERY TABLE", "DYNAMIC TABLE", "TRANSIENT"));
  private static final Set<String> SYSTEM = new HashSet<>(Arrays.asList("INFORMATION_SCHEMA", "PG_CATALOG", "PG_TOAST",
      "SYSTEM_LOBS", "PERFORMANCE_SCHEMA", "MYSQL", "SYS", "SYSTEM", "SYSIBM", "SYSCAT", "SYSSTAT", "SYSTOOLS"));
  private static final int MANY = 8; // tables of one schema from which on its columns are asked for at once

  private final DatabaseMetaData meta;
  private final Frames out;
  private final boolean catalogs;
  private final String catalog;

  Discovery(Connection conn, Frames out) throws SQLException {
    this.meta = conn.getMetaData();
    this.out = out;
    this.catalogs = schemasAreCatalogs(meta);
    this.catalog = conn.getCatalog();
  }

  /** MySQL and its kin have databases where others have schemas. */
  static boolean schemasAreCatalogs(DatabaseMetaData meta) throws SQLException {
    return !meta.supportsSchemasInTableDefinitions() && meta.supportsCatalogsInTableDefinitions();
  }

  /**
   * tables, the schemas wanted (none: all but the system's, and of databases
   * the current one). For each table a frame 'D': schema, name, kind, key
   * columns joined by NUL; then 'T' with its columns; at last 'E'.
   */
  void tables(String[] r) throws Exception {
    Set<String> wanted = new HashSet<>(Arrays.asList(r).subList(1, r.length));
    Map<String, List<String[]>> schemas = new LinkedHashMap<>();
    try (ResultSet t = meta.getTables(catalogs && !wanted.isEmpty() ? null : catalog, null, "%", null)) {
      while (t.next()) {
        String place = t.getString(catalogs ? "TABLE_CAT" : "TABLE_SCHEM");
        place = place == null ? "" : place;
        String name = t.getString("TABLE_NAME");
        String kind = t.getString("TABLE_TYPE");
        kind = kind == null ? "" : kind.toUpperCase(java.util.Locale.ROOT);
        boolean of = wanted.isEmpty() ? !SYSTEM.contains(place.toUpperCase(java.util.Locale.ROOT)) : wanted.contains(place);
        if (of && KINDS.contains(kind)) {
          schemas.computeIfAbsent(place, k -> new ArrayList<>()).add(new String[] {place, name, kind});
        }
      }
    }
    for (Map.Entry<String, List<String[]>> s : schemas.entrySet()) {
      Map<String, Map<Integer, Column>> columns = new HashMap<>();
      if (s.getValue().size() >= MANY) {
        columns(s.getKey(), "%", columns);
      }
      for (String[] t : s.getValue()) {
        if (s.getValue().size() < MANY) {
          columns(s.getKey(), escape(t[1]), columns);
        }
        Map<Integer, Column> of = columns.remove(t[1]);
        if (of != null) {
          out.strings('D', t[0], t[1], t[2], String.join("\0", key(s.getKey(), t[1])));
          Column.announce(of.values().toArray(new Column[0]), out);
        }
      }
    }
    out.strings('E', "");
  }

  private void columns(String place, String table, Map<String, Map<Integer, Column>> into) throws SQLException {
    try (ResultSet c = catalogs
        ? meta.getColumns(place, null, table, "%")
        : meta.getColumns(catalog, place.isEmpty() ? null : escape(place), table, "%")) {
      while (c.next()) {
        String of = c.getString("TABLE_NAME");
        String name = c.getString("COLUMN_NAME");
        int type = c.getInt("DATA_TYPE");
        String typeName = c.getString("TYPE_NAME");
        int size = c.getInt("COLUMN_SIZE");
        int digits = c.getInt("DECIMAL_DIGITS");
        boolean nullable = c.getInt("NULLABLE") != DatabaseMetaData.columnNoNulls;
        int at = c.getInt("ORDINAL_POSITION");
        Map<Integer, Column> columns = into.computeIfAbsent(of, k -> new TreeMap<>());
        columns.put(at > 0 ? at : columns.size() + 1, new Column(0, name, type, typeName, size, digits, true, nullable));
      }
    }
  }

  private List<String> key(String place, String table) {
    Map<Integer, String> key = new TreeMap<>();
    try (ResultSet k = catalogs
        ? meta.getPrimaryKeys(place, null, table)
        : meta.getPrimaryKeys(catalog, place.isEmpty() ? null : place, table)) {
      while (k.next()) {
        String name = k.getString("COLUMN_NAME");
        key.put(k.getInt("KEY_SEQ"), name);
      }
    } catch (SQLException e) {
      System.err.println("the driver does not say the key of " + table + ": " + e.getMessage());
    }
    return new ArrayList<>(key.values());
  }

  /** A name as a pattern that only it matches. */
  private String escape(String name) throws SQLException {
    String e = meta.getSearchStringEscape();
    if (e == null || e.isEmpty()) {
      return name;
    }
    return name.replace(e, e + e).replace("_", e + "_").replace("%", e + "%");
  }
}
