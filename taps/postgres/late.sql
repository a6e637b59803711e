-- Who may still commit rows of relation $1 whose replication keys are older
-- than some that are visible. $2: any transaction of this database may, since
-- the key is a time, which may be that of its begin; else those that have
-- written to the relation or one of its parts, by the lock that they hold.
with recursive tree(oid) as (
  select $1::oid
  union
  select i.inhrelid from pg_catalog.pg_inherits i join tree on i.inhparent = tree.oid
), held as materialized (
  select l.locktype, l.mode, l.database, l.relation, l.transactionid, l.virtualtransaction, a.datname, a.backend_type, a.xact_start
  from pg_catalog.pg_locks l left join pg_catalog.pg_stat_activity a on a.pid = l.pid
  where l.granted and l.pid is distinct from pg_catalog.pg_backend_pid()
), late as (
  select virtualtransaction, xact_start from held
  where case when $2 then locktype = 'virtualxid' and datname = pg_catalog.current_database() and backend_type is distinct from 'autovacuum worker'
             else locktype = 'relation' and relation in (select oid from tree)
               and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
               and mode in ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') end
  union all
  select '-1/' || transaction, null from pg_catalog.pg_prepared_xacts where $2 and database = pg_catalog.current_database()
)
select pg_catalog.txid_current_snapshot()::text, pg_catalog.clock_timestamp(), pg_catalog.pg_is_in_recovery(),
       coalesce((select array_agg(distinct virtualtransaction) from late), '{}'),
       (select case when bool_and(xact_start is not null) then min(xact_start) end from late),
       exists (select from pg_catalog.txid_snapshot_xip(pg_catalog.txid_current_snapshot()) x
               where not exists (select from held where locktype = 'transactionid' and transactionid::text = (x % 4294967296)::text)),
       not exists (select from tree join pg_catalog.pg_class c on c.oid = tree.oid left join pg_catalog.pg_am m on m.oid = c.relam
                   where c.relkind not in ('r', 'p') or c.relkind = 'r' and m.amname <> 'heap')
