//! Images of hosts: what a section of a snapshot and a state file hold.

use std::io::{self, Read};
use std::sync::Arc;

use crate::block::Block;
use crate::formats::ccms;
use crate::model::{HostImage, LaneImage, SeriesImage, is_empty};

use super::report::{Field, Fields, Report};

/// Prints a state file.
pub(super) fn state(source: impl Read, len: u64, report: &mut Report<'_>) -> io::Result<()> {
    report.begin("state file", len, &[])?;
    match ccms::read_state(source, len) {
        Ok(image) => host(&image, None, len, report),
        Err(ccms::CcmsError::Corrupt { offset, reason, .. }) => report.damage(Some(offset), 0, &reason),
        Err(error) => report.damage(None, 0, &error),
    }
}

/// Prints a host with its components, series, blocks and open rows.
pub(super) fn host(image: &HostImage, offset: Option<u64>, bytes: u64, report: &mut Report<'_>) -> io::Result<()> {
    report.totals.hosts += 1;
    report.totals.series += (image.series.len() + image.stamped.len()) as u64;
    report.item("host", offset, || {
        let mut fields = vec![
            ("host", Field::text(format!("{}/{}", image.cluster, image.host))),
            ("bytes", Field::Count(bytes)),
            ("components", Field::count(image.components.len())),
            ("series", Field::count(image.series.len())),
            ("lanes", Field::count(image.lanes.len())),
            ("ticks", Field::count(image.ticks.len())),
        ];
        if !image.stamped.is_empty() {
            fields.extend([("stamped", Field::count(image.stamped.len())), ("times", Field::count(image.times.len()))]);
        }
        push_horizon(&mut fields, image.horizon_secs);
        fields
    })?;
    for (at, component) in image.components.iter().enumerate() {
        report.item("component", None, || {
            let mut fields = vec![
                ("component", Field::text(joined(image, at as u32))),
                ("type", Field::text(&*component.component.kind)),
                ("id", Field::text(&*component.component.id)),
            ];
            if component.is_device {
                fields.push(("is", Field::text("device")));
            }
            push_horizon(&mut fields, component.horizon_secs);
            fields
        })?;
    }
    for series in &image.series {
        self::series(image, series, offset, report)?;
    }
    for lane in &image.lanes {
        self::lane(image, lane, report)?;
    }
    for series in &image.stamped {
        report.totals.samples += series.open.len() as u64;
        series.open.iter().for_each(|sample| report.totals.see(sample.time_ms.div_euclid(1000)));
        report.item("stamped series", None, || {
            vec![
                ("series", Field::text(series.labels.to_string())),
                ("chunks", Field::count(series.chunks.len())),
                ("bytes", Field::count(series.chunks.iter().map(|chunk| chunk.values.len()).sum())),
                ("open", Field::count(series.open.len())),
                ("exemplars", Field::count(series.exemplars.len())),
            ]
        })?;
    }
    for ticks in &image.ticks {
        report.item("ticks", None, || rows(ticks.frequency_secs, ticks.start_secs, ticks.seconds.len()))?;
    }
    Ok(())
}

fn series(image: &HostImage, series: &SeriesImage, offset: Option<u64>, report: &mut Report<'_>) -> io::Result<()> {
    report.item("series", None, || {
        vec![
            ("series", Field::text(name(image, series))),
            ("blocks", Field::count(series.blocks.len())),
            ("late", Field::count(series.overlay.len())),
        ]
    })?;
    report.totals.samples += series.overlay.len() as u64;
    series.overlay.iter().for_each(|(secs, _)| report.totals.see(*secs));
    for (at, bytes) in series.blocks.iter().enumerate() {
        let block = match Block::from_bytes(Arc::clone(bytes)) {
            Ok(block) => block,
            Err(error) => {
                let reason = format!("block {at} of {}: {error}", name(image, series));
                report.damage(offset, bytes.len() as u64, &reason)?;
                continue;
            }
        };
        let filled = block.filled();
        report.totals.samples += filled as u64;
        // Blocks have neither leading nor trailing empty slots.
        report.totals.see(block.start_secs());
        report.totals.see(block.end_secs().saturating_sub(i64::from(block.frequency_secs())));
        report.item("block", None, || {
            let mut fields = rows(block.frequency_secs(), block.start_secs(), block.len());
            fields.extend([
                ("filled", Field::count(filled)),
                ("codec", Field::text(block.codec())),
                ("bytes", Field::count(bytes.len())),
            ]);
            fields
        })?;
    }
    Ok(())
}

fn lane(image: &HostImage, lane: &LaneImage, report: &mut Report<'_>) -> io::Result<()> {
    report.item("lane", None, || {
        let mut fields = rows(lane.frequency_secs, lane.start_secs, lane.seconds.len());
        fields.push(("series", Field::count(lane.columns.len())));
        fields
    })?;
    for (at, values) in &lane.columns {
        let filled = values.iter().filter(|value| !is_empty(**value)).count();
        report.totals.samples += filled as u64;
        let ends =
            [values.iter().position(|value| !is_empty(*value)), values.iter().rposition(|value| !is_empty(*value))];
        for row in ends.into_iter().flatten() {
            let offset_secs = i64::from(lane.frequency_secs).saturating_mul(row as i64);
            report.totals.see(lane.start_secs.saturating_add(offset_secs));
        }
        report.item("column", None, || {
            let series = image.series.get(*at as usize).map_or_else(String::new, |series| name(image, series));
            vec![("series", Field::text(series)), ("filled", Field::count(filled))]
        })?;
    }
    Ok(())
}

fn rows(frequency_secs: u32, start_secs: i64, slots: usize) -> Fields {
    vec![
        ("start", Field::Secs(start_secs)),
        ("frequency", Field::Count(u64::from(frequency_secs))),
        ("slots", Field::count(slots)),
    ]
}

fn push_horizon(fields: &mut Fields, horizon_secs: i64) {
    if horizon_secs != i64::MIN {
        fields.push(("horizon", Field::Secs(horizon_secs)));
    }
}

/// The joined names from the host down to a component.
fn joined(image: &HostImage, component: u32) -> String {
    let names: Vec<String> = image.path(component).iter().map(|part| part.component.to_string()).collect();
    names.join("/")
}

/// A series' path and metric.
fn name(image: &HostImage, series: &SeriesImage) -> String {
    match joined(image, series.component) {
        path if path.is_empty() => series.metric.to_string(),
        path => format!("{path}/{}", series.metric),
    }
}
