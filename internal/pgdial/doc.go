// Package pgdial opens connections to PostgreSQL from the settings that the
// Postgres tap and target share, in the spelling of both families of Singer
// plugins (MeltanoLabs and PipelineWise). A connection it opens speaks UTF-8,
// UTC and ISO dates, so that what is read never depends on the server's or
// the role's defaults, and cancels its running statement on the server when
// the context ends.
package pgdial
