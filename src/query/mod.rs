//! Selector queries over the store: REST.
