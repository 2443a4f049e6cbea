//! What is printed of good files and of damaged ones.
