//! Stamped series, host by host.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::Matcher;
use crate::store::{Host, StampedFound, Store};

use super::super::limits::Interrupt;

/// Visits the hosts that hold stamped series, sorted by cluster and name, until it is interrupted or told to stop.
pub(super) fn visit(
    (store, interrupt): (&Store, &dyn Interrupt),
    mut visit: impl FnMut(&Arc<Host>) -> ControlFlow<()>,
) {
    for host in store.stamped_hosts() {
        if interrupt.poll().is_some() || visit(&host).is_break() {
            return;
        }
    }
}

/// Visits what fits all matchers and may hold samples with `from_ms <= time <= to_ms`, as [`visit`] does.
pub(super) fn find(
    of: (&Store, &dyn Interrupt),
    matchers: &[Matcher],
    (from_ms, to_ms): (i64, i64),
    mut found: impl FnMut(&Arc<Host>, Vec<StampedFound>) -> ControlFlow<()>,
) {
    visit(of, |host| match host.find_stamped(matchers, from_ms, to_ms) {
        series if series.is_empty() => ControlFlow::Continue(()),
        series => found(host, series),
    });
}
