//! Where in the tree a series belongs: its cluster and its host, by its labels.
//!
//! The labels stay as they are; they only place the series. Invariant: every series has a place, and its names are
//! such as clusters and hosts can have: a value that cannot be one (a URL, say) is passed over.

use std::net::IpAddr;

use crate::model::{Label, Labels};

use super::super::names;

/// Which labels name cluster and host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    /// The label that names the cluster.
    pub cluster_label: String,
    /// The cluster of series without one.
    pub default_cluster: String,
    /// Labels that name the host; the first that a series has counts.
    pub host_labels: Vec<String>,
    /// The host of series that name none.
    pub default_host: String,
    /// Whether a host's name ends at its first dot; addresses stay whole.
    pub cut_domain: bool,
    /// Bytes of a cluster's or host's name.
    pub name_bytes_max: usize,
}

impl Default for Placing {
    fn default() -> Self {
        Placing {
            cluster_label: "cluster".to_owned(),
            default_cluster: "default".to_owned(),
            host_labels: ["instance", "hostname", "host", "node"].map(str::to_owned).to_vec(),
            default_host: "none".to_owned(),
            cut_domain: false,
            name_bytes_max: 255,
        }
    }
}

/// A place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'l> {
    /// The cluster.
    pub cluster: &'l str,
    /// The host.
    pub host: &'l str,
}

impl Placing {
    /// The place of a series.
    pub fn place<'l>(&'l self, labels: &'l Labels) -> Place<'l> {
        let cluster = labels.get(&self.cluster_label).filter(|name| self.is_good(name));
        let mut hosts = self.host_labels.iter().filter_map(|name| self.host(labels.get(name)?));
        Place { cluster: cluster.unwrap_or(&self.default_cluster), host: hosts.next().unwrap_or(&self.default_host) }
    }

    /// Whether a label says nothing but where the series belongs, which is `place`.
    pub(super) fn is_told_by(&self, place: Place<'_>, label: &Label) -> bool {
        if *label.name == *self.cluster_label {
            return *label.value == *place.cluster;
        }
        self.host_labels.iter().any(|name| **name == *label.name) && self.host(&label.value) == Some(place.host)
    }

    /// The host that a label's value names, if it can name one.
    fn host<'l>(&self, value: &'l str) -> Option<&'l str> {
        let mut host = without_port(value);
        if self.cut_domain && host.parse::<IpAddr>().is_err() {
            host = host.split('.').next().unwrap_or(host);
        }
        self.is_good(host).then_some(host)
    }

    /// Whether a cluster or a host can be called that, in all forms of files.
    pub fn is_good(&self, name: &str) -> bool {
        let fits = (1..=self.name_bytes_max).contains(&name.len());
        fits && !names::leave_folder(name, "") && names::fit_folders(name, "")
    }
}

/// A host without its port, and without the brackets of an IPv6 address.
fn without_port(value: &str) -> &str {
    if let Some((address, port)) = value.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return if is_port { address } else { value };
    }
    match value.split_once(':') {
        Some((host, port)) if is_port(port) && !host.is_empty() => host,
        _ => value,
    }
}

fn is_port(text: &str) -> bool {
    (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(placing: &Placing, pairs: &[(&str, &str)]) -> (String, String) {
        let labels = Labels::from_pairs(pairs.iter().copied());
        let place = placing.place(&labels);
        (place.cluster.to_owned(), place.host.to_owned())
    }

    fn host(value: &str) -> String {
        place(&Placing::default(), &[("instance", value)]).1
    }

    #[test]
    fn ports_and_brackets_are_cut_off() {
        assert_eq!(host("f0201:9100"), "f0201");
        assert_eq!(host("f0201.nhr.fau.de:9100"), "f0201.nhr.fau.de");
        assert_eq!(host("10.1.2.3:9100"), "10.1.2.3");
        assert_eq!(host("[2001:db8::1]:9100"), "2001:db8::1");
        assert_eq!(host("[2001:db8::1]"), "2001:db8::1");
        assert_eq!(host("2001:db8::1"), "2001:db8::1", "no port can be told from an address");
        assert_eq!(host("f0201:http"), "f0201:http", "no port");
        assert_eq!(host("f0201"), "f0201");
    }

    #[test]
    fn labels_count_in_their_order() {
        let placing = Placing::default();
        assert_eq!(place(&placing, &[("node", "n"), ("host", "h")]), ("default".into(), "h".into()));
        assert_eq!(place(&placing, &[("cluster", "fritz"), ("hostname", "h")]), ("fritz".into(), "h".into()));
        assert_eq!(place(&placing, &[("job", "x")]), ("default".into(), "none".into()));
        let own = Placing {
            cluster_label: "dc".into(),
            host_labels: vec!["nodename".into()],
            default_host: "rest".into(),
            default_cluster: "main".into(),
            ..Placing::default()
        };
        assert_eq!(place(&own, &[("dc", "a"), ("nodename", "n:1"), ("instance", "i")]), ("a".into(), "n".into()));
        assert_eq!(place(&own, &[("instance", "i")]), ("main".into(), "rest".into()));
    }

    #[test]
    fn what_no_host_can_be_called_is_passed_over() {
        for value in ["https://example.org/login", "a/b", "..", "x\0y", "a\\b", &"x".repeat(256)] {
            assert_eq!(host(value), "none", "{value:?}");
        }
        let placing = Placing::default();
        assert_eq!(place(&placing, &[("instance", "http://a/"), ("node", "n1")]), ("default".into(), "n1".into()));
        assert_eq!(place(&placing, &[("cluster", "../x"), ("node", "n1")]), ("default".into(), "n1".into()));
    }

    #[test]
    fn domains_are_cut_off_on_demand() {
        let placing = Placing { cut_domain: true, ..Placing::default() };
        assert_eq!(place(&placing, &[("instance", "f0201.nhr.fau.de:9100")]).1, "f0201");
        assert_eq!(place(&placing, &[("instance", "10.1.2.3:9100")]).1, "10.1.2.3");
        assert_eq!(place(&placing, &[("instance", "[::ffff:1.2.3.4]:9100")]).1, "::ffff:1.2.3.4");
    }

    #[test]
    fn labels_that_only_place_are_known() {
        let placing = Placing::default();
        let labels = Labels::from_pairs([("cluster", "c"), ("host", "h"), ("instance", "h:9100"), ("node", "other")]);
        let place = placing.place(&labels);
        let told: Vec<&str> =
            labels.iter().filter(|label| placing.is_told_by(place, label)).map(|label| &*label.name).collect();
        assert_eq!(told, ["cluster", "host", "instance"], "another host in a label is news");
    }
}
