//! Builds tables step by step, for operators whose series depend on values.

use std::collections::{BTreeMap, HashMap};

use crate::model::Labels;

use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::operator::{Head, Table};

/// A table in the making; points come in ascending order of steps.
pub struct Output {
    steps: Steps,
    table: Table,
    /// Where the series of a label set stands.
    places: HashMap<Labels, usize>,
    /// Whether one label set may come twice; what comes of it is judged when names are removed.
    may_repeat: bool,
}

impl Output {
    /// An empty table. `names_go_late`: whether metric names are removed at the end of the query.
    pub fn new(steps: Steps, names_go_late: bool) -> Output {
        let may_repeat = steps.is_instant && names_go_late;
        Output { steps, table: Table::default(), places: HashMap::new(), may_repeat }
    }

    /// Adds a point to the series of these labels.
    pub fn push(&mut self, step: usize, head: &Head, point: Point) -> Result<(), QueryError> {
        let at = self.place(head);
        self.push_at(at, step, point)
    }

    /// The place of a series, for points pushed by place.
    pub fn place(&mut self, head: &Head) -> usize {
        match self.places.get(&head.labels) {
            Some(at) if !self.may_repeat => *at,
            _ => self.add_series(head),
        }
    }

    /// Number of series so far.
    pub fn len(&self) -> usize {
        self.table.heads.len()
    }

    fn add_series(&mut self, head: &Head) -> usize {
        let at = self.table.heads.len();
        self.places.insert(head.labels.clone(), at);
        self.table.push(head.clone(), Column::sparse(self.steps.count));
        at
    }

    /// Adds a point to a series whose place is known.
    pub fn push_at(&mut self, at: usize, step: usize, point: Point) -> Result<(), QueryError> {
        let column = &mut self.table.columns[at];
        if column.has(step) {
            return Err(QueryError::same_labels());
        }
        column.push(step, point);
        Ok(())
    }

    /// The table; series without points are left out.
    pub fn finish(mut self) -> Table {
        self.table.columns.iter_mut().for_each(Column::compact);
        self.table.without_empty()
    }
}

/// Joins series that have the same labels; points of both at one step are an error.
pub fn merge_same(table: Table, steps: usize) -> Result<Table, QueryError> {
    if !has_same(&table) {
        return Ok(table);
    }
    let mut merged = Table::default();
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut others: BTreeMap<usize, Vec<Column>> = BTreeMap::new();
    for (head, column) in table.heads.into_iter().zip(table.columns) {
        match places.get(&head.labels) {
            Some(&at) => others.entry(at).or_default().push(column),
            None => {
                places.insert(head.labels.clone(), merged.heads.len());
                merged.push(head, column);
            }
        }
    }
    for (at, others) in others {
        let first = std::mem::take(&mut merged.columns[at]);
        merged.columns[at] = joined(first, others, steps)?;
    }
    Ok(merged)
}

/// The points of columns in one; two at one step are an error.
fn joined(first: Column, others: Vec<Column>, steps: usize) -> Result<Column, QueryError> {
    let (mut column, mut histograms) = (Column::new(steps), Vec::new());
    let (mut seen, mut own) = (vec![0_u64; steps.div_ceil(64)], vec![0_u64; steps.div_ceil(64)]);
    for mut other in std::iter::once(first).chain(others) {
        own.fill(0);
        other.mark(&mut own);
        if seen.iter().zip(&own).any(|(seen, own)| seen & own != 0) {
            return Err(QueryError::same_labels());
        }
        seen.iter_mut().zip(&own).for_each(|(seen, own)| *seen |= own);
        other.for_floats(|step, value| column.set(step, value));
        histograms.append(&mut other.take_histograms());
    }
    histograms.sort_unstable_by_key(|(step, _)| *step);
    column.set_histograms(histograms);
    column.compact();
    Ok(column)
}

/// Whether two series have the same labels.
pub fn has_same(table: &Table) -> bool {
    heads_have_same(&table.heads)
}

/// Whether two of the heads have the same labels.
pub fn heads_have_same(heads: &[Head]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(heads.len());
    !heads.iter().all(|head| seen.insert(&head.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::FloatHistogram;

    fn table(columns: Vec<Column>) -> Table {
        let head = Head { labels: Labels::empty(), drop_name: false };
        Table { heads: vec![head; columns.len()], columns }
    }

    fn sparse(floats: &[usize], histograms: &[usize]) -> Column {
        let mut column = Column::sparse(200);
        for step in 0..200 {
            if floats.contains(&step) {
                column.push(step, Point::Float(step as f64));
            } else if histograms.contains(&step) {
                column.push(step, Point::Histogram(std::sync::Arc::new(FloatHistogram::default())));
            }
        }
        column
    }

    #[test]
    fn series_of_one_name_become_one() {
        let mut dense = Column::new(200);
        (100..200).for_each(|step| dense.set(step, step as f64));
        let parts = vec![sparse(&[7, 70], &[3, 99]), dense, Column::sparse(200), sparse(&[0], &[80])];
        let merged = merge_same(table(parts), 200).unwrap();
        assert_eq!(merged.columns.len(), 1);
        let floats: Vec<usize> = [0, 7, 70].into_iter().chain(100..200).collect();
        for step in 0..200 {
            let expected = floats.contains(&step).then_some(step as f64);
            assert_eq!(merged.columns[0].float(step), expected, "{step}");
            assert_eq!(merged.columns[0].histogram(step).is_some(), [3, 80, 99].contains(&step), "{step}");
        }
        for other in [sparse(&[70], &[]), sparse(&[], &[70]), sparse(&[3], &[]), sparse(&[], &[3])] {
            assert!(merge_same(table(vec![sparse(&[7, 70], &[3]), sparse(&[1], &[]), other]), 200).is_err());
        }
    }
}
