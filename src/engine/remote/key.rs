//! Label sets written out as keys.

/// Writes the key of a sorted label set into `key`, in place of what it holds. Texts never hold the byte 0xFF, so equal
/// keys are equal sets.
pub(super) fn put_key<'l>(key: &mut Vec<u8>, labels: impl Iterator<Item = (&'l str, &'l str)>) {
    key.clear();
    for (name, value) in labels {
        key.extend_from_slice(name.as_bytes());
        key.push(0xFF);
        key.extend_from_slice(value.as_bytes());
        key.push(0xFF);
    }
}
