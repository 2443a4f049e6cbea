//! Tests of the parser over its public face.
