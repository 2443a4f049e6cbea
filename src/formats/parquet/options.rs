//! How an archive file is written.

/// The Zstandard level unless the options say otherwise: higher ones cost more time than they save space on archived
/// metrics (`docs/formats/parquet.md` has the figures).
pub const COMPRESSION_LEVEL: i32 = 3;

/// The type of the column `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueType {
    /// As cc-metric-store writes it. A finite value beyond its range becomes the largest float32; infinities stay.
    #[default]
    Float32,
    /// Exact.
    Float64,
}

/// How an archive file is written.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// The Zstandard level, 1 to 22.
    pub compression_level: i32,
    /// The type of the column `value`.
    pub value: ValueType,
    /// Whether there is a column `parent`.
    pub has_parents: bool,
    /// Whether values that hardly repeat are stored as BYTE_STREAM_SPLIT. The files are a tenth smaller. DuckDB, Arrow
    /// and Spark read them, but Spark before SPARK-56894 (2026) not with its vectorised reader.
    pub split_bytes: bool,
    /// Threads that encode row groups; with 0 or 1 the caller's alone. More than [`WORKERS_MAX`] are not used.
    pub workers: usize,
    /// What goes into the file's key-value metadata beside what the writer puts there itself.
    pub metadata: Vec<(String, String)>,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            compression_level: COMPRESSION_LEVEL,
            value: ValueType::default(),
            has_parents: false,
            split_bytes: true,
            workers: 1,
            metadata: Vec::new(),
        }
    }
}

/// Row groups that are encoded at the same time: each holds its rows in memory.
pub(super) const WORKERS_MAX: usize = 4;
