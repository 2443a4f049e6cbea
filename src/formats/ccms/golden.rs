//! The formats as files: golden ones that pin the bytes and the pages about them, and real ones of cc-metric-store.

use super::tree::testing::{Series, Tree};
use super::*;
use crate::model::{Component, ComponentImage, EMPTY, HostImage, LaneImage, NO_PARENT, SeriesImage, TicksImage};

macro_rules! data {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/ccms/", $name)).as_slice()
    };
}

macro_rules! page {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats/", $name))
    };
}

const SPAN: Span = Span { from_secs: 1_795_259_600, to_secs: 1_795_259_660 };

fn series(name: &str, frequency_secs: u32, start_secs: i64, slots: &[f64]) -> Series {
    Series { name: name.to_owned(), frequency_secs, start_secs, slots: slots.to_vec() }
}

fn level(name: &str, series: Vec<Series>, below: Vec<(String, Tree)>) -> (String, Tree) {
    (name.to_owned(), Tree::new(series, below))
}

fn golden_tree() -> Tree {
    Tree::new(
        vec![series("cpu_load", 10, 1_795_259_603, &[1.5, EMPTY, -0.1])],
        vec![
            level("hwthread12", vec![series("flops_any", 10, 1_795_259_603, &[2.0])], vec![]),
            level("socket1", vec![], vec![]),
        ],
    )
}

fn golden_state() -> HostImage {
    let component = |parent, kind: &str, id: &str, is_device, horizon_secs| ComponentImage {
        parent,
        component: Component::new(kind, id),
        is_device,
        horizon_secs,
    };
    let series = |component, metric: &str| SeriesImage {
        component,
        metric: metric.into(),
        blocks: Vec::new(),
        overlay: Vec::new(),
    };
    HostImage {
        cluster: "alex".into(),
        host: "a3201".into(),
        horizon_secs: 1_795_000_000,
        components: vec![
            component(NO_PARENT, "socket", "1", false, i64::MIN),
            component(0, "hwthread", "12", false, 1_795_100_000),
            component(NO_PARENT, "network", "eth0", true, i64::MIN),
        ],
        series: vec![series(NO_PARENT, "cpu_load"), series(0, "flops_any"), series(1, "flops_any")],
        lanes: vec![LaneImage {
            frequency_secs: 10,
            start_secs: 1_795_259_603,
            seconds: vec![0, 0, 1, i32::MIN],
            recent: vec![0, -1, 2],
            columns: vec![(0, Vec::new()), (2, Vec::new())],
        }],
        ticks: vec![TicksImage { frequency_secs: 10, start_secs: 1_795_258_963, seconds: vec![0; 64] }],
        stamped: Vec::new(),
        times: Vec::new(),
    }
}

#[test]
fn the_log_is_the_golden_file() {
    let mut out = WAL_HEADER.to_vec();
    encode_record(&mut out, 1_795_259_645, "cpu_load", &[], 1.5).unwrap();
    encode_record(&mut out, 1_795_259_646, "flops_any", &["socket1", "hwthread12"], -0.1).unwrap();
    assert_eq!(out, data!("golden.wal"));
}

#[test]
fn the_binary_snapshot_is_the_golden_file() {
    let mut out = Vec::new();
    write_bin(&mut out, SPAN, &golden_tree()).unwrap();
    assert_eq!(out, data!("golden.bin"));
}

#[test]
fn the_json_snapshot_is_the_golden_file() {
    let mut out = Vec::new();
    write_json(&mut out, SPAN, &golden_tree()).unwrap();
    assert_eq!(String::from_utf8(out).unwrap().as_bytes(), data!("golden.json"));
}

#[test]
fn the_state_is_the_golden_file() {
    let mut out = Vec::new();
    write_state(&mut out, &golden_state()).unwrap();
    assert_eq!(out, data!("golden.state"));
    assert_eq!(read_state(&out[..], out.len() as u64).unwrap(), golden_state());
}

/// The lines of a page's block for this file: offset, bytes in hexadecimal, meaning.
fn check_page(page: &str, name: &str, bytes: &[u8]) {
    let (_, block) = page.split_once(&format!("```text {name}\n")).expect("the page shows the file");
    let (block, _) = block.split_once("```").unwrap();
    let mut shown = Vec::new();
    for line in block.lines() {
        let mut columns = line.split('|').map(str::trim);
        assert_eq!(columns.next().unwrap().parse(), Ok(shown.len()), "{line}");
        let digits = columns.next().unwrap().split(' ');
        shown.extend(digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()));
    }
    assert_eq!(shown, bytes, "{name}");
}

#[test]
fn the_pages_show_the_golden_files() {
    check_page(page!("cc-metric-store.md"), "golden.wal", data!("golden.wal"));
    check_page(page!("cc-metric-store.md"), "golden.bin", data!("golden.bin"));
    check_page(page!("state.md"), "golden.state", data!("golden.state"));
    let json = std::str::from_utf8(data!("golden.json")).unwrap();
    assert!(page!("cc-metric-store.md").contains(&format!("```json golden.json\n{json}```\n")));
}

#[test]
fn a_binary_snapshot_of_the_reference_is_read() {
    let bytes = data!("reference/a3201-1795259637.bin");
    let mut tree = Tree::default();
    let span = read_bin(bytes, bytes.len() as u64, &mut tree).unwrap();
    assert_eq!(span, Span { from_secs: 1_795_259_637, to_secs: 1_795_259_644 });
    let one = |name: &str, slots: &[f64]| vec![series(name, 1, 1_795_259_638, slots)];
    let ipc = one("ipc", &[681.75, 2378.0, 4067.25, 890.875, 1312.5, 481.5]);
    let expected = Tree::new(
        one("cpu_load", &[750.375, 2200.625, 2235.625, 2812.625, 146.25, 251.375]),
        vec![
            level("hwthread0", one("flops_any", &[2091.25, 896.875, 2412.375, 3448.125, 3254.75, 3235.0]), vec![]),
            level("hwthread1", one("flops_any", &[265.875, 1512.25, 3724.875, 1540.375, 1199.75, 2631.625]), vec![]),
            level("hwthread2", one("flops_any", &[577.125, 2821.5, 2637.75, 2116.875, 289.375, 3492.125]), vec![]),
            level("socket0", vec![], vec![level("memoryDomain1", ipc, vec![])]),
        ],
    );
    assert_eq!(tree, expected);
    // Nothing was left out: written again, it is the same file.
    let mut again = Vec::new();
    write_bin(&mut again, span, &tree).unwrap();
    assert_eq!(again, bytes);
}

#[test]
fn a_binary_snapshot_with_a_phase_is_read() {
    let bytes = data!("reference/phases-a3201-1795263247.bin");
    let mut tree = Tree::default();
    let span = read_bin(bytes, bytes.len() as u64, &mut tree).unwrap();
    assert_eq!(span, Span { from_secs: 1_795_263_247, to_secs: 1_795_263_272 });
    assert_eq!(tree.series, [series("cpu_load", 10, 1_795_263_253, &[2089.5, 3996.5])]);
    assert_eq!(tree.below.len(), 3);
}

#[test]
fn a_log_of_the_reference_is_read() {
    let bytes = data!("reference/a3201-current.wal");
    let mut reader = WalReader::new(bytes);
    let mut read = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        let WalItem::Record { offset, record } = item else { panic!("{item:?}") };
        read.push((offset, record.clone()));
    }
    assert_eq!(read.len(), 15);
    let record = |secs, metric: &str, selector: &[&str], value| Record {
        secs,
        metric: metric.to_owned(),
        selector: selector.iter().map(|&element| element.to_owned()).collect(),
        value,
    };
    assert_eq!(read[0], (4, record(1_795_259_645, "cpu_load", &[], 1782.5)));
    assert_eq!(read[4], (177, record(1_795_259_645, "ipc", &["socket0", "memoryDomain1"], 3096.25)));
    assert_eq!(read[13], (581, record(1_795_259_647, "flops_any", &["hwthread2"], 2684.75)));
    assert_eq!(reader.good_end(), bytes.len() as u64);
    let mut again = WAL_HEADER.to_vec();
    for (_, record) in &read {
        let selector: Vec<&str> = record.selector.iter().map(String::as_str).collect();
        encode_record(&mut again, record.secs, &record.metric, &selector, record.value).unwrap();
    }
    assert_eq!(again, bytes);
}

#[test]
fn a_json_snapshot_of_the_reference_is_read() {
    let mut tree = Tree::default();
    let span = read_json(data!("reference/a3201-1795259652.json"), &mut tree).unwrap();
    assert_eq!(span, Span { from_secs: 1_795_259_652, to_secs: 1_795_259_655 });
    let one = |name: &str, slots: &[f64]| vec![series(name, 1, 1_795_259_652, slots)];
    let expected = Tree::new(
        one("cpu_load", &[16016.5, 11170.5, 15000.0]),
        vec![
            level("hwthread0", one("flops_any", &[4435.0, 3758.0, 9082.5]), vec![]),
            level("hwthread1", one("flops_any", &[3416.5, 12387.5, 3530.0]), vec![]),
            level("hwthread2", one("flops_any", &[10509.5, 2511.5, 1499.0]), vec![]),
            level("socket0", vec![], vec![level("memoryDomain1", one("ipc", &[1282.0, 7330.5, 9690.5]), vec![])]),
        ],
    );
    assert_eq!(tree, expected);
}

#[test]
fn the_files_are_told_apart() {
    for (bytes, kind) in [
        (data!("golden.wal"), FileKind::Wal),
        (data!("golden.bin"), FileKind::Bin),
        (data!("golden.json"), FileKind::Json),
        (data!("golden.state"), FileKind::State),
        (data!("reference/a3201-current.wal"), FileKind::Wal),
        (data!("reference/a3201-1795259637.bin"), FileKind::Bin),
        (data!("reference/a3201-1795259652.json"), FileKind::Json),
    ] {
        assert_eq!(detect(&bytes[..bytes.len().min(DETECT_BYTES)]), kind);
    }
}
