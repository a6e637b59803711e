typedef struct sqlite3_stmt sqlite3_stmt;

// How the value of a field follows: an int64 or double (8 bytes), or a length
// (uint32) and that many bytes; all in the machine's byte order.
enum { FIELD_NULL, FIELD_INT, FIELD_DOUBLE, FIELD_TEXT, FIELD_BLOB };

// What elt_read says, beside SQLite's codes of failures.
enum { READ_MORE = 100, READ_DONE = 101 };

struct elt_rows {
	long used; // bytes of the buffer that are filled
	long rows; // how many rows lie in it
	long need; // what the pending row takes, when it did not fit
	int pending; // the statement stands on a row that was not copied yet
	int done; // there are no more rows: to ask again would begin anew
	char message[512];
};

// elt_read copies as many rows of s as fit into buffer.
int elt_read(sqlite3_stmt *s, unsigned char *buffer, long size, struct elt_rows *out);

// elt_interrupt ends what s does, from any thread.
void elt_interrupt(sqlite3_stmt *s);
