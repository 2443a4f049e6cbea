//! Quantiles, fractions and moments: of classic histograms, of native ones, and of plain values.
//!
//! Pure functions of numbers; what has to be told of a result comes back beside it, and the caller words it.

mod classic;
mod moments;
mod native;
mod values;

pub use classic::{ClassicBucket, ClassicQuantile, ForcedMonotonicity, classic_fraction, classic_quantile};
pub use moments::{histogram_mean, histogram_variance};
pub use native::{NativeFraction, NativeQuantile, SkippedNans, native_fraction, native_quantile};
pub use values::{almost_equal, quantile};
