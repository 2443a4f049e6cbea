//! What only tests use: the manual clock and the reference model.
