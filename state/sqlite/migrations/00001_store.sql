-- +goose Up

-- Kept state, one row per state id; a cleared one keeps its row, so that the
-- destination learns of the user's edit. Values are Singer state values.
create table elt_bookmarks (
  state_id   text primary key,
  completed  text,
  partial    text,
  edit       integer not null default 0,
  updated_at timestamp not null
) without rowid;

create table elt_bookmark_history (
  id         integer primary key autoincrement,
  state_id   text not null,
  op         text not null,
  run_id     text not null default '',
  completed  text,
  partial    text,
  at         timestamp not null
);
create index elt_bookmark_history_of on elt_bookmark_history (state_id, id);

-- The primary key is what lets one run at a time hold a state id. A free
-- lease keeps its row: the epoch only grows.
create table elt_leases (
  state_id   text primary key,
  epoch      integer not null,
  run_id     text,
  host       text not null default '',
  machine    text not null default '',
  pid        integer not null default 0,
  lock_file  text not null default '',
  since      timestamp not null,
  renewed_at timestamp not null,
  ttl_ms     integer not null
) without rowid;

create table elt_runs (
  run_id       text primary key,
  state_id     text not null default '',
  name         text not null,
  environment  text not null default '',
  trigger_by   text not null default '',
  status       text not null,
  unconfirmed  boolean not null default false,
  exit_code    integer not null default 0,
  cause        text not null default '',
  started_at   timestamp not null,
  heartbeat_at timestamp not null,
  ended_at     timestamp,
  log_path     text not null default '',
  streams      text,
  detail       text
) without rowid;
create index elt_runs_newest on elt_runs (started_at);
create index elt_runs_of on elt_runs (state_id, started_at);

create table elt_settings (
  scope text not null,
  name  text not null,
  value text not null,
  primary key (scope, name)
) without rowid;
