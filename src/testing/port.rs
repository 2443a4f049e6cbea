//! Ports that nobody else is going to take.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the system serves outgoing connections, so that none of those can take a port between
/// the moment it is chosen and the moment the store binds it.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

/// A port on which nothing listens; every call of this process gets another one.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Two test processes at the same time begin at different places.
    let start = std::process::id().wrapping_mul(61) % COUNT;
    for _ in 0..COUNT {
        let port = (FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
