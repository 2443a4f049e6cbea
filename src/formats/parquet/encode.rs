//! A row group's columns, encoded side by side.

use parquet::basic::{BoundaryOrder, Encoding};
use parquet::errors::Result as LibraryResult;
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescPtr;
use zstd::bulk::Compressor;

use super::chunk::{Chunk, ChunkWriter};
use super::delta;
use super::group::{Group, Run, Values};
use super::names::Names;
use super::plan::page_ends;
use super::text::{NumberRun, encode_numbers, encode_texts};
use super::value;

/// A row group that is ready to be appended to a file.
pub(super) struct EncodedGroup {
    pub(super) columns: Vec<Chunk>,
    pub(super) rows: usize,
    pub(super) first_secs: i64,
    pub(super) last_secs: i64,
}

/// What stays the same for all row groups of a file.
#[derive(Clone)]
pub(super) struct Encoder {
    pub(super) schema: SchemaDescPtr,
    pub(super) cluster: String,
    pub(super) level: i32,
    pub(super) has_parents: bool,
}

impl Encoder {
    /// Encodes a row group that has at least one row.
    pub(super) fn encode(&self, group: &Group) -> LibraryResult<EncodedGroup> {
        let mut compressor = Compressor::new(self.level)?;
        let compressor = &mut compressor;
        let rows = group.rows();
        // Columns that a reader filters by have pages; the others hold a few bytes and have one.
        let ends = page_ends(group, |_| true);
        let column = |number: usize| self.schema.column(number);
        let mut texts = |number: usize, names: &Names, of: fn(&Run) -> Option<u32>, filtered: bool| {
            let runs = number_runs(group, of);
            let ends = if filtered { &ends[..] } else { &[rows] };
            encode_texts(column(number), compressor, names.all(), runs, ends, filtered)
        };
        let mut columns = Vec::with_capacity(9);
        columns.push(texts(1, &group.hostnames, |run| Some(run.hostname), true)?);
        columns.push(texts(2, &group.metrics, |run| Some(run.metric), true)?);
        columns.push(texts(3, &group.scopes, |run| Some(run.scope), false)?);
        columns.push(texts(4, &group.scope_ids, |run| Some(run.scope_id), false)?);
        let parents = match self.has_parents {
            true => Some(texts(8, &group.parents, |run| run.parent, false)?),
            false => None,
        };
        let cluster =
            encode_texts(column(0), compressor, &[&self.cluster], std::iter::once((Some(0), rows)), &[rows], false)?;
        columns.insert(0, cluster);
        let (times, first_secs, last_secs) = self.timestamps(compressor, &group.timestamps, &ends)?;
        columns.push(times);
        columns.push(self.frequencies(compressor, group)?);
        columns.push(match &group.values {
            Values::Float32(values) => value::encode(column(7), compressor, group, values)?,
            Values::Float64(values) => value::encode(column(7), compressor, group, values)?,
        });
        columns.extend(parents);
        Ok(EncodedGroup { columns, rows, first_secs, last_secs })
    }

    fn timestamps(
        &self,
        compressor: &mut Compressor<'static>,
        timestamps: &[i64],
        ends: &[usize],
    ) -> LibraryResult<(Chunk, i64, i64)> {
        let mut chunk = ChunkWriter::new(self.schema.column(5), compressor);
        let mut raw = Vec::new();
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let mut start = 0;
        for end in ends {
            raw.clear();
            let page = &timestamps[start..*end];
            delta::encode(&mut raw, page);
            let (min, max) = page.iter().fold((i64::MAX, i64::MIN), |(min, max), at| (min.min(*at), max.max(*at)));
            (first, last) = (first.min(min), last.max(max));
            let bounds = Some((min.to_le_bytes().to_vec(), max.to_le_bytes().to_vec()));
            chunk.page(&raw, Encoding::DELTA_BINARY_PACKED, page.len(), 0, bounds)?;
            start = *end;
        }
        let statistics = Statistics::int64(Some(first), Some(last), None, Some(0), false);
        Ok((chunk.finish(statistics, BoundaryOrder::UNORDERED)?, first, last))
    }

    fn frequencies(&self, compressor: &mut Compressor<'static>, group: &Group) -> LibraryResult<Chunk> {
        let mut distinct: Vec<i64> = group.runs.iter().map(|run| run.frequency_secs.into()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let runs = group.runs.iter().map(|run| {
            // Every frequency is in the list.
            let number = distinct.partition_point(|frequency| *frequency < i64::from(run.frequency_secs));
            (Some(number as u32), run.rows as usize)
        });
        encode_numbers(self.schema.column(6), compressor, &distinct, runs, &[group.rows()])
    }
}

fn number_runs(group: &Group, of: fn(&Run) -> Option<u32>) -> impl Iterator<Item = NumberRun> {
    group.runs.iter().map(move |run| (of(run), run.rows as usize))
}
