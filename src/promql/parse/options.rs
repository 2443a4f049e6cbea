//! What a query may contain, and how large it may be.

/// Switches and limits of the parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    /// Functions and aggregations that Prometheus calls experimental.
    pub experimental_functions: bool,
    /// Arithmetic in durations: `[5m + step()]`.
    pub duration_expressions: bool,
    /// The modifiers `anchored` and `smoothed`.
    pub extended_range_selectors: bool,
    /// The modifiers `fill`, `fill_left` and `fill_right`.
    pub fill_modifiers: bool,
    /// Longest query, in bytes.
    pub query_bytes_max: usize,
    /// Deepest tree, in levels: what evaluates, prints or drops it recursively relies on this.
    pub depth_max: usize,
    /// Most patterns that need an automaton of their own; lists of plain texts do not.
    pub patterns_max: usize,
}

impl ParseOptions {
    /// The usual limits, nothing experimental.
    pub const fn plain() -> ParseOptions {
        ParseOptions {
            experimental_functions: false,
            duration_expressions: false,
            extended_range_selectors: false,
            fill_modifiers: false,
            query_bytes_max: 256 << 10,
            depth_max: 256,
            patterns_max: 64,
        }
    }

    /// The usual limits, everything switched on.
    pub const fn everything() -> ParseOptions {
        ParseOptions {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
            ..ParseOptions::plain()
        }
    }
}

impl Default for ParseOptions {
    fn default() -> ParseOptions {
        ParseOptions::plain()
    }
}
