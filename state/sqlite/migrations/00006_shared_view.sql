-- +goose Up

-- Every stream that was ever seen, with its last run.
create table elt_streams (
  state_id       text not null,
  stream         text not null,
  environment    text not null default '',
  name           text not null,
  run_id         text not null,
  execution_id   text not null default '',
  status         text not null,
  row_count      integer not null default 0,
  byte_count     integer not null default 0,
  seconds        real not null default 0,
  error          text not null default '',
  ended_at       timestamp not null,
  succeeded_at   timestamp,
  first_seen_at  timestamp not null,
  schema_version integer not null default 0,
  primary key (state_id, stream)
) without rowid;

-- What a stream's schema was, one row each time it changed.
create table elt_stream_schemas (
  state_id    text not null,
  stream      text not null,
  version     integer not null,
  fingerprint text not null,
  shape       text not null,
  run_id      text not null,
  seen_at     timestamp not null,
  primary key (state_id, stream, version)
) without rowid;

-- The daemons, which say every few seconds that they are there.
create table elt_daemons (
  name         text primary key,
  project      text not null,
  environment  text not null default '',
  detail       text not null,
  started_at   timestamp not null,
  heartbeat_at timestamp not null
) without rowid;
create index elt_daemons_of on elt_daemons (project, environment);

-- Logs of executions, in pieces, for daemons on other machines.
create table elt_log_parts (
  execution_id text not null,
  start_at     integer not null,
  size         integer not null,
  gzip         blob not null,
  primary key (execution_id, start_at)
);
