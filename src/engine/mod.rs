//! The engine: the only joiner of memory and disk.
//!
//! A write goes through `ingest` (lines to samples of hosts), then, under a shard's lock, into the shard's log and
//! into memory. `checkpoint` replaces logs by snapshots, `recover` reads both at start, `retain` lets data leave
//! memory. The form of the files is behind [`log`]'s trait: `native` and `files`.

mod adopt;
mod archive;
mod checkpoint;
#[cfg(test)]
mod checkpoint_tests;
mod commit;
mod convert;
mod core;
mod damage;
#[cfg(test)]
mod fault_tests;
mod files;
mod folders;
#[cfg(test)]
mod histories;
mod ingest;
mod inventory;
mod log;
mod metadata;
mod names;
mod native;
mod options;
mod outcome;
mod push;
mod recover;
mod remote;
mod replay;
mod retain;
mod stamped;
#[cfg(test)]
mod stamped_tests;
mod states;
#[cfg(test)]
mod tests;
mod work;
mod zstats;

pub use self::core::Engine;
pub use archive::{ArchiveError, CleanupProgress};
pub use options::{ArchiveOptions, CheckpointFormat, CleanupMode, Options, Partition, ValueType, WalSync};
pub use outcome::{BadLine, CheckpointReport, CleanupReport, IngestError, IngestReport, OpenError};
pub use push::PushReport;
pub use remote::{
    ImportOptions, Mapping, MappingError, MappingSettings, OtlpForm, Place, Placing, Protocols, RemoteError,
    RemoteLimits, RemoteOptions, RemoteReport, RuleReport, RuleSample, WriteVersion,
};
pub use retain::{NodeProvider, UsedNodes};
pub use stamped::{StampedReport, StampedWrite};
pub use work::Background;
pub use zstats::{Cleaned, Kept, Spool, SpoolCleaning, SpoolOptions, TakeError, Taken, TakenScrape, ZstatsOptions};
