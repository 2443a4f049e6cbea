//! Who a client is by its certificate: the names that the config gives roles to.
//!
//! Invariant: names come from the client's own certificate alone, and only from one whose chain was verified in the
//! handshake. They are read once a connection.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Names that are read of a certificate; real ones have one or two.
const NAMES_MAX: usize = 64;

/// The object identifier of the common name, 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Tags of the basic encoding rules (X.690, section 8).
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// UTF8String, PrintableString and IA5String: those whose bytes are UTF-8.
const STRINGS: [u8; 3] = [0x0c, 0x13, 0x16];

/// The names in a client's certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Identity {
    /// The common name, the DNS names in lower case, the URIs.
    names: Vec<Box<str>>,
}

impl Identity {
    /// The identity of who has shown this verified chain, the own certificate first; nobody's if it is empty.
    pub(super) fn of(chain: &[CertificateDer<'_>]) -> Self {
        let Some(Ok(certificate)) = chain.first().map(EndEntityCert::try_from) else { return Identity::default() };
        let common = common_name(certificate.subject()).map(Box::from);
        let dns = certificate.valid_dns_names().map(|name| name.to_ascii_lowercase().into());
        let uris = certificate.valid_uri_names().map(Box::from);
        Identity { names: common.into_iter().chain(dns).chain(uris).take(NAMES_MAX).collect() }
    }

    /// The names, the common name first.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    #[cfg(test)]
    pub(super) fn named(names: &[&str]) -> Self {
        Identity { names: names.iter().map(|name| Box::from(*name)).collect() }
    }
}

/// The last common name of a subject, which is the most specific one: a sequence of sets of pairs of an identifier and
/// a string (RFC 5280, section 4.1.2.4). The sequence's own header is not there any more.
fn common_name(mut subject: &[u8]) -> Option<&str> {
    let mut found = None;
    while let Some((tag, mut set, rest)) = split(subject) {
        subject = rest;
        while let Some((inner, pair, rest)) = split(set).filter(|_| tag == SET) {
            set = rest;
            if let Some((OBJECT_IDENTIFIER, identifier, value)) = split(pair).filter(|_| inner == SEQUENCE)
                && identifier == COMMON_NAME
                && let Some((kind, text, _)) = split(value)
            {
                found = std::str::from_utf8(text).ok().filter(|text| STRINGS.contains(&kind) && !text.is_empty());
            }
        }
    }
    found
}

/// The first element of an encoding: its tag, its content, and what follows; nothing if it is cut or over 64 KiB.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest.split_first_chunk().map(|(&length, rest)| (usize::from(u16::from_be_bytes(length)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn identity(change: impl FnOnce(&mut CertificateParams)) -> Vec<String> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Identity::of(&[certificate.der().clone()]).names().map(str::to_owned).collect()
    }

    #[test]
    fn names_are_the_common_name_dns_names_and_uris() {
        let long = "x".repeat(300);
        for name in ["collector", "Jörg Müller", &long] {
            let names = identity(|params| {
                params.distinguished_name.push(DnType::OrganizationName, "not a name");
                params.distinguished_name.push(DnType::CommonName, name);
                params.distinguished_name.push(DnType::OrganizationalUnitName, "nor this");
            });
            assert_eq!(names, [name]);
        }
        let names = identity(|params| {
            let text = DnValue::PrintableString("Printable".try_into().unwrap());
            params.distinguished_name.push(DnType::CommonName, text);
            params.subject_alt_names = vec![
                SanType::DnsName("Node1.Example.org".try_into().unwrap()),
                SanType::URI("spiffe://example.org/collector".try_into().unwrap()),
                SanType::IpAddress([10, 0, 0, 1].into()),
                SanType::Rfc822Name("a@example.org".try_into().unwrap()),
                SanType::DnsName("node2.example.org".try_into().unwrap()),
            ];
        });
        let expected = ["Printable", "node1.example.org", "node2.example.org", "spiffe://example.org/collector"];
        assert_eq!(names, expected);
    }

    #[test]
    fn who_shows_nothing_or_nothing_known_is_nobody() {
        assert_eq!(identity(|_| {}), Vec::<String>::new());
        assert_eq!(identity(|params| params.distinguished_name.push(DnType::CommonName, "")), Vec::<String>::new());
        // UTF-16 is not read.
        let text = DnValue::BmpString("wide".try_into().unwrap());
        assert_eq!(identity(|params| params.distinguished_name.push(DnType::CommonName, text)), Vec::<String>::new());
        assert_eq!(Identity::of(&[]), Identity::default());
        assert_eq!(Identity::of(&[CertificateDer::from(b"nonsense".to_vec())]), Identity::default());
    }

    #[test]
    fn of_several_common_names_the_last_counts() {
        let pair = |name: &[u8]| {
            let value = [&[0x06, 3, 0x55, 0x04, 0x03, 0x0c, name.len() as u8], name].concat();
            [&[SET, value.len() as u8 + 2, SEQUENCE, value.len() as u8], &value[..]].concat()
        };
        assert_eq!(common_name(&[pair(b"first"), pair(b"last")].concat()), Some("last"));
        assert_eq!(common_name(&[pair(b"first"), pair(b"\xff")].concat()), None, "no fall-back to a less specific one");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0usize..40) {
            let _ = common_name(&bytes);
            let mut sound = vec![SET, 13, SEQUENCE, 11, 0x06, 3, 0x55, 0x04, 0x03, 0x0c, 4, b'n', b'a', b'm', b'e'];
            let place = at % sound.len();
            sound.splice(place.., bytes);
            let _ = common_name(&sound);
        }
    }
}
