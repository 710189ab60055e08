//! Ports for servers that choose none themselves.

use std::net::TcpListener;

/// `N` different ports, all free at the moment.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.each_ref()
        .map(|held| held.local_addr().unwrap().port())
}
