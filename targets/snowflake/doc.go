// Package snowflake is target-snowflake. Rows are written as CSV, compressed
// into files on disk and uploaded to a temporary stage while more of them
// come; a Commit then loads them by one burst of statements, the only ones
// that need a running warehouse.
//
// # The order of durable steps
//
// DDL commits itself in Snowflake, so what it does must be harmless alone:
//
//  1. SHOW COLUMNS tells what tables there are (no warehouse).
//  2. PUT uploads files to the session's temporary stage (no warehouse). Stage
//     and load tables end with the session: a killed run leaves none behind.
//  3. CREATE SCHEMA, CREATE TABLE, ALTER TABLE … ADD COLUMN or a longer type:
//     they only add, so a crash after them loses and doubles nothing, and the
//     next run finds them done (no warehouse).
//  4. CREATE TEMPORARY TABLE, COPY into it; the rows loaded are counted.
//  5. BEGIN; MERGE or INSERT … SELECT per stream, versions activated, rejects
//     kept; last the state id's row, whose UPDATE is the fence's check and the
//     position at once; COMMIT (invariants 1 and 3). A COMMIT without a reply
//     is looked up by the row's run and number.
//  6. Only then is the position acknowledged (invariant 2).
//
// A stream that is overwritten is gathered in a hidden table, and its
// transactions leave the position alone. At its end: SWAP WITH puts the hidden
// table in its place in one step, then the position is written, then the old
// rows are dropped. A crash before the swap leaves the old rows and the old
// position; one between swap and position leaves new rows and the old
// position, and the next run overwrites them again; one before the drop leaves
// a hidden table, which the next run drops. A run that was overtaken finds its
// hidden table dropped and cannot swap it in (invariant 3).
//
// Claims are late: see docs/decisions/2026-11-21-snowflake-claims-late.md.
package snowflake
