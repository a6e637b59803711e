import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The Java half of tap-jdbc: it takes requests on standard input, one at a
 * time, and answers with frames on standard output.
 *
 * <p>A request is an int32 count and so many strings (int32 length, UTF-8; -1
 * is null), the first of which is its name. A frame is a type, an int32 length
 * and that many bytes; all but a batch of rows hold strings. Whatever a driver
 * prints goes to standard error. When standard input ends, this process does:
 * at once if it is at work, for then nobody waits for the answer.
 */
public final class Bridge {
  private static final String[] END = new String[0];
  private static volatile boolean busy;
  private static volatile boolean stopped;

  private final Frames out;
  private final BlockingQueue<String[]> requests = new LinkedBlockingQueue<>();
  private Source source;

  private Bridge(Frames out) {
    this.out = out;
  }

  public static void main(String[] args) throws Exception {
    Frames out = new Frames(new FileOutputStream(FileDescriptor.out));
    System.setOut(System.err); // the real one is ours alone
    new Bridge(out).serve();
  }

  private void serve() throws Exception {
    Thread reader = new Thread(this::readRequests, "requests");
    reader.setDaemon(true);
    reader.start();
    out.strings('H', System.getProperty("java.version"), System.getProperty("java.vendor"));
    for (String[] r = requests.take(); r != END; r = requests.take()) {
      busy = true;
      stopped = false; // a late one meant the request before
      try {
        answer(r);
      } catch (Stopped e) {
        break;
      } catch (Throwable e) { // an OutOfMemoryError or a missing class of the driver, too
        if (source != null) {
          source.abandon();
        }
        out.drop();
        out.failure(e);
      }
      busy = false;
    }
    if (source != null) {
      source.close();
    }
    System.err.flush();
    Runtime.getRuntime().halt(0); // whatever threads a driver keeps
  }

  /** The request stop: nobody wants the rest of the rows. */
  static boolean stopped() {
    return stopped;
  }

  /** Reads requests ahead, so that the end of input is seen even in the middle of a query. */
  private void readRequests() {
    try (DataInputStream in = new DataInputStream(new FileInputStream(FileDescriptor.in))) {
      while (true) {
        String[] r = new String[in.readInt()];
        for (int i = 0; i < r.length; i++) {
          int n = in.readInt();
          if (n >= 0) {
            byte[] text = new byte[n];
            in.readFully(text);
            r[i] = new String(text, StandardCharsets.UTF_8);
          }
        }
        if (r[0].equals("stop")) {
          stopped = true;
        } else {
          requests.put(r);
        }
      }
    } catch (EOFException e) {
      if (busy) {
        Runtime.getRuntime().halt(1);
      }
    } catch (IOException | InterruptedException e) {
      Runtime.getRuntime().halt(1);
    }
    requests.add(END);
  }

  private void answer(String[] r) throws Exception {
    switch (r[0]) {
      case "open":
        source = Source.open(r, out);
        return;
      case "tables":
        new Discovery(source.connection(), out).tables(r);
        return;
      case "describe":
        source.describe(r[1]);
        return;
      case "read":
        source.read(r);
        return;
      default:
        throw new SQLException("the bridge knows no request " + r[0]);
    }
  }

  /** The reader of our frames is gone. */
  static final class Stopped extends RuntimeException {
    private static final long serialVersionUID = 1;

    Stopped(IOException cause) {
      super(cause);
    }
  }
}
