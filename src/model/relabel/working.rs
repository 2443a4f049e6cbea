//! The labels of a series while rules change them.
//!
//! Invariant: names occur once, and the order is that of Prometheus's builder: what the series came with, sorted, then
//! what was set since, in the order of setting. Of two labels that a rule maps to one name the later wins.

use std::sync::Arc;

use crate::model::{Label, Labels};

/// Labels under way.
pub(super) struct Working {
    /// What the series came with and still has.
    base: Vec<Label>,
    set: Vec<Label>,
    changed: bool,
}

impl Working {
    pub(super) fn of(labels: &Labels) -> Working {
        Working { base: labels.iter().cloned().collect(), set: Vec::new(), changed: false }
    }

    /// The value of a label; empty without one.
    pub(super) fn value(&self, name: &str) -> &str {
        self.all().find(|label| &*label.name == name).map_or("", |label| &label.value)
    }

    /// Sets a label; an empty value removes it.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Arc<str>>) {
        let value = value.into();
        if value.is_empty() {
            return self.remove(name);
        }
        self.changed = true;
        self.base.retain(|label| &*label.name != name);
        match self.set.iter_mut().find(|label| &*label.name == name) {
            Some(label) => label.value = value,
            None => self.set.push(Label { name: name.into(), value }),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.retain(|label| &*label.name != name);
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Label) -> bool) {
        let keeps_all = self.all().all(&keep);
        self.changed |= !keeps_all;
        self.base.retain(&keep);
        self.set.retain(&keep);
    }

    /// All labels as they are now, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = &Label> {
        self.base.iter().chain(&self.set)
    }

    /// The set; `original` itself when nothing has changed.
    pub(super) fn finish(self, original: &Labels) -> Labels {
        if !self.changed {
            return original.clone();
        }
        let mut labels = self.base;
        labels.extend(self.set);
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        Labels::from_sorted(labels)
    }
}
