//! Exemplars: the newest few of each series.

use crate::model::{Exemplar, Labels, StampedId};

use super::data::Stamped;

/// Characters of an exemplar's labels, as OpenMetrics limits them and Prometheus does.
const LABEL_CHARS_MAX: usize = 128;

impl Stamped {
    /// Adds an exemplar to those of its series, which stay in order of time; one more than there may be pushes the
    /// oldest out. The same one again changes nothing. Answers whether it was taken: one that is pushed out at once
    /// was, or what became of it would depend on the order in which exemplars come.
    pub(super) fn add_exemplar(&mut self, id: StampedId, exemplar: &Exemplar, most: usize) -> bool {
        let chars = |text: &str| text.chars().count();
        let length: usize = exemplar.labels.iter().map(|label| chars(&label.name) + chars(&label.value)).sum();
        if length > LABEL_CHARS_MAX {
            return false;
        }
        let Some(series) = self.table.get(id) else { return false };
        let all = series.exemplars();
        let at = all.partition_point(|other| other.time_ms <= exemplar.time_ms);
        let same_time = all[..at].iter().rev().take_while(|other| other.time_ms == exemplar.time_ms);
        if same_time.into_iter().any(|other| is_same(other, exemplar)) {
            return true;
        }
        if at == 0 && all.len() >= most {
            return true;
        }
        let Some(list) = self.extra(id).map(|extra| &mut extra.exemplars) else { return false };
        let before = list_bytes(list);
        if list.len() == list.capacity() {
            list.reserve_exact((most.saturating_sub(list.len())).clamp(1, 4));
        }
        // A copy of its own: the sender's texts may hang on a whole body.
        let pairs = exemplar.labels.iter().map(|label| (&*label.name, &*label.value));
        list.insert(at, Exemplar { labels: Labels::from_pairs(pairs), ..exemplar.clone() });
        let over = list.len().saturating_sub(most);
        list.drain(..over);
        let after = list_bytes(list);
        self.exemplar_bytes = self.exemplar_bytes + after - before;
        true
    }

    /// Keeps some exemplars of a series.
    pub(super) fn retain_exemplars(&mut self, id: StampedId, keep: impl FnMut(&Exemplar) -> bool) {
        let Some(extra) = self.table.get_mut(id).and_then(|series| series.extra.as_deref_mut()) else { return };
        let before = list_bytes(&extra.exemplars);
        extra.exemplars.retain(keep);
        let after = list_bytes(&extra.exemplars);
        self.exemplar_bytes = self.exemplar_bytes + after - before;
        self.drop_extra(id);
    }
}

fn is_same(a: &Exemplar, b: &Exemplar) -> bool {
    a.value.to_bits() == b.value.to_bits() && a.labels == b.labels
}

/// Bytes of a list's own memory.
pub(super) fn list_room(list: &Vec<Exemplar>) -> usize {
    if list.capacity() == 0 { 0 } else { list.capacity() * size_of::<Exemplar>() + 8 }
}

/// Bytes of a list and of what its exemplars refer to.
pub(super) fn list_bytes(list: &Vec<Exemplar>) -> usize {
    /// An `Arc` around a text or a list: two counts, and what the allocator adds.
    const AROUND: usize = 24;
    let label = |label: &crate::model::Label| label.name.len() + label.value.len() + 2 * AROUND;
    let labels = |exemplar: &Exemplar| {
        exemplar.labels.iter().map(label).sum::<usize>()
            + exemplar.labels.len() * size_of::<crate::model::Label>()
            + AROUND
    };
    list_room(list) + list.iter().map(labels).sum::<usize>()
}
