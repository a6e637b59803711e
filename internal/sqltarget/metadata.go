package sqltarget

import "elt/internal/row"

// Names of the metadata columns.
const (
	ExtractedAt   = "_sdc_extracted_at"
	ReceivedAt    = "_sdc_received_at"
	BatchedAt     = "_sdc_batched_at"
	DeletedAt     = "_sdc_deleted_at"
	Sequence      = "_sdc_sequence"
	TableVersion  = "_sdc_table_version"
	SyncStartedAt = "_sdc_sync_started_at"
)

// Metadata is which columns a target adds to every row.
type Metadata int

const (
	NoMetadata           Metadata = iota
	SDKMetadata                   // the Meltano SDK's seven
	PipelinewiseMetadata          // pipelinewise's three
)

// Columns are the metadata columns, in order. When a row was extracted comes
// last, because alone it may differ from row to row within a batch.
func (m Metadata) Columns() []row.Column {
	switch m {
	case SDKMetadata:
		return []row.Column{
			MetaColumn(ReceivedAt), MetaColumn(BatchedAt), MetaColumn(DeletedAt), MetaColumn(Sequence),
			MetaColumn(TableVersion), MetaColumn(SyncStartedAt), MetaColumn(ExtractedAt),
		}
	case PipelinewiseMetadata:
		return []row.Column{MetaColumn(BatchedAt), MetaColumn(DeletedAt), MetaColumn(ExtractedAt)}
	}
	return nil
}

// MetaColumn is the metadata column called name.
func MetaColumn(name string) row.Column {
	c := row.Column{Name: name, Kind: row.TimestampTZ, Nullable: true}
	switch name {
	case Sequence, TableVersion, SyncStartedAt:
		c.Kind = row.Int64
	}
	c.Wire = c.Kind.DefaultWire()
	return c
}

// Volatile says that a column differs from load to load while the row stays
// the same, so that it alone is no reason to rewrite a row. The version and
// the deletion mark are not: they decide whether the row is alive.
func Volatile(name string) bool {
	switch name {
	case ExtractedAt, ReceivedAt, BatchedAt, Sequence, SyncStartedAt:
		return true
	}
	return false
}

// Marker says that a soft delete touches the column.
func Marker(name string) bool { return name == DeletedAt || Volatile(name) }
