//! Schemas: which bucket index means which bounds.
//!
//! An exponential schema `n` cuts every power of two into 2^n buckets; bucket `i` reaches from 2^((i-1)·2^-n),
//! exclusive, to 2^(i·2^-n), inclusive. Bounds agree to the bit with those by which clients choose the bucket of an
//! observation: they come from the same products (client_golang, `prometheus/histogram.go`), not from a power
//! function.

/// The coarsest exponential schema.
pub const SCHEMA_MIN: i32 = -4;
/// The finest exponential schema.
pub const SCHEMA_MAX: i32 = 8;
/// The schema whose bounds the histogram lists itself.
pub const SCHEMA_CUSTOM: i32 = -53;

/// Whether bounds of this schema follow from the bucket's index alone.
pub fn is_exponential(schema: i32) -> bool {
    (SCHEMA_MIN..=SCHEMA_MAX).contains(&schema)
}

/// Whether the histogram lists its bounds.
pub fn is_custom(schema: i32) -> bool {
    schema == SCHEMA_CUSTOM
}

/// The upper bound of bucket `index`; `custom` is looked at for the custom schema only.
pub(super) fn bound(index: i32, schema: i32, custom: &[f64]) -> f64 {
    if !is_custom(schema) {
        return exponential_bound(index, schema);
    }
    match usize::try_from(index) {
        Err(_) => f64::NEG_INFINITY,
        Ok(index) => custom.get(index).copied().unwrap_or(f64::INFINITY),
    }
}

/// The upper bound of bucket `index` on the positive side.
///
/// The last bucket of regular numbers ends at the largest of them instead of at infinity: the bucket behind it counts
/// observations of infinity itself. A schema out of range is taken for the nearest in range.
pub(super) fn exponential_bound(index: i32, schema: i32) -> f64 {
    let index = i64::from(index);
    let schema = schema.clamp(SCHEMA_MIN, SCHEMA_MAX);
    if schema < 0 {
        let exponent = index << -schema;
        return if exponent == EXPONENT_MAX { f64::MAX } else { scaled(1.0, exponent) };
    }
    let fraction = FRACTIONS[((index & ((1 << schema) - 1)) << (SCHEMA_MAX - schema)) as usize];
    let exponent = (index >> schema) + 1;
    if fraction == 0.5 && exponent == EXPONENT_MAX + 1 { f64::MAX } else { scaled(fraction, exponent) }
}

/// The bucket of the coarser schema `to` that holds bucket `index` of schema `from`.
pub(super) fn target_index(index: i32, from: i32, to: i32) -> i32 {
    let shift = from.saturating_sub(to).clamp(0, 31);
    // One more than a value that fits after a shift by nothing at all: only then can it pass the range.
    i32::try_from(((i64::from(index) - 1) >> shift) + 1).unwrap_or(i32::MAX)
}

/// `fraction` times 2^`exponent`, rounded once.
fn scaled(fraction: f64, exponent: i64) -> f64 {
    let exponent = exponent.clamp(-1100, 1100) as i32;
    let half = exponent / 2;
    // The first product is exact: 0.5 ≤ fraction ≤ 1 and |half| ≤ 550.
    fraction * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// The power of two behind the largest regular number.
const EXPONENT_MAX: i64 = 1024;

/// Buckets of one power of two in the finest schema.
const FRACTIONS_LEN: usize = 1 << SCHEMA_MAX;

/// The bounds of the finest schema in [0.5, 1); a coarser one uses every second, fourth … of them.
static FRACTIONS: [f64; FRACTIONS_LEN] = fractions();

/// 2^(2^-n) for the schemas 1 to 8, as clients multiply with it; the first is the float below √2.
#[allow(clippy::approx_constant, reason = "bounds agree with the clients' to the bit only with this one")]
const FACTORS: [f64; SCHEMA_MAX as usize] = [
    1.414213562373095,
    1.189207115002721,
    1.0905077326652577,
    1.0442737824274138,
    1.0218971486541166,
    1.0108892860517005,
    1.0054299011128027,
    1.0027112750502025,
];

/// Schema by schema: the bounds in between are products of the bound before them, the others are kept.
const fn fractions() -> [f64; FRACTIONS_LEN] {
    let mut bounds = [0.5; FRACTIONS_LEN];
    let mut schema = 0;
    while schema < FACTORS.len() {
        let step = FRACTIONS_LEN >> (schema + 1);
        let mut at = step;
        while at < FRACTIONS_LEN {
            bounds[at] = bounds[at - step] * FACTORS[schema];
            at += 2 * step;
        }
        schema += 1;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_powers_of_two_where_they_should_be() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            assert_eq!(exponential_bound(0, schema), 1.0);
            let octave = if schema < 0 { 1 } else { 1 << schema };
            let base = if schema < 0 { 2f64.powi(1 << -schema) } else { 2.0 };
            assert_eq!(exponential_bound(octave, schema), base);
            assert_eq!(exponential_bound(-octave, schema), 1.0 / base);
        }
        assert_eq!(exponential_bound(1, 1), 2f64.sqrt().next_down());
        assert_eq!(exponential_bound(1, 2), 1.189207115002721);
        assert_eq!(exponential_bound(255, 8), 2.0 * 0.9972960560854698);
        assert_eq!(exponential_bound(3, 3), 2.0 * 0.6484197773255048);
    }

    #[test]
    fn the_last_regular_bucket_ends_at_the_largest_number() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            let last = if schema < 0 { 1024 >> -schema } else { 1024 << schema };
            assert_eq!(exponential_bound(last, schema), f64::MAX);
            assert!(exponential_bound(last - 1, schema) < f64::MAX);
            assert_eq!(exponential_bound(last + 1, schema), f64::INFINITY);
        }
        assert_eq!(exponential_bound(i32::MAX, -4), f64::INFINITY);
        assert_eq!(exponential_bound(i32::MIN, 8), 0.0);
        assert_eq!(exponential_bound(-1074, 0), f64::from_bits(1), "subnormal bounds are exact");
    }

    #[test]
    fn bounds_grow_in_every_schema() {
        for schema in SCHEMA_MIN..=SCHEMA_MAX {
            for index in -600..600 {
                let (low, high) = (exponential_bound(index, schema), exponential_bound(index + 1, schema));
                assert!(low < high || low == high && (low == 0.0 || low.is_infinite()), "schema {schema}, {index}");
            }
        }
    }

    #[test]
    fn a_bucket_lies_in_its_target_bucket() {
        for from in SCHEMA_MIN..=SCHEMA_MAX {
            for to in SCHEMA_MIN..=from {
                for index in -200..200 {
                    let target = target_index(index, from, to);
                    assert!(exponential_bound(index, from) <= exponential_bound(target, to));
                    assert!(exponential_bound(index - 1, from) >= exponential_bound(target - 1, to));
                }
            }
        }
        assert_eq!(target_index(i32::MIN, 8, -4), i32::MIN / 4096, "no overflow at the ends");
        assert_eq!(target_index(i32::MAX, 0, 0), i32::MAX);
    }

    #[test]
    fn custom_bounds_end_at_the_infinities() {
        assert_eq!(bound(-1, SCHEMA_CUSTOM, &[5.0, 10.0]), f64::NEG_INFINITY);
        assert_eq!(bound(0, SCHEMA_CUSTOM, &[5.0, 10.0]), 5.0);
        assert_eq!(bound(2, SCHEMA_CUSTOM, &[5.0, 10.0]), f64::INFINITY);
        assert_eq!(bound(7, SCHEMA_CUSTOM, &[]), f64::INFINITY);
    }
}
