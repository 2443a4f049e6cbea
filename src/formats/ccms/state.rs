//! The state file of a host: all of its image that the reference's files have no room for.
//!
//! That is horizons, kinds of components, which series share rows, and the rows' phases and seconds; values and blocks
//! are not in it. Invariant: what [`read`] answers is whole (every position points at something, parents come before
//! their children), so the store need not check it again.

use std::io::{Read, Write};

use hashbrown::HashMap;

use super::error::{CcmsError, fits};
use super::varint::{Cursor, NAME_BYTES_MAX, put_i64, put_name, put_u64};
use crate::model::{Component, ComponentImage, HostImage, LaneImage, NO_PARENT, SeriesImage, TicksImage};

/// The first bytes of every state file.
pub(super) const MAGIC: [u8; 4] = *b"TRST";
const VERSION: u32 = 1;

/// Magic and version.
const HEAD_BYTES: usize = 8;
const CRC_BYTES: usize = 4;

/// The largest file that is read, for it is read as a whole.
const FILE_BYTES_MAX: u64 = 1 << 26;
/// Rows of a whole file: runs make many of few bytes, so their number needs a bound of its own. A year at 2 s.
const ROWS_MAX: usize = 1 << 24;
const RECENT_MAX: usize = 8;
/// Bounds for things that take far more bytes in memory than in the file.
const COMPONENTS_MAX: usize = 1 << 16;
const SERIES_MAX: usize = 1 << 20;
const GROUPS_MAX: usize = 1 << 16;

const IS_DEVICE: u8 = 1;
const HAS_HORIZON: u8 = 2;

/// Writes a host's state. Blocks, overlays and values are left out. Fails when `target` does, and with
/// [`CcmsError::DoesNotFit`] when a limit of the format is passed (names of 65535 bytes, 2^16 components, 2^20
/// series, 2^24 rows, 64 MiB).
pub fn write(target: &mut dyn Write, host: &HostImage) -> Result<(), CcmsError> {
    let mut out = Vec::new();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    put_checked_name(&mut out, &host.cluster)?;
    put_checked_name(&mut out, &host.host)?;
    put_i64(&mut out, host.horizon_secs);
    put_components(&mut out, &host.components)?;
    put_series(&mut out, &host.series)?;
    put_count(&mut out, "a state file in lanes", host.lanes.len(), GROUPS_MAX)?;
    let mut rows = 0;
    for lane in &host.lanes {
        put_rows(&mut out, lane.frequency_secs, lane.start_secs, &lane.seconds, &mut rows)?;
        fits("the recent ticks of a lane", lane.recent.len(), RECENT_MAX)?;
        put_u64(&mut out, lane.recent.len() as u64);
        lane.recent.iter().for_each(|tick| put_i64(&mut out, i64::from(*tick)));
        put_u64(&mut out, lane.columns.len() as u64);
        lane.columns.iter().for_each(|(series, _)| put_u64(&mut out, u64::from(*series)));
    }
    put_count(&mut out, "a state file in groups of sealed rows", host.ticks.len(), GROUPS_MAX)?;
    for ticks in &host.ticks {
        put_rows(&mut out, ticks.frequency_secs, ticks.start_secs, &ticks.seconds, &mut rows)?;
    }
    fits("a state file in bytes", out.len() + CRC_BYTES, FILE_BYTES_MAX as usize)?;
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    Ok(target.write_all(&out)?)
}

fn put_count(out: &mut Vec<u8>, what: &'static str, count: usize, limit: usize) -> Result<(), CcmsError> {
    fits(what, count, limit)?;
    put_u64(out, count as u64);
    Ok(())
}

fn put_checked_name(out: &mut Vec<u8>, name: &str) -> Result<(), CcmsError> {
    fits("a name in bytes", name.len(), NAME_BYTES_MAX)?;
    put_name(out, name);
    Ok(())
}

/// A position, or 0 for the host itself.
fn put_place(out: &mut Vec<u8>, position: u32) {
    put_u64(out, if position == NO_PARENT { 0 } else { u64::from(position) + 1 });
}

fn put_components(out: &mut Vec<u8>, components: &[ComponentImage]) -> Result<(), CcmsError> {
    put_count(out, "a host in components", components.len(), COMPONENTS_MAX)?;
    for image in components {
        put_place(out, image.parent);
        put_checked_name(out, &image.component.kind)?;
        put_checked_name(out, &image.component.id)?;
        let has_horizon = image.horizon_secs != i64::MIN;
        let device = if image.is_device { IS_DEVICE } else { 0 };
        out.push(device | if has_horizon { HAS_HORIZON } else { 0 });
        if has_horizon {
            put_i64(out, image.horizon_secs);
        }
    }
    Ok(())
}

/// The names of the metrics once each, then the series.
fn put_series(out: &mut Vec<u8>, series: &[SeriesImage]) -> Result<(), CcmsError> {
    let mut names = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for image in series {
        positions.entry(&image.metric).or_insert_with(|| {
            names.push(&*image.metric);
            names.len() - 1
        });
    }
    put_u64(out, names.len() as u64);
    for name in names {
        put_checked_name(out, name)?;
    }
    put_count(out, "a host in series", series.len(), SERIES_MAX)?;
    for image in series {
        put_place(out, image.component);
        put_u64(out, positions.get(&*image.metric).copied().unwrap_or_default() as u64);
    }
    Ok(())
}

/// Frequency, phase and the rows' seconds, the latter as runs of equal ones: a steady collector's are all equal.
fn put_rows(out: &mut Vec<u8>, frequency: u32, start: i64, seconds: &[i32], rows: &mut usize) -> Result<(), CcmsError> {
    *rows += seconds.len();
    fits("a state file in rows", *rows, ROWS_MAX)?;
    put_u64(out, u64::from(frequency));
    put_i64(out, start);
    put_u64(out, seconds.len() as u64);
    for run in seconds.chunk_by(|a, b| a == b) {
        put_u64(out, run.len() as u64);
        put_i64(out, i64::from(run[0]));
    }
    Ok(())
}

/// Reads the state file of `len` bytes: an image without blocks, overlays and values (the columns of lanes are empty).
///
/// Fails with [`CcmsError::UnknownVersion`] when a newer Treering wrote it: all versions to come keep the magic, the
/// version behind it and the CRC-32 at the end, so a sound file tells its version for certain.
pub fn read(source: impl Read, len: u64) -> Result<HostImage, CcmsError> {
    if len > FILE_BYTES_MAX {
        return Err(CcmsError::corrupt(0, format!("a state file of {len} bytes: expected at most {FILE_BYTES_MAX}")));
    }
    let mut bytes = Vec::new();
    source.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let Some((body, crc)) = bytes.split_last_chunk::<CRC_BYTES>().filter(|(body, _)| body.len() >= HEAD_BYTES) else {
        return Err(CcmsError::corrupt(0, format!("a state file of only {} bytes", bytes.len())));
    };
    if !body.starts_with(&MAGIC) {
        let reason = format!("the file begins with {:02X?}, expected {MAGIC:02X?}", &body[..MAGIC.len()]);
        return Err(CcmsError::corrupt(0, reason));
    }
    // Before the version: a version that is damaged is no newer one.
    let summed = crc32fast::hash(body).to_le_bytes();
    if summed != *crc {
        let reason = format!("CRC-32 {crc:02X?}, but the content has {summed:02X?}");
        return Err(CcmsError::corrupt(body.len() as u64, reason));
    }
    let found = u32::from_le_bytes([body[4], body[5], body[6], body[7]]);
    if found != VERSION {
        return Err(CcmsError::UnknownVersion { found, known: VERSION });
    }
    parse(&body[HEAD_BYTES..])
}

fn parse(body: &[u8]) -> Result<HostImage, CcmsError> {
    let cursor = &mut Cursor::new(body, HEAD_BYTES as u64);
    let (cluster, host) = (cursor.name("the cluster's name")?, cursor.name("the host's name")?);
    let horizon_secs = cursor.i64("the host's horizon")?;
    let components = take_components(cursor)?;
    let series = take_series(cursor, components.len())?;
    let mut rows = 0;
    let lanes = take_lanes(cursor, series.len(), &mut rows)?;
    let ticks = (0..cursor.count(GROUPS_MAX, 3, "the number of sealed rows' groups")?)
        .map(|_| {
            let (frequency_secs, start_secs, seconds) = take_rows(cursor, &mut rows)?;
            Ok(TicksImage { frequency_secs, start_secs, seconds })
        })
        .collect::<Result<_, CcmsError>>()?;
    cursor.finish()?;
    Ok(HostImage {
        cluster,
        host,
        horizon_secs,
        components,
        series,
        lanes,
        ticks,
        stamped: Vec::new(),
        times: Vec::new(),
    })
}

/// A position below `limit`, or the host.
fn take_place(cursor: &mut Cursor<'_>, limit: usize, what: &str) -> Result<u32, CcmsError> {
    match cursor.u32(what)? {
        0 => Ok(NO_PARENT),
        place if place as usize <= limit => Ok(place - 1),
        place => cursor.fail(format!("{what} is number {place} of {limit}")),
    }
}

fn take_components(cursor: &mut Cursor<'_>) -> Result<Vec<ComponentImage>, CcmsError> {
    let count = cursor.count(COMPONENTS_MAX, 4, "the number of components")?;
    let mut components = Vec::new();
    for position in 0..count {
        let parent = take_place(cursor, position, "a component's parent")?;
        let kind = cursor.name("a component's kind")?;
        let id = cursor.name("a component's id")?;
        let flags = cursor.byte("a component's flags")?;
        if flags & !(IS_DEVICE | HAS_HORIZON) != 0 {
            return cursor.fail(format!("unknown flags {flags:#04x} of a component"));
        }
        let horizon_secs = if flags & HAS_HORIZON != 0 { cursor.i64("a component's horizon")? } else { i64::MIN };
        let is_device = flags & IS_DEVICE != 0;
        components.push(ComponentImage { parent, component: Component { kind, id }, is_device, horizon_secs });
    }
    Ok(components)
}

fn take_series(cursor: &mut Cursor<'_>, components: usize) -> Result<Vec<SeriesImage>, CcmsError> {
    let count = cursor.count(SERIES_MAX, 1, "the number of metrics")?;
    let names = (0..count).map(|_| cursor.name("a metric's name")).collect::<Result<Vec<_>, _>>()?;
    let count = cursor.count(SERIES_MAX, 2, "the number of series")?;
    let mut series = Vec::new();
    // Few bytes may name a long metric many times over; a name's copies are bounded together.
    let mut name_bytes = 0;
    for _ in 0..count {
        let component = take_place(cursor, components, "a series' component")?;
        let position = cursor.u32("a series' metric")?;
        let Some(metric) = names.get(position as usize) else {
            return cursor.fail(format!("a series' metric is number {position} of {}", names.len()));
        };
        name_bytes += metric.len();
        if name_bytes > FILE_BYTES_MAX as usize {
            return cursor.fail(format!("the series' names have more than {FILE_BYTES_MAX} bytes"));
        }
        series.push(SeriesImage { component, metric: metric.clone(), blocks: Vec::new(), overlay: Vec::new() });
    }
    Ok(series)
}

fn take_lanes(cursor: &mut Cursor<'_>, series: usize, rows: &mut usize) -> Result<Vec<LaneImage>, CcmsError> {
    let count = cursor.count(GROUPS_MAX, 5, "the number of lanes")?;
    let mut lanes = Vec::new();
    // For each series the last lane that holds it, to find one that a lane holds twice.
    let mut seen = vec![usize::MAX; series];
    for lane in 0..count {
        let (frequency_secs, start_secs, seconds) = take_rows(cursor, rows)?;
        let recent_len = cursor.count(RECENT_MAX, 1, "the number of recent ticks")?;
        let recent = (0..recent_len).map(|_| cursor.i32("a recent tick")).collect::<Result<_, _>>()?;
        let mut columns = Vec::new();
        for _ in 0..cursor.count(series, 1, "the number of columns")? {
            let position = cursor.u32("a column's series")?;
            match seen.get_mut(position as usize) {
                None => return cursor.fail(format!("a column's series is number {position} of {series}")),
                Some(last) if *last == lane => return cursor.fail(format!("two columns of series {position}")),
                Some(last) => *last = lane,
            }
            columns.push((position, Vec::new()));
        }
        lanes.push(LaneImage { frequency_secs, start_secs, seconds, recent, columns });
    }
    Ok(lanes)
}

fn take_rows(cursor: &mut Cursor<'_>, rows: &mut usize) -> Result<(u32, i64, Vec<i32>), CcmsError> {
    let frequency_secs = cursor.u32("a frequency")?;
    let start_secs = cursor.i64("a start")?;
    let count = cursor.u64("the number of rows")?;
    let room = (ROWS_MAX - *rows) as u64;
    if count > room {
        return cursor.fail(format!("{count} rows: expected at most {room} more"));
    }
    if let Err(reason) = super::tree::check_head(i64::from(frequency_secs), start_secs, count) {
        return cursor.fail(reason);
    }
    *rows += count as usize;
    let mut seconds = Vec::new();
    while seconds.len() < count as usize {
        let run = cursor.u64("a run of rows")?;
        let left = count - seconds.len() as u64;
        if run == 0 || run > left {
            return cursor.fail(format!("a run of {run} rows: expected 1 to {left}"));
        }
        let second = cursor.i32("a row's second")?;
        seconds.resize(seconds.len() + run as usize, second);
    }
    Ok((frequency_secs, start_secs, seconds))
}

#[cfg(test)]
mod tests;
