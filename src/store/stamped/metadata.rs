//! What metrics measure: one entry a metric name, for all hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::model::Metadata;
use crate::store::limits::{LimitReached, Limits};
use crate::store::memory::{SharedBytes, Use};

/// Metadata by metric name. Bounded in number, and through the length of texts in bytes.
#[derive(Debug, Default)]
pub(in crate::store) struct MetadataTable(RwLock<BTreeMap<Arc<str>, Metadata>>);

impl MetadataTable {
    /// The metadata of a metric.
    pub(super) fn get(&self, name: &str) -> Option<Metadata> {
        self.0.read().get(name).cloned()
    }

    /// All, sorted by name.
    pub(super) fn all(&self) -> Vec<(Arc<str>, Metadata)> {
        self.0.read().iter().map(|(name, metadata)| (Arc::clone(name), metadata.clone())).collect()
    }

    /// Sets the metadata of a metric; `true` when that changed anything.
    pub(super) fn set(
        &self,
        name: &str,
        metadata: Metadata,
        limits: &Limits,
        bytes: &SharedBytes,
    ) -> Result<bool, LimitReached> {
        // Senders repeat themselves.
        if self.0.read().get(name) == Some(&metadata) {
            return Ok(false);
        }
        if name.len() > limits.label_value_bytes_max {
            return Err(LimitReached::LabelValue(limits.label_value_bytes_max));
        }
        if metadata.help.len() + metadata.unit.len() > limits.label_value_bytes_max {
            return Err(LimitReached::MetadataBytes(limits.label_value_bytes_max));
        }
        let mut all = self.0.write();
        let added = entry_bytes(name, &metadata) as i64;
        if let Some(known) = all.get_mut(name) {
            let before = std::mem::replace(known, metadata);
            bytes.add(Use::Metadata, added - entry_bytes(name, &before) as i64);
            return Ok(true);
        }
        if all.len() >= limits.metadata_max {
            return Err(LimitReached::Metadata(limits.metadata_max));
        }
        bytes.add(Use::Metadata, added);
        all.insert(name.into(), metadata);
        Ok(true)
    }

    /// Bytes of all entries.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        self.0.read().iter().map(|(name, metadata)| entry_bytes(name, metadata)).sum()
    }
}

/// Bytes of an entry: its texts, and what the allocator and the tree add.
fn entry_bytes(name: &str, metadata: &Metadata) -> usize {
    const AROUND: usize = 32;
    size_of::<(Arc<str>, Metadata)>() + name.len() + metadata.help.len() + metadata.unit.len() + 3 * AROUND
}
