//! The names of an archive's row as a collector spells them in a line.

use crate::formats::line::Key;
use crate::formats::parquet::Batch;
use crate::model::{KnownKinds, Scope};

/// The tags of a row: scope and id are those of the deepest component, its parent lies above it. A kind that is no part
/// of a host is a device of it, which collectors send with `type=node`.
pub(in crate::cli) fn line_key(row: &Batch) -> Key<'_> {
    let kinds = KnownKinds::default();
    let mut key = Key {
        metric: (&*row.metric).into(),
        cluster: (!row.cluster.is_empty()).then(|| (&*row.cluster).into()),
        host: (&*row.hostname).into(),
        ..Key::default()
    };
    let is_node = row.scope == Scope::Node.name() && row.scope_id.is_empty();
    if is_node && row.parent.is_empty() {
        key.kind = Scope::Node.name().into();
    } else if !row.parent.is_empty() {
        let parent = kinds.split(&row.parent);
        key.kind = String::from(parent.kind).into();
        key.id = String::from(parent.id).into();
        key.sub_kind = (&*row.scope).into();
        key.sub_id = (&*row.scope_id).into();
    } else if kinds.is_device(&row.scope) {
        key.kind = Scope::Node.name().into();
        key.sub_kind = (&*row.scope).into();
        key.sub_id = (&*row.scope_id).into();
    } else {
        key.kind = (&*row.scope).into();
        key.id = (&*row.scope_id).into();
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::line::write_key;

    #[test]
    fn rows_become_the_lines_that_a_collector_sends() {
        for (scope, scope_id, parent, tags) in [
            ("node", "", "", "type=node"),
            ("hwthread", "12", "", "type=hwthread,type-id=12"),
            ("accelerator", "00000000:07:00.0", "", "type=accelerator,type-id=00000000:07:00.0"),
            ("network", "eth0", "", "type=node,stype=network,stype-id=eth0"),
            ("disk", "sda", "socket1", "type=socket,type-id=1,stype=disk,stype-id=sda"),
            ("", "7", "", "type=node,stype-id=7"),
        ] {
            let row = Batch {
                cluster: "alex".into(),
                hostname: "a1".into(),
                metric: "load".into(),
                scope: scope.into(),
                scope_id: scope_id.into(),
                parent: parent.into(),
                frequency_secs: 60,
                timestamps: Vec::new(),
                values: Vec::new(),
            };
            let mut line = Vec::new();
            write_key(&line_key(&row), &mut line).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("load,cluster=alex,hostname=a1,{tags}"));
        }
    }
}
