//! Where a series' sealed blocks lie.
//!
//! Owns the order of [`Series::blocks`]. Invariant: they are sorted by first and by last centre, so no block reaches
//! across another one, the last one to begin is the last one to end, and what a range meets lies side by side.

use crate::block::Block;
use crate::model::EMPTY;

use super::memory::{Bytes, Use};
use super::series::Series;

impl Series {
    /// Inserts a block at its place in time. Of two blocks one of which lies inside of the other, in a hole or between
    /// the slots of another grid, the outer one is cut in two.
    pub(super) fn insert_block(&mut self, block: Option<Block>, bytes: &mut Bytes) {
        let (mut next, mut pieces) = (block, Vec::new());
        // Each turn inserts a block or makes two of one, so there are no more turns than values.
        while let Some(block) = next.take().or_else(|| pieces.pop()) {
            let at = self.blocks.partition_point(|other| span(other) <= span(&block));
            // First and last centres are sorted, so the neighbours alone can be around the block, or inside of it.
            if let Some(outer) = at.checked_sub(1).filter(|&before| reaches_across(&self.blocks[before], &block)) {
                let outer = self.blocks.remove(outer);
                bytes.add(Use::Blocks, -(outer.memory_bytes() as i64));
                pieces.extend(cut(&outer, block.start_secs()));
                next = Some(block);
                continue;
            }
            if let Some(inner) = self.blocks.get(at).filter(|inner| reaches_across(&block, inner)) {
                pieces.extend(cut(&block, inner.start_secs()));
                continue;
            }
            bytes.add(Use::Blocks, block.memory_bytes() as i64);
            let capacity = self.blocks.capacity();
            if self.blocks.len() == capacity {
                // Series are many and blocks a few dozen: grow by little.
                self.blocks.reserve_exact(2 + capacity / 8);
            }
            self.blocks.insert(at, block);
            bytes.add(Use::Series, ((self.blocks.capacity() - capacity) * size_of::<Block>()) as i64);
        }
    }

    /// Takes blocks for all that there were, changed ones among them.
    pub(super) fn replace_blocks(&mut self, blocks: Vec<Block>, bytes: &mut Bytes) {
        let before = std::mem::take(&mut self.blocks);
        bytes.add(Use::Blocks, -(before.iter().map(Block::memory_bytes).sum::<usize>() as i64));
        bytes.add(Use::Series, -((before.capacity() * size_of::<Block>()) as i64));
        blocks.into_iter().for_each(|block| self.insert_block(Some(block), bytes));
        let capacity = self.blocks.capacity();
        self.blocks.shrink_to_fit();
        bytes.add(Use::Series, -(((capacity - self.blocks.capacity()) * size_of::<Block>()) as i64));
    }
}

/// The centres of a block's first and last slot, by which blocks are sorted.
fn span(block: &Block) -> (i64, i64) {
    (block.start_secs(), block.end_secs() - i64::from(block.frequency_secs()))
}

/// Whether a block begins before another one and ends behind it.
fn reaches_across(outer: &Block, inner: &Block) -> bool {
    let ((begin, last), (inner_begin, inner_last)) = (span(outer), span(inner));
    begin < inner_begin && inner_last < last
}

/// The slots of a block before a second, and those from it on.
fn cut(block: &Block, at_secs: i64) -> impl Iterator<Item = Block> {
    let frequency = i64::from(block.frequency_secs());
    let mut values = vec![EMPTY; block.len()];
    block.decode(0..block.len(), &mut values);
    let slots = ((at_secs - block.start_secs() + frequency - 1) / frequency).clamp(0, block.len() as i64);
    let (before, behind) = values.split_at(slots as usize);
    let before = Block::seal(block.start_secs(), block.frequency_secs(), before);
    let behind = Block::seal(block.start_secs() + slots * frequency, block.frequency_secs(), behind);
    before.into_iter().chain(behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ComponentId, MetricId, is_empty};
    use crate::testing::Random;

    /// What blocks hold, value by value.
    fn values(blocks: &[Block]) -> Vec<(i64, u32, u64)> {
        let mut all = Vec::new();
        for block in blocks {
            let centres = (0..block.len())
                .map(|slot| (slot, block.start_secs() + slot as i64 * i64::from(block.frequency_secs())));
            let filled = centres.filter(|(slot, _)| !is_empty(block.get(*slot)));
            all.extend(filled.map(|(slot, centre)| (centre, block.frequency_secs(), block.get(slot).to_bits())));
        }
        all.sort_unstable();
        all
    }

    /// A value ahead of its time made a block long, and later windows of another phase were sealed inside of it: the
    /// last block to begin was not the last to end, so answers ended early, and looking for a range by halves passed
    /// the long block by. Random blocks of several grids, sparse ones among them, in any order.
    #[test]
    fn no_block_reaches_across_another() {
        let mut cuts = 0;
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let mut bytes = Bytes::default();
            let mut series = Series::new(ComponentId::HOST, MetricId(0));
            let mut given = Vec::new();
            for number in 0..1 + random.below(12) {
                let frequency = *random.pick(&[10, 10, 10, 60]);
                let holes = *random.pick(&[0, 50, 95]);
                let slots: Vec<f64> = (0..1 + random.below(100))
                    .map(|slot| if random.percent(holes) { EMPTY } else { (number * 1000 + slot) as f64 })
                    .collect();
                given.extend(Block::seal(random.within(0..1000), frequency, &slots));
            }
            for block in &given {
                series.insert_block(Some(block.clone()), &mut bytes);
            }
            let check = |series: &Series| {
                let spans: Vec<(i64, i64)> = series.blocks.iter().map(span).collect();
                assert!(spans.is_sorted() && spans.is_sorted_by_key(|span| span.1), "seed {seed}: {spans:?}");
                assert_eq!(values(&series.blocks), values(&given), "seed {seed}");
            };
            check(&series);
            cuts += series.blocks.len() - given.len();
            series.replace_blocks(given.iter().rev().cloned().collect(), &mut bytes);
            check(&series);
            let held = series.blocks.iter().map(Block::memory_bytes).sum::<usize>();
            assert_eq!(bytes.total(), held + series.blocks.capacity() * size_of::<Block>(), "seed {seed}");
        }
        assert!(cuts > 100, "{cuts}");
    }
}
