//! The section `main`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::file::{AuthSection, MainSection, Quantity, RolesSection, ServerLimitsSection};
use crate::config::settings::{Auth, Backend, ClientCerts, MainSettings, Secret, ServerLimits, TlsFiles};

use super::{Notes, path_of, text_of};

const ADDR_DEFAULT: &str = "0.0.0.0:8082";
const BODY_BYTES_DEFAULT: u64 = 1 << 30;
const CONNECTIONS_DEFAULT: usize = 16_384;
const GRPC_STREAMS_DEFAULT: u32 = 100;

/// `prometheus_addr` is the address beside those of the section.
pub(super) fn resolve(section: MainSection, prometheus_addr: Option<&str>, notes: &mut Notes) -> MainSettings {
    let addr = text_of(&section.addr).unwrap_or(ADDR_DEFAULT).to_owned();
    check_address("/main/addr", &addr, notes);
    let grpc_addr = text_of(&section.grpc_addr).map(str::to_owned);
    if let Some(addr) = &grpc_addr {
        check_address("/main/grpc-addr", addr, notes);
    }
    let https = notes
        .pair(("/main/https-cert-file", &section.https_cert_file), ("/main/https-key-file", &section.https_key_file))
        .map(|(cert_file, key_file)| TlsFiles { cert_file, key_file });
    let (client_ca_file, client_certs) = client_certs(&section, notes);
    let jwt_public_key = jwt_public_key(&section.jwt_public_key, notes);
    let has_key = text_of(&section.jwt_public_key).is_some();
    let auth = auth(section.auth, has_key, client_certs, notes);
    let asks_nobody = !has_key && auth.certificates.is_empty();
    let is_remote = |addr: &str| !is_loopback(addr);
    let is_open = [Some(&*addr), grpc_addr.as_deref(), prometheus_addr].into_iter().flatten().any(is_remote);
    if asks_nobody && client_certs != ClientCerts::Required && is_open {
        notes.warn("/main/jwt-public-key", "not set: everybody who reaches the port may read, write and free");
    }
    if section.debug.gops == Some(true) || text_of(&section.debug.dump_to_file).is_some() {
        notes.warn("/main/debug", "has no effect");
    }
    let body_bytes_max = notes.bytes("/main/body-limit", &section.body_limit, 1.0, BODY_BYTES_DEFAULT);
    if matches!(section.body_limit, Some(Quantity::Number(_))) && body_bytes_max == 0 {
        notes.violation("/main/body-limit", "0", "at least one byte");
    }
    let client_crl_file = path_of(&section.client_crl_file);
    if client_crl_file.is_some() && client_certs == ClientCerts::Off {
        notes.violation("/main/client-crl-file", "a file", "authorities in /main/client-ca-file beside it");
    }
    MainSettings {
        addr,
        grpc_addr,
        https,
        client_ca_file,
        client_certs,
        client_crl_file,
        jwt_public_key,
        auth,
        user: text_of(&section.user).map(str::to_owned),
        group: text_of(&section.group).map(str::to_owned),
        backend: backend(&section.backend_url, &section.backend_token, notes),
        body_bytes_max,
        compression: section.compression.unwrap_or_default(),
        limits: limits(&section.limits, notes),
    }
}

fn limits(section: &ServerLimitsSection, notes: &mut Notes) -> ServerLimits {
    let mut duration = |key: &str, text: &Option<String>, default_secs: u64| {
        let default = Duration::from_secs(default_secs);
        notes.duration(&format!("/main/limits/{key}"), text, default, Duration::from_millis(100))
    };
    ServerLimits {
        connections_max: section.connections.unwrap_or(CONNECTIONS_DEFAULT),
        writes_max: section.writes.filter(|&max| max > 0),
        queries_max: section.queries.filter(|&max| max > 0),
        grpc_streams_max: match section.grpc_streams {
            None | Some(0) => GRPC_STREAMS_DEFAULT,
            Some(streams) => u32::try_from(streams).unwrap_or(u32::MAX),
        },
        header_timeout: duration("header-timeout", &section.header_timeout, 15),
        idle_timeout: duration("idle-timeout", &section.idle_timeout, 150),
        stall_timeout: duration("stall-timeout", &section.stall_timeout, 30),
        turn_timeout: duration("turn-timeout", &section.turn_timeout, 10),
        shutdown_timeout: duration("shutdown-timeout", &section.shutdown_timeout, 10),
    }
}

/// Notes a text that is no address to listen on.
pub(super) fn check_address(pointer: &str, addr: &str, notes: &mut Notes) {
    if !is_address(addr) {
        notes.wrong(pointer, addr, "a host and a port like \"0.0.0.0:8082\", \"[::1]:8082\" or \":8082\"");
    }
}

/// `host:port`, the host maybe empty, an IPv6 address in brackets.
fn is_address(addr: &str) -> bool {
    let Some((host, port)) = addr.rsplit_once(':') else { return false };
    let host_good = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.contains([':', '/', ' ']),
    };
    host_good && !port.starts_with('+') && port.parse::<u16>().is_ok()
}

pub(super) fn is_loopback(addr: &str) -> bool {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

fn client_certs(section: &MainSection, notes: &mut Notes) -> (Option<std::path::PathBuf>, ClientCerts) {
    let ca_file = path_of(&section.client_ca_file);
    let default = if ca_file.is_some() { ClientCerts::Optional } else { ClientCerts::Off };
    let client_certs = section.client_certs.unwrap_or(default);
    if client_certs == ClientCerts::Off {
        return (None, ClientCerts::Off);
    }
    if ca_file.is_none() {
        notes.missing("/main/client-ca-file", "a file with authorities, as /main/client-certs asks for certificates");
    }
    if text_of(&section.https_cert_file).is_none() {
        notes.missing("/main/https-cert-file", "a file, as client certificates need HTTPS");
    }
    (ca_file, client_certs)
}

fn jwt_public_key(text: &Option<String>, notes: &mut Notes) -> Option<[u8; 32]> {
    const POINTER: &str = "/main/jwt-public-key";
    let text = text_of(text)?;
    let Ok(bytes) = STANDARD.decode(text.trim()) else {
        notes.wrong(POINTER, text, "32 bytes in base64");
        return None;
    };
    let Ok(key) = <[u8; 32]>::try_from(bytes.as_slice()) else {
        notes.violation(POINTER, format_args!("{} bytes in base64", bytes.len()), "32 bytes in base64");
        return None;
    };
    if ed25519_dalek::VerifyingKey::from_bytes(&key).is_err() {
        notes.wrong(POINTER, text, "an Ed25519 public key");
        return None;
    }
    Some(key)
}

fn auth(section: AuthSection, has_key: bool, client_certs: ClientCerts, notes: &mut Notes) -> Auth {
    const CERTIFICATES: &str = "/main/auth/certificates";
    let certificates = section.certificates;
    if !certificates.is_empty() && client_certs == ClientCerts::Off {
        notes.violation(CERTIFICATES, "names", "authorities in /main/client-ca-file that vouch for them");
    }
    for name in certificates.keys().filter(|name| name.is_empty()) {
        notes.violation(&format!("{CERTIFICATES}/{name}"), "no name", "a common name, a DNS name or a URI");
    }
    let is_guarded = has_key || !certificates.is_empty();
    let protect_metrics = section.protect_metrics.unwrap_or(false);
    if protect_metrics && !is_guarded {
        let expected = "a key in /main/jwt-public-key or names in /main/auth/certificates beside it";
        notes.violation("/main/auth/protect-metrics", "true", expected);
    }
    let RolesSection { read, write, free, debug } = section.roles;
    for (name, list) in [("read", &read), ("write", &write), ("free", &free), ("debug", &debug)] {
        if list.is_some() && !is_guarded {
            // Roles stand in tokens and beside names: without both, the list would only look as if it protected.
            let pointer = format!("/main/auth/roles/{name}");
            let expected = "a key in /main/jwt-public-key or names in /main/auth/certificates beside them";
            notes.violation(&pointer, "roles", expected);
        }
    }
    Auth { read, write, free, debug, certificates, protect_metrics }
}

fn backend(url: &Option<String>, token: &Option<String>, notes: &mut Notes) -> Option<Backend> {
    let token = text_of(token).map(Secret::new);
    let Some(url) = text_of(url) else {
        if token.is_some() {
            notes.warn("/main/backend-token", "has no effect without /main/backend-url");
        }
        return None;
    };
    let good =
        reqwest::Url::parse(url).is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https") && parsed.has_host());
    if !good {
        notes.wrong("/main/backend-url", url, "a URL like \"https://localhost:8080\"");
    }
    Some(Backend { url: url.trim_end_matches('/').to_owned(), token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for good in ["0.0.0.0:8082", ":8082", "[::1]:0", "localhost:80", "store.example.org:443"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", "8082", "localhost", "localhost:http", "::1:80", "[::1:80", "a b:1", "http://a:80", "a:70000", "a:+1"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_world() {
        for good in ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.9.9.9:1"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [":1", "0.0.0.0:1", "[::]:1", "localhost.example.org:1"] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}
