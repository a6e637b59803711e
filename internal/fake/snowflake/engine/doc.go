// Package engine executes the SQL of the fake of Snowflake's service: catalog,
// stages, tables in memory, transactions, and an evaluator that is exact where
// Snowflake is. Rows are kept encoded; an expression is compiled to a function
// of a row. See package snowflake for what is faithful and what is not.
package engine
