//! Chance that is the same in every run: numbers made of a seed and a position by mixing bits.
//!
//! Invariant: nothing here has a state, so any moment of the simulation can be computed without the ones before it.

/// Mixes the bits of a number; the finaliser of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number
/// Generators, 2014).
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seed below another one.
pub(super) fn below(seed: u64, position: i64) -> u64 {
    mix(seed ^ mix(position.cast_unsigned()))
}

/// The seed of a name.
pub(super) fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0, |seed, byte| mix(seed ^ u64::from(byte)))
}

/// A number from 0 up to, not including, 1.
pub(super) fn unit(seed: u64) -> f64 {
    // 53 bits are all that a float from 0 to 1 can tell apart.
    (seed >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from -1 to 1 that changes from second to second.
pub(super) fn rough(seed: u64, secs: i64) -> f64 {
    2.0 * unit(below(seed, secs)) - 1.0
}

/// A number from -1 to 1 that drifts, with a new aim every `period_secs`.
pub(super) fn smooth(seed: u64, secs: i64, period_secs: i64) -> f64 {
    let knot = secs.div_euclid(period_secs);
    let way = secs.rem_euclid(period_secs) as f64 / period_secs as f64;
    // Without a kink at the knots: the smoothstep polynomial.
    let way = way * way * (3.0 - 2.0 * way);
    rough(seed, knot) * (1.0 - way) + rough(seed, knot + 1) * way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_stays_in_range_and_covers_it() {
        let drawn: Vec<f64> = (0..10_000).map(|secs| rough(7, secs)).collect();
        assert!(drawn.iter().all(|number| (-1.0..=1.0).contains(number)));
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!(drawn.iter().any(|number| *number > 0.99) && drawn.iter().any(|number| *number < -0.99));
    }

    #[test]
    fn smooth_chance_makes_small_steps() {
        for secs in 0..10_000 {
            let step = (smooth(3, secs + 1, 100) - smooth(3, secs, 100)).abs();
            assert!(step <= 2.0 * 1.5 / 100.0 + 1e-9, "{step} at {secs}");
        }
    }

    #[test]
    fn seeds_differ_by_name_and_position() {
        assert_ne!(seed_of("demo001"), seed_of("demo002"));
        assert_ne!(below(1, 5), below(1, 6));
        assert_eq!(below(1, 5), below(1, 5));
    }
}
