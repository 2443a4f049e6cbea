//! Sealing: open rows and loose samples become chunks.

use std::sync::Arc;

use crate::block::ColumnBatch;
use crate::block::Values;
use crate::model::{StampedId, is_empty};

use super::chunk::{Chunk, joined, seal_all};
use super::data::{GROUPS_MAX, Stamped};
use super::group::{Group, SEALED, TILE};
use super::loose::{Loose, merged};
use super::table::{NO_GROUP, chunks_bytes};
use super::times::{Pool, SharedTimes};

/// Bytes that are sealed before their chunks get their memory.
const BATCH_BYTES: usize = 256 << 10;

/// Joined times that are remembered while a group is sealed.
const JOINED: usize = 16;

/// A series whose chunks are about to be replaced.
struct Planned {
    id: StampedId,
    times: Arc<SharedTimes>,
    /// The number of last chunks that the new one replaces.
    replaced: usize,
}

impl Stamped {
    /// Seals the oldest rows of a group. Series that have ended leave it.
    pub(super) fn seal(&mut self, place: u16) {
        if self.put_aside(place) {
            return;
        }
        let Some(Some(group)) = self.groups.get(place as usize) else { return };
        let mut order = group.order();
        order.truncate(SEALED);
        let window: Vec<i64> = order.iter().map(|&row| group.times[row]).collect();
        let columns = group.columns.clone();
        let mut masks = vec![0u64; columns.len()];
        let mut tile = [[crate::model::EMPTY; SEALED]; TILE];
        let mut sealer = Sealer::new(&window);
        for first in (0..columns.len()).step_by(TILE) {
            let Some(Some(group)) = self.groups.get(place as usize) else { return };
            let count = group.tile(first, &order, &mut tile);
            for at in 0..count {
                let cells = &tile[at][..order.len()];
                let mask = mask_of(cells);
                masks[first + at] = mask;
                if mask != 0 {
                    let id = StampedId(columns[first + at]);
                    let chunks = self.table.get(id).map_or(&[][..], |series| &series.chunks);
                    sealer.add(id, cells, mask, chunks, &mut self.pool, &mut self.chunk_bytes);
                }
            }
            if sealer.batch.bytes() >= BATCH_BYTES || first + count == columns.len() {
                self.replace(&mut sealer);
            }
        }
        if let Some(Some(group)) = self.groups.get_mut(place as usize) {
            group.cut_ms = group.cut_ms.max(window.last().copied().unwrap_or(i64::MIN));
        }
        self.remove_rows(place, &order);
        self.part(place, &masks, order.len());
    }

    /// Gives the chunks of a batch to their series.
    fn replace(&mut self, sealer: &mut Sealer<'_>) {
        // First all old ones go: the new ones then lie where those were.
        for planned in &sealer.planned {
            let Some(series) = self.table.get_mut(planned.id) else { continue };
            let kept = series.chunks.len() - planned.replaced;
            for chunk in series.chunks.drain(kept..) {
                self.chunk_bytes -= chunk.end_use();
            }
        }
        for (planned, column) in sealer.planned.drain(..).zip(sealer.batch.columns()) {
            self.push_chunk(planned.id, Chunk::new(planned.times, Values::Floats(column), None));
        }
        sealer.batch.clear();
    }

    /// Adds a chunk behind those that a series has.
    pub(super) fn push_chunk(&mut self, id: StampedId, chunk: Chunk) {
        let Some(series) = self.table.get_mut(id) else { return };
        self.chunk_bytes += chunk.begin_use();
        series.sealed_ms = chunk.last_ms();
        let before = chunks_bytes(&series.chunks);
        if series.chunks.len() == series.chunks.capacity() {
            // Series are many and chunks a few dozen: grow by little.
            series.chunks.reserve_exact(1 + series.chunks.len() / 8);
        }
        series.chunks.push(chunk);
        let change = chunks_bytes(&series.chunks) as i64 - before as i64;
        self.table.note_bytes(change);
    }

    /// Takes all chunks of a series; they are no longer counted.
    pub(super) fn take_chunks(&mut self, id: StampedId) -> Vec<Chunk> {
        let Some(series) = self.table.get_mut(id) else { return Vec::new() };
        let chunks = std::mem::take(&mut series.chunks);
        series.sealed_ms = i64::MIN;
        let change = chunks_bytes(&chunks) as i64;
        self.table.note_bytes(-change);
        self.chunk_bytes -= chunks.iter().map(Chunk::end_use).sum::<usize>();
        chunks
    }

    /// After sealing: who has ended leaves the group, and those who come at other times than most go on in a group of
    /// their own, where they leave no cells empty.
    fn part(&mut self, place: u16, masks: &[u64], rows: usize) {
        let Some(Some(group)) = self.groups.get(place as usize) else { return };
        let usual = most_common(masks);
        let mut keep = vec![true; masks.len()];
        let mut others = Vec::new();
        for (column, &mask) in masks.iter().enumerate() {
            let has_cells = (0..group.times.len()).any(|row| !is_empty(group.get(row, column as u32)));
            if mask == 0 && !has_cells {
                keep[column] = false;
            } else if mask != usual && mask != 0 {
                // Of a series that is new, the rows from its first on count.
                let span = rows as u32 - mask.trailing_zeros();
                let is_sparse = mask.count_ones() * 2 <= span && span >= 8;
                keep[column] = !is_sparse;
                if is_sparse && has_cells {
                    others.push(column);
                }
            }
        }
        if keep.iter().all(|&keep| keep) {
            return;
        }
        let other = self.split(place, &others);
        if other.is_none() {
            // There is no place for a group more: they stay where they are, with what they hold.
            others.iter().for_each(|&column| keep[column] = true);
        }
        let leaving: Vec<u32> = match &self.groups[place as usize] {
            Some(group) => group.columns.iter().zip(&keep).filter(|(_, keep)| !**keep).map(|(&id, _)| id).collect(),
            None => return,
        };
        for id in leaving {
            if let Some(series) = self.table.get_mut(StampedId(id))
                && Some(series.group) != other
            {
                series.group = NO_GROUP;
            }
        }
        self.retain_columns(place as usize, &keep);
        if let Some(Some(group)) = self.groups.get(place as usize) {
            // Rows that only those who left had would stay for nothing.
            let is_filled = |&row: &usize| (0..group.columns.len() as u32).any(|at| !is_empty(group.get(row, at)));
            let empty: Vec<usize> = (0..group.times.len()).filter(|row| !is_filled(row)).collect();
            self.remove_rows(place, &empty);
        }
    }

    /// Copies columns with their open cells into a new group and moves their series there; answers its place.
    fn split(&mut self, place: u16, columns: &[usize]) -> Option<u16> {
        let from = self.groups.get(place as usize)?.as_ref()?;
        let more = (self.groups.len() < GROUPS_MAX).then_some(self.groups.len());
        let free = self.groups.iter().position(Option::is_none).or(more)?;
        if columns.is_empty() {
            return None;
        }
        let mut to = Group::new();
        to.cut_ms = from.cut_ms;
        for &column in columns {
            let id = from.columns[column];
            let place = to.add_column(id);
            if let Some(series) = self.table.get_mut(StampedId(id)) {
                series.group = free as u16;
                series.column = place;
            }
        }
        for row in from.order() {
            for (new, &column) in columns.iter().enumerate() {
                let value = from.get(row, column as u32);
                if !is_empty(value)
                    && let super::group::Row::At(at) = to.open_row(from.times[row])
                {
                    to.set(at, new as u32, value);
                }
            }
        }
        self.group_bytes += to.memory_bytes();
        if free == self.groups.len() {
            self.group_bytes -= self.groups.capacity() * size_of::<Option<Group>>();
            self.groups.reserve_exact(1);
            self.group_bytes += self.groups.capacity() * size_of::<Option<Group>>();
            self.groups.push(None);
        }
        self.groups[free] = Some(to);
        Some(free as u16)
    }

    /// Moves the loose samples of a series into its chunks.
    pub(super) fn fold(&mut self, id: StampedId) {
        let late = self.take_loose(id);
        let Some(last_ms) = late.last().map(|sample| sample.time_ms) else { return };
        // Rows lie behind all chunks, so those that would lie before one of these go with them.
        let cells = self.take_cells(id, last_ms);
        self.merge(id, merged(cells, late));
    }

    /// Merges samples, ascending by time, into the chunks of a series; they count more than what is there.
    pub(super) fn merge(&mut self, id: StampedId, samples: Vec<Loose>) {
        let old = self.take_chunks(id);
        let mut chunks: Vec<Chunk> = Vec::with_capacity(old.len() + 1);
        let mut rest = samples.into_iter().peekable();
        for chunk in old {
            let mut newer = Vec::new();
            while let Some(sample) = rest.next_if(|sample| sample.time_ms <= chunk.last_ms()) {
                newer.push(sample);
            }
            if newer.is_empty() {
                chunks.push(chunk);
                continue;
            }
            let mut older = Vec::new();
            chunk.decode_to(&mut older);
            seal_all(&merged(older, newer), &mut self.pool, &mut self.chunk_bytes, &mut chunks);
        }
        let behind: Vec<Loose> = rest.collect();
        if let Some(first) = behind.first() {
            let is_histogram = first.is_histogram();
            let run = behind.iter().take_while(|sample| sample.is_histogram() == is_histogram).count();
            let count = joined(&chunks, run, |chunk| chunk.is_of_histograms() == is_histogram);
            let mut all = Vec::new();
            chunks.drain(chunks.len() - count..).for_each(|chunk| chunk.decode_to(&mut all));
            all.extend(behind);
            seal_all(&all, &mut self.pool, &mut self.chunk_bytes, &mut chunks);
        }
        self.set_chunks(id, chunks);
    }

    /// Gives a series without chunks these.
    pub(super) fn set_chunks(&mut self, id: StampedId, mut chunks: Vec<Chunk>) {
        let Some(series) = self.table.get_mut(id) else { return };
        chunks.shrink_to_fit();
        self.chunk_bytes += chunks.iter().map(Chunk::begin_use).sum::<usize>();
        series.sealed_ms = chunks.last().map_or(i64::MIN, Chunk::last_ms);
        let change = chunks_bytes(&chunks) as i64;
        series.chunks = chunks;
        self.table.note_bytes(change);
    }
}

/// Seals the columns of one window.
struct Sealer<'a> {
    window: &'a [i64],
    batch: ColumnBatch,
    planned: Vec<Planned>,
    /// Times that belong together: those of the chunks that are replaced, the rows of the window, and all of them.
    joined: Vec<(Vec<Arc<SharedTimes>>, u64, Arc<SharedTimes>)>,
    values: Vec<f64>,
    times: Vec<i64>,
}

impl<'a> Sealer<'a> {
    fn new(window: &'a [i64]) -> Self {
        Sealer {
            window,
            batch: ColumnBatch::default(),
            planned: Vec::new(),
            joined: Vec::new(),
            values: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Seals the cells of a column, together with the last chunks of its series if it is time.
    fn add(&mut self, id: StampedId, cells: &[f64], mask: u64, chunks: &[Chunk], pool: &mut Pool, bytes: &mut usize) {
        let replaced = joined(chunks, mask.count_ones() as usize, |chunk| chunk.plain().is_some());
        let before = &chunks[chunks.len() - replaced..];
        self.values.clear();
        for column in before.iter().filter_map(Chunk::plain) {
            let begin = self.values.len();
            self.values.resize(begin + column.len(), 0.0);
            column.decode(0..column.len(), &mut self.values[begin..]);
        }
        self.values.extend(cells.iter().copied().filter(|&value| !is_empty(value)));
        self.batch.seal(&self.values);
        let times = self.times_of(before, mask, pool, bytes);
        self.planned.push(Planned { id, times, replaced });
    }

    /// The times of chunks and rows together, mostly those of the column before.
    fn times_of(&mut self, before: &[Chunk], mask: u64, pool: &mut Pool, bytes: &mut usize) -> Arc<SharedTimes> {
        let is_same = |parts: &[Arc<SharedTimes>]| {
            parts.len() == before.len() && parts.iter().zip(before).all(|(part, chunk)| Arc::ptr_eq(part, &chunk.times))
        };
        let found = self.joined.iter().rev().find(|(parts, of, _)| *of == mask && is_same(parts));
        if let Some((_, _, times)) = found {
            return Arc::clone(times);
        }
        self.times.clear();
        before.iter().for_each(|chunk| chunk.times.decode_to(&mut self.times));
        let rows = self.window.iter().enumerate().filter(|(row, _)| mask & (1 << row) != 0);
        self.times.extend(rows.map(|(_, &time)| time));
        let times = pool.share(&self.times, bytes);
        if self.joined.len() == JOINED {
            self.joined.remove(0);
        }
        self.joined.push((before.iter().map(|chunk| Arc::clone(&chunk.times)).collect(), mask, Arc::clone(&times)));
        times
    }
}

/// Which cells are filled, by bits.
fn mask_of(cells: &[f64]) -> u64 {
    cells.iter().enumerate().fold(0, |mask, (row, &value)| mask | (u64::from(!is_empty(value)) << row))
}

/// The mask of most columns.
fn most_common(masks: &[u64]) -> u64 {
    let mut sorted: Vec<u64> = masks.iter().copied().filter(|&mask| mask != 0).collect();
    sorted.sort_unstable();
    sorted.chunk_by(|a, b| a == b).max_by_key(|run| run.len()).map_or(0, |run| run[0])
}
