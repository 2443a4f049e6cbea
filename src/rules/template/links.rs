//! Addresses: links to expressions, and hosts without their ports and domains.

use std::fmt::Write;
use std::net::IpAddr;

/// The path that shows an expression as a table.
pub fn table_link(expr: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab=1", query_escape(expr))
}

/// The path that shows an expression as a graph.
pub(super) fn graph_link(expr: &str) -> String {
    format!("/graph?g0.expr={}&g0.tab=0", query_escape(expr))
}

/// A text as a value in a URL's query.
pub(super) fn query_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => escaped.push(byte.into()),
            b' ' => escaped.push('+'),
            // Writing into a String cannot fail.
            byte => _ = write!(escaped, "%{byte:02X}"),
        }
    }
    escaped
}

/// Host and port of `host:port` or `[host]:port`; none if it is not of that form.
pub(super) fn split_host_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let inner = if is_bracketed { &host[1..host.len() - 1] } else { host };
    let is_plain = !inner.contains(['[', ']']) && (is_bracketed || !inner.contains(':')) && !port.contains(['[', ']']);
    is_plain.then_some((inner, port))
}

/// A host's name without its domain; its port stays, and an address stays as it is.
pub(super) fn strip_domain(address: &str) -> String {
    let (host, port) = split_host_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let name = host.split('.').next().unwrap_or(host);
    match port {
        "" => name.to_owned(),
        port if name.contains(':') => format!("[{name}]:{port}"),
        port => format!("{name}:{port}"),
    }
}
