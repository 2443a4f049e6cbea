//! The headers of a host's stamped series, by id.
//!
//! Ids are handed out in order and never again: a page all of whose series are gone leaves nothing behind but its
//! place. Invariant: every page but the last is full or gone.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::StampedId;

use super::chunk::Chunk;
use super::loose::Loose;
use crate::model::Exemplar;

/// Series of one page.
const PAGE: usize = 16;

/// `group` of a series that is in none.
pub(super) const NO_GROUP: u16 = u16::MAX;

/// A stamped series.
#[derive(Debug)]
pub(super) struct Series {
    /// Its labels, as places in the index.
    pub(super) pairs: Box<[u32]>,
    /// In order of time; their times do not overlap.
    pub(super) chunks: Vec<Chunk>,
    /// The last time of the last chunk, `i64::MIN` without one. Open rows lie behind it.
    pub(super) sealed_ms: i64,
    /// What few series have.
    pub(super) extra: Option<Box<Extra>>,
    /// The column in its group.
    pub(super) column: u32,
    /// The group of its open rows, or [`NO_GROUP`].
    pub(super) group: u16,
    /// Held nothing at the sweep before, and was not asked for since. Atomic, for it is cleared under a read lock.
    is_idle: AtomicBool,
    /// Whether the series is gone.
    is_gone: bool,
}

const _: () = assert!(size_of::<Series>() == 64, "a header fits a line of the cache");

/// What few series have.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Samples that are in no row and no chunk yet, ascending by time; no row of the series has one of these times.
    pub(super) loose: Vec<Loose>,
    /// The newest exemplars, oldest first.
    pub(super) exemplars: Vec<Exemplar>,
}

impl Series {
    /// Samples that are in no row and no chunk yet.
    #[inline]
    pub(super) fn loose(&self) -> &[Loose] {
        self.extra.as_ref().map_or(&[], |extra| &extra.loose)
    }

    /// The newest exemplars, oldest first.
    pub(super) fn exemplars(&self) -> &[Exemplar] {
        self.extra.as_ref().map_or(&[], |extra| &extra.exemplars)
    }

    /// Notes that the series is in use.
    #[inline]
    pub(super) fn touch(&self) {
        // A plain load first: the line is mostly shared with readers.
        if self.is_idle.load(Ordering::Relaxed) {
            self.is_idle.store(false, Ordering::Relaxed);
        }
    }

    /// Notes that the series holds nothing; answers whether that was noted before.
    pub(super) fn note_idle(&self) -> bool {
        self.is_idle.swap(true, Ordering::Relaxed)
    }

    /// Bytes of the heap, without chunks and what is in `extra`'s lists.
    pub(super) fn heap_bytes(&self) -> usize {
        let pairs = if self.pairs.is_empty() { 0 } else { size_of_val(&*self.pairs) + 8 };
        pairs + chunks_bytes(&self.chunks) + self.extra.as_ref().map_or(0, |_| size_of::<Extra>() + 8)
    }
}

/// Bytes of a list of chunks, without the chunks' own.
pub(super) fn chunks_bytes(chunks: &Vec<Chunk>) -> usize {
    if chunks.capacity() == 0 { 0 } else { chunks.capacity() * size_of::<Chunk>() + 8 }
}

/// The headers.
#[derive(Debug, Default)]
pub(super) struct Table {
    pages: Vec<Vec<Series>>,
    len: u32,
    live: u32,
    /// Bytes of pages, and of pairs.
    heap_bytes: usize,
}

impl Table {
    /// The series of an id that is not gone.
    #[inline]
    pub(super) fn get(&self, id: StampedId) -> Option<&Series> {
        self.pages.get(id.0 as usize / PAGE)?.get(id.0 as usize % PAGE).filter(|series| !series.is_gone)
    }

    /// As [`get`](Self::get), to change it.
    #[inline]
    pub(super) fn get_mut(&mut self, id: StampedId) -> Option<&mut Series> {
        self.pages.get_mut(id.0 as usize / PAGE)?.get_mut(id.0 as usize % PAGE).filter(|series| !series.is_gone)
    }

    /// All series that are not gone, in order of creation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (StampedId, &Series)> {
        self.pages.iter().enumerate().flat_map(|(page, all)| {
            let id = move |at: usize| StampedId((page * PAGE + at) as u32);
            all.iter().enumerate().filter(|(_, series)| !series.is_gone).map(move |(at, series)| (id(at), series))
        })
    }

    /// The ids of all series that are not gone.
    pub(super) fn ids(&self) -> Vec<StampedId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// How many series are not gone.
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }

    /// The id that the next series gets.
    pub(super) fn next_id(&self) -> StampedId {
        StampedId(self.len)
    }

    /// Whether there are no more ids.
    pub(super) fn is_exhausted(&self) -> bool {
        self.len == u32::MAX
    }

    /// Adds the series of the next id.
    pub(super) fn push(&mut self, pairs: Box<[u32]>) {
        if (self.len as usize).is_multiple_of(PAGE) {
            if self.pages.len() == self.pages.capacity() {
                self.pages.reserve_exact(1 + self.pages.len() / 8);
            }
            self.pages.push(Vec::with_capacity(PAGE));
            self.heap_bytes += PAGE * size_of::<Series>();
        }
        let series = Series {
            pairs,
            chunks: Vec::new(),
            sealed_ms: i64::MIN,
            extra: None,
            column: 0,
            group: NO_GROUP,
            is_idle: AtomicBool::new(false),
            is_gone: false,
        };
        self.heap_bytes += series.heap_bytes();
        if let Some(page) = self.pages.last_mut() {
            page.push(series);
        }
        self.len += 1;
        self.live += 1;
    }

    /// Forgets series that hold nothing.
    pub(super) fn remove(&mut self, gone: &[StampedId]) {
        for &id in gone {
            let page = id.0 as usize / PAGE;
            let Some(series) = self.get_mut(id) else { continue };
            let bytes = series.heap_bytes();
            series.pairs = Box::default();
            series.chunks = Vec::new();
            series.extra = None;
            series.is_gone = true;
            self.live -= 1;
            self.heap_bytes -= bytes;
            let all = &mut self.pages[page];
            if all.len() == PAGE && all.iter().all(|series| series.is_gone) {
                *all = Vec::new();
                self.heap_bytes -= PAGE * size_of::<Series>();
            }
        }
    }

    /// Notes growth, or with a negative number shrinkage, of what hangs on a series.
    pub(super) fn note_bytes(&mut self, change: i64) {
        self.heap_bytes = self.heap_bytes.saturating_add_signed(change as isize);
    }

    /// Bytes in memory, without chunks and what is in `extra`'s lists.
    pub(super) fn memory_bytes(&self) -> usize {
        self.heap_bytes + self.pages.capacity() * size_of::<Vec<Series>>()
    }

    /// As [`memory_bytes`](Self::memory_bytes), counted one by one.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        let pages: usize = self.pages.iter().map(|page| page.capacity() * size_of::<Series>()).sum();
        let heap: usize = self.iter().map(|(_, series)| series.heap_bytes()).sum();
        pages + heap + self.pages.capacity() * size_of::<Vec<Series>>()
    }
}
