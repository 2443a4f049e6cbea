//! One alert: a label set for which the condition of a rule holds, or held until lately.

use crate::model::Labels;

/// What is the matter with an alert, in the order of its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AlertState {
    /// Its rule has not been evaluated yet.
    Unknown,
    /// Its condition does not hold.
    Inactive,
    /// Its condition holds, but not for long enough.
    Pending,
    /// Its condition holds.
    Firing,
}

impl AlertState {
    /// The name, as labels and the HTTP API have it.
    pub fn name(self) -> &'static str {
        match self {
            AlertState::Unknown => "unknown",
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// An alert. All times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// What is the matter.
    pub state: AlertState,
    /// What tells it from others, the rule's name as `alertname` among them.
    pub labels: Labels,
    /// What it says.
    pub annotations: Labels,
    /// The value of the condition at the last evaluation at which it held.
    pub value: f64,
    /// Since when the condition holds.
    pub active_at_ms: i64,
    /// Since when it fires.
    pub fired_at_ms: Option<i64>,
    /// When the condition ended; none while it holds.
    pub resolved_at_ms: Option<i64>,
    /// When it was sent last.
    pub sent_at_ms: Option<i64>,
    /// Until when the receiver may rely on what was sent last.
    pub valid_until_ms: Option<i64>,
    /// Since when it fires though the condition has ended.
    pub keep_firing_since_ms: Option<i64>,
}

impl Alert {
    /// Whether it is to be sent (again).
    pub(super) fn needs_sending(&self, now_ms: i64, resend_ms: i64) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        // The end is told at once.
        if self.resolved_at_ms.is_some_and(|resolved| self.sent_at_ms.is_none_or(|sent| resolved > sent)) {
            return true;
        }
        self.sent_at_ms.is_none_or(|sent| sent.saturating_add(resend_ms) < now_ms)
    }
}
