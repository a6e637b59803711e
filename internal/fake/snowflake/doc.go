// Package snowflake is a fake of Snowflake's service for tests: an HTTP server
// on loopback that the Go driver (gosnowflake v2.1.0, built with the tag
// minicore_disabled) talks to as it talks to the real one.
//
//	srv := snowflake.Start(t)
//	cfg := gosnowflake.Config{Account: "testacct", User: "ELT", Password: "canary-password",
//		Database: "ELT_DB", Schema: "PUBLIC", Warehouse: "ELT_WH", Role: "ELT_ROLE",
//		Protocol: "http", Host: srv.Host(), Port: srv.PortNumber()}
//
// It proves what a program says on the wire, in which order, what it does when
// answers fail to come, and what rows its SQL leaves behind under the rules
// below. It does not prove that Snowflake itself takes the SQL: it was written
// from documents, the driver's source and its WireMock mappings, and from
// errors that users have reported, and never compared with the service.
//
// Three packages: sql reads statements, engine executes them, this one speaks
// HTTP, keeps sessions and goes wrong on demand (Inject).
//
// # Faithful, with its source
//
//   - Endpoints, headers, bodies: the driver's source and test_data/wiremock.
//     A request that comes again with its requestId executes nothing again and
//     gets the answer of the first; PUT is answered anew, which changes nothing.
//   - Logins: password, password with passcode, key pair (the JWT is verified:
//     signature, iss, sub, fingerprint, times), programmatic access token, OAuth.
//     390100 password, 390144 JWT, 394400 PAT, 390303 and 390318 OAuth, 394508
//     MFA, 390186 and 390189 role, 390201 database, schema, warehouse; HTTP 403
//     for another account.
//   - Session tokens expire (390112) and are renewed by the master token
//     (390114 once that is gone too); a logout rolls back the transaction, and
//     drops temporary tables and stages.
//   - A statement that still runs after the hold (WithHold) is answered with
//     333333 and a result URL. An abort stops it, waits until it has stopped,
//     and leaves nothing of it.
//   - PUT: GCS with a presigned URL, one per file. Files are stored encrypted
//     as they come; COPY and tests unwrap the key, decrypt, and check the
//     SHA-256. The driver's PUT from a stream sends the digest of nothing,
//     which is let through.
//   - Types (data-types pages): NUMBER to 38 digits exactly, never through
//     floats; rounding half away from zero; nanoseconds; offsets kept in
//     TIMESTAMP_TZ; VARCHAR(n) counts characters; VARIANT keeps 38 digits,
//     sorts keys, and tells the JSON null from NULL; results show VARIANT
//     indented, as JSON_INDENT = 2 has it.
//   - Identifiers (identifiers-syntax): unquoted ones fold to upper case, 255
//     characters at most, reserved words refused, QUOTED_IDENTIFIERS_IGNORE_CASE.
//   - Constraints: only NOT NULL is enforced.
//   - Transactions (transactions page): READ COMMITTED; DDL commits what is
//     open; TRUNCATE is DML; UPDATE, DELETE, MERGE and TRUNCATE lock the whole
//     table until the end, INSERT and COPY no one; LOCK_TIMEOUT gives 000625.
//     A statement that fails undoes itself and leaves its transaction open.
//   - MERGE: the first WHEN that holds counts; a row matched by two source rows
//     is error 100090 unless ERROR_ON_NONDETERMINISTIC_MERGE is off.
//   - ALTER COLUMN SET DATA TYPE: longer text and binary, higher precision (or
//     lower, if all values have it); all else 002108.
//   - COPY: options below; the load history; errors with file, line, character,
//     row and column. An unknown option is an error, never ignored.
//   - Which statements run on a warehouse: see engine.needsWarehouse. Without
//     one, or suspended without AUTO_RESUME: 000606.
//
// # Uncertain: documents leave it open, here is what the fake does
//
//   - NULL_IF also hits enclosed values: "\N" in quotes is NULL under the
//     default NULL_IF. A loader that is right under this rule is right under
//     the other. A value written with an escape is compared as written.
//   - CSV text for a VARIANT column is parsed as JSON.
//   - SELECT COUNT(*) of a whole table and SELECT * FROM TABLE(RESULT_SCAN(…))
//     are taken to need no warehouse, other queries over RESULT_SCAN to need
//     one; TRUNCATE is taken to need none.
//   - The text (not the number) of some errors, and the columns of SHOW that no
//     loader reads.
//   - Precision and scale of computed numbers beyond + - * / are approximate.
//
// # Not faithful, or absent (an error that begins with "fake: not implemented")
//
//   - Results are JSON, never Arrow. S3 and Azure stages, downscoped GCS
//     tokens, GET, unloading, external stages, PARQUET, AVRO, ORC and XML.
//   - GRANT, roles' hierarchies (WithPrivileges takes single privileges away),
//     time travel, streams, tasks, procedures, sequences, UNDROP, INTERVAL,
//     window frames, PIVOT, COLLATE, multi-table INSERT, MERGE … ALL BY NAME.
//   - AUTO detection of dates and times reads ISO 8601 and integers in strings,
//     not 12/31/2024 or RFC 822.
//   - Rows come in the order they went in; Snowflake promises none.
//   - Every table is in memory, some 150 bytes for a row of sixteen columns.
//
// # SQL that is executed
//
// SELECT with joins (INNER, LEFT, RIGHT, FULL, CROSS, ON, USING), sub-queries
// (in FROM, scalar, IN, EXISTS, correlated), WITH, UNION [ALL], EXCEPT,
// INTERSECT, VALUES, GROUP BY [ALL], HAVING, QUALIFY, window functions without
// frames, DISTINCT, ORDER BY, LIMIT, OFFSET, * EXCLUDE, $1 and $1:path from
// stages, METADATA$FILENAME and METADATA$FILE_ROW_NUMBER,
// TABLE(RESULT_SCAN(…)), INFORMATION_SCHEMA.TABLES, COLUMNS and SCHEMATA.
// INSERT [OVERWRITE], UPDATE … FROM, DELETE … USING, MERGE, TRUNCATE, COPY INTO
// table, PUT, LIST, REMOVE, BEGIN, COMMIT, ROLLBACK. CREATE [OR REPLACE]
// [TEMPORARY | TRANSIENT] TABLE [IF NOT EXISTS] (…), LIKE, CLONE, AS; CREATE and
// DROP of DATABASE, SCHEMA, STAGE, FILE FORMAT, VIEW, WAREHOUSE; ALTER TABLE ADD,
// DROP and RENAME COLUMN, RENAME TO, SWAP WITH, ALTER COLUMN, SET COMMENT, ADD and
// DROP PRIMARY KEY; ALTER SESSION, ALTER WAREHOUSE, USE, COMMENT ON; SHOW TABLES,
// OBJECTS, COLUMNS, SCHEMAS, DATABASES, STAGES, FILE FORMATS, WAREHOUSES, VIEWS,
// PRIMARY KEYS, PARAMETERS, TRANSACTIONS; DESCRIBE TABLE. Functions: the table in
// engine/function.go and those in function_typed.go and aggregate.go.
//
// COPY: FILES (1,000 at most), PATTERN, FILE_FORMAT, ON_ERROR = ABORT_STATEMENT,
// CONTINUE, SKIP_FILE, SKIP_FILE_n; PURGE, FORCE, TRUNCATECOLUMNS, ENFORCE_LENGTH,
// MATCH_BY_COLUMN_NAME, and a SELECT from the stage. CSV: FIELD_DELIMITER,
// RECORD_DELIMITER, SKIP_HEADER, PARSE_HEADER, SKIP_BLANK_LINES,
// FIELD_OPTIONALLY_ENCLOSED_BY, ESCAPE, ESCAPE_UNENCLOSED_FIELD, NULL_IF,
// EMPTY_FIELD_AS_NULL, TRIM_SPACE, ERROR_ON_COLUMN_COUNT_MISMATCH,
// REPLACE_INVALID_CHARACTERS, BINARY_FORMAT, TIMESTAMP_FORMAT. JSON:
// STRIP_OUTER_ARRAY, STRIP_NULL_VALUES. COMPRESSION: AUTO, GZIP, ZSTD, BZ2, NONE.
package snowflake
