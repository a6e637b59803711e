-- +goose Up

-- What was found wrong with a pipeline, until it was over.
create table elt_incidents (
  incident_id text primary key,
  project     text not null,
  environment text not null default '',
  key         text not null,
  kind        text not null,
  pipeline    text not null default '',
  summary     text not null default '',
  detail      text not null default '',
  run         text not null default '',
  opened_at   timestamptz not null,
  resolved_at timestamptz
);
-- One open incident of a key: whoever sees the same opens no second one.
create unique index elt_incidents_open on elt_incidents (project, environment, key) where resolved_at is null;
create index elt_incidents_newest on elt_incidents (project, environment, opened_at);

-- What each channel is to be told, and was.
create table elt_notices (
  incident_id text not null,
  channel     text not null,
  what        text not null,
  project     text not null,
  environment text not null default '',
  attempts    bigint not null default 0,
  due_at      timestamptz not null,
  done_at     timestamptz,
  error       text not null default '',
  primary key (incident_id, channel, what)
);
create index elt_notices_owed on elt_notices (project, environment, channel, due_at) where done_at is null;
create index elt_notices_told on elt_notices (project, environment, channel, done_at);

-- What was recorded and what has ended lately: alerts look at nothing else.
create index elt_slots_recorded on elt_slots (project, environment, at);
create index elt_executions_ended on elt_executions (project, environment, ended_at);
