-- +goose Up

-- Requests to run blocks, and what became of them.
create table elt_executions (
  execution_id text primary key,
  project      text not null,
  environment  text not null default '',
  name         text not null,
  blocks       text not null,
  options      text,
  trigger_by   text not null default '',
  schedule     text not null default '',
  slot         timestamp,
  asked_as     text,
  lock_name    text not null default '',
  queue        text not null default '',
  priority     integer not null default 0,
  not_before   timestamp not null,
  attempt      integer not null default 1,
  retry_of     text not null default '',
  digest       text not null default '',
  callback     text not null default '',
  status       text not null,
  cancel       boolean not null default false,
  worker       text not null default '',
  created_at   timestamp not null,
  started_at   timestamp,
  heartbeat_at timestamp,
  ended_at     timestamp,
  exit_code    integer not null default 0,
  cause        text not null default '',
  tail         text
) without rowid;
create unique index elt_executions_asked on elt_executions (project, environment, asked_as) where asked_as is not null;
-- In the order of state.Queue.Take, so that it looks at the first that may run, however many wait.
create index elt_executions_due on elt_executions (project, environment, priority desc, not_before, created_at, execution_id) where status = 'queued';
create index elt_executions_running on elt_executions (project, environment) where status = 'running';
create index elt_executions_newest on elt_executions (created_at);
create index elt_executions_of on elt_executions (project, environment, name, created_at);

-- The runs that an execution made: one per block, and anew when it was handed
-- back. Not a column of elt_runs, which the release before writes too.
create table elt_execution_runs (
  execution_id text not null,
  run_id       text not null,
  primary key (execution_id, run_id)
) without rowid;

-- The locks that running executions hold; the primary key lets one have it.
create table elt_held (
  project      text not null,
  environment  text not null,
  lock_name    text not null,
  execution_id text not null,
  primary key (project, environment, lock_name)
) without rowid;

-- The primary key is what lets a slot fire once.
create table elt_slots (
  project      text not null,
  environment  text not null,
  schedule     text not null,
  slot         timestamp not null,
  outcome      text not null,
  execution_id text not null default '',
  why          text not null default '',
  at           timestamp not null,
  primary key (project, environment, schedule, slot)
) without rowid;

create table elt_paused (
  project     text not null,
  environment text not null,
  schedule    text not null,
  who         text not null,
  since       timestamp not null,
  primary key (project, environment, schedule)
) without rowid;
