// The loop that takes rows from SQLite. One call of it stands for thousands
// of calls from Go, each of which costs as much as reading a value.

#include "step.h"
#include <string.h>

// SQLite itself is compiled by go-sqlite3 and comes together with this file
// when the program is linked; weak, because this package alone has none.
#define SQLITE(type, name, args) extern type name args __attribute__((weak));
SQLITE(int, sqlite3_step, (sqlite3_stmt *))
SQLITE(int, sqlite3_column_count, (sqlite3_stmt *))
SQLITE(int, sqlite3_column_type, (sqlite3_stmt *, int))
SQLITE(long long, sqlite3_column_int64, (sqlite3_stmt *, int))
SQLITE(double, sqlite3_column_double, (sqlite3_stmt *, int))
SQLITE(const unsigned char *, sqlite3_column_text, (sqlite3_stmt *, int))
SQLITE(const void *, sqlite3_column_blob, (sqlite3_stmt *, int))
SQLITE(int, sqlite3_column_bytes, (sqlite3_stmt *, int))
SQLITE(void *, sqlite3_db_handle, (sqlite3_stmt *))
SQLITE(const char *, sqlite3_errmsg, (void *))
SQLITE(int, sqlite3_extended_errcode, (void *))
SQLITE(void, sqlite3_interrupt, (void *))

enum { ROW = 100, DONE = 101, INTEGER = 1, FLOAT, TEXT, BLOB, NOMEM = 7 };

// copy writes the row that s stands on behind p, or returns NULL when it would
// pass end; *need is then what it takes. *rc is NOMEM when SQLite ran out of memory.
static unsigned char *copy(sqlite3_stmt *s, int fields, unsigned char *p, unsigned char *end, long *need, int *rc) {
	unsigned char *start = p;
	long want = 0;
	for (int i = 0; i < fields; i++) {
		const void *bytes = 0;
		unsigned int n = 8;
		long long v;
		double d;
		int type = sqlite3_column_type(s, i);
		switch (type) {
		case INTEGER:
			v = sqlite3_column_int64(s, i);
			bytes = &v;
			break;
		case FLOAT:
			d = sqlite3_column_double(s, i);
			bytes = &d;
			break;
		case TEXT: // first: it makes UTF-8 of UTF-16, and then the length is that of the former
			bytes = sqlite3_column_text(s, i);
			n = (unsigned int)sqlite3_column_bytes(s, i);
			break;
		case BLOB:
			bytes = sqlite3_column_blob(s, i);
			n = (unsigned int)sqlite3_column_bytes(s, i);
			break;
		default:
			n = 0;
		}
		if (!bytes && (type == TEXT || n > 0)) {
			*rc = NOMEM;
			return 0;
		}
		int sized = type == TEXT || type == BLOB;
		want += 1 + (sized ? 4 : 0) + (long)n;
		if (want > end - start) {
			p = 0; // go on counting
		}
		if (!p) {
			continue;
		}
		*p++ = type == INTEGER ? FIELD_INT : type == FLOAT ? FIELD_DOUBLE : type == TEXT ? FIELD_TEXT : type == BLOB ? FIELD_BLOB : FIELD_NULL;
		if (sized) {
			memcpy(p, &n, 4);
			p += 4;
		}
		if (n) {
			memcpy(p, bytes, n);
			p += n;
		}
	}
	*need = want;
	return p;
}

int elt_read(sqlite3_stmt *s, unsigned char *buffer, long size, struct elt_rows *out) {
	unsigned char *p = buffer;
	int fields = sqlite3_column_count(s);
	out->used = out->rows = out->need = 0;
	while (!out->done) {
		int rc = ROW;
		if (!out->pending) {
			rc = sqlite3_step(s);
		}
		out->pending = rc == ROW;
		if (rc == DONE) {
			out->done = 1;
			break;
		}
		if (rc == ROW) {
			rc = 0;
			unsigned char *next = copy(s, fields, p, buffer + size, &out->need, &rc);
			if (next) {
				p = next;
				out->used = p - buffer;
				out->rows++;
				out->pending = 0;
				continue;
			}
			if (!rc) {
				return READ_MORE;
			}
		} else {
			void *db = sqlite3_db_handle(s);
			rc = sqlite3_extended_errcode(db);
			strncpy(out->message, sqlite3_errmsg(db), sizeof out->message - 1);
		}
		return rc;
	}
	return READ_DONE;
}

void elt_interrupt(sqlite3_stmt *s) { sqlite3_interrupt(sqlite3_db_handle(s)); }
