//! The wish to end: one Ctrl-C ends a command behind the piece at hand, a second one the process.

use std::io;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::signals::{Request, Signals};

/// Whether the user has asked to end. Clones see the same.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    asked: watch::Receiver<bool>,
}

impl Stop {
    /// Takes the signals over.
    ///
    /// # Errors
    ///
    /// The system's, should it refuse handlers.
    pub(super) fn on_signals(runtime: &Handle) -> io::Result<Self> {
        let _inside = runtime.enter();
        let mut signals = Signals::take_over()?;
        let (ask, asked) = watch::channel(false);
        runtime.spawn(async move {
            while signals.next().await != Request::Shutdown {}
            _ = ask.send(true);
            while signals.next().await != Request::Shutdown {}
            // Files are written beside their names or in logs: nothing is half there.
            std::process::exit(1);
        });
        Ok(Stop { asked })
    }

    /// Whether the user has asked to end.
    pub(super) fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Waits until the user asks to end.
    pub(super) async fn asked(&mut self) {
        if self.asked.wait_for(|&asked| asked).await.is_err() {
            // Nobody is left who could ask.
            std::future::pending::<()>().await;
        }
    }
}
