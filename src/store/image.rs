//! A host as data and back: what checkpoints hold and recovery restores.

use std::sync::Arc;

use crate::block::{Block, Ticks};
use crate::model::{
    ComponentId, ComponentImage, EMPTY, HostImage, LaneImage, MetricTable, NO_PARENT, SeriesId, SeriesImage,
    TicksImage, is_empty,
};

use super::host::Restored;
use super::host_data::{HostData, SeriesPath, add_ticks};
use super::lane::{Lane, NO_SECOND};
use super::limits::Limits;
use super::memory::{SharedBytes, Use};
use super::recent::settled_columns;
use super::series::NO_LANE;
use super::slots::{GROUP, WINDOW, centre_at, phase, slot_at, window_start};

impl HostData {
    /// Moves every late sample into blocks and open rows.
    pub(super) fn fold_all(&mut self) {
        for id in (0..self.series.len() as u32).map(SeriesId) {
            if self.series.get(id).overlay.is_some() {
                self.fold(id);
            }
        }
    }

    /// The host as data. Series without any value are left out.
    pub(super) fn image(&self, cluster: &str, host: &str, metrics: &MetricTable) -> HostImage {
        let position = |id: ComponentId| if id == ComponentId::HOST { NO_PARENT } else { id.0 - 1 };
        let components = (1..self.components.len() as u32).map(|id| {
            let node = self.components.node(ComponentId(id));
            ComponentImage {
                parent: position(node.parent),
                component: node.component(),
                is_device: node.is_device,
                horizon_secs: node.horizon_secs,
            }
        });
        let mut places = vec![u32::MAX; self.series.len()];
        let mut series_images = Vec::new();
        for (id, series) in self.series.iter().filter(|(id, _)| self.holds_data(*id)) {
            places[id.0 as usize] = series_images.len() as u32;
            series_images.push(SeriesImage {
                component: position(series.component),
                metric: metrics.get(series.metric).name.clone(),
                blocks: series.blocks.iter().map(|block| Arc::clone(block.as_bytes())).collect(),
                overlay: series.overlay().iter().map(|late| (late.centre_secs, late.value)).collect(),
            });
        }
        let lanes = self.lanes.iter().flatten().map(|lane| {
            let rows = lane.filled_rows();
            let columns = lane.columns.iter().enumerate().map(|(column, &id)| {
                (places[id as usize], lane.column(column as u32).take(rows).collect::<Vec<f64>>())
            });
            LaneImage {
                frequency_secs: lane.frequency_secs,
                start_secs: lane.start_secs,
                seconds: lane.seconds[..rows].to_vec(),
                recent: lane.recent.clone(),
                columns: columns.filter(|(series, _)| *series != u32::MAX).collect(),
            }
        });
        let mut image = HostImage {
            cluster: cluster.into(),
            host: host.into(),
            horizon_secs: self.components.node(ComponentId::HOST).horizon_secs,
            components: components.collect(),
            series: series_images,
            lanes: lanes.filter(|lane| !lane.columns.is_empty()).collect(),
            ticks: self.ticks.iter().map(ticks_image).collect(),
            stamped: Vec::new(),
            times: Vec::new(),
        };
        if let Some(stamped) = &self.stamped {
            stamped.image_to(&mut image);
        }
        image
    }

    /// Merges an image into the host. What can't be used is counted, and the rest is taken over all the same.
    pub(super) fn restore(
        &mut self,
        image: &HostImage,
        metrics: &MetricTable,
        limits: &Limits,
        shared: &SharedBytes,
    ) -> Restored {
        let mut restored = Restored::default();
        self.rollups.clear(&mut self.bytes);
        self.lanes.iter_mut().flatten().for_each(|lane| lane.settled = 0);
        let mut ids: Vec<Option<SeriesId>> = Vec::with_capacity(image.series.len());
        for series in &image.series {
            let path = image.path(series.component);
            let components: Vec<_> = path.iter().map(|part| part.component.clone()).collect();
            let is_device = path.first().is_some_and(|part| part.is_device);
            let Some(metric) = metrics.find(&series.metric) else {
                restored.unknown_metrics += 1;
                ids.push(None);
                continue;
            };
            match self.insert(&SeriesPath { components: &components, is_device, metric }, limits) {
                Ok(id) => {
                    restored.series += 1;
                    restored.refused += self.restore_series(id, series, metrics.get(metric).frequency_secs);
                    ids.push(Some(id));
                }
                Err(_) => {
                    restored.refused += 1;
                    ids.push(None);
                }
            }
        }
        for lane in &image.lanes {
            self.restore_lane(lane, &ids, metrics);
        }
        for ticks in &image.ticks {
            let mut start_secs = ticks.start_secs;
            for rows in ticks.seconds.chunks(GROUP) {
                add_ticks(&mut self.ticks, start_secs, ticks.frequency_secs, rows, &mut self.bytes);
                start_secs = start_secs.saturating_add(GROUP as i64 * i64::from(ticks.frequency_secs));
            }
        }
        self.restore_stamped(image, limits, shared, &mut restored);
        for (at, component) in image.components.iter().enumerate() {
            if component.horizon_secs == i64::MIN || self.components.len() > limits.components_per_host_max {
                continue;
            }
            // A component that was freed has no series, and yet a horizon that keeps what the log has of it away.
            let mut id = ComponentId::HOST;
            for (depth, part) in image.path(at as u32).into_iter().enumerate() {
                id = self.components.insert(id, &part.component, part.is_device && depth == 0);
            }
            self.bytes.set(Use::Components, self.components.memory_bytes());
            self.move_horizon(id, component.horizon_secs);
        }
        if image.horizon_secs > i64::MIN {
            self.move_horizon(ComponentId::HOST, image.horizon_secs);
        }
        for place in 0..self.lanes.len() {
            let settled = self.lanes[place].as_ref().map_or(0, |lane| settled_columns(self, lane));
            if let Some(lane) = &mut self.lanes[place] {
                lane.settled = settled;
            }
        }
        restored
    }

    /// Answers how many blocks could not be used.
    fn restore_series(&mut self, id: SeriesId, image: &SeriesImage, frequency_secs: u32) -> u64 {
        let mut refused = 0;
        let is_new = !self.holds_data(id);
        for bytes in &image.blocks {
            let Ok(block) = Block::from_bytes(Arc::clone(bytes)) else {
                refused += 1;
                continue;
            };
            self.newest_secs = self.newest_secs.max(block.end_secs() - i64::from(block.frequency_secs()));
            let series = self.series.get_mut(id);
            let group = window_start(block.start_secs(), block.frequency_secs(), GROUP);
            let fits_group = block.end_secs() <= group + GROUP as i64 * i64::from(block.frequency_secs());
            if is_new && fits_group {
                series.insert_block(Some(block), &mut self.bytes);
            } else {
                let mut slots = vec![EMPTY; block.len()];
                block.decode(0..block.len(), &mut slots);
                series.merge(block.start_secs(), block.frequency_secs(), &slots, &mut self.bytes);
            }
        }
        for &(secs, value) in &image.overlay {
            self.newest_secs = self.newest_secs.max(secs);
            let series = self.series.get_mut(id);
            let (centre, frequency) = series.late_slot(secs, None).unwrap_or((secs, frequency_secs));
            series.merge(centre, frequency, &[value], &mut self.bytes);
        }
        refused
    }

    fn restore_lane(&mut self, image: &LaneImage, ids: &[Option<SeriesId>], metrics: &MetricTable) {
        let rows = image.seconds.len();
        let is_window = image.frequency_secs > 0
            && rows <= WINDOW
            && window_start(image.start_secs, image.frequency_secs, WINDOW) == image.start_secs;
        let mut lane = is_window.then(|| Lane::new(image.start_secs, image.frequency_secs));
        if let Some(lane) = &mut lane {
            lane.rows = image.seconds.iter().rposition(|&offset| offset != NO_SECOND).map_or(0, |last| last + 1);
            lane.seconds[..rows].copy_from_slice(&image.seconds);
            lane.recent = image.recent.iter().rev().take(8).rev().copied().collect();
        }
        let place = self.lanes.len() as u32;
        for (at, values) in &image.columns {
            let Some(id) = ids.get(*at as usize).copied().flatten() else { continue };
            if let Some(last) = values.iter().rposition(|&value| !is_empty(value)) {
                let offset = image.seconds.get(last).copied().filter(|&offset| offset != NO_SECOND).unwrap_or(0);
                let secs = image.start_secs + last as i64 * i64::from(image.frequency_secs) + i64::from(offset);
                self.newest_secs = self.newest_secs.max(secs);
            }
            let from_blocks;
            let values = if values.is_empty() {
                // The image of a state file: the values are among the sealed ones.
                let mut window = self.sealed_window(id, image);
                if image.frequency_secs > 0 {
                    let HostData { series, bytes, .. } = self;
                    series.get_mut(id).move_to_grid(image.start_secs, image.frequency_secs, &mut window, bytes);
                }
                from_blocks = window;
                &from_blocks
            } else {
                values
            };
            let series = self.series.get_mut(id);
            let is_configured = metrics.get(series.metric).frequency_secs == image.frequency_secs;
            match &mut lane {
                Some(lane) if is_configured && series.lane == NO_LANE => {
                    let column = lane.add_column(id.0);
                    values.iter().take(rows).enumerate().for_each(|(row, &value)| lane.set(row, column, value));
                    series.lane = place;
                    series.column = column;
                }
                _ if image.frequency_secs > 0 => {
                    series.merge(image.start_secs, image.frequency_secs, values, &mut self.bytes);
                }
                _ => {}
            }
        }
        self.lanes.reserve_exact(1);
        self.lanes.push(lane.filter(|lane| !lane.columns.is_empty()));
        self.count_lanes();
    }

    /// What the blocks of a series hold for the rows of a lane. Blocks of another phase are not looked at: a state can
    /// be newer than the snapshot, and a value that lay in both phases would be answered twice.
    fn sealed_window(&self, id: SeriesId, lane: &LaneImage) -> Vec<f64> {
        let mut values = vec![EMPTY; lane.seconds.len()];
        let is_of_lane = |block: &&Block| {
            block.frequency_secs() == lane.frequency_secs
                && phase(block.start_secs(), lane.frequency_secs) == phase(lane.start_secs, lane.frequency_secs)
        };
        for block in self.series.get(id).blocks.iter().filter(is_of_lane) {
            let first = slot_at(block.start_secs(), lane.frequency_secs, lane.start_secs);
            let rows = (0..values.len()).filter_map(|row| Some((row, usize::try_from(first + row as i64).ok()?)));
            for (row, slot) in rows.filter(|(_, slot)| *slot < block.len()) {
                values[row] = block.get(slot);
            }
        }
        values
    }

    /// Moves what is open or late of a series into its blocks, where a run of another phase can take it over. Files of
    /// two forms lie side by side when a change of form was interrupted.
    fn close_rows(&mut self, id: SeriesId) {
        let HostData { series: all, lanes, bytes, .. } = self;
        let series = all.get_mut(id);
        let place = std::mem::replace(&mut series.lane, NO_LANE) as usize;
        if let Some(lane) = lanes.get_mut(place).and_then(Option::as_mut) {
            let values: Vec<f64> = lane.column(series.column).collect();
            let own = series.column as usize;
            series.merge(lane.start_secs, lane.frequency_secs, &values, bytes);
            let keep: Vec<bool> = (0..lane.columns.len()).map(|column| column != own).collect();
            lane.retain_columns(&keep, |id, column| all.get_mut(SeriesId(id)).column = column);
            if lane.columns.is_empty() {
                lanes[place] = None;
            }
        }
        if self.series.get(id).overlay.is_some() {
            self.fold(id);
        }
        self.count_lanes();
    }

    /// Merges a run of slots of another store's file. `start_is_centre` says that the run's first second is that of a
    /// sample; otherwise it is just where the file begins, and the phase is the one of what is there already.
    pub(super) fn merge_run(
        &mut self,
        id: SeriesId,
        start_secs: i64,
        frequency_secs: u32,
        slots: &[f64],
        start_is_centre: bool,
    ) {
        // What is merged may lie in the window of any lane, and where a roll-up says otherwise.
        self.rollups.clear(&mut self.bytes);
        self.lanes.iter_mut().flatten().for_each(|lane| lane.settled = 0);
        self.close_rows(id);
        let series = self.series.get_mut(id);
        let grid = series.blocks.iter().rev().find(|block| block.frequency_secs() == frequency_secs);
        let centre = match grid {
            Some(block) if !start_is_centre => centre_at(block.start_secs(), frequency_secs, start_secs),
            _ => start_secs,
        };
        let mut slots = slots.to_vec();
        series.move_to_grid(centre, frequency_secs, &mut slots, &mut self.bytes);
        series.merge(centre, frequency_secs, &slots, &mut self.bytes);
        if let Some(last) = slots.iter().rposition(|&value| !is_empty(value)) {
            self.newest_secs = self.newest_secs.max(centre + last as i64 * i64::from(frequency_secs));
        }
    }
}

fn ticks_image(ticks: &Ticks) -> TicksImage {
    let mut seconds = vec![0; ticks.len()];
    ticks.decode(0..ticks.len(), &mut seconds);
    TicksImage { frequency_secs: ticks.frequency_secs(), start_secs: ticks.start_secs(), seconds }
}
