//! Finding series: matchers against the index.
//!
//! A matcher that the empty value fits is about series without the label, too, so it only ever takes series away. Of
//! the others the one with the fewest series gives the candidates, and all that is left is asked of these: once for
//! each different value, never for each series.

use std::borrow::Cow;

use crate::model::{Matcher, StampedId};

use super::data::Stamped;

impl Stamped {
    /// The series that fit all matchers, ascending.
    pub(super) fn find_all(&self, matchers: &[Matcher]) -> Vec<StampedId> {
        let Some(candidates) = self.candidates(matchers) else { return Vec::new() };
        let (first, from) = candidates;
        let mut tests: Vec<Test<'_>> = Vec::with_capacity(matchers.len());
        for (at, matcher) in matchers.iter().enumerate() {
            if Some(at) != from {
                tests.push(Test::new(self, matcher));
            }
        }
        let fits = |&id: &u32| {
            let pairs = self.table.get(StampedId(id)).map(|series| &*series.pairs);
            pairs.is_some_and(|pairs| tests.iter_mut().all(|test| test.fits(self, pairs)))
        };
        match first {
            Some(ids) => ids.iter().copied().filter(fits).map(StampedId).collect(),
            None => self.table.iter().map(|(id, _)| id.0).filter(fits).map(StampedId).collect(),
        }
    }

    /// The ids to look at and the matcher that they fit, or all ids; `None` when nothing can fit.
    #[expect(clippy::type_complexity, reason = "said above")]
    fn candidates(&self, matchers: &[Matcher]) -> Option<(Option<Cow<'_, [u32]>>, Option<usize>)> {
        if self.table.live() == 0 {
            return None;
        }
        let mut fewest: Option<(&[u32], usize)> = None;
        let mut several: Option<(Cow<'_, [u32]>, usize)> = None;
        // Those of one value cost a look-up; most hosts are done with after the first.
        for (at, matcher) in matchers.iter().enumerate() {
            let Some([value]) = matcher.literals() else { continue };
            if value.is_empty() {
                continue;
            }
            let name = self.index.symbols.find(matcher.name())?;
            let pair = self.index.pair_of(name, self.index.symbols.find(value)?)?;
            let series = &*self.index.pair(pair).series;
            if fewest.is_none_or(|(fewest, _)| series.len() < fewest.len()) {
                fewest = Some((series, at));
            }
        }
        if let Some((series, at)) = fewest {
            return Some((Some(Cow::Borrowed(series)), Some(at)));
        }
        for (at, matcher) in matchers.iter().enumerate() {
            if matcher.matches("") {
                continue;
            }
            let name = self.index.symbols.find(matcher.name())?;
            let mut series = Vec::new();
            let mut add = |pair: u32| series.extend_from_slice(&self.index.pair(pair).series);
            match matcher.literals() {
                Some(values) => {
                    let symbols = values.iter().filter_map(|value| self.index.symbols.find(value));
                    symbols.filter_map(|value| self.index.pair_of(name, value)).for_each(&mut add);
                }
                None => {
                    let pairs = self.index.pairs_of(name).iter().copied();
                    let fits = |pair: &u32| matcher.matches(self.index.symbols.text(self.index.pair(*pair).value));
                    pairs.filter(fits).for_each(&mut add);
                }
            }
            if several.as_ref().is_none_or(|(fewest, _)| series.len() < fewest.len()) {
                // A series has one value of a name, but literals may name one twice.
                series.sort_unstable();
                series.dedup();
                several = Some((Cow::Owned(series), at));
            }
        }
        Some(several.map_or((None, None), |(series, at)| (Some(series), Some(at))))
    }
}

/// A matcher against candidates.
struct Test<'a> {
    matcher: &'a Matcher,
    name: Option<u32>,
    fits_empty: bool,
    /// What is known of each pair of the name: 0 nothing, 1 that it fits, 2 that it does not.
    known: Vec<u8>,
}

impl<'a> Test<'a> {
    fn new(data: &Stamped, matcher: &'a Matcher) -> Self {
        let name = data.index.symbols.find(matcher.name());
        Test { matcher, name, fits_empty: matcher.matches(""), known: vec![0; data.index.pairs_len()] }
    }

    fn fits(&mut self, data: &Stamped, pairs: &[u32]) -> bool {
        let Some(name) = self.name else { return self.fits_empty };
        let Some(&pair) = pairs.iter().find(|&&pair| data.index.pair(pair).name == name) else {
            return self.fits_empty;
        };
        let known = &mut self.known[pair as usize];
        if *known == 0 {
            let fits = self.matcher.matches(data.index.symbols.text(data.index.pair(pair).value));
            *known = if fits { 1 } else { 2 };
        }
        *known == 1
    }
}
