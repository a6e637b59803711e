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
  row_count      bigint not null default 0,
  byte_count     bigint not null default 0,
  seconds        double precision not null default 0,
  error          text not null default '',
  ended_at       timestamptz not null,
  succeeded_at   timestamptz,
  first_seen_at  timestamptz not null,
  schema_version bigint not null default 0,
  primary key (state_id, stream)
);

-- What a stream's schema was, one row each time it changed.
create table elt_stream_schemas (
  state_id    text not null,
  stream      text not null,
  version     bigint not null,
  fingerprint text not null,
  shape       text not null,
  run_id      text not null,
  seen_at     timestamptz not null,
  primary key (state_id, stream, version)
);

-- The daemons, which say every few seconds that they are there.
create table elt_daemons (
  name         text primary key,
  project      text not null,
  environment  text not null default '',
  detail       text not null,
  started_at   timestamptz not null,
  heartbeat_at timestamptz not null
);
create index elt_daemons_of on elt_daemons (project, environment);

-- Logs of executions, in pieces, for daemons on other machines.
create table elt_log_parts (
  execution_id text not null,
  start_at     bigint not null,
  size         bigint not null,
  gzip         bytea not null,
  primary key (execution_id, start_at)
);
