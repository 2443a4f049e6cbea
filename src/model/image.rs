//! A host as data: what a checkpoint holds and a recovery brings back.
//!
//! The store makes and takes images, the formats write and read them; neither knows the other. Blocks are opaque bytes
//! here. An image of one host is the largest piece that a checkpoint keeps in memory at once.

use std::sync::Arc;

use super::{Component, StampedImage};

/// `parent` of a component that hangs directly below its host.
pub const NO_PARENT: u32 = u32::MAX;

/// Everything that is kept of one host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostImage {
    /// The cluster's name.
    pub cluster: Box<str>,
    /// The host's name; may be empty.
    pub host: Box<str>,
    /// Nothing before this second is answered; `i64::MIN` when nothing was freed.
    pub horizon_secs: i64,
    /// The components, parents before their children. The host itself is not among them: index 0 here is the first
    /// component, [`NO_PARENT`] stands for the host.
    pub components: Vec<ComponentImage>,
    /// The series; lanes refer to them by position.
    pub series: Vec<SeriesImage>,
    /// The open rows.
    pub lanes: Vec<LaneImage>,
    /// The seconds of sealed rows.
    pub ticks: Vec<TicksImage>,
    /// The stamped series.
    pub stamped: Vec<StampedImage>,
    /// Sealed times of stamped samples, verbatim; chunks refer to them by position.
    pub times: Vec<Arc<[u8]>>,
}

/// A component of a host.
#[derive(Debug, Clone, PartialEq)]
pub struct ComponentImage {
    /// Its parent's position in [`HostImage::components`], or [`NO_PARENT`].
    pub parent: u32,
    /// Kind and id.
    pub component: Component,
    /// Whether it was sent as a device of the host (`type=node` with `stype`).
    pub is_device: bool,
    /// The horizon of this sub-tree, `i64::MIN` when it has none of its own.
    pub horizon_secs: i64,
}

/// A series with its sealed data.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesImage {
    /// The component's position in [`HostImage::components`], or [`NO_PARENT`] for the host itself.
    pub component: u32,
    /// The metric's name.
    pub metric: Box<str>,
    /// Sealed blocks in order of time, verbatim.
    pub blocks: Vec<Arc<[u8]>>,
    /// Late samples that are not folded into blocks yet: the second and the value.
    pub overlay: Vec<(i64, f64)>,
}

/// The open rows of the series that share a frequency and a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneImage {
    /// Seconds between two rows.
    pub frequency_secs: u32,
    /// The centre of row 0, seconds since 1970.
    pub start_secs: i64,
    /// The second of each row's first sample as an offset from the row's centre; `i32::MIN` for a row without one.
    pub seconds: Vec<i32>,
    /// Offsets of the newest ticks from their centres, oldest first; at most eight.
    pub recent: Vec<i32>,
    /// For each column its series (position in [`HostImage::series`]) and one value a row ([`super::EMPTY`] where
    /// there is none).
    pub columns: Vec<(u32, Vec<f64>)>,
}

/// The seconds of the sealed rows of a lane's window, shared by all its series.
#[derive(Debug, Clone, PartialEq)]
pub struct TicksImage {
    /// Seconds between two rows.
    pub frequency_secs: u32,
    /// The centre of row 0.
    pub start_secs: i64,
    /// As [`LaneImage::seconds`].
    pub seconds: Vec<i32>,
}

impl HostImage {
    /// Moves the horizon of the component with this path of joined names (none for the host) forward. A path that
    /// leads nowhere moves nothing.
    pub fn move_horizon(&mut self, path: &[String], to_secs: i64) {
        if path.is_empty() {
            self.horizon_secs = self.horizon_secs.max(to_secs);
            return;
        }
        let leads_to =
            |at: &u32| self.path(*at).iter().map(|part| part.component.to_string()).eq(path.iter().map(String::clone));
        let found = (0..self.components.len() as u32).find(leads_to);
        if let Some(component) = found.and_then(|at| self.components.get_mut(at as usize)) {
            component.horizon_secs = component.horizon_secs.max(to_secs);
        }
    }

    /// The path of components from the host down to `component`.
    pub fn path(&self, component: u32) -> Vec<&ComponentImage> {
        let mut path = Vec::new();
        let mut at = component;
        while let Some(image) = self.components.get(at as usize) {
            path.push(image);
            at = image.parent;
        }
        path.reverse();
        path
    }
}
