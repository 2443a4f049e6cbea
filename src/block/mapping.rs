//! Maps values to whole numbers and back, bit for bit.
//!
//! The idea of decimal scaling is that of ALP (Afroozeh, Kuffo, Boncz: "ALP: Adaptive Lossless floating-Point
//! Compression", SIGMOD 2024): most measured values are short decimals. ALP multiplies by an inexact 10⁻ᵏ to be fast;
//! we divide by the exact 10ᵏ, which gives the correctly rounded value of every decimal and so what a parser gives.

/// The most decimals of [`Mapping::Decimal`]. Powers of ten are exact up to 10²².
pub(super) const DECIMALS_MAX: u32 = 15;

/// The most digits of the reciprocal mappings.
pub(super) const RECIPROCAL_DIGITS_MAX: u32 = 4;

/// Numbers of decimals and reciprocals lie in `[-NUMBER_MAX, NUMBER_MAX]`.
const NUMBER_MAX: u64 = 1 << 51;

/// A value `x` stands for a number `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mapping {
    /// `x = n / 10^k`.
    Decimal(u32),
    /// `x = 10^k / n`.
    Reciprocal(u32),
    /// `x = 10^k / n`, rounded to 15 significant digits, as many programs print.
    ReciprocalRounded(u32),
    /// `n` is the bit pattern of `x` without its lowest `shift` bits, which are zero.
    Bits {
        /// Bits that are left out; at most 63.
        shift: u32,
        /// Whether the sign is moved to the lowest bit: then `x` and `-x` are neighbours.
        sign_low: bool,
    },
}

impl Mapping {
    /// The mapping by bit pattern that suits these values.
    pub(super) fn bits_of(values: &[f64]) -> Mapping {
        let magnitude = |value: &f64| value.to_bits() & !SIGN;
        let all = values.iter().fold(0, |all, value| all | magnitude(value));
        let negative = values.iter().filter(|value| value.is_sign_negative()).count();
        let sign_low = negative != 0 && negative != values.len();
        Mapping::Bits { shift: all.trailing_zeros().min(SHIFT_MAX), sign_low }
    }

    /// The number that stands for `value`; `None` when none gives it back bit for bit.
    pub(super) fn number_of(self, value: f64) -> Option<i64> {
        let number = self.number_unchecked(value);
        self.is_exact(value, number).then_some(number)
    }

    /// The number for `value`, right only if [`Mapping::is_exact`] says so.
    #[inline(always)]
    fn number_unchecked(self, value: f64) -> i64 {
        match self {
            Mapping::Decimal(decimals) => round(value * power_of_ten(decimals)),
            Mapping::Reciprocal(digits) | Mapping::ReciprocalRounded(digits) => round(power_of_ten(digits) / value),
            Mapping::Bits { shift, sign_low } => {
                let bits = value.to_bits();
                let number = if sign_low { (bits & !SIGN) >> shift << 1 | bits >> 63 } else { bits >> shift };
                number as i64
            }
        }
    }

    #[inline(always)]
    fn is_exact(self, value: f64, number: i64) -> bool {
        let is_in_range = matches!(self, Mapping::Bits { .. }) || number.unsigned_abs() <= NUMBER_MAX;
        is_in_range & (self.value_of(number).to_bits() == value.to_bits())
    }

    #[inline(always)]
    fn value_of(self, number: i64) -> f64 {
        match self {
            Mapping::Decimal(decimals) => to_float(number) / power_of_ten(decimals),
            Mapping::Reciprocal(digits) => power_of_ten(digits) / to_float(number),
            Mapping::ReciprocalRounded(digits) => round_to_15_digits(power_of_ten(digits) / to_float(number)),
            Mapping::Bits { shift, sign_low } => {
                let number = number as u64;
                // A number read from damaged bytes may be too large: the bits above are lost, which harms nobody.
                f64::from_bits(if sign_low { number << 63 | number >> 1 << shift } else { number << shift })
            }
        }
    }

    /// Maps all values; returns the numbers and the positions of values that have none. Those get the number before.
    pub(super) fn map(self, values: &[f64]) -> (Vec<i64>, Vec<u16>) {
        /// The loop with everything but the values known to the compiler.
        #[inline(always)]
        fn map_all(mapping: Mapping, values: &[f64], numbers: &mut Vec<i64>) -> usize {
            let mut inexact = 0;
            numbers.extend(values.iter().map(|value| {
                let number = mapping.number_unchecked(*value);
                inexact += usize::from(!mapping.is_exact(*value, number));
                number
            }));
            inexact
        }
        let mut numbers = Vec::with_capacity(values.len());
        let inexact = match self {
            Mapping::Decimal(0) => map_all(Mapping::Decimal(0), values, &mut numbers),
            Mapping::Decimal(decimals) => map_all(Mapping::Decimal(decimals), values, &mut numbers),
            _ => map_all(self, values, &mut numbers),
        };
        let mut exceptions = Vec::new();
        if inexact > 0 {
            let exact = numbers.iter().zip(values).find(|(number, value)| self.is_exact(**value, **number));
            let mut before = exact.map_or(0, |(number, _)| *number);
            for (position, (number, value)) in numbers.iter_mut().zip(values).enumerate() {
                if self.is_exact(*value, *number) {
                    before = *number;
                } else {
                    // A block holds at most 1024 slots.
                    exceptions.push(position as u16);
                    *number = before;
                }
            }
        }
        (numbers, exceptions)
    }

    /// Maps numbers back; both slices are equally long.
    pub(super) fn unmap(self, numbers: &[i64], out: &mut [f64]) {
        // A loop for each mapping, so that each is free of branches.
        let pairs = out.iter_mut().zip(numbers);
        match self {
            Mapping::Decimal(0) => pairs.for_each(|(out, number)| *out = to_float(*number)),
            Mapping::Decimal(decimals) => match Tenths::of(decimals).filter(|_| are_small(numbers)) {
                Some(tenths) => pairs.for_each(|(out, number)| *out = tenths.scale(to_float(*number))),
                None => {
                    let divisor = power_of_ten(decimals);
                    pairs.for_each(|(out, number)| *out = to_float(*number) / divisor);
                }
            },
            Mapping::Reciprocal(digits) => {
                let dividend = power_of_ten(digits);
                pairs.for_each(|(out, number)| *out = dividend / to_float(*number));
            }
            Mapping::ReciprocalRounded(digits) => {
                let dividend = power_of_ten(digits);
                pairs.for_each(|(out, number)| *out = round_to_15_digits(dividend / to_float(*number)));
            }
            Mapping::Bits { shift, sign_low: false } => {
                pairs.for_each(|(out, number)| *out = f64::from_bits((*number as u64) << shift));
            }
            Mapping::Bits { .. } => pairs.for_each(|(out, number)| *out = self.value_of(*number)),
        }
    }

    /// The byte that stands for the mapping.
    pub(super) fn to_byte(self) -> u8 {
        let byte = match self {
            Mapping::Decimal(decimals) => decimals,
            Mapping::Reciprocal(digits) => 0x20 | digits,
            Mapping::ReciprocalRounded(digits) => 0x40 | digits,
            Mapping::Bits { shift, sign_low } => 0x80 | u32::from(sign_low) << 6 | shift,
        };
        byte as u8
    }

    /// The mapping that a byte stands for.
    pub(super) fn from_byte(byte: u8) -> Option<Mapping> {
        let low = u32::from(byte & 0x1F);
        match byte >> 5 {
            0 if low <= DECIMALS_MAX => Some(Mapping::Decimal(low)),
            1 if low <= RECIPROCAL_DIGITS_MAX => Some(Mapping::Reciprocal(low)),
            2 if low <= RECIPROCAL_DIGITS_MAX => Some(Mapping::ReciprocalRounded(low)),
            4.. => Some(Mapping::Bits { shift: u32::from(byte & 0x3F), sign_low: byte & 0x40 != 0 }),
            _ => None,
        }
    }
}

const SIGN: u64 = 1 << 63;
const SHIFT_MAX: u32 = 63;

/// `1.5 · 2^52`: beside it, the gap between two floats is 1, so adding it rounds to a whole number (half to even),
/// which then lies in the lowest bits. Needs no instruction beyond the baseline and vectorises. Exact up to `2^51`.
const ROUNDER: f64 = 6_755_399_441_055_744.0;

#[inline(always)]
fn round(value: f64) -> i64 {
    (value + ROUNDER).to_bits().wrapping_sub(ROUNDER.to_bits()) as i64
}

#[inline(always)]
fn to_float(number: i64) -> f64 {
    f64::from_bits((number as u64).wrapping_add(ROUNDER.to_bits())) - ROUNDER
}

/// Numbers in `[-SMALL, SMALL)` are small.
const SMALL: u64 = 1 << 26;

/// Whether all numbers are small.
#[inline(always)]
fn are_small(numbers: &[i64]) -> bool {
    numbers.iter().fold(0, |all, number| all | (*number as u64).wrapping_add(SMALL)) < 2 * SMALL
}

/// `10⁻ᵏ` in two parts, for a division that costs two multiplications: divisions take most of the time of decoding.
///
/// `high` has 26 bits, so its product with a small number is exact; `low` is the rest, off by a factor of at most
/// `1 ± 2⁻⁵³`. With the rounding of the second product, what is rounded at last is `n / 10ᵏ` off by less than `2⁻⁷⁷` of
/// it. Half way between two floats lies an odd multiple `m < 2⁵⁴` of a power of two, and no quotient that is not one
/// itself comes nearer to it than by `2⁻⁵⁴ / 10ᵏ` of it: more, for `k` up to 6. A small number is no product of such
/// an `m`. So the rounded sum is the rounded quotient.
#[derive(Debug, Clone, Copy)]
struct Tenths {
    high: f64,
    low: f64,
}

impl Tenths {
    /// The most decimals for which the proof holds.
    const DECIMALS_MAX: u32 = 6;

    const fn new(power: f64) -> Tenths {
        let high = f64::from_bits((1.0 / power).to_bits() >> 27 << 27);
        // Exact: both have few bits, and the product lies beside 1.
        let rest = 1.0 - high * power;
        Tenths { high, low: rest / power }
    }

    #[inline(always)]
    fn of(decimals: u32) -> Option<Tenths> {
        const ALL: [Tenths; Tenths::DECIMALS_MAX as usize + 1] = [
            Tenths::new(1e0),
            Tenths::new(1e1),
            Tenths::new(1e2),
            Tenths::new(1e3),
            Tenths::new(1e4),
            Tenths::new(1e5),
            Tenths::new(1e6),
        ];
        ALL.get(decimals as usize).copied()
    }

    /// A small whole number divided by the power of ten, correctly rounded.
    #[inline(always)]
    fn scale(self, number: f64) -> f64 {
        number * self.high + number * self.low
    }
}

/// Rounds to 15 significant digits for magnitudes in `[10⁻², 10³)`; outside, the result means nothing (and so is never
/// exact). Every power here is exact, so the last division gives what a parser makes of the 15 digits.
#[inline(always)]
fn round_to_15_digits(value: f64) -> f64 {
    let magnitude = value.abs();
    let power = if magnitude < 0.1 {
        1e16
    } else if magnitude < 1.0 {
        1e15
    } else if magnitude < 10.0 {
        1e14
    } else if magnitude < 100.0 {
        1e13
    } else {
        1e12
    };
    (value * power + ROUNDER - ROUNDER) / power
}

#[inline(always)]
fn power_of_ten(exponent: u32) -> f64 {
    const POWERS: [f64; DECIMALS_MAX as usize + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    POWERS[exponent as usize % POWERS.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_gives_its_value_back(bits: u64, hundredths in -100_000_000..100_000_000i64, byte: u8) {
            let Some(mapping) = Mapping::from_byte(byte) else { return Ok(()) };
            prop_assert_eq!(mapping.to_byte(), byte);
            for value in [f64::from_bits(bits), hundredths as f64 / 100.0, 100.0 / hundredths as f64] {
                let (numbers, exceptions) = mapping.map(&[value]);
                prop_assert_eq!(exceptions.is_empty(), mapping.number_of(value).is_some());
                if exceptions.is_empty() {
                    let mut out = [0.0];
                    mapping.unmap(&numbers, &mut out);
                    prop_assert_eq!(out[0].to_bits(), value.to_bits());
                }
            }
        }

        #[test]
        fn every_two_decimals_are_exact(hundredths in -1i64 << 51..=1 << 51) {
            let value: f64 = format!("{}e-2", hundredths).parse().unwrap();
            prop_assert!(hundredths == 0 || Mapping::Decimal(2).number_of(value) == Some(hundredths));
        }

        #[test]
        fn small_numbers_are_divided_exactly(numbers in prop::collection::vec(-(1i64 << 26)..1 << 26, 64)) {
            prop_assert!(are_small(&numbers));
            for decimals in 1..=Tenths::DECIMALS_MAX {
                let mut out = [0.0; 64];
                Mapping::Decimal(decimals).unmap(&numbers, &mut out);
                for (number, out) in numbers.iter().zip(out) {
                    prop_assert_eq!(out.to_bits(), (*number as f64 / power_of_ten(decimals)).to_bits(), "{}", number);
                }
            }
        }

        #[test]
        fn the_bit_mapping_of_values_holds_for_all_of_them(bits in prop::collection::vec(any::<u64>(), 1..20)) {
            let values: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
            prop_assert!(Mapping::bits_of(&values).map(&values).1.is_empty());
        }
    }

    #[test]
    fn every_small_number_is_divided_exactly_at_the_edges() {
        let small = SMALL as i64;
        assert!(are_small(&[-small, small - 1]));
        assert!(!are_small(&[0, small]) && !are_small(&[-small - 1]) && !are_small(&[i64::MIN]));
        // All numbers of up to 16 bits, and as many at either end.
        for decimals in 0..=Tenths::DECIMALS_MAX {
            let tenths = Tenths::of(decimals).unwrap();
            for number in (-65_536..65_536).chain(-small..-small + 65_536).chain(small - 65_536..small) {
                let exact = number as f64 / power_of_ten(decimals);
                assert_eq!(tenths.scale(number as f64).to_bits(), exact.to_bits(), "{number} / 10^{decimals}");
            }
        }
    }
}
