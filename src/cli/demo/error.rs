//! Why the simulator gives up, or has to try again.

use std::time::Duration;

use crate::config::Errors;

/// What went wrong; the texts say what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum DemoError {
    /// The config is bad.
    #[error("{0}\n(the demo takes the store's config: --config FILE; `make` copies an example to config.json)")]
    Config(#[from] Errors),
    /// An argument makes no sense.
    #[error("{0}")]
    Argument(String),
    /// Threads, signals or the HTTP client could not be set up.
    #[error("starting: {0}")]
    Setup(String),
    /// The store needs a token and there is none.
    #[error("{url} asks for a token: give one with --token or in the variable {TOKEN_VARIABLE}")]
    TokenMissing {
        /// The store.
        url: String,
    },
    /// The store does not like the token.
    #[error("{url} refuses the token ({answer}): give another one with --token or in the variable {TOKEN_VARIABLE}")]
    TokenRefused {
        /// The store.
        url: String,
        /// Status and text.
        answer: String,
    },
    /// There is nobody, or the connection broke.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The store or the NATS server.
        url: String,
        /// The system's answer.
        reason: String,
    },
    /// The store has too much to do, or is not ready.
    #[error("{url} is busy ({answer})")]
    Busy {
        /// The store.
        url: String,
        /// Status and text.
        answer: String,
        /// How long it wants to be left alone.
        retry_after: Duration,
    },
    /// The store answers with an error.
    #[error("{url} answers {answer}")]
    Refused {
        /// What was asked.
        url: String,
        /// Status and text.
        answer: String,
    },
    /// An answer that makes no sense.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// Somebody else has the port.
    #[error(
        "something listens on {url} that is not Treering ({answer}): stop it, change main.addr in the config, or \
         feed it with --url {url}"
    )]
    PortTaken {
        /// The address of the config.
        url: String,
        /// What it answers.
        answer: String,
    },
    /// The child could not be started, or ended.
    #[error("the store {0}")]
    Store(String),
}

/// Where a token may stand that should not show in the list of processes.
pub(in crate::cli) const TOKEN_VARIABLE: &str = "TREERING_TOKEN";
