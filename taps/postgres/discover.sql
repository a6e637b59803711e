-- Every relation that the role may read, one row per column. $1: schemas or
-- null, $2: stream ids (schema-table) or null. Privileges and keys are asked
-- once per relation; sorting is left to the client, which does it by relation,
-- not by column. A key is the primary key or, where there is none, the
-- first unique index of which no column can be NULL.
with rel as materialized (
  select c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.relhassubclass, c.reltuples, k.indkey, k.indisprimary,
         has_table_privilege(c.oid, 'SELECT') as whole
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join lateral (
    select (i.indkey::int2[])[0:i.indnkeyatts - 1] as indkey, i.indisprimary
    from pg_catalog.pg_index i
    where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
      and not exists (select from pg_catalog.pg_attribute x
                      where x.attrelid = c.oid and x.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1]) and not x.attnotnull)
    order by i.indisprimary desc, i.indexrelid limit 1) k on true
  where c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
    and (case when $1::text[] is not null then n.nspname = any ($1::text[])
              else n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast') end)
    and ($2::text[] is null or n.nspname || '-' || c.relname = any ($2::text[]))
    and has_schema_privilege(n.oid, 'USAGE')
)
select rel.oid, rel.nspname::text, rel.relname::text, rel.relkind::text, rel.relispartition, rel.relhassubclass, greatest(rel.reltuples, 0)::int8,
       coalesce(rel.indisprimary, false), coalesce(array_position(rel.indkey, a.attnum), -1),
       a.attnum, a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated <> '', coalesce(co.collisdeterministic, true),
       pg_catalog.format_type(a.atttypid, null)
from rel
join pg_catalog.pg_attribute a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_collation co on co.oid = a.attcollation
where rel.whole or has_column_privilege(rel.oid, a.attnum, 'SELECT')
