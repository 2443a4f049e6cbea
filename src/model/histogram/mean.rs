//! Means of many histograms.

use super::combine::Combined;
use super::error::HistogramError;
use super::float_histogram::FloatHistogram;
use super::sum::HistogramSum;

/// A running mean of histograms.
///
/// It is a sum, divided at the end, until that sum would pass the largest number; from then on it is the mean of what
/// came so far.
#[derive(Debug, Clone)]
pub struct HistogramMean {
    sum: HistogramSum,
    histograms: f64,
    /// Whether `sum` is already divided.
    divided: bool,
}

impl HistogramMean {
    /// The mean of one histogram.
    pub fn new(first: FloatHistogram) -> Self {
        HistogramMean { sum: HistogramSum::new(first), histograms: 1.0, divided: false }
    }

    /// Takes in a histogram; see [`FloatHistogram::add`].
    ///
    /// # Errors
    /// One has custom buckets, the other has not; the mean is then of no use any more.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<Combined, HistogramError> {
        self.histograms += 1.0;
        if !self.divided {
            let mut sum = self.sum.clone();
            let combined = sum.add(other)?;
            if !sum.total().has_overflow() {
                self.sum = sum;
                return Ok(combined);
            }
            self.divided = true;
            self.sum.div(self.histograms - 1.0);
        }
        self.sum.mul((self.histograms - 1.0) / self.histograms);
        let mut part = other.clone();
        part.div(self.histograms);
        self.sum.add(&part)
    }

    /// The mean. Empty buckets are still there.
    pub fn into_value(mut self) -> FloatHistogram {
        if !self.divided {
            self.sum.div(self.histograms);
        }
        self.sum.into_value()
    }
}
