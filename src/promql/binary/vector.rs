//! Operations between two vectors step by step: where fills stand for missing partners, or labels alone do not tell
//! which series belong together.

use std::collections::{HashMap, HashSet};

use crate::model::Labels;

use super::super::ast::{Cardinality, VectorMatching};
use super::super::column::{Point, Steps};
use super::super::error::QueryError;
use super::super::evaluator::Evaluator;
use super::super::operator::{Head, Table};
use super::super::output::Output;
use super::super::plan::Binary;
use super::LastNotes;
use super::element::{Outcome, element};
use super::matching::{Sides, match_labels, result_labels};

/// A series of one side, or what stands for one that is missing; by row.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Partner {
    Row(usize),
    /// A fill for the partner of this row of the other side.
    FillFor(usize),
}

/// Runs the operation.
pub fn run(
    ev: &Evaluator<'_>,
    binary: &Binary,
    matching: &VectorMatching,
    sides: &Sides,
    steps: Steps,
) -> Result<Table, QueryError> {
    let mut join = Join::new(ev, binary, matching, sides, steps);
    for step in 0..steps.count {
        ev.poll()?;
        join.step(step)?;
    }
    join.notes.tell(ev);
    Ok(join.output.finish())
}

struct Join<'j> {
    ev: &'j Evaluator<'j>,
    binary: &'j Binary,
    matching: &'j VectorMatching,
    many: &'j Table,
    one: &'j Table,
    many_groups: &'j [usize],
    one_groups: &'j [usize],
    /// Whether the left side is the "one" side.
    is_swapped: bool,
    /// The row of the "one" side at this step, by group.
    ones: Vec<Option<usize>>,
    /// Whether a group was matched at this step.
    matched: Vec<bool>,
    /// The labels of this step's results of each group, where several are allowed.
    results: HashSet<(usize, Labels)>,
    known: HashMap<(Partner, Partner), Head>,
    output: Output,
    notes: LastNotes,
}

impl<'j> Join<'j> {
    fn new(
        ev: &'j Evaluator<'j>,
        binary: &'j Binary,
        matching: &'j VectorMatching,
        sides: &'j Sides,
        steps: Steps,
    ) -> Join<'j> {
        let is_swapped = matching.cardinality == Cardinality::OneToMany;
        let (left, right) = ((&sides.left, &*sides.left_groups), (&sides.right, &*sides.right_groups));
        let ((many, many_groups), (one, one_groups)) = if is_swapped { (right, left) } else { (left, right) };
        Join {
            ev,
            binary,
            matching,
            many,
            one,
            many_groups,
            one_groups,
            is_swapped,
            ones: vec![None; sides.groups],
            matched: vec![false; sides.groups],
            results: HashSet::new(),
            known: HashMap::new(),
            output: Output::new(steps, ev.options.delayed_name_removal),
            notes: LastNotes::default(),
        }
    }

    fn step(&mut self, step: usize) -> Result<(), QueryError> {
        let is_there = |table: &Table| table.columns.iter().any(|column| column.has(step));
        let (has_many, has_one) = (is_there(self.many), is_there(self.one));
        if !(has_many && has_one) && !(self.matching.fill.is_any() && (has_many || has_one)) {
            return Ok(());
        }
        self.ones.fill(None);
        self.matched.fill(false);
        self.results.clear();
        for (row, column) in self.one.columns.iter().enumerate() {
            if !column.has(step) {
                continue;
            }
            if let Some(other) = self.ones[self.one_groups[row]].replace(row) {
                return Err(self.duplicate(row, other));
            }
        }
        // Fills are told by the sides of the query; the sides here may be swapped.
        let fill = self.matching.fill;
        for row in 0..self.many.columns.len() {
            let Some(own) = self.many.columns[row].point(step) else { continue };
            let group = self.many_groups[row];
            let (partner, other) = match (self.ones[group], fill.right) {
                (Some(one), _) => (Partner::Row(one), self.one.columns[one].point(step)),
                (None, Some(fill)) => (Partner::FillFor(row), Some(Point::Float(fill))),
                (None, None) => continue,
            };
            if let Some(other) = other {
                self.pair(step, group, (Partner::Row(row), own), (partner, other))?;
            }
        }
        let Some(fill) = fill.left else { return Ok(()) };
        for row in 0..self.one.columns.len() {
            let Some(own) = self.one.columns[row].point(step) else { continue };
            let group = self.one_groups[row];
            if !self.matched[group] {
                let filled = (Partner::FillFor(row), Point::Float(fill));
                self.pair(step, group, filled, (Partner::Row(row), own))?;
            }
        }
        Ok(())
    }

    fn duplicate(&self, row: usize, other: usize) -> QueryError {
        let labels = &self.one.heads[row].labels;
        let mut pair = [labels.to_string(), self.one.heads[other].labels.to_string()];
        pair.sort();
        QueryError::Execution(format!(
            "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}];\
             many-to-many matching not allowed: matching labels must be unique on one side",
            match_labels(labels, self.matching),
            if self.is_swapped { "left" } else { "right" },
            pair[0],
            pair[1],
        ))
    }

    fn pair(
        &mut self,
        step: usize,
        group: usize,
        many: (Partner, Point),
        one: (Partner, Point),
    ) -> Result<(), QueryError> {
        let (left, right) = if self.is_swapped { (&one.1, &many.1) } else { (&many.1, &one.1) };
        let Outcome { value, keep, note, is_failed } = element(self.binary.op, left, right, self.binary.position);
        if let Some(note) = note {
            self.notes.set(step, note);
        }
        if is_failed {
            return Ok(());
        }
        let head = self.head(many.0, one.0);
        let is_first = if self.matching.cardinality == Cardinality::OneToOne {
            !self.matched[group]
        } else {
            self.results.insert((group, head.labels.clone()))
        };
        if !is_first {
            return Err(QueryError::execution(if self.matching.cardinality == Cardinality::OneToOne {
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            } else {
                "multiple matches for labels: grouping labels must ensure unique matches"
            }));
        }
        self.matched[group] = true;
        let point = match (self.binary.return_bool, keep, value) {
            (true, keep, _) => Point::Float(f64::from(keep)),
            (false, true, Some(value)) => value,
            _ => return Ok(()),
        };
        self.ev.budget.hold(1)?;
        self.output.push(step, &head, point)
    }

    fn head(&mut self, many: Partner, one: Partner) -> Head {
        if let Some(head) = self.known.get(&(many, one)) {
            return head.clone();
        }
        let labels = |partner: Partner, own: &Table, other: &Table| match partner {
            Partner::Row(row) => own.heads[row].labels.clone(),
            Partner::FillFor(row) => match_labels(&other.heads[row].labels, self.matching),
        };
        let (many_labels, one_labels) = (labels(many, self.many, self.one), labels(one, self.one, self.many));
        let drops_name = self.binary.return_bool && !self.ev.options.delayed_name_removal;
        let labels = result_labels(&many_labels, &one_labels, self.binary.op, self.matching, drops_name);
        let head = Head { labels, drop_name: self.binary.return_bool };
        self.known.insert((many, one), head.clone());
        head
    }
}
