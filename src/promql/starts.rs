//! Start timestamps: when a sample's counting began, and what that says about resets.

/// Whether a counter started anew between two samples, as far as their start times say. All times in milliseconds, a
/// start of 0 is unknown.
pub fn is_reset(previous_start: i64, previous: i64, start: i64, time: i64) -> bool {
    if start == 0 || start >= time || start < previous {
        return false;
    }
    if start > previous {
        return true;
    }
    // The start is the previous sample's time: a delta, unless that sample's own start is not known either.
    previous_start <= previous && previous_start != 0 && previous_start != previous
}

/// Whether a sample claims to count from a time before the previous sample, without being of its series of counts.
pub fn is_overlap(previous_start: i64, previous: i64, start: i64) -> bool {
    start != 0 && start < previous && start != previous_start
}
