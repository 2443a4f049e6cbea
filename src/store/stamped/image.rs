//! The stamped series of a host as data.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::model::{ChunkImage, HostImage, StampedId, StampedImage, StampedSample, is_empty};

use super::chunk::Chunk;
use super::data::Stamped;
use super::loose::{Loose, merged};
use super::times::SharedTimes;

impl Stamped {
    /// Adds the series to an image; those without anything are left out.
    pub(in crate::store) fn image_to(&self, image: &mut HostImage) {
        let mut places: HashMap<*const SharedTimes, u32, RandomState> = HashMap::default();
        let times = &mut image.times;
        let mut place = |shared: &Arc<SharedTimes>| {
            *places.entry(Arc::as_ptr(shared)).or_insert_with(|| {
                times.push(Arc::clone(shared.sealed.as_bytes()));
                (times.len() - 1) as u32
            })
        };
        for (id, series) in self.table.iter().filter(|(id, _)| self.holds_data(*id)) {
            let chunk = |chunk: &Chunk| ChunkImage {
                times: place(&chunk.times),
                starts: chunk.starts().map(&mut place),
                values: Arc::clone(chunk.values_as_bytes()),
            };
            image.stamped.push(StampedImage {
                labels: self.index.labels(&series.pairs),
                chunks: series.chunks.iter().map(chunk).collect(),
                open: self.open_samples(id),
                exemplars: series.exemplars().to_vec(),
            });
        }
    }

    /// What is not sealed of a series, ascending.
    fn open_samples(&self, id: StampedId) -> Vec<StampedSample> {
        let Some(series) = self.table.get(id) else { return Vec::new() };
        let mut rows = Vec::new();
        if let Some(Some(group)) = self.groups.get(series.group as usize) {
            let cells = group.order().into_iter().map(|row| (group.times[row], group.get(row, series.column)));
            rows.extend(cells.filter(|(_, value)| !is_empty(*value)).map(|(time, value)| Loose::float(time, value)));
        }
        let all = merged(rows, series.loose().to_vec());
        let sample = |Loose { time_ms, start_ms, value }| StampedSample { series: id, time_ms, start_ms, value };
        all.into_iter().map(sample).collect()
    }
}
