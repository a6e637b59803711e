// The loop that hands a batch of rows to SQLite. One call of it stands for
// thousands of calls from Go, each of which costs as much as binding a value.

#include "bind.h"
#include <string.h>

// SQLite itself is compiled by go-sqlite3 and comes together with this file
// when the program is linked; weak, because this package alone has none.
#define SQLITE(type, name, args) extern type name args __attribute__((weak));
SQLITE(int, sqlite3_bind_null, (sqlite3_stmt *, int))
SQLITE(int, sqlite3_bind_int64, (sqlite3_stmt *, int, long long))
SQLITE(int, sqlite3_bind_double, (sqlite3_stmt *, int, double))
SQLITE(int, sqlite3_bind_text, (sqlite3_stmt *, int, const char *, int, void (*)(void *)))
SQLITE(int, sqlite3_bind_blob, (sqlite3_stmt *, int, const void *, int, void (*)(void *)))
SQLITE(int, sqlite3_step, (sqlite3_stmt *))
SQLITE(int, sqlite3_reset, (sqlite3_stmt *))
SQLITE(int, sqlite3_clear_bindings, (sqlite3_stmt *))
SQLITE(void *, sqlite3_db_handle, (sqlite3_stmt *))
SQLITE(const char *, sqlite3_errmsg, (void *))
SQLITE(int, sqlite3_extended_errcode, (void *))
SQLITE(int, sqlite3_changes, (void *))

enum { DONE = 101, ROW = 100 };

// bind binds the fields of one row and returns where the next one starts.
static const unsigned char *bind(sqlite3_stmt *s, const unsigned char *p, int fields, int *rc) {
	for (int i = 1; i <= fields && *rc == 0; i++) {
		long long v;
		double d;
		unsigned int n;
		switch (*p++) {
		case FIELD_NULL:
			*rc = sqlite3_bind_null(s, i);
			break;
		case FIELD_INT:
			memcpy(&v, p, 8);
			p += 8;
			*rc = sqlite3_bind_int64(s, i, v);
			break;
		case FIELD_DOUBLE:
			memcpy(&d, p, 8);
			p += 8;
			*rc = sqlite3_bind_double(s, i, d);
			break;
		case FIELD_TEXT:
			memcpy(&n, p, 4);
			*rc = sqlite3_bind_text(s, i, (const char *)p + 4, (int)n, 0);
			p += 4 + n;
			break;
		case FIELD_BLOB:
			memcpy(&n, p, 4);
			*rc = sqlite3_bind_blob(s, i, p + 4, (int)n, 0);
			p += 4 + n;
			break;
		}
	}
	return p;
}

static int run(sqlite3_stmt *s, int *rc) {
	if (*rc == 0) {
		*rc = sqlite3_step(s);
		int again = sqlite3_reset(s);
		*rc = *rc == DONE || *rc == ROW ? again : again ? again : *rc;
	}
	return *rc;
}

int elt_run(sqlite3_stmt *s, sqlite3_stmt *other, const unsigned char *rows, long count, int fields, long *done, long *used, char *message, int size) {
	int rc = 0;
	const unsigned char *first = rows;
	void *db = sqlite3_db_handle(s);
	for (*done = 0; *done < count; (*done)++) {
		const unsigned char *next = bind(s, rows, fields, &rc);
		if (run(s, &rc)) {
			break;
		}
		if (other && sqlite3_changes(db) == 0) {
			bind(other, rows, fields, &rc);
			if (run(other, &rc)) {
				break;
			}
		}
		rows = next;
	}
	*used = rows - first;
	if (rc) {
		rc = sqlite3_extended_errcode(db);
		strncpy(message, sqlite3_errmsg(db), size - 1);
	}
	sqlite3_clear_bindings(s); // they point into the caller's memory
	if (other) {
		sqlite3_clear_bindings(other);
	}
	return rc;
}
