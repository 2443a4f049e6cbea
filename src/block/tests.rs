//! Laws of blocks: what is sealed comes back bit for bit, damaged bytes never panic.

use proptest::prelude::*;

use super::{Block, SLOTS_MAX};
use crate::model::{EMPTY, is_empty};
use crate::testing::Random;

/// Values as metrics have them, one kind a series.
fn shape() -> impl Strategy<Value = Vec<f64>> {
    let len = 1..=SLOTS_MAX;
    let full = any::<u64>().prop_map(f64::from_bits);
    let special = prop_oneof![
        Just(-0.0),
        Just(0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE),
        Just(5e-324),
        Just(f64::MAX),
        (1..1u64 << 52).prop_map(|payload| f64::from_bits(0x7FF0_0000_0000_0000 | payload)),
        (1..1u64 << 52).prop_map(|payload| f64::from_bits(0xFFF0_0000_0000_0000 | payload)),
    ];
    let scaled =
        (prop::sample::select(vec![1.0, 10.0, 100.0, 1e3, 1e6, 1e9]), prop_oneof![Just(100i64), Just(1 << 45)]);
    prop_oneof![
        (full.clone(), len.clone()).prop_map(|(value, len)| vec![value; len]),
        (scaled, len.clone(), any::<u64>()).prop_map(|((scale, below), len, seed)| {
            random(seed).take(len).map(|random| (random as i64 % below) as f64 / scale).collect()
        }),
        (any::<u64>(), len.clone(), -1e12..1e12).prop_map(|(seed, len, first): (u64, usize, f64)| {
            let first = first.floor();
            random(seed)
                .take(len)
                .scan(first, |sum, step| {
                    *sum += (step % 5000) as f64;
                    Some(*sum)
                })
                .collect()
        }),
        (any::<u64>(), len.clone(), 1..40u64).prop_map(|(seed, len, rate)| {
            let busy = |random: u64| if random % 40 < rate { (random >> 20) as f64 / 1000.0 } else { 0.0 };
            random(seed).take(len).map(busy).collect()
        }),
        (any::<u64>(), len.clone(), any::<bool>()).prop_map(|(seed, len, is_printed)| {
            let reciprocal = |random: u64| 100.0 / (30 + random % 200) as f64;
            let printed = |value: f64| if is_printed { format!("{value:.14}").parse().unwrap() } else { value };
            random(seed).take(len).map(|random| printed(reciprocal(random))).collect()
        }),
        (any::<u64>(), len.clone()).prop_map(|(seed, len)| {
            random(seed).take(len).map(|random| f64::from((random >> 40) as f32 * 1.1e-3)).collect()
        }),
        (any::<u64>(), len.clone(), any::<bool>()).prop_map(|(seed, len, is_signed)| {
            let noise = |random: u64| (random >> 11) as f64 / (1u64 << 53) as f64 - if is_signed { 0.5 } else { 0.0 };
            random(seed).take(len).map(noise).collect()
        }),
        prop::collection::vec((full.clone(), 1..60usize), 1..17)
            .prop_map(|runs| runs.iter().flat_map(|(value, len)| vec![*value; *len]).collect()),
        (prop::collection::vec(full.clone(), 1..100), any::<u64>(), len.clone()).prop_map(|(table, seed, len)| {
            random(seed).take(len).map(|random| table[random as usize % table.len()]).collect()
        }),
        prop::collection::vec(prop_oneof![20 => (0..100i32).prop_map(f64::from), 1 => special], len.clone()),
        prop::collection::vec(full, len),
    ]
}

/// How slots are emptied: not at all, single ones, runs, or nearly all.
fn holes() -> impl Strategy<Value = (u64, u8)> {
    (any::<u64>(), prop_oneof![3 => Just(0), 1 => Just(1), 1 => Just(2), 1 => Just(3)])
}

fn punch(values: &mut [f64], (seed, kind): (u64, u8)) {
    for (slot, random) in random(seed).take(values.len()).enumerate() {
        let is_hole = match kind {
            0 => false,
            1 => random % 10 == 0,
            2 => seed >> (slot / 23 % 64) & 1 == 0,
            _ => random % 50 != 0,
        };
        if is_hole {
            values[slot] = EMPTY;
        }
    }
}

/// Numbers of 60 bits that look random.
fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut random = Random::new(seed);
    std::iter::repeat_with(move || random.bits() >> 4)
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn decode(block: &Block, range: std::ops::Range<usize>) -> Vec<f64> {
    let mut out = vec![1.5; range.len()];
    block.decode(range, &mut out);
    out
}

/// Everything that must hold for a block of `slots`.
fn check(start_secs: i64, slots: &[f64], from: usize, to: usize) {
    let Some(sealed) = Block::seal(start_secs, 60, slots) else {
        assert!(slots.iter().all(|value| is_empty(*value)));
        return;
    };
    let first = slots.iter().position(|value| !is_empty(*value)).unwrap();
    let last = slots.iter().rposition(|value| !is_empty(*value)).unwrap();
    let slots = &slots[first..=last];
    let block = Block::from_bytes(sealed.as_bytes().clone()).unwrap();
    assert_eq!(block.start_secs(), start_secs + 60 * first as i64);
    assert_eq!(block.end_secs(), block.start_secs() + 60 * slots.len() as i64);
    assert_eq!((block.frequency_secs(), block.len()), (60, slots.len()));
    assert_eq!(block.filled(), slots.iter().filter(|value| !is_empty(**value)).count());
    assert_eq!(bits(&decode(&block, 0..block.len())), bits(slots), "{block:?}");
    let (from, to) = (from.min(to).min(slots.len()), from.max(to).min(slots.len()));
    assert_eq!(bits(&decode(&block, from..to)), bits(&slots[from..to]), "{from}..{to} of {block:?}");
    if from < slots.len() {
        assert_eq!(block.get(from).to_bits(), slots[from].to_bits(), "{from} of {block:?}");
    }
    let raw_bytes = 16 + slots.len() * 8 + slots.len().div_ceil(8);
    assert!(block.as_bytes().len() <= raw_bytes, "{block:?} is larger than raw values");
    assert!(block.memory_bytes() > block.as_bytes().len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn whatever_is_sealed_comes_back(
        values in shape(), holes in holes(), start_secs in -1_000_000_000_000..1_000_000_000_000i64,
        from in 0..=SLOTS_MAX, to in 0..=SLOTS_MAX,
    ) {
        let mut values = values;
        punch(&mut values, holes);
        check(start_secs, &values, from, to);
    }

    #[test]
    fn damaged_bytes_never_panic(
        values in shape(), holes in holes(), cut in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        let mut values = values;
        punch(&mut values, holes);
        let Some(block) = Block::seal(0, 60, &values) else { return Ok(()) };
        let mut bytes = block.as_bytes().to_vec();
        for (index, byte, is_near) in damage {
            // Half of the damage hits the header and the masks, where it does most.
            let at = index.index(if is_near { bytes.len().min(40) } else { bytes.len() });
            bytes[at] ^= byte;
        }
        use_if_valid(&bytes);
        use_if_valid(&bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        len in 0..=1100u16, codec in 0..6u8, flags in 0..33u8, payload in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        use_if_valid(&payload);
        let header = [&[0; 8][..], &[60, 0, 0, 0], &len.to_le_bytes(), &[codec, flags]].concat();
        use_if_valid(&[&header[..], &payload].concat());
    }
}

fn use_if_valid(bytes: &[u8]) {
    if let Ok(block) = Block::from_bytes(bytes.into()) {
        decode(&block, 0..block.len());
        decode(&block, block.len() / 3..block.len() / 2);
        block.get(block.len() - 1);
        assert!(block.filled() <= block.len());
        block.end_secs();
    }
}

#[test]
fn every_length_comes_back() {
    let shapes: [fn(usize) -> f64; 4] = [
        |slot| (slot * 7919 % 1000) as f64 / 100.0,
        |slot| if slot % 9 == 4 { EMPTY } else { slot as f64 * 1e6 },
        |slot| (slot as f64).sqrt().sin(),
        |slot| if slot % 5 == 0 { slot as f64 } else { 0.0 },
    ];
    for (len, shape) in (1..=SLOTS_MAX).flat_map(|len| shapes.map(|shape| (len, shape))) {
        let slots: Vec<f64> = (0..len).map(shape).collect();
        check(1_700_000_000, &slots, len / 3, len);
    }
}

/// What was sealed before runs were packed: such blocks lie in snapshots, and their lists of runs must be read.
#[test]
fn lists_of_runs_are_read() {
    let read = |hex: &str| {
        let bytes: Vec<u8> = hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        let head = [0, 0xF1, 0x53, 0x65, 0, 0, 0, 0, 60, 0, 0, 0];
        let block = Block::from_bytes([&head[..], &bytes].concat().into()).unwrap();
        decode(&block, 0..block.len())
    };
    let repeats =
        "96 00 02 04 03 01 00 31 00 33 00 31 00 65 00 31 00 01 07 01 00 8b 01 c7 23 00 01 00 9c 75 00 88 3c e4 37 7e";
    assert_eq!(read(repeats), [[0.1; 50], [1e300; 50], [-7.0; 50]].concat());
    let dominant = "5c 00 02 04 02 01 00 27 00 35 00 27 00 02 0c 00 00 00 00 00 7d 4d a8 8c 1b 88 89 e9 67 86 e3 48 83 b1 28 80 7f 08 00";
    let values: Vec<f64> = (0..12).map(|slot| 20.0 + f64::from(slot * 5 % 12) / 4.0).collect();
    let zeros = vec![0.0; 40];
    assert_eq!(bits(&read(dominant)), bits(&[zeros.clone(), values, zeros].concat()));
}

#[test]
fn nothing_seals_to_nothing() {
    assert_eq!(Block::seal(0, 60, &[]), None);
    assert_eq!(Block::seal(0, 60, &[EMPTY; 64]), None);
}

#[test]
fn start_and_end_saturate_at_the_end_of_time() {
    let block = Block::seal(i64::MAX, u32::MAX, &[EMPTY, 1.0]).unwrap();
    assert_eq!((block.start_secs(), block.end_secs(), block.get(0)), (i64::MAX, i64::MAX, 1.0));
}

/// 0 or 1, and seldom far from both.
fn tailed(slot: i32) -> f64 {
    let tail = if slot % 97 == 5 { [70, -90][slot as usize % 2] } else { 0 };
    f64::from(slot * slot % 7 % 2 + tail)
}

/// A block of each codec and flag, with its bytes. The format's document shows the same bytes.
fn golden() -> Vec<(&'static str, Vec<f64>, &'static str)> {
    let signalling = f64::from_bits(0x7FF0_0000_0000_0001);
    let zeros = vec![0.0; 40];
    let noise = [0x3FE1_2345_6789_ABCD, 0xBFF0_FEDC_BA98_7654, 0x4059_1111_2222_3333].map(f64::from_bits);
    let ninths: Vec<f64> = (0..24).map(|slot| [1.0 / 9.0, 5.0 / 9.0, 7e300][slot * slot % 7 % 3]).collect();
    vec![
        ("raw", vec![noise[1], f64::MAX], "02 00 00 00 54 76 98 ba dc fe f0 bf ff ff ff ff ff ff ef 7f"),
        ("constant", vec![42.0; 5], "05 00 01 00 00 00 00 00 00 00 45 40"),
        ("reference", vec![20.25, 21.5, 19.75, 20.0, 22.25], "05 00 02 00 02 08 00 00 ee 1e 32 af 00 19 fa"),
        (
            "reference with an exception",
            vec![1.25, 1.5, signalling, 1.75, 0.25, 2.0, 0.5, 0.75],
            "08 00 02 00 02 08 01 00 32 64 7d 7d 96 00 af 19 32 02 00 01 00 00 00 00 00 f0 7f",
        ),
        (
            "reference of reciprocals",
            ["1.61290322580645", "1.78571428571429", "0.833333333333333", "1.72413793103448"]
                .map(|text| text.parse().unwrap())
                .to_vec(),
            "04 00 02 00 42 07 00 00 70 06 00 50 00",
        ),
        (
            "reference of bit patterns",
            [1.0f32 / 3.0, 2.0 / 3.0, 5.0 / 7.0].map(f64::from).to_vec(),
            "03 00 02 00 9d 18 00 00 d6 aa d5 ea 3f 00 00 00 00 00 80 c3 30 8c",
        ),
        (
            "delta",
            (0..8).map(|slot| 1e9 + f64::from(slot * 1_000_000 + slot * slot % 3)).collect(),
            "08 00 03 00 00 02 00 00 80 a8 d6 b9 07 fe 88 7a 86 21",
        ),
        (
            "dictionary",
            ninths,
            "18 00 04 18 72 1c c7 71 1c c7 e1 3f 99 4c 26 01 1c c7 71 1c c7 71 bc 3f e8 66 00 f7 b4 e7 64 7e b6 01",
        ),
        (
            "empty runs",
            [vec![1.0; 3], vec![EMPTY; 20], vec![1.0; 3]].concat(),
            "1a 00 01 03 07 00 80 03 00 00 00 00 00 00 f0 3f",
        ),
        ("empty bitmap", vec![2.0, EMPTY, 3.0, 2.0], "04 00 02 03 0d 00 01 00 00 04 02"),
        (
            "repeats in runs",
            [vec![0.1, 1e300], vec![-7.0; 60]].concat(),
            "3e 00 02 04 01 03 00 3b 00 01 07 01 00 8b 01 c7 23 00 01 00 9c 75 00 88 3c e4 37 7e",
        ),
        (
            "dominant in runs",
            [zeros.clone(), (0..12).map(|slot| 20.0 + f64::from(slot * 5 % 12) / 4.0).collect(), vec![0.0; 300]]
                .concat(),
            "60 01 02 04 02 01 00 27 00 35 00 2b 01 02 0c 00 00 00 00 00 7d 4d a8 8c 1b 88 89 e9 67 86 e3 48 83 b1 28 80 7f 08 00",
        ),
        (
            "repeats in packed runs",
            [[0.1; 50], [1e300; 50], [-7.0; 50]].concat(),
            "96 00 02 44 03 60 01 00 01 00 30 0c 03 01 07 01 00 8b 01 c7 23 00 01 00 9c 75 00 88 3c e4 37 7e",
        ),
        (
            "repeats in a bitmap",
            vec![noise[0], noise[0], noise[2], noise[2], noise[1], noise[1]],
            "06 00 00 14 15 cd ab 89 67 45 23 e1 3f 33 33 22 22 11 11 59 40 54 76 98 ba dc fe f0 bf",
        ),
        (
            "dominant in packed runs",
            [zeros.clone(), (0..12).map(|slot| 20.0 + f64::from(slot * 5 % 12) / 4.0).collect(), zeros].concat(),
            "5c 00 02 44 02 60 01 00 0d 00 a6 09 02 0c 00 00 00 00 00 7d 4d a8 8c 1b 88 89 e9 67 86 e3 48 83 b1 28 80 7f 08 00",
        ),
        (
            "dominant in a bitmap",
            (0..40).map(|slot| if slot % 4 == 1 { f64::from(1000 + slot * 7 % 32) } else { 0.0 }).collect(),
            "28 00 02 18 00 00 00 00 00 00 00 00 22 22 22 22 22 00 05 00 00 d6 0f 04 70 4c 21 43 04 00",
        ),
        (
            "reference with patches",
            (0..300).map(tailed).collect(),
            "2c 01 05 00 00 01 00 00 00 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 00 04 00 07 05 cc 1c 43 09 d3 d1 74 04",
        ),
        (
            "delta with patches",
            (0..300).scan(1e6, |sum, slot| Some(std::mem::replace(sum, *sum + 1000.0 + tailed(slot)))).collect(),
            "2c 01 06 00 00 01 00 00 80 89 7a d0 0f 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 50 28 14 0a 85 42 a1 00 04 00 07 05 cc 1c 43 09 d3 d1 74 04",
        ),
        (
            "empty packed runs",
            (0..200).map(|slot| if slot % 11 == 3 || slot % 37 == 10 { EMPTY } else { 1.0 }).collect(),
            "c8 00 01 21 16 14 03 00 02 00 14 88 88 88 41 88 05 88 78 88 02 00 00 02 00 00 00 00 00 00 f0 3f",
        ),
    ]
}

#[test]
fn the_bytes_of_every_codec_are_pinned_and_documented() {
    let document = include_str!("../../docs/formats/block.md");
    let mut wrong = String::new();
    let (mut codecs, mut flags) = (0, 0);
    for (name, slots, expected) in golden() {
        let block = Block::seal(1_700_000_000, 60, &slots).unwrap();
        let hex: Vec<String> = block.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        codecs |= 1 << block.as_bytes()[14];
        flags |= block.as_bytes()[15];
        // All goldens share start and frequency.
        assert_eq!(hex[..12].join(" "), "00 f1 53 65 00 00 00 00 3c 00 00 00");
        let hex = hex[12..].join(" ");
        if hex != expected || !document.contains(&format!("{name}: `{hex}`")) {
            wrong += &format!("{name}: `{hex}`\n");
        }
        let stored = Block::from_bytes(block.as_bytes().clone()).unwrap();
        assert_eq!(bits(&decode(&stored, 0..stored.len())), bits(&slots), "{name}");
    }
    assert_eq!((codecs, flags), (0b111_1111, 0b111_1111), "each codec and each flag has its golden");
    assert!(wrong.is_empty(), "sealed other bytes than the golden or the documented ones:\n{wrong}");
}
