-- The types $1 and those they are made of. What a field's bytes are is
-- decided by the type's send function; only the server's own are trusted, and
-- some types (seg, gtsvector) have none.
with recursive used(oid) as (
  select unnest($1::oid[])
  union
  select part from used join pg_catalog.pg_type t using (oid)
  cross join lateral (values (t.typbasetype), (case when t.typsend = 'pg_catalog.array_send'::regproc then t.typelem else 0 end)) v(part)
  where part <> 0
)
select t.oid, n.nspname::text, t.typname::text, t.typbasetype, t.typelem, t.typtypmod, t.typnotnull,
       coalesce(case when t.typsend::oid < 16384 or p.proname = 'citextsend' then p.proname::text end, '')
from used join pg_catalog.pg_type t using (oid)
join pg_catalog.pg_namespace n on n.oid = t.typnamespace
left join pg_catalog.pg_proc p on p.oid = t.typsend
