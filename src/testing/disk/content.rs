//! What a file holds, and what of it would be there after a power failure.
//!
//! Invariant: `bytes` is what every reader sees, `durable` what the device has for certain. What lies between the two
//! is in `unsynced`, in the order in which it was written, or it is lost to the device: a flush failed, and the system
//! took the pages for clean all the same.

use crate::testing::Random;

/// Devices write whole sectors.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Unsynced>,
}

/// A change that is not on the device for certain.
#[derive(Debug)]
enum Unsynced {
    Write { offset: usize, data: Vec<u8> },
    Truncate(usize),
}

impl Content {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.unsynced.is_empty()
    }

    /// Whether a power failure leaves the file as it is: after a failed flush it need not, though nothing is dirty.
    pub(super) fn is_durable(&self) -> bool {
        !self.is_dirty() && self.bytes == self.durable
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        put(&mut self.bytes, offset, data);
        self.unsynced.push(Unsynced::Write { offset, data: data.to_vec() });
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.resize(len, 0);
        self.unsynced.push(Unsynced::Truncate(len));
    }

    /// A flush that succeeded.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// A flush that failed: some of it may have come to the device, and nothing of it will any more.
    pub(super) fn sync_failed(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced) {
            if random.percent(30) {
                apply(&mut self.durable, &change);
            }
        }
    }

    /// The power went: what was not synced is there in whole, in part, in any order, or not at all.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        let unsynced = std::mem::take(&mut self.unsynced);
        let mut device = std::mem::take(&mut self.durable);
        match random.below(4) {
            0 => {}
            1 => unsynced.iter().for_each(|change| apply(&mut device, change)),
            2 => {
                // In order, up to any byte.
                let whole = random.below(unsynced.len() + 1);
                unsynced[..whole].iter().for_each(|change| apply(&mut device, change));
                if let Some(Unsynced::Write { offset, data }) = unsynced.get(whole) {
                    put(&mut device, *offset, &data[..random.below(data.len() + 1)]);
                }
            }
            _ => {
                for change in &unsynced {
                    match change {
                        Unsynced::Write { offset, data } => {
                            let mut at = 0;
                            while at < data.len() {
                                let end = data.len().min(at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES);
                                if random.percent(50) {
                                    put(&mut device, offset + at, &data[at..end]);
                                }
                                at = end;
                            }
                        }
                        Unsynced::Truncate(_) if random.percent(50) => apply(&mut device, change),
                        Unsynced::Truncate(_) => {}
                    }
                }
            }
        }
        self.bytes = device.clone();
        self.durable = device;
    }

    /// Changes a byte behind everybody's back, on the device and for the readers. `false` when there is none.
    pub(super) fn rot(&mut self, offset: usize, mask: u8) -> bool {
        if let Some(byte) = self.durable.get_mut(offset) {
            *byte ^= mask;
        }
        let byte = self.bytes.get_mut(offset);
        byte.map(|byte| *byte ^= mask).is_some()
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Unsynced) {
    match change {
        Unsynced::Write { offset, data } => put(bytes, *offset, data),
        Unsynced::Truncate(len) => bytes.resize(*len, 0),
    }
}

/// Writes at an offset; a hole before it reads as zeros.
fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if data.is_empty() {
        return;
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}
