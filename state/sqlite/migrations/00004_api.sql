-- +goose Up

-- Who may use the API: tokens, and the sessions of browsers that stand for one.
create table elt_tokens (
  token_id     text primary key,
  name         text not null,
  scope        text not null,
  hash         text not null unique,
  parent       text not null default '',
  session      boolean not null default false,
  created_by   text not null default '',
  created_at   timestamp not null,
  expires_at   timestamp,
  revoked_at   timestamp,
  last_used_at timestamp
) without rowid;
-- A name is free as soon as its token is revoked.
create unique index elt_tokens_name on elt_tokens (name) where revoked_at is null and not session;
create index elt_tokens_parent on elt_tokens (parent);

-- What was done by the API, and by whom.
create table elt_audit (
  id        integer primary key autoincrement,
  at        timestamp not null,
  who       text not null,
  token_id  text not null default '',
  address   text not null default '',
  action    text not null,
  object    text not null default '',
  trace_id  text not null default '',
  status    integer not null,
  detail    text
);
create index elt_audit_at on elt_audit (at);

-- Calls that executions asked for: the attempts that were made. An execution
-- that has ended and is not here has not been told of yet.
create table elt_callbacks (
  execution_id text primary key,
  attempts     integer not null,
  next_at      timestamp,
  done_at      timestamp,
  result       text not null default ''
) without rowid;
create index elt_executions_callback on elt_executions (project, environment, ended_at) where callback <> '';
