import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.SQLException;
import java.util.Arrays;

/** Writes frames. Rows gather in one buffer; numbers are big-endian. */
final class Frames {
  private static final int FULL = 256 << 10;
  private static final int HEAD = 5;

  private final OutputStream to;
  private byte[] buf = new byte[FULL + (16 << 10)];
  private int at = HEAD;

  Frames(OutputStream to) {
    this.to = to;
  }

  int size() {
    return at;
  }

  boolean full() {
    return at >= FULL;
  }

  /** Takes back everything since size() was mark. */
  void truncate(int mark) {
    at = mark;
  }

  /** Forgets what is not sent yet. */
  void drop() {
    at = HEAD;
    if (buf.length > 16 * FULL) {
      buf = new byte[FULL + (16 << 10)];
    }
  }

  /** Sends the rows gathered so far, if any. */
  void flush() {
    if (at > HEAD) {
      send('B');
    }
  }

  /** Sends a frame of strings. The rows must have been flushed. */
  void strings(char type, String... values) {
    for (String v : values) {
      if (v == null) {
        nothing();
      } else {
        text(v);
      }
    }
    send(type);
  }

  /** Sends what went wrong, with all causes. */
  void failure(Throwable e) {
    StringBuilder text = new StringBuilder();
    String state = "";
    int depth = 0;
    for (Throwable t = e; t != null && depth < 10; t = t.getCause(), depth++) {
      String message = t.getMessage();
      if (t instanceof SQLException && state.isEmpty() && ((SQLException) t).getSQLState() != null) {
        state = ((SQLException) t).getSQLState();
      }
      if (message != null && text.indexOf(message) >= 0) {
        continue;
      }
      text.append(depth == 0 ? "" : ": ");
      if (message == null || !(t instanceof SQLException)) {
        text.append(t.getClass().getName()).append(message == null ? "" : ": ");
      }
      text.append(message == null ? "" : message);
    }
    String kind = e instanceof Refusal ? ((Refusal) e).kind : e.getClass().getName();
    strings('X', kind, e instanceof Refusal ? e.getMessage() : text.toString(), state);
  }

  private void send(char type) {
    buf[0] = (byte) type;
    putInt(1, at - HEAD);
    try {
      to.write(buf, 0, at);
    } catch (IOException e) {
      throw new Bridge.Stopped(e);
    } finally {
      drop();
    }
  }

  private void room(int n) {
    if (buf.length - at < n) {
      long want = Math.max((long) at + n, 2L * buf.length);
      if ((long) at + n > Integer.MAX_VALUE - 16) {
        throw new OutOfMemoryError("a row is larger than 2 GB");
      }
      buf = Arrays.copyOf(buf, (int) Math.min(want, Integer.MAX_VALUE - 16));
    }
  }

  private void putInt(int i, int v) {
    buf[i] = (byte) (v >> 24);
    buf[i + 1] = (byte) (v >> 16);
    buf[i + 2] = (byte) (v >> 8);
    buf[i + 3] = (byte) v;
  }

  private void putLong(int i, long v) {
    putInt(i, (int) (v >> 32));
    putInt(i + 4, (int) v);
  }

  void row(int fields) {
    room(2);
    buf[at++] = (byte) (fields >> 8);
    buf[at++] = (byte) fields;
  }

  void nothing() {
    room(4);
    putInt(at, -1);
    at += 4;
  }

  void bool(boolean v) {
    room(5);
    putInt(at, 1);
    buf[at + 4] = (byte) (v ? 1 : 0);
    at += 5;
  }

  void int2(int v) {
    room(6);
    putInt(at, 2);
    buf[at + 4] = (byte) (v >> 8);
    buf[at + 5] = (byte) v;
    at += 6;
  }

  void int4(int v) {
    room(8);
    putInt(at, 4);
    putInt(at + 4, v);
    at += 8;
  }

  void int8(long v) {
    room(12);
    putInt(at, 8);
    putLong(at + 4, v);
    at += 12;
  }

  /** Seconds since 1970, nanoseconds, offset in seconds. */
  void instant(long seconds, int nanos, int offset) {
    room(20);
    putInt(at, 16);
    putLong(at + 4, seconds);
    putInt(at + 12, nanos);
    putInt(at + 16, offset);
    at += 20;
  }

  void uuid(long high, long low) {
    room(20);
    putInt(at, 16);
    putLong(at + 4, high);
    putLong(at + 12, low);
    at += 20;
  }

  void bytes(byte[] v) {
    room(4 + v.length);
    putInt(at, v.length);
    System.arraycopy(v, 0, buf, at + 4, v.length);
    at += 4 + v.length;
  }

  void text(String v) {
    int n = v.length();
    room(4 + n);
    int p = at + 4;
    byte[] b = buf;
    for (int i = 0; i < n; i++) {
      char c = v.charAt(i);
      if (c >= 0x80) {
        bytes(v.getBytes(StandardCharsets.UTF_8));
        return;
      }
      b[p++] = (byte) c;
    }
    putInt(at, n);
    at = p;
  }
}
