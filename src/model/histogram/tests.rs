//! Tests of histograms as a whole.
