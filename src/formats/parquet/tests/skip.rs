//! Skipping is real: what a filter does not ask for is not read.

use super::*;

/// Hosts of 8 metrics with 16 threads and 720 noisy rows each: 92,160 rows a host, a row group for every six hosts.
fn file(hosts: usize) -> Arc<Memory> {
    let mut random = Random::new(2);
    let mut all = Vec::new();
    for host in 0..hosts {
        for metric in 0..8 {
            for id in 10..26 {
                let values = (0..720).map(|_| random.unit()).collect::<Vec<_>>();
                all.push(Series::new(&format!("a{host:04}"), &format!("metric{metric}"), &id.to_string(), values));
            }
        }
    }
    Memory::new(write(&all, &WriterOptions::default()).0)
}

fn read_bytes(file: &Arc<Memory>, filter: &Filter) -> (usize, u64) {
    let before = file.read_bytes();
    let rows = read(file.clone(), filter).unwrap().iter().map(|series| series.values.len()).sum();
    (rows, file.read_bytes() - before)
}

#[test]
fn a_host_a_metric_or_a_time_costs_its_part() {
    let file = file(12);
    let size = file.file_bytes();
    let (rows, bytes) = read_bytes(&file, &Filter::default());
    assert_eq!(rows, 12 * 92_160);
    assert!(bytes > size / 10 * 9, "everything is {bytes} of {size} bytes");

    // The footer is read for any answer.
    let (_, least) = read_bytes(&file, &Filter { host: Some("nobody".to_owned()), ..Filter::default() });
    assert!(least < 64 << 10, "a host that is not there: {least} of {size} bytes");

    let one_host = Filter { host: Some("a0003".to_owned()), ..Filter::default() };
    let (rows, bytes) = read_bytes(&file, &one_host);
    assert_eq!(rows, 92_160);
    assert!(bytes < least + size / 10, "one host of 12: {bytes} of {size} bytes");

    let one_metric = Filter { metric: Some("metric5".to_owned()), ..one_host };
    let (rows, bytes) = read_bytes(&file, &one_metric);
    assert_eq!(rows, 11_520);
    assert!(bytes < least + size / 60, "one metric of 96: {bytes} of {size} bytes");

    let later = Filter { from_secs: START + 720 * 60, ..Filter::default() };
    let (rows, bytes) = read_bytes(&file, &later);
    assert_eq!(rows, 0);
    assert!(bytes <= least, "a time that is not there: {bytes} bytes");
}

#[test]
fn a_bloom_filter_saves_the_row_group_whose_bounds_mislead() {
    // The name lies between those of the first and the last host.
    let file = file(3);
    let missing = Filter { host: Some("a0001b".to_owned()), ..Filter::default() };
    let (rows, bytes) = read_bytes(&file, &missing);
    assert_eq!(rows, 0);
    let footer = read_bytes(&file, &Filter { host: Some("nobody".to_owned()), ..Filter::default() }).1;
    assert!(bytes < footer + 1024, "the Bloom filter alone: {bytes} bytes, {footer} without");
}
