import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.Statement;
import java.util.Scanner;

/** Runs the statements of standard input, each ended by ";;", for tests. */
public class Exec {
  public static void main(String[] args) throws Exception {
    Scanner in = new Scanner(System.in, StandardCharsets.UTF_8.name()).useDelimiter(";;");
    try (Connection c = DriverManager.getConnection(args[0], args[1], args[2]); Statement s = c.createStatement()) {
      while (in.hasNext()) {
        String sql = in.next().trim();
        if (!sql.isEmpty()) {
          s.execute(sql);
        }
      }
    }
  }
}
