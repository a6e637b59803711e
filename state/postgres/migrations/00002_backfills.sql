-- +goose Up

-- Backfills, and the chunks of their windows. Whoever works on one holds the
-- lease of state_id, with a run id that begins with the backfill's id and a dot.
create table elt_backfills (
  backfill_id text primary key,
  state_id    text not null,
  name        text not null,
  environment text not null default '',
  status      text not null,
  cause       text not null default '',
  from_time   timestamptz not null,
  to_time     timestamptz not null,
  options     text,
  plan        text,
  created_at  timestamptz not null,
  updated_at  timestamptz not null,
  ended_at    timestamptz
);
create index elt_backfills_newest on elt_backfills (created_at);

create table elt_backfill_chunks (
  backfill_id text not null references elt_backfills,
  n           bigint not null,
  state_id    text not null,
  from_time   timestamptz not null,
  to_time     timestamptz not null,
  status      text not null,
  run_id      text not null default '',
  attempts    bigint not null default 0,
  cause       text not null default '',
  started_at  timestamptz,
  ended_at    timestamptz,
  streams     text,
  primary key (backfill_id, n)
);
