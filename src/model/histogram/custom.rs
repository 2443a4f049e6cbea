//! Custom buckets of two histograms whose bounds differ: both are read between the bounds that they share.

use super::buckets::Buckets;

/// The bounds that both lists have. Both ascend strictly.
pub(super) fn common_bounds(own: &[f64], other: &[f64]) -> Vec<f64> {
    let mut other = other.iter().peekable();
    let mut common = Vec::new();
    for &bound in own {
        while other.next_if(|&&at| at < bound).is_some() {}
        if other.next_if(|&&at| at == bound).is_some() {
            common.push(bound);
        }
    }
    common
}

/// Every bucket's count with the place of the bucket between `common` bounds that holds it; the last place, behind
/// all bounds, is `common.len()`.
pub(super) fn remapped<'a>(
    buckets: &'a Buckets,
    bounds: &'a [f64],
    common: &'a [f64],
) -> impl Iterator<Item = (usize, f64)> + 'a {
    let mut target = 0;
    buckets.indexed().map(move |(index, count)| {
        match usize::try_from(index).ok().and_then(|index| bounds.get(index)) {
            Some(&bound) => target += common[target..].iter().take_while(|&&at| at < bound).count(),
            None => target = common.len(),
        }
        (target, count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_go_to_the_next_common_bound() {
        let common = common_bounds(&[1.0, 2.0, 5.0, 10.0], &[2.0, 3.0, 10.0, 20.0]);
        assert_eq!(common, [2.0, 10.0]);
        let own = Buckets::contiguous(0, vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        let places: Vec<_> = remapped(&own, &[1.0, 2.0, 5.0, 10.0], &common).collect();
        assert_eq!(places, [(0, 1.0), (0, 2.0), (1, 3.0), (1, 4.0), (2, 5.0)]);
        assert_eq!(remapped(&own, &[1.0], &[]).map(|(place, _)| place).collect::<Vec<_>>(), [0; 5]);
        assert!(common_bounds(&[1.0], &[]).is_empty());
    }
}
