//! A host's image as bytes: the payload of its section in a snapshot.
//!
//! Blocks lie there verbatim. What is read is consistent in itself: every position that one part gives of another is
//! within it, parents come before their children, columns are as long as their lane, no frequency is 0.

use std::sync::Arc;

use super::bytes::{Cursor, put_text};
use super::{NativeError, stamped_section, values};
use crate::model::{Component, ComponentImage, HostImage, LaneImage, NO_PARENT, SeriesImage, TicksImage};

/// Appends an image.
///
/// # Errors
///
/// [`NativeError::InvalidImage`] when the image contradicts itself or a part has more than 2^32 − 1 elements; `out`
/// then holds something of it.
pub(super) fn encode(out: &mut Vec<u8>, image: &HostImage) -> Result<(), NativeError> {
    let invalid =
        |reason| NativeError::InvalidImage { cluster: image.cluster.clone(), host: image.host.clone(), reason };
    check(image).map_err(invalid)?;
    let count = |out: &mut Vec<u8>, len: usize| {
        let len = u32::try_from(len).map_err(|_| invalid("more than 2^32 - 1 elements in a list"))?;
        out.extend_from_slice(&len.to_le_bytes());
        Ok::<(), NativeError>(())
    };
    put_text(out, &image.cluster);
    put_text(out, &image.host);
    out.extend_from_slice(&image.horizon_secs.to_le_bytes());
    count(out, image.components.len())?;
    for component in &image.components {
        out.extend_from_slice(&component.parent.to_le_bytes());
        out.push(u8::from(component.is_device));
        out.extend_from_slice(&component.horizon_secs.to_le_bytes());
        put_text(out, &component.component.kind);
        put_text(out, &component.component.id);
    }
    count(out, image.series.len())?;
    for series in &image.series {
        out.extend_from_slice(&series.component.to_le_bytes());
        put_text(out, &series.metric);
        count(out, series.blocks.len())?;
        for block in &series.blocks {
            count(out, block.len())?;
            out.extend_from_slice(block);
        }
        count(out, series.overlay.len())?;
        for (secs, value) in &series.overlay {
            out.extend_from_slice(&secs.to_le_bytes());
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    count(out, image.lanes.len())?;
    for lane in &image.lanes {
        put_rows(out, lane.frequency_secs, lane.start_secs);
        for offsets in [&lane.seconds, &lane.recent] {
            count(out, offsets.len())?;
            put_offsets(out, offsets);
        }
        count(out, lane.columns.len())?;
        for (series, column) in &lane.columns {
            out.extend_from_slice(&series.to_le_bytes());
            values::encode(out, column.iter().copied());
        }
    }
    count(out, image.ticks.len())?;
    for ticks in &image.ticks {
        put_rows(out, ticks.frequency_secs, ticks.start_secs);
        count(out, ticks.seconds.len())?;
        put_offsets(out, &ticks.seconds);
    }
    if has_stamped(image) { stamped_section::encode(out, image) } else { Ok(()) }
}

/// Whether the part of stamped series follows the others.
fn has_stamped(image: &HostImage) -> bool {
    !image.stamped.is_empty() || !image.times.is_empty()
}

fn put_rows(out: &mut Vec<u8>, frequency_secs: u32, start_secs: i64) {
    out.extend_from_slice(&frequency_secs.to_le_bytes());
    out.extend_from_slice(&start_secs.to_le_bytes());
}

fn put_offsets(out: &mut Vec<u8>, offsets: &[i32]) {
    out.extend(offsets.iter().flat_map(|offset| offset.to_le_bytes()));
}

/// Reads an image.
///
/// # Errors
///
/// [`NativeError::Malformed`], with the offset inside the payload.
pub(super) fn decode(payload: &[u8]) -> Result<HostImage, NativeError> {
    let mut cursor = Cursor::new(payload);
    let mut image = HostImage {
        cluster: cursor.text("a cluster")?.into(),
        host: cursor.text("a host")?.into(),
        horizon_secs: cursor.i64("a horizon")?,
        components: list(&mut cursor, COMPONENT_BYTES_MIN, "a number of components", component)?,
        series: list(&mut cursor, SERIES_BYTES_MIN, "a number of series", series)?,
        lanes: list(&mut cursor, LANE_BYTES_MIN, "a number of lanes", lane)?,
        ticks: list(&mut cursor, TICKS_BYTES_MIN, "a number of ticks", |cursor| {
            Ok(TicksImage {
                frequency_secs: cursor.u32("a frequency")?,
                start_secs: cursor.i64("the centre of row 0")?,
                seconds: offsets(cursor)?,
            })
        })?,
        stamped: Vec::new(),
        times: Vec::new(),
    };
    if !cursor.rest().is_empty() {
        stamped_section::decode(&mut cursor, &mut image)?;
        if !has_stamped(&image) {
            return Err(cursor.malformed("stamped series, or the end of the payload"));
        }
    }
    cursor.finish()?;
    check(&image).map_err(|expected| cursor.malformed(expected))?;
    Ok(image)
}

/// Reads a count and as many elements, for which no more is allocated at first than the bytes allow.
fn list<'a, T>(
    cursor: &mut Cursor<'a>,
    bytes_min: usize,
    expected: &'static str,
    mut element: impl FnMut(&mut Cursor<'a>) -> Result<T, NativeError>,
) -> Result<Vec<T>, NativeError> {
    let count = cursor.count(bytes_min, expected)?;
    let mut elements = Vec::with_capacity(count.min(ELEMENTS_RESERVED_MAX));
    for _ in 0..count {
        elements.push(element(cursor)?);
    }
    Ok(elements)
}

fn component(cursor: &mut Cursor<'_>) -> Result<ComponentImage, NativeError> {
    let parent = cursor.u32("a parent")?;
    let malformed = cursor.malformed("a flag of 0 or 1");
    let is_device = match cursor.u8("flags")? {
        0 => false,
        1 => true,
        _ => return Err(malformed),
    };
    let horizon_secs = cursor.i64("a horizon")?;
    let component = Component::new(cursor.text("a component's kind")?, cursor.text("a component's id")?);
    Ok(ComponentImage { parent, component, is_device, horizon_secs })
}

fn series(cursor: &mut Cursor<'_>) -> Result<SeriesImage, NativeError> {
    Ok(SeriesImage {
        component: cursor.u32("a component's position")?,
        metric: cursor.text("a metric")?.into(),
        blocks: list(cursor, 4, "a number of blocks", |cursor| {
            let len = cursor.count(1, "the length of a block")?;
            Ok(Arc::from(cursor.take(len, "a block")?))
        })?,
        overlay: list(cursor, 16, "a number of late samples", |cursor| {
            Ok((cursor.i64("a second")?, cursor.f64("a value")?))
        })?,
    })
}

fn lane(cursor: &mut Cursor<'_>) -> Result<LaneImage, NativeError> {
    let frequency_secs = cursor.u32("a frequency")?;
    let start_secs = cursor.i64("the centre of row 0")?;
    let seconds = offsets(cursor)?;
    let recent = offsets(cursor)?;
    let rows = seconds.len();
    let columns = list(cursor, 4 + rows.div_ceil(2), "a number of columns", |cursor| {
        let series = cursor.u32("a series' position")?;
        let mut column = vec![0.0; rows];
        values::decode(cursor, column.iter_mut(), |place: &mut f64, value| *place = value)?;
        Ok((series, column))
    })?;
    Ok(LaneImage { frequency_secs, start_secs, seconds, recent, columns })
}

fn offsets(cursor: &mut Cursor<'_>) -> Result<Vec<i32>, NativeError> {
    list(cursor, 4, "a number of rows", |cursor| cursor.i32("a second's offset"))
}

/// What holds in every image that is written or read.
fn check(image: &HostImage) -> Result<(), &'static str> {
    let components = image.components.len();
    for (position, component) in image.components.iter().enumerate() {
        if component.parent != NO_PARENT && component.parent as usize >= position {
            return Err("parents before their children");
        }
    }
    if image.series.iter().any(|series| series.component != NO_PARENT && series.component as usize >= components) {
        return Err("series at components that are there");
    }
    for lane in &image.lanes {
        if lane.columns.iter().any(|(series, _)| *series as usize >= image.series.len()) {
            return Err("columns of series that are there");
        }
        if lane.columns.iter().any(|(_, column)| column.len() != lane.seconds.len()) {
            return Err("columns as long as their lane");
        }
    }
    let mut frequencies =
        image.lanes.iter().map(|lane| lane.frequency_secs).chain(image.ticks.iter().map(|ticks| ticks.frequency_secs));
    if frequencies.any(|frequency| frequency == 0) {
        return Err("frequencies of at least a second");
    }
    stamped_section::check(image)
}

/// The least bytes of an element, by which counts are judged.
const COMPONENT_BYTES_MIN: usize = 4 + 1 + 8 + 1 + 1;
const SERIES_BYTES_MIN: usize = 4 + 1 + 4 + 4;
const LANE_BYTES_MIN: usize = 4 + 8 + 4 + 4 + 4;
const TICKS_BYTES_MIN: usize = 4 + 8 + 4;

/// Elements for which room is made at once; more come as they are read.
const ELEMENTS_RESERVED_MAX: usize = 1 << 16;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::EMPTY;
    use proptest::prelude::*;

    /// A small host with something of everything.
    pub(in super::super) fn image(host: &str) -> HostImage {
        HostImage {
            cluster: "alex".into(),
            host: host.into(),
            horizon_secs: i64::MIN,
            components: vec![
                ComponentImage {
                    parent: NO_PARENT,
                    component: Component::new("socket", "0"),
                    is_device: false,
                    horizon_secs: 1_700_000_000,
                },
                ComponentImage {
                    parent: 0,
                    component: Component::new("network", "eth0"),
                    is_device: true,
                    horizon_secs: i64::MIN,
                },
            ],
            series: vec![
                SeriesImage {
                    component: NO_PARENT,
                    metric: "cpu_load".into(),
                    blocks: vec![Arc::from(&b"opaque"[..]), Arc::from(&b""[..])],
                    overlay: vec![(1_700_000_030, 2.5), (-1, f64::NEG_INFINITY)],
                },
                SeriesImage { component: 1, metric: "net_bytes_in".into(), blocks: Vec::new(), overlay: Vec::new() },
            ],
            lanes: vec![LaneImage {
                frequency_secs: 60,
                start_secs: 1_700_000_000,
                seconds: vec![0, 1, i32::MIN],
                recent: vec![0, 1],
                columns: vec![(0, vec![1.25, 1.0 / 3.0, EMPTY]), (1, vec![EMPTY, 4_294_967_296.0, EMPTY])],
            }],
            ticks: vec![TicksImage { frequency_secs: 60, start_secs: 1_699_000_000, seconds: vec![0, 0, -2] }],
            stamped: Vec::new(),
            times: Vec::new(),
        }
    }

    /// With NaNs compared by their bits.
    pub(in super::super) fn assert_same(found: &HostImage, expected: &HostImage) {
        let bits = |image: &HostImage| {
            let mut image = image.clone();
            let mut all = Vec::new();
            for (_, column) in image.lanes.iter_mut().flat_map(|lane| &mut lane.columns) {
                all.extend(std::mem::take(column).into_iter().map(f64::to_bits));
            }
            for (_, value) in image.series.iter_mut().flat_map(|series| &mut series.overlay) {
                all.push(std::mem::take(value).to_bits());
            }
            (image, all)
        };
        assert_eq!(bits(found), bits(expected));
    }

    #[test]
    fn an_image_comes_back() {
        let mut payload = Vec::new();
        encode(&mut payload, &image("a0001")).unwrap();
        assert_same(&decode(&payload).unwrap(), &image("a0001"));
        for len in 0..payload.len() {
            assert!(decode(&payload[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn no_flipped_byte_makes_it_panic() {
        let mut payload = Vec::new();
        encode(&mut payload, &image("a0001")).unwrap();
        for at in 0..payload.len() {
            for flip in [1, 0x80, 0xff] {
                payload[at] ^= flip;
                if let Ok(image) = decode(&payload) {
                    assert_eq!(check(&image), Ok(()), "byte {at}");
                }
                payload[at] ^= flip;
            }
        }
    }

    #[test]
    fn an_image_that_contradicts_itself_is_not_written() {
        let breaks: [fn(&mut HostImage); 6] = [
            |image| image.components[0].parent = 0,
            |image| image.components[1].parent = 7,
            |image| image.series[1].component = 2,
            |image| image.lanes[0].columns[0].0 = 2,
            |image| image.lanes[0].columns[1].1.truncate(2),
            |image| image.ticks[0].frequency_secs = 0,
        ];
        for (number, change) in breaks.into_iter().enumerate() {
            let mut image = image("a0001");
            change(&mut image);
            let error = encode(&mut Vec::new(), &image).unwrap_err();
            assert!(matches!(error, NativeError::InvalidImage { .. }), "{number}: {error}");
        }
    }

    fn any_image() -> impl Strategy<Value = HostImage> {
        let name = "[a-z0-9:.é]{0,12}";
        let value = prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(EMPTY), any::<i16>().prop_map(f64::from)];
        let component = (any::<u32>(), name, name, any::<bool>(), any::<i64>());
        let blocks = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4);
        let series = (any::<u32>(), name, blocks, prop::collection::vec((any::<i64>(), value.clone()), 0..4));
        let offsets = prop::collection::vec(any::<i32>(), 0..70);
        let lane = (1..u32::MAX, any::<i64>(), offsets.clone(), prop::collection::vec((any::<u32>(), value), 0..4));
        let ticks = (1..u32::MAX, any::<i64>(), offsets);
        (
            (name, name, any::<i64>()),
            prop::collection::vec(component, 0..5),
            prop::collection::vec(series, 0..5),
            prop::collection::vec(lane, 0..3),
            prop::collection::vec(ticks, 0..3),
        )
            .prop_map(|((cluster, host, horizon_secs), components, series, lanes, ticks)| {
                // Any number becomes a position among `len`, or none.
                let pick = |number: u32, len: usize| (number as usize).checked_rem(len).map(|position| position as u32);
                let (components_len, series_len) = (components.len(), series.len());
                HostImage {
                    cluster: cluster.into(),
                    host: host.into(),
                    horizon_secs,
                    components: (0..)
                        .zip(components)
                        .map(|(position, (parent, kind, id, is_device, horizon_secs))| ComponentImage {
                            parent: pick(parent, position).unwrap_or(NO_PARENT),
                            component: Component::new(&kind, &id),
                            is_device,
                            horizon_secs,
                        })
                        .collect(),
                    series: series
                        .into_iter()
                        .map(|(component, metric, blocks, overlay)| SeriesImage {
                            component: pick(component, components_len).unwrap_or(NO_PARENT),
                            metric: metric.into(),
                            blocks: blocks.into_iter().map(Arc::from).collect(),
                            overlay,
                        })
                        .collect(),
                    lanes: lanes
                        .into_iter()
                        .map(|(frequency_secs, start_secs, seconds, columns)| LaneImage {
                            frequency_secs,
                            start_secs,
                            recent: seconds.iter().copied().take(8).collect(),
                            columns: columns
                                .into_iter()
                                .filter_map(|(series, value)| {
                                    Some((pick(series, series_len)?, vec![value; seconds.len()]))
                                })
                                .collect(),
                            seconds,
                        })
                        .collect(),
                    ticks: ticks
                        .into_iter()
                        .map(|(frequency_secs, start_secs, seconds)| TicksImage { frequency_secs, start_secs, seconds })
                        .collect(),
                    stamped: Vec::new(),
                    times: Vec::new(),
                }
            })
    }

    proptest! {
        #[test]
        fn images_come_back(image in any_image()) {
            let mut payload = Vec::new();
            encode(&mut payload, &image).unwrap();
            assert_same(&decode(&payload).unwrap(), &image);
        }

        #[test]
        fn garbage_never_panics(payload in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&payload);
        }
    }
}
