//! Checkpoint directories, cc-metric-store's and Treering's, as rows: an engine that only reads recovers them.

use std::path::Path;

use crate::cli::convert;
use crate::formats::line::Key;
use crate::model::{HostImage, NO_PARENT, Scope};

use super::error::ImportError;
use super::importer::Importer;
use super::rows::HostRows;

/// Sends everything that a directory holds. A row's time is the centre of its slot.
pub(super) fn import(path: &Path, importer: &mut Importer<'_>) -> Result<(), ImportError> {
    let content = {
        let progress = convert::Progress::on_terminal();
        convert::read(path, &importer.metrics(), None, convert::workers(), &progress)?
    };
    let store = content.engine.store();
    let mut hosts = store.hosts();
    hosts.sort_by(|a, b| (a.cluster(), a.name()).cmp(&(b.cluster(), b.name())));
    for host in hosts {
        let image = host.image(&store.metrics());
        let mut rows = HostRows::default();
        let mut key = Vec::new();
        for (series, values) in image.series.iter().zip(convert::values(&image)) {
            key.clear();
            match importer.key(&key_of(&image, series.component, &series.metric), &mut key) {
                true => rows.add(&key, values.values.iter().copied()),
                false => importer.note_unwritable(values.values.len() as u64),
            }
        }
        importer.host_rows(path, &mut rows)?;
    }
    Ok(())
}

/// The names of a series as a collector spells them.
fn key_of<'i>(image: &'i HostImage, component: u32, metric: &'i str) -> Key<'i> {
    let mut key = Key {
        metric: metric.into(),
        cluster: Some((&*image.cluster).into()).filter(|cluster: &std::borrow::Cow<'_, str>| !cluster.is_empty()),
        host: (&*image.host).into(),
        ..Key::default()
    };
    let path = if component == NO_PARENT { Vec::new() } else { image.path(component) };
    match path[..] {
        [] => key.kind = Scope::Node.name().into(),
        [device] if device.is_device => {
            key.kind = Scope::Node.name().into();
            key.sub_kind = (&*device.component.kind).into();
            key.sub_id = (&*device.component.id).into();
        }
        [first, ref rest @ ..] => {
            key.kind = (&*first.component.kind).into();
            key.id = (&*first.component.id).into();
            // Lines name two levels; what lies deeper in a file of cc-metric-store takes the name of its deepest.
            if let Some(last) = rest.last() {
                key.sub_kind = (&*last.component.kind).into();
                key.sub_id = (&*last.component.id).into();
            }
        }
    }
    key
}
