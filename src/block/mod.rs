//! Codecs for sealed runs of slots.
