//! State files of hosts that have no folder: what was freed of them stays freed.
//!
//! A horizon is durable when it is acknowledged, a host's folder only when a flush came; so after a power failure a
//! state file can be all that is left of a host. Invariant: no horizon waits in a file for samples that are written
//! later, for the start after that would drop them.

use std::path::Path;

use hashbrown::HashSet;

use crate::formats::ccms::{self, CcmsError};
use crate::model::HostImage;

use super::core::{Engine, OWN_FOLDER};
use super::damage;
use super::outcome::OpenError;

/// Takes over the horizons of hosts that are not among `known`, by cluster and name. Values there are none, and rows
/// without values are of no use.
pub(super) fn adopt_horizons(engine: &Engine, known: &HashSet<(String, String)>) -> Result<(), OpenError> {
    let root = engine.options.checkpoints.join(OWN_FOLDER).join("state");
    for cluster in list(engine, &root).iter().filter(|entry| entry.is_dir) {
        let folder = root.join(&cluster.name);
        for entry in list(engine, &folder).iter().filter(|entry| !entry.is_dir) {
            let names = (ccms::name_of_directory(&cluster.name), ccms::name_of_directory(&entry.name));
            if !known.contains(&names) {
                adopt_state(engine, &names, &folder.join(&entry.name))?;
            }
        }
    }
    Ok(())
}

fn list(engine: &Engine, folder: &Path) -> Vec<crate::disk::Entry> {
    match engine.disk.list(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            damage::note(&engine.telemetry, "state", folder, &error);
            Vec::new()
        }
    }
}

fn adopt_state(engine: &Engine, (cluster, name): &(String, String), path: &Path) -> Result<(), OpenError> {
    let read = engine.disk.read(path).map_err(CcmsError::from);
    match read.and_then(|bytes| ccms::read_state(bytes.as_slice(), bytes.len() as u64)) {
        Ok(image) if (&*image.cluster, &*image.host) == (cluster.as_str(), name.as_str()) => {
            restore(engine, image, path);
            Ok(())
        }
        Err(error @ CcmsError::UnknownVersion { .. }) => {
            Err(OpenError::Newer { path: path.to_owned(), reason: error.to_string() })
        }
        // What was begun beside a host's file, and what was set aside, is no host's.
        _ if name.ends_with(".tmp") || name.contains(".corrupt") => Ok(()),
        Ok(_) => {
            damage::note(&engine.telemetry, "state", path, &"it speaks of another host than its place");
            damage::set_aside(&*engine.disk, path);
            Ok(())
        }
        Err(error) => {
            damage::note(&engine.telemetry, "state", path, &error);
            damage::set_aside(&*engine.disk, path);
            Ok(())
        }
    }
}

fn restore(engine: &Engine, image: HostImage, path: &Path) {
    let mut horizons = image.components.iter().map(|component| component.horizon_secs).chain([image.horizon_secs]);
    if horizons.all(|secs| secs == i64::MIN) {
        return;
    }
    match engine.store.host_or_create(&image.cluster, &image.host) {
        Ok(host) => {
            let horizons = HostImage { series: Vec::new(), lanes: Vec::new(), ticks: Vec::new(), ..image };
            host.restore(&horizons, &engine.store.metrics(), engine.store.limits());
        }
        Err(limit) => damage::note(&engine.telemetry, "limit", path, &limit),
    }
}
