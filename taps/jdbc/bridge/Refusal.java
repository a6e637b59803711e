/** An error that is no driver's: the settings, or a value that has no place. Its kind says which. */
final class Refusal extends Exception {
  private static final long serialVersionUID = 1;

  final String kind;

  Refusal(String kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }
}
