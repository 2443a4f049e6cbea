//! The thread that cleans a spool: at its start, at an interval, and whenever there is too much.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::keep::Spool;

/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(1);
/// Between two passes at least, if the first did not help.
const PAUSE_SECS: i64 = 5;

/// A spool that is cleaned; the thread ends when this is dropped or stopped.
#[derive(Debug)]
pub struct SpoolCleaning {
    spool: Arc<Spool>,
    thread: Option<JoinHandle<()>>,
}

impl SpoolCleaning {
    /// Begins to clean. The first pass, at once, counts what is there from before.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn start(spool: &Arc<Spool>) -> io::Result<SpoolCleaning> {
        spool.held.set_ending(false);
        let cleaned = Arc::clone(spool);
        let thread = std::thread::Builder::new().name("spool".to_owned()).spawn(move || clean_loop(&cleaned))?;
        Ok(SpoolCleaning { spool: Arc::clone(spool), thread: Some(thread) })
    }

    /// Ends a pass at the next chance and waits for that.
    pub fn stop(mut self) {
        self.spool.held.set_ending(true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that cleans the spool had panicked");
        }
    }
}

impl Drop for SpoolCleaning {
    fn drop(&mut self) {
        self.spool.held.set_ending(true);
    }
}

fn clean_loop(spool: &Spool) {
    let interval_secs = i64::try_from(spool.options.clean_interval.as_secs()).unwrap_or(i64::MAX).max(1);
    loop {
        spool.clean();
        let cleaned_secs = spool.clock.now_secs();
        loop {
            if spool.held.wait(LOOK) {
                return;
            }
            // A clock that is set back must not put off the next pass.
            let passed_secs = (spool.clock.now_secs() - cleaned_secs).abs();
            let is_urgent = passed_secs >= PAUSE_SECS && spool.held.is_too_much(&spool.options);
            if is_urgent || passed_secs >= interval_secs {
                break;
            }
        }
    }
}
