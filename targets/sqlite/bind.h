typedef struct sqlite3_stmt sqlite3_stmt;

// How the value of a field follows: an int64 or double (8 bytes), or a length
// (uint32) and that many bytes; all in the machine's byte order.
enum { FIELD_NULL, FIELD_INT, FIELD_DOUBLE, FIELD_TEXT, FIELD_BLOB };

// elt_run executes s once for each of count rows of fields values; other, if
// not NULL, follows for a row where s changed nothing. It returns SQLite's
// code, and *done says how many rows went well, *used how many bytes they took.
int elt_run(sqlite3_stmt *s, sqlite3_stmt *other, const unsigned char *rows, long count, int fields, long *done, long *used, char *message, int size);
