-- +goose Up

-- Kept state, one row per state id; a cleared one keeps its row, so that the
-- destination learns of the user's edit. Values are Singer state values, kept
-- as text: jsonb would rewrite them.
create table elt_bookmarks (
  state_id   text primary key,
  completed  text,
  partial    text,
  edit       bigint not null default 0,
  updated_at timestamptz not null
);

create table elt_bookmark_history (
  id         bigint generated always as identity primary key,
  state_id   text not null,
  op         text not null,
  run_id     text not null default '',
  completed  text,
  partial    text,
  at         timestamptz not null
);
create index elt_bookmark_history_of on elt_bookmark_history (state_id, id);

-- The primary key is what lets one run at a time hold a state id. A free
-- lease keeps its row: the epoch only grows.
create table elt_leases (
  state_id   text primary key,
  epoch      bigint not null,
  run_id     text,
  host       text not null default '',
  machine    text not null default '',
  pid        bigint not null default 0,
  lock_file  text not null default '',
  since      timestamptz not null,
  renewed_at timestamptz not null,
  ttl_ms     bigint not null
);

create table elt_runs (
  run_id       text primary key,
  state_id     text not null default '',
  name         text not null,
  environment  text not null default '',
  trigger_by   text not null default '',
  status       text not null,
  unconfirmed  boolean not null default false,
  exit_code    bigint not null default 0,
  cause        text not null default '',
  started_at   timestamptz not null,
  heartbeat_at timestamptz not null,
  ended_at     timestamptz,
  log_path     text not null default '',
  streams      text,
  detail       text
);
create index elt_runs_newest on elt_runs (started_at);
create index elt_runs_of on elt_runs (state_id, started_at);

create table elt_settings (
  scope text not null,
  name  text not null,
  value text not null,
  primary key (scope, name)
);
