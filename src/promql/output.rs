//! Builds tables step by step, for operators whose series depend on values.

use std::collections::HashMap;

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
    for (head, column) in table.heads.into_iter().zip(table.columns) {
        let Some(&at) = places.get(&head.labels) else {
            places.insert(head.labels.clone(), merged.heads.len());
            merged.push(head, column);
            continue;
        };
        let mut points = merged.columns[at].points();
        points.extend(column.points());
        points.sort_by_key(|(step, _)| *step);
        if points.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(QueryError::same_labels());
        }
        let mut both = Column::sparse(steps);
        points.into_iter().for_each(|(step, point)| both.push(step, point));
        both.compact();
        merged.columns[at] = both;
    }
    Ok(merged)
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
