//! The table of texts that everything in a 2.0 body refers to.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use foldhash::quality::RandomState;

/// The symbols, with the hashes that keys of series are made of.
#[derive(Default)]
pub(super) struct Symbols<'a> {
    texts: Vec<&'a [u8]>,
    hashes: Vec<[u64; 2]>,
}

impl<'a> Symbols<'a> {
    pub fn push(&mut self, text: &'a [u8]) {
        self.texts.push(text);
        self.hashes.push([SEEDS[0].hash_one(text), SEEDS[1].hash_one(text)]);
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    #[inline]
    pub fn get(&self, reference: u32) -> Option<&'a [u8]> {
        self.texts.get(reference as usize).copied()
    }

    /// Appends the key of the labels with these references; gives nothing if one of them leads nowhere.
    ///
    /// Both halves come from hashes of their own down to the symbols: what collides in one is told apart by the other.
    pub fn put_key(&self, refs: &[u32], scratch: &mut Vec<[u64; 2]>, key: &mut Vec<u8>) -> Option<()> {
        scratch.clear();
        for &reference in refs {
            scratch.push(*self.hashes.get(reference as usize)?);
        }
        for half in 0..2 {
            let mut hash = refs.len() as u64;
            for pair in scratch.iter() {
                hash = folded(hash ^ pair[half], FACTORS[half]);
            }
            key.extend_from_slice(&SEEDS[half].hash_one(hash).to_le_bytes());
        }
        Some(())
    }
}

/// The product's two halves, one upon the other: every bit of the result depends on every bit of the number.
#[inline]
fn folded(number: u64, factor: u64) -> u64 {
    let product = u128::from(number) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

/// Random for each process: nobody outside can construct two series of one key.
static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);

/// Odd numbers with half of their bits set, from the digits of π and e.
const FACTORS: [u64; 2] = [0x2437_6A88_85A3_08D3 | 1, 0xB7E1_5162_8AED_2A6B];
