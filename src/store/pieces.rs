//! The values of a series in pieces, straight from its blocks and open rows, for a reader that passes over them once.
//!
//! Invariant: where a series [is plain](SeriesView::is_plain), its pieces hold what [`SeriesView::fill`] would write,
//! in order of time, and no output is in two of them.

use crate::block::SLOTS_MAX;
use crate::model::EMPTY;

use super::slots::slot_at;
use super::view::SeriesView;

/// Some outputs of a series.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece<'v> {
    /// One value each, none of them empty.
    Full(&'v [f64]),
    /// One value each, empty ones among them.
    Holed(&'v [f64]),
    /// So many times this value.
    Constant(f64, usize),
}

/// Room for the values of a block.
pub(super) type Scratch = [f64; SLOTS_MAX];

/// Room without values.
pub(super) fn scratch() -> Box<Scratch> {
    Box::new([EMPTY; SLOTS_MAX])
}

impl SeriesView {
    /// Whether every output has one run that answers for it: all runs have this frequency, no two meet in an output,
    /// and nothing is late.
    pub(super) fn is_plain(&self, from_secs: i64, frequency_secs: u32) -> bool {
        let mut end = i64::MIN;
        let mut follows = |start_secs: i64, frequency: u32, len: usize| {
            let begin = -slot_at(start_secs, frequency_secs, from_secs);
            let is_behind = frequency == frequency_secs && begin >= end;
            end = begin + len as i64;
            is_behind
        };
        self.overlay.is_empty()
            && self.runs.iter().all(|block| follows(block.start_secs(), block.frequency_secs(), block.len()))
            && self.open.as_ref().is_none_or(|open| follows(open.start_secs, open.frequency_secs, open.values.len()))
    }

    /// Hands out the values for `outputs` outputs that stand for `from + i · f`, each piece with its first output. For
    /// [plain](Self::is_plain) series alone.
    pub(super) fn each_piece(
        &self,
        from_secs: i64,
        frequency_secs: u32,
        outputs: usize,
        scratch: &mut Scratch,
        mut piece: impl FnMut(usize, Piece<'_>),
    ) {
        // Outputs and slots of a run: output `i` takes slot `i + shift`.
        let outputs_of = |start_secs: i64, len: usize, kept: i64| {
            let shift = slot_at(start_secs, frequency_secs, from_secs);
            let begin = (kept - shift).max(-shift).max(0);
            let end = (len as i64 - shift).min(outputs as i64);
            (begin < end).then(|| (begin as usize, (begin + shift) as usize..(end + shift) as usize))
        };
        for block in &self.runs {
            let kept = self.slots_before_horizon(block.start_secs(), frequency_secs);
            let Some((begin, slots)) = outputs_of(block.start_secs(), block.len(), kept) else { continue };
            if let Some(value) = block.constant() {
                piece(begin, Piece::Constant(value, slots.len()));
                continue;
            }
            let values = &mut scratch[..slots.len()];
            block.decode(slots, values);
            piece(begin, if block.is_full() { Piece::Full(values) } else { Piece::Holed(values) });
        }
        if let Some(open) = &self.open
            && let Some((begin, slots)) = outputs_of(open.start_secs, open.values.len(), 0)
        {
            piece(begin, Piece::Holed(&open.values[slots]));
        }
    }
}
