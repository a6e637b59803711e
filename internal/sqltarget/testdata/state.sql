create table if not exists "raw"."_elt_state" (
	state_id text not null,
	part text not null,
	stream text not null,
	position text,
	epoch bigint not null,
	edit bigint not null,
	seq bigint not null,
	format integer not null default 1,
	updated_at timestamp default current_timestamp,
	primary key (state_id, part, stream)
);

insert into "raw"."_elt_state" (state_id, part, stream, epoch, edit, seq) values ($1, 'fence', '', 0, 0, 0) on conflict (state_id, part, stream) do nothing;

select epoch, edit, seq, format from "raw"."_elt_state" where state_id = $1 and part = 'fence' for update;

select 1 from "raw"."_elt_state" where state_id = $1 and part = 'fence' and epoch = $2 for share;

update "raw"."_elt_state" set epoch = $2, edit = $3, seq = $4, updated_at = current_timestamp where state_id = $1 and part = 'fence';

insert into "raw"."_elt_state" (state_id, part, stream, epoch, edit, seq) values ($1, 'lane', $2, $3, 0, $4) on conflict (state_id, part, stream) do update set epoch = excluded.epoch, seq = excluded.seq, updated_at = current_timestamp;

select seq from "raw"."_elt_state" where state_id = $1 and part = 'lane' and stream = $2 and epoch = $3 for update;

select part, stream, position from "raw"."_elt_state" where state_id = $1 and part in ('whole', 'stream') and position is not null order by part desc, stream;

delete from "raw"."_elt_state" where state_id = $1 and part in ('whole', 'stream');

delete from "raw"."_elt_state" where state_id = $1 and part = 'stream';

insert into "raw"."_elt_state" (state_id, part, stream, position, epoch, edit, seq) values ($1, $2, $3, $4, $5, 0, 0) on conflict (state_id, part, stream) do update set position = excluded.position, epoch = excluded.epoch, updated_at = current_timestamp;

select position from "raw"."_elt_state" where state_id = $1 and part = $2 and stream = $3;

delete from "raw"."_elt_state" where state_id = $1 and part = $2 and stream = $3;

create table if not exists "raw"."_elt_rejects" (
	state_id text not null,
	stream text not null,
	reason text not null,
	record text not null,
	rejected_at timestamp default current_timestamp
);

insert into "raw"."_elt_rejects" (state_id, stream, reason, record) values ($1, $2, $3, $4);
