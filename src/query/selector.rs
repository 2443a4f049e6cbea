//! From a query to the selectors it stands for.
//!
//! Invariant: a query without aggregation has one selector for each pair of ids, in the order of its ids; one with
//! aggregation, or without a type, has exactly one. The names are joined, kind and id, as the tree shows them.

use std::borrow::Cow;

use super::request::Query;
use crate::model::{Element, Selector};

/// How many selectors [`selectors`] gives for a query.
pub(super) fn count(query: &Query<'_>) -> usize {
    match Shape::of(query) {
        Shape::One => 1,
        Shape::Each(first_ids, second_ids) => first_ids.saturating_mul(second_ids),
    }
}

/// The selectors of a query, one after the other: a query may have very many.
pub(super) fn selectors<'a>(cluster: &'a str, query: &'a Query<'a>) -> impl Iterator<Item = Selector> + 'a {
    let shape = Shape::of(query);
    (0..count(query)).map(move |index| {
        let below = match shape {
            Shape::One => levels(query).map(|(kind, ids)| group(kind, ids)).collect(),
            Shape::Each(_, second_ids) => {
                // The second level's ids turn fastest; without a second level there is one place for it.
                let places = [index / second_ids, index % second_ids];
                levels(query).zip(places).map(|((kind, ids), at)| name(kind, &ids[at])).collect()
            }
        };
        Selector { cluster: cluster.to_owned(), host: query.host.to_string(), below }
    })
}

/// One selector, or one for each of so many ids of the first level times so many of the second.
#[derive(Clone, Copy)]
enum Shape {
    One,
    Each(usize, usize),
}

impl Shape {
    fn of(query: &Query<'_>) -> Self {
        let mut lens = levels(query).map(|(_, ids)| ids.len());
        match (query.aggregate, lens.next(), lens.next()) {
            (true, _, _) | (_, None, _) => Shape::One,
            (false, Some(first), second) => Shape::Each(first, second.unwrap_or(1)),
        }
    }
}

/// A level of the tree below the host: a kind of component and the wanted ids.
type Level<'a> = (&'a str, &'a [Cow<'a, str>]);

/// The levels below the host that a query goes through.
///
/// A subtype is one below the type. Without a type, or with `node`, which is the host itself, it is a device directly
/// below the host; then ids are needed, for a bare `subtype` never meant anything.
fn levels<'a>(query: &'a Query<'a>) -> impl Iterator<Item = Level<'a>> {
    let sub_level = query.sub_kind.as_deref().map(|kind| (kind, &query.sub_kind_ids[..]));
    let names_devices = sub_level.is_some_and(|(_, ids)| !ids.is_empty());
    let (first, second) = match query.kind.as_deref() {
        None if names_devices => (sub_level, None),
        None => (None, None),
        Some("node") if names_devices && query.kind_ids.is_empty() => (sub_level, None),
        Some(kind) => (Some((kind, &query.kind_ids[..])), sub_level),
    };
    first.into_iter().chain(second)
}

fn name(kind: &str, id: &str) -> Element {
    Element::Name([kind, id].concat())
}

fn group(kind: &str, ids: &[Cow<'_, str>]) -> Element {
    match ids {
        [id] => name(kind, id),
        ids => Element::Group(ids.iter().map(|id| [kind, id].concat()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &'static str) -> Vec<Cow<'static, str>> {
        text.split_terminator(' ').map(Cow::Borrowed).collect()
    }

    fn query(
        aggregate: bool,
        kind: Option<(&'static str, &'static str)>,
        sub_kind: Option<(&'static str, &'static str)>,
    ) -> Query<'static> {
        Query {
            host: "h".into(),
            aggregate,
            kind: kind.map(|(kind, _)| kind.into()),
            kind_ids: kind.map(|(_, names)| ids(names)).unwrap_or_default(),
            sub_kind: sub_kind.map(|(kind, _)| kind.into()),
            sub_kind_ids: sub_kind.map(|(_, names)| ids(names)).unwrap_or_default(),
            ..Query::default()
        }
    }

    fn below(query: &Query<'_>) -> Vec<String> {
        let selectors: Vec<_> = selectors("c", query).collect();
        assert_eq!(selectors.len(), count(query));
        selectors
            .iter()
            .map(|selector| {
                assert_eq!((&*selector.cluster, &*selector.host), ("c", "h"));
                let names = selector.below.iter().map(|element| match element {
                    Element::Name(name) => name.clone(),
                    Element::Group(names) => format!("[{}]", names.join(" ")),
                    Element::Any => "*".to_owned(),
                });
                names.collect::<Vec<_>>().join("/")
            })
            .collect()
    }

    #[test]
    fn no_type_is_the_host() {
        assert_eq!(below(&query(false, None, None)), [""]);
        assert_eq!(below(&query(true, None, None)), [""]);
        assert_eq!(below(&query(false, None, Some(("network", "")))), [""], "a subtype without ids is ignored");
    }

    #[test]
    fn each_id_has_a_selector() {
        assert_eq!(below(&query(false, Some(("cpu", "0 1 7")), None)), ["cpu0", "cpu1", "cpu7"]);
        assert_eq!(below(&query(false, Some(("cpu", "")), None)), [""; 0]);
    }

    #[test]
    fn subtypes_turn_fastest() {
        let both = query(false, Some(("socket", "0 1")), Some(("memoryDomain", "0 1 2")));
        assert_eq!(
            below(&both),
            [
                "socket0/memoryDomain0",
                "socket0/memoryDomain1",
                "socket0/memoryDomain2",
                "socket1/memoryDomain0",
                "socket1/memoryDomain1",
                "socket1/memoryDomain2"
            ]
        );
        assert_eq!(below(&query(false, Some(("socket", "0 1")), Some(("memoryDomain", "")))), [""; 0]);
        assert_eq!(below(&query(false, Some(("socket", "")), Some(("memoryDomain", "0")))), [""; 0]);
    }

    #[test]
    fn aggregation_has_one_selector() {
        assert_eq!(below(&query(true, Some(("cpu", "3")), None)), ["cpu3"]);
        assert_eq!(below(&query(true, Some(("cpu", "0 1")), None)), ["[cpu0 cpu1]"]);
        assert_eq!(below(&query(true, Some(("cpu", "")), None)), ["[]"]);
        let both = query(true, Some(("socket", "0 1")), Some(("memoryDomain", "5")));
        assert_eq!(below(&both), ["[socket0 socket1]/memoryDomain5"]);
    }

    #[test]
    fn devices_hang_below_the_host() {
        let devices = Some(("network", "lo eth0"));
        assert_eq!(below(&query(false, None, devices)), ["networklo", "networketh0"]);
        assert_eq!(below(&query(true, None, devices)), ["[networklo networketh0]"]);
        assert_eq!(below(&query(false, Some(("node", "")), devices)), ["networklo", "networketh0"]);
        assert_eq!(below(&query(false, Some(("node", "")), None)), [""; 0], "as the reference answers it");
    }
}
