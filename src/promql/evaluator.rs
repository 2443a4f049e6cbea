//! Turns a plan into operators, and an operator into an answer.

use super::annotations::{Annotations, Note};
use super::column::{Column, Point, Steps};
use super::error::QueryError;
use super::limits::{Budget, Interrupt, Stop};
use super::operator::{Head, Lane, Op, Operator, Table};
use super::options::Options;
use super::output::merge_same;
use super::plan::{Kind, Node};
use super::source::{Samples, Source};
use super::value::Value;
use super::{aggregate, binary, function, map, matrix, select, subquery};

/// What all operators of an evaluation share.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// What series are read from.
    pub source: &'a dyn Source,
    /// How expressions are evaluated.
    pub options: &'a Options,
    /// Where notes go.
    pub notes: &'a Annotations,
    /// How many samples are held.
    pub budget: &'a Budget,
    /// Whether to stop.
    pub interrupt: &'a dyn Interrupt,
}

impl<'a> Evaluator<'a> {
    /// An error if the evaluation has to stop.
    pub fn poll(&self) -> Result<(), QueryError> {
        match self.interrupt.poll() {
            None => Ok(()),
            Some(Stop::TimedOut) => Err(QueryError::TimedOut),
            Some(Stop::Canceled) => Err(QueryError::Canceled),
        }
    }

    /// Says something beside the answer.
    pub fn note(&self, note: Note) {
        self.notes.add(note);
    }

    /// The operator for a part of a plan at these steps.
    pub fn prepare(&self, node: &'a Node, steps: Steps) -> Result<Op<'a>, QueryError> {
        self.poll()?;
        if steps.count == 0 {
            return Ok(Box::new(Table::default()));
        }
        // A column takes memory for its steps, whatever stands there, and numbers them in 32 bits.
        if steps.count as u64 > self.options.samples_max.min(u32::MAX.into()) {
            return Err(QueryError::TooManySamples);
        }
        match &node.kind {
            Kind::Number(number) => {
                self.budget.hold(steps.count as u64)?;
                Ok(Box::new(Table::scalar(vec![*number; steps.count])))
            }
            Kind::Select(select) => select::prepare(self, select, steps, node.begins),
            Kind::Call { function, name, args } => {
                function::prepare(self, &function::Call { id: *function, name, args, node }, steps)
            }
            Kind::Aggregate(aggregate) => aggregate::prepare(self, aggregate, node.begins, steps),
            Kind::Binary(binary) => binary::prepare(self, binary, steps),
            Kind::Negate(inner) => map::negate(self, inner, steps),
            Kind::Invariant(inner) if steps.is_instant => self.prepare(inner, steps),
            Kind::Invariant(inner) => {
                let inner = self.table(inner, steps.first())?;
                self.budget.hold(inner.size() * (steps.count as u64 - 1))?;
                Ok(Box::new(Repeat { inner, steps }))
            }
            Kind::Subquery(_) | Kind::Window { .. } | Kind::Text(_) => {
                Err(QueryError::execution("a range or a text where series are expected"))
            }
        }
    }

    /// The columns of a part of a plan at these steps.
    pub fn table(&self, node: &'a Node, steps: Steps) -> Result<Table, QueryError> {
        let op = self.prepare(node, steps)?;
        self.collect(op, steps.count)
    }

    /// The number that a scalar part of a plan is at each step.
    pub fn scalar(&self, node: &'a Node, steps: Steps) -> Result<Vec<f64>, QueryError> {
        let op = self.prepare(node, steps)?;
        let mut column = Column::new(steps.count);
        if !op.heads().is_empty() {
            op.column(0, &mut Lane::default(), &mut column)?;
        }
        Ok(column.values().to_vec())
    }

    /// The answer to a query at one time.
    pub fn instant(&self, node: &'a Node, time_ms: i64) -> Result<Value, QueryError> {
        let steps = Steps::instant(time_ms);
        let series = match &node.kind {
            Kind::Text(text) => return Ok(Value::Text { time_ms, text: text.clone() }),
            Kind::Window { select, range_ms } => matrix::read(self, select, *range_ms, steps)?,
            Kind::Subquery(subquery) => self.subquery_matrix(subquery, steps)?,
            // A range of samples is the same at every step by itself.
            Kind::Invariant(inner) if matches!(inner.kind, Kind::Window { .. } | Kind::Subquery(_)) => {
                return self.instant(inner, time_ms);
            }
            _ => {
                let table = self.finish(self.table(node, steps)?, steps)?;
                let points = table.columns.iter().map(|column| column.point(0).unwrap_or(Point::Float(f64::NAN)));
                if node.is_scalar() {
                    let value = match points.into_iter().next() {
                        Some(Point::Float(value)) => value,
                        _ => f64::NAN,
                    };
                    return Ok(Value::Scalar { time_ms, value });
                }
                let labels = table.heads.into_iter().map(|head| head.labels);
                return Ok(Value::Vector { time_ms, series: labels.zip(points).collect() });
            }
        };
        let mut series = series;
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Value::Matrix(series))
    }

    /// The answer to a query over steps.
    pub fn range(&self, node: &'a Node, steps: Steps) -> Result<Value, QueryError> {
        let table = self.finish(self.table(node, steps)?, steps)?;
        let labels = table.heads.into_iter().map(|head| head.labels);
        let mut series: Vec<_> = labels.zip(table.columns).collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Value::Range { steps, series })
    }

    /// Takes away the names that were to go at the end.
    fn finish(&self, mut table: Table, steps: Steps) -> Result<Table, QueryError> {
        if !self.options.delayed_name_removal {
            return Ok(table);
        }
        for head in &mut table.heads {
            if head.drop_name {
                head.labels = head.labels.without_metadata();
            }
        }
        merge_same(table, steps.count)
    }

    fn subquery_matrix(
        &self,
        subquery: &'a super::plan::Subquery,
        steps: Steps,
    ) -> Result<Vec<(crate::model::Labels, Samples)>, QueryError> {
        let inner_steps = subquery::steps(subquery, steps);
        let table = self.table(&subquery.inner, inner_steps)?;
        let table = self.finish(table, inner_steps)?;
        let pairs = table.heads.into_iter().zip(table.columns);
        let samples = |column: Column| {
            let mut samples = Samples::default();
            for (step, point) in column.points() {
                match point {
                    Point::Float(value) => samples.push_float(inner_steps.time_ms(step), value),
                    Point::Histogram(histogram) => samples.push_histogram(inner_steps.time_ms(step), histogram),
                }
            }
            samples
        };
        Ok(pairs.map(|(head, column)| (head.labels, samples(column))).collect())
    }
}

/// The points of one step at every step.
struct Repeat {
    inner: Table,
    steps: Steps,
}

impl Operator for Repeat {
    fn heads(&self) -> &[Head] {
        &self.inner.heads
    }

    fn column(&self, at: usize, _: &mut Lane, out: &mut Column) -> Result<(), QueryError> {
        match self.inner.columns[at].point(0) {
            None => {}
            Some(Point::Float(value)) => out.fill_all().fill(value),
            Some(Point::Histogram(histogram)) => {
                (0..self.steps.count).for_each(|step| out.push_histogram(step, histogram.clone()));
            }
        }
        Ok(())
    }
}
