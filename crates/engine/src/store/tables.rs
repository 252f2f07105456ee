//! The tables of the database file; `store` documents their content.

use redb::TableDefinition;

pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(super) const HASHES: TableDefinition<[u8; 32], u32> = TableDefinition::new("hashes");
pub(super) const SIGNS: TableDefinition<u64, u32> = TableDefinition::new("signs");
pub(super) const RECORDS: TableDefinition<u32, &[u8]> = TableDefinition::new("records");
pub(super) const FEATURES: TableDefinition<u32, &[u8]> = TableDefinition::new("features");
pub(super) const THUMBNAILS: TableDefinition<u32, &[u8]> = TableDefinition::new("thumbnails");
pub(super) const PREVIEWS: TableDefinition<u32, &[u8]> = TableDefinition::new("previews");
