//! Binding the port, the way Go does it: `:8082` and `0.0.0.0:8082` mean every address of the machine, IPv6 too.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that may wait to be accepted; the kernel lowers it to its own limit. Thousands of nodes send at the
/// same second.
const BACKLOG: u32 = 4096;

/// An address of this process, to which nobody can connect yet.
#[derive(Debug)]
pub struct Bound(TcpSocket);

impl Bound {
    /// Lets peers connect from now on. Must run inside a runtime.
    ///
    /// # Errors
    ///
    /// Another process has begun to listen there meanwhile.
    pub fn listen(self) -> io::Result<TcpListener> {
        self.0.listen(BACKLOG)
    }
}

/// Binds an address as the config gives it, `host:port` with the host maybe empty. Must run inside a runtime.
///
/// # Errors
///
/// The host has no address, or the last of its addresses could not be bound.
pub async fn bind(addr: &str) -> io::Result<Bound> {
    let full = if addr.starts_with(':') { format!("0.0.0.0{addr}") } else { addr.to_owned() };
    let mut candidates: Vec<SocketAddr> = lookup_host(&full).await?.collect();
    // IPv4 first: `localhost` must mean what scripts with 127.0.0.1 expect.
    candidates.sort_by_key(SocketAddr::is_ipv6);
    if let Some(first) = candidates.first().copied()
        && first.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    {
        // A socket for all of IPv6 takes IPv4 as well; where there is no IPv6, the next candidate is plain IPv4.
        candidates.insert(0, SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), first.port()));
    }
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    for candidate in candidates {
        match bind_one(candidate) {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_one(addr: SocketAddr) -> io::Result<Bound> {
    let socket = if addr.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A restart must not wait for the old connections to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(Bound(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_means_ipv4_too() {
        for addr in [":0", "0.0.0.0:0"] {
            let listener = bind(addr).await.unwrap().listen().unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn localhost_means_ipv4() {
        let listener = bind("localhost:0").await.unwrap().listen().unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error() {
        let first = bind("127.0.0.1:0").await.unwrap().listen().unwrap();
        let addr = first.local_addr().unwrap().to_string();
        assert_eq!(bind(&addr).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
