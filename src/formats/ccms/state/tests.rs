//! State files come back, and no bytes at all make the reader panic or hold more than it may.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn bytes(host: &HostImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, host).unwrap();
    bytes
}

fn read_bytes(bytes: &[u8]) -> Result<HostImage, CcmsError> {
    read(bytes, bytes.len() as u64)
}

/// Sets the CRC of changed bytes right, so that what lies behind it is tested too.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - CRC_BYTES;
    let crc = crc32fast::hash(&bytes[..at]).to_le_bytes();
    bytes[at..].copy_from_slice(&crc);
    bytes
}

fn horizon() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), any::<i64>(), 0i64..2_000_000_000]
}

fn seconds() -> impl Strategy<Value = Vec<i32>> {
    vec(prop_oneof![3 => Just(0), 1 => -30i32..30, 1 => Just(i32::MIN)], 0..40)
}

fn phase() -> impl Strategy<Value = (u32, i64)> {
    (1u32..1_000, -(1i64 << 40)..(1 << 40))
}

fn image() -> impl Strategy<Value = HostImage> {
    let component = ("[a-z]{0,8}", "[0-9a-z:.]{0,12}", any::<bool>(), horizon(), any::<prop::sample::Index>());
    let series = ("[a-z_]{1,8}", any::<prop::sample::Index>());
    let lane = (phase(), seconds(), vec(any::<i32>(), 0..=8), any::<u64>());
    let all = (vec(component, 0..6), vec(series, 0..10), vec(lane, 0..3), vec((phase(), seconds()), 0..3));
    ("\\PC{0,10}", "\\PC{0,10}", horizon(), all).prop_map(|(cluster, host, horizon_secs, (c, s, l, t))| {
        // The host itself or one of the first `limit` components.
        let place = |index: &prop::sample::Index, limit: usize| match index.index(limit + 1) {
            0 => NO_PARENT,
            place => place as u32 - 1,
        };
        let count = s.len();
        HostImage {
            cluster: cluster.into(),
            host: host.into(),
            horizon_secs,
            series: s
                .iter()
                .map(|(metric, index)| SeriesImage {
                    component: place(index, c.len()),
                    metric: metric.as_str().into(),
                    blocks: Vec::new(),
                    overlay: Vec::new(),
                })
                .collect(),
            components: c
                .iter()
                .enumerate()
                .map(|(position, (kind, id, is_device, horizon_secs, index))| ComponentImage {
                    parent: place(index, position),
                    component: Component::new(kind, id),
                    is_device: *is_device,
                    horizon_secs: *horizon_secs,
                })
                .collect(),
            lanes: l
                .into_iter()
                .map(|((frequency_secs, start_secs), seconds, recent, mask)| LaneImage {
                    frequency_secs,
                    start_secs,
                    seconds,
                    recent,
                    columns: (0..count as u32).filter(|i| mask >> i & 1 == 1).map(|i| (i, Vec::new())).collect(),
                })
                .collect(),
            ticks: t
                .into_iter()
                .map(|((frequency_secs, start_secs), seconds)| TicksImage { frequency_secs, start_secs, seconds })
                .collect(),
            stamped: Vec::new(),
            times: Vec::new(),
        }
    })
}

#[test]
fn values_are_left_out() {
    let mut host = HostImage {
        series: vec![SeriesImage {
            component: NO_PARENT,
            metric: "m".into(),
            blocks: vec![vec![1, 2, 3].into()],
            overlay: vec![(1, 2.0)],
        }],
        lanes: vec![LaneImage {
            frequency_secs: 60,
            start_secs: 0,
            seconds: vec![0; 2],
            recent: vec![],
            columns: vec![(0, vec![1.0, 2.0])],
        }],
        ..HostImage::default()
    };
    let read = read_bytes(&bytes(&host)).unwrap();
    host.series[0].blocks.clear();
    host.series[0].overlay.clear();
    host.lanes[0].columns[0].1.clear();
    assert_eq!(read, host);
}

#[test]
fn a_day_of_steady_rows_is_small() {
    let ticks = TicksImage { frequency_secs: 1, start_secs: 1_800_000_000, seconds: vec![0; 86_400] };
    let host = HostImage { ticks: vec![ticks], ..HostImage::default() };
    assert!(bytes(&host).len() < 64, "{}", bytes(&host).len());
}

#[test]
fn a_newer_version_is_told_apart_from_damage() {
    let mut newer = bytes(&HostImage::default());
    newer[4] = 2;
    assert!(matches!(read_bytes(&newer), Err(CcmsError::Corrupt { .. })), "a flipped bit is no newer version");
    newer.extend_from_slice(b"and whatever it has more");
    let newer = signed(newer);
    assert!(matches!(read_bytes(&newer), Err(CcmsError::UnknownVersion { found: 2, known: 1 })));
}

#[test]
fn rows_are_bounded_however_few_bytes_they_take() {
    let mut host = HostImage::default();
    let ticks = TicksImage { frequency_secs: 1, start_secs: 0, seconds: vec![0; ROWS_MAX / 2 + 1] };
    host.ticks = vec![ticks.clone(), ticks];
    assert!(matches!(write(&mut Vec::new(), &host), Err(CcmsError::DoesNotFit { .. })));
    let body = [0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0];
    let error = parse(&body).unwrap_err().to_string();
    assert_eq!(error, "byte 23, top level: 4294967295 rows: expected at most 16777216 more");
}

#[test]
fn positions_that_point_nowhere_are_refused() {
    // No names and no horizon; then components, metrics, series, lanes, ticks.
    for (body, reason) in [
        (&[0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0][..], "a component's parent is number 1 of 0"),
        (&[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0], "unknown flags 0x04 of a component"),
        (&[0, 0, 0, 0, 1, 1, b'm', 1, 1, 0, 0, 0], "a series' component is number 1 of 0"),
        (&[0, 0, 0, 0, 1, 1, b'm', 1, 0, 1, 0, 0], "a series' metric is number 1 of 1"),
        (&[0, 0, 0, 0, 1, 1, b'm', 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0], "a column's series is number 1 of 1"),
        (&[0, 0, 0, 0, 1, 1, b'm', 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 2, 0, 0, 0], "two columns of series 0"),
        (&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "a frequency of 0 s: expected 1 to 4294967295"),
        (&[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 3, 0], "a run of 3 rows: expected 1 to 2"),
        (&[0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 2, 0, 0], "a run of 0 rows: expected 1 to 2"),
        (&[0, 0, 0, 0, 0, 0, 0, 0, 9], "1 bytes too many"),
    ] {
        let error = parse(body).unwrap_err().to_string();
        assert!(error.ends_with(reason), "{error}");
    }
}

proptest! {
    #[test]
    fn images_come_back(host in image()) {
        prop_assert_eq!(read_bytes(&bytes(&host)).unwrap(), host);
    }

    #[test]
    fn a_changed_byte_is_noticed(host in image(), at in any::<prop::sample::Index>(), xor in 1u8..) {
        let mut bytes = bytes(&host);
        let at = at.index(bytes.len());
        bytes[at] ^= xor;
        prop_assert!(read_bytes(&bytes).is_err());
        prop_assert!(read_bytes(&bytes[..at]).is_err());
        // With a CRC that fits, it is read or refused.
        let _ = read_bytes(&signed(bytes));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(body in vec(prop_oneof![any::<u8>(), 0u8..4], 0..80)) {
        let _ = parse(&body);
    }
}
