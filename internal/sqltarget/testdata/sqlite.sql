insert into "orders" as d ("id", "q""", "j", "_sdc_received_at", "_sdc_batched_at", "_sdc_deleted_at", "_sdc_sequence", "_sdc_table_version", "_sdc_sync_started_at", "_sdc_extracted_at") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict ("id") do update set "q""" = excluded."q""", "j" = excluded."j", "_sdc_received_at" = excluded."_sdc_received_at", "_sdc_batched_at" = excluded."_sdc_batched_at", "_sdc_deleted_at" = excluded."_sdc_deleted_at", "_sdc_sequence" = excluded."_sdc_sequence", "_sdc_table_version" = excluded."_sdc_table_version", "_sdc_sync_started_at" = excluded."_sdc_sync_started_at", "_sdc_extracted_at" = excluded."_sdc_extracted_at" where d."q""" is not excluded."q""" or d."j" is not excluded."j" or d."_sdc_deleted_at" is not excluded."_sdc_deleted_at" or d."_sdc_table_version" is not excluded."_sdc_table_version";

insert into "orders" as d ("id") values (?1), (?2) on conflict ("id") do nothing;

insert into "orders" as d ("id", "q""", "j", "_sdc_received_at", "_sdc_batched_at", "_sdc_deleted_at") values (?1, ?2, ?3, ?4, ?5, ?6) on conflict ("id") do update set "q""" = excluded."q""", "j" = excluded."j", "_sdc_received_at" = excluded."_sdc_received_at", "_sdc_batched_at" = excluded."_sdc_batched_at", "_sdc_deleted_at" = excluded."_sdc_deleted_at" where d."_sdc_deleted_at" is null;

update "orders" set "q""" = ?2, "j" = ?3 where "id" = ?1;

delete from "orders" where "id" = ?1;

create table "orders" ("id" INTEGER not null, "q""" TEXT, "j" JSON TEXT, "_sdc_received_at" TIMESTAMPTZ, "_sdc_batched_at" TIMESTAMPTZ, "_sdc_deleted_at" TIMESTAMPTZ, "_sdc_sequence" INTEGER, "_sdc_table_version" INTEGER, "_sdc_sync_started_at" INTEGER, "_sdc_extracted_at" TIMESTAMPTZ, primary key ("id"));

create table "orders" ("id" INTEGER not null, "q""" TEXT, "j" JSON TEXT, "_sdc_received_at" TIMESTAMPTZ, "_sdc_batched_at" TIMESTAMPTZ, "_sdc_deleted_at" TIMESTAMPTZ, "_sdc_sequence" INTEGER, "_sdc_table_version" INTEGER, "_sdc_sync_started_at" INTEGER, "_sdc_extracted_at" TIMESTAMPTZ);

alter table "orders" add column "q""" TEXT;

update "orders" set "_sdc_deleted_at" = now() where ("_sdc_table_version" is null or case when "_sdc_table_version" < 100000000000 then "_sdc_table_version" * 1000 else "_sdc_table_version" end < 1700000000000) and "_sdc_deleted_at" is null;

delete from "orders" where ("_sdc_table_version" is null or case when "_sdc_table_version" < 100000000000 then "_sdc_table_version" * 1000 else "_sdc_table_version" end < 1700000000000);
