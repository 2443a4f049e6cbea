//! Stamped series as a whole.
