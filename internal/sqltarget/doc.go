// Package sqltarget is what every SQL target shares, as values and text: how
// streams and properties become identifiers, which column type keeps a
// row.Column exactly, how a table follows a schema that changes, the metadata
// columns of the two Singer dialects, and the SQL of staging, merging,
// activating versions and keeping state. It opens no connection; targets
// execute what it says in their own transactions.
package sqltarget
