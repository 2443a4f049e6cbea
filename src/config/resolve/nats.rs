//! The section `nats` and the subscriptions of `metric-store`.

use std::time::Duration;

use crate::config::file::{AddressList, JetStreamSection, NatsSection, SubscriptionEntry};
use crate::config::settings::{JetStream, NatsSettings, NatsTls, Secret, Subscription, TlsFiles};

use super::{Notes, path_of, text_of};

const SCHEMES: [&str; 2] = ["nats", "tls"];
/// Short, so that a store that crashed soon has what was under way; while a message waits here it is prolonged.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// Shorter ones only make a busy machine repeat itself.
const ACK_WAIT_MIN: Duration = Duration::from_secs(1);

pub(super) fn resolve(
    section: &NatsSection,
    subscriptions: Vec<SubscriptionEntry>,
    notes: &mut Notes,
) -> Option<NatsSettings> {
    let addresses = addresses(section.address.as_ref(), notes);
    let subscriptions: Vec<Subscription> = subscriptions
        .into_iter()
        .enumerate()
        .map(|(index, entry)| subscription(&format!("/metric-store/nats-subscriptions/{index}"), entry, notes))
        .collect();
    one_subscription_a_durable(&subscriptions, notes);
    let user = match (text_of(&section.username), text_of(&section.password)) {
        (Some(name), Some(password)) => Some((name.to_owned(), Secret::new(password))),
        (None, None) => None,
        _ => {
            notes.warn("/nats", "username and password count only together: neither is used");
            None
        }
    };
    let creds_file = path_of(&section.creds_file_path);
    let nkey_seed_file = path_of(&section.nkey_seed_file);
    if let (Some(_), Some(nkey)) = (&creds_file, &nkey_seed_file) {
        let expected = "none, as /nats/creds-file-path holds a seed already";
        notes.wrong("/nats/nkey-seed-file", &nkey.to_string_lossy(), expected);
    }
    let client = notes
        .pair(("/nats/tls/cert-file", &section.tls.cert_file), ("/nats/tls/key-file", &section.tls.key_file))
        .map(|(cert_file, key_file)| TlsFiles { cert_file, key_file });
    let tls = NatsTls { ca_file: path_of(&section.tls.ca_file), client };
    if addresses.is_empty() {
        if !subscriptions.is_empty() {
            notes.warn("/metric-store/nats-subscriptions", "without /nats/address nothing is received");
        }
        return None;
    }
    if subscriptions.is_empty() {
        notes.warn("/nats", "without /metric-store/nats-subscriptions nothing is received");
    }
    Some(NatsSettings { addresses, user, creds_file, nkey_seed_file, tls, subscriptions })
}

/// The servers; texts are split at commas, empty parts left out.
fn addresses(setting: Option<&AddressList>, notes: &mut Notes) -> Vec<String> {
    let texts: &[String] = match setting {
        None => &[],
        Some(AddressList::One(text)) => std::slice::from_ref(text),
        Some(AddressList::Many(texts)) => texts,
    };
    let mut addresses = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        for address in text.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            if !is_server(address) {
                let pointer = match setting {
                    Some(AddressList::Many(_)) => format!("/nats/address/{index}"),
                    _ => "/nats/address".to_owned(),
                };
                let expected = "servers like \"nats://localhost:4222\" or \"tls://a:4222, tls://b:4222\"";
                // An address may hold a password, so a bad one is not shown beyond its host.
                let shown = address.rsplit_once('@').map_or(address, |(_, host)| host);
                notes.wrong(&pointer, shown, expected);
            }
            addresses.push(address.to_owned());
        }
    }
    addresses
}

/// A URL with a scheme that NATS knows, or a bare host with or without a port.
fn is_server(address: &str) -> bool {
    let full = if address.contains("://") { address.to_owned() } else { format!("nats://{address}") };
    reqwest::Url::parse(&full).is_ok_and(|url| {
        let has_host = url.host_str().is_some_and(|host| !host.is_empty());
        has_host && SCHEMES.contains(&url.scheme()) && url.path().len() <= 1
    })
}

fn subscription(pointer: &str, entry: SubscriptionEntry, notes: &mut Notes) -> Subscription {
    let subject = entry.subscribe_to.unwrap_or_default();
    if !is_subject(&subject) {
        let expected = "a subject like \"metrics.fritz\", \"metrics.*\" or \"metrics.>\"";
        notes.wrong(&format!("{pointer}/subscribe-to"), &subject, expected);
    }
    let cluster = entry.cluster_tag.unwrap_or_default();
    if cluster == ".." || cluster.contains(['/', '\\', '\0']) {
        let expected = "the name of a cluster, without \"..\", \"/\" and \"\\\"";
        notes.wrong(&format!("{pointer}/cluster-tag"), &cluster, expected);
    }
    let jetstream = entry.jetstream.map(|section| jetstream(&format!("{pointer}/jetstream"), section, notes));
    Subscription { subject, cluster, jetstream }
}

fn jetstream(pointer: &str, section: JetStreamSection, notes: &mut Notes) -> JetStream {
    let mut name = |key: &str, name: Option<String>| {
        let name = name.unwrap_or_default();
        if !is_name(&name) {
            let expected = "a name of up to 255 bytes, without spaces, \".\", \"*\", \">\", \"/\" and \"\\\"";
            notes.wrong(&format!("{pointer}/{key}"), &name, expected);
        }
        name
    };
    let (stream, durable) = (name("stream", section.stream), name("durable", section.durable));
    let ack_wait = notes.duration(&format!("{pointer}/ack-wait"), &section.ack_wait, ACK_WAIT, ACK_WAIT_MIN);
    JetStream { stream, durable, ack_wait }
}

/// Two subscriptions to one consumer would each get a part of its messages, and the wrong one in half of the cases.
fn one_subscription_a_durable(subscriptions: &[Subscription], notes: &mut Notes) {
    let named = |at: usize| subscriptions[at].jetstream.as_ref().map(|of| (&of.stream, &of.durable));
    for at in 0..subscriptions.len() {
        if let Some((stream, durable)) = named(at)
            && let Some(first) = (0..at).find(|&before| named(before) == Some((stream, durable)))
        {
            let pointer = format!("/metric-store/nats-subscriptions/{at}/jetstream/durable");
            notes.wrong(
                &pointer,
                durable,
                format!("another one than that of /metric-store/nats-subscriptions/{first}"),
            );
        }
    }
}

/// A name that NATS allows for streams and consumers: it is one token of a subject and the name of a folder.
fn is_name(name: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || ['.', '*', '>', '/', '\\'].contains(&c);
    (1..=255).contains(&name.len()) && !name.contains(is_bad)
}

/// Tokens with dots between; `>` only as the last one.
fn is_subject(subject: &str) -> bool {
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        let wildcard_inside = token == ">" && tokens.peek().is_some();
        if token.is_empty() || wildcard_inside || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_those_of_nats() {
        for good in ["hpc-nats", "metrics.fritz", "a.*.b", "a.>", ">"] {
            assert!(is_subject(good), "{good}");
        }
        for bad in ["", "a..b", ".a", "a.", "a b", "a.>.b", "a\n"] {
            assert!(!is_subject(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_those_of_streams() {
        for good in ["METRICS", "treering-1", "a_b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a.b", "a b", "a*", ">", "a/b", "a\\b", "a\n", &"x".repeat(256)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn servers_are_urls_or_hosts() {
        for good in ["nats://localhost:4222", "tls://a.example.org", "localhost", "10.0.0.1:4222", "nats://u:p@h:4222"]
        {
            assert!(is_server(good), "{good}");
        }
        for bad in ["http://localhost:4222", "nats://", "nats://a b", "a:99999", "nats//a"] {
            assert!(!is_server(bad), "{bad}");
        }
    }
}
