//! Slots: where a second falls on the grid of a frequency and a phase.
//!
//! All arithmetic on slots is here. A grid is given by the centre of one of its slots; slot 0 covers
//! `[centre − ⌊f/2⌋, centre − ⌊f/2⌋ + f)`, and the others follow every `f` seconds in both directions.

/// Rows of a lane's window.
pub(super) const WINDOW: usize = 64;

/// Slots of the longest block that windows are merged into.
pub(super) const GROUP: usize = 512;

const _: () = assert!(GROUP.is_multiple_of(WINDOW), "a group is a whole number of windows");
const _: () = assert!(GROUP <= crate::block::SLOTS_MAX, "a group fits into a block");

/// The index of the slot that covers `secs`, counted from the slot with this centre; negative before it.
#[inline]
pub(super) fn slot_at(centre_secs: i64, frequency_secs: u32, secs: i64) -> i64 {
    let frequency = i64::from(frequency_secs);
    (secs - centre_secs + frequency / 2).div_euclid(frequency)
}

/// The centre of the slot that covers `secs` on the grid through `centre_secs`.
#[inline]
pub(super) fn centre_at(centre_secs: i64, frequency_secs: u32, secs: i64) -> i64 {
    centre_secs + slot_at(centre_secs, frequency_secs, secs) * i64::from(frequency_secs)
}

/// The centre of the first slot of the window (of `slots` slots) that the slot with this centre belongs to. Windows
/// begin at multiples of their length, counted from 1970, so that grids with one phase share their windows.
#[inline]
pub(super) fn window_start(centre_secs: i64, frequency_secs: u32, slots: usize) -> i64 {
    let frequency = i64::from(frequency_secs);
    let number = centre_secs.div_euclid(frequency);
    centre_secs - number.rem_euclid(slots as i64) * frequency
}

/// The phase of a grid: the centre of any slot modulo the frequency.
#[inline]
pub(super) fn phase(centre_secs: i64, frequency_secs: u32) -> i64 {
    centre_secs.rem_euclid(i64::from(frequency_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_covers_half_a_frequency_before_its_centre() {
        assert_eq!(slot_at(600, 60, 570), 0);
        assert_eq!(slot_at(600, 60, 629), 0);
        assert_eq!(slot_at(600, 60, 630), 1);
        assert_eq!(slot_at(600, 60, 569), -1);
        // An odd frequency: ⌊5/2⌋ = 2.
        assert_eq!([8, 9, 10, 11, 12, 13].map(|t| slot_at(10, 5, t)), [0, 0, 0, 0, 0, 1]);
        assert_eq!([9, 10, 11].map(|t| slot_at(10, 1, t)), [-1, 0, 1]);
    }

    #[test]
    fn windows_are_shared_by_one_phase() {
        let frequency = 60;
        let a = window_start(1_770_244_807, frequency, WINDOW);
        let b = window_start(1_770_244_807 + 5 * 60, frequency, WINDOW);
        assert_eq!(phase(a, frequency), phase(1_770_244_807, frequency));
        assert_eq!((b - a) % (WINDOW as i64 * 60), 0);
        assert!(a <= 1_770_244_807 && 1_770_244_807 < a + WINDOW as i64 * 60);
    }
}
