//! Who may connect: networks and application entity titles.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::address::AeTitle;

/// One address, or all that begin with the same bits: `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerNetwork {
    first: IpAddr,
    bits: u32,
}

/// The text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address such as 10.0.0.7, or a network such as 10.0.0.0/8")]
pub struct NotANetwork;

impl PeerNetwork {
    /// Whether an address is in this network. An IPv4 address that came through an IPv6 socket is one of IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, bits) = number(self.first);
        let (other, others_bits) = number(address);
        let shift = bits - self.bits;
        // A shift by all bits is no shift in Rust.
        bits == others_bits && (shift == bits || (first ^ other) >> shift == 0)
    }
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), u32::BITS),
        IpAddr::V6(address) => (u128::from(address), u128::BITS),
    }
}

impl FromStr for PeerNetwork {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| NotANetwork)?;
        let (_, all) = number(first);
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| NotANetwork)?,
            None => all,
        };
        if bits > all {
            return Err(NotANetwork);
        }
        Ok(PeerNetwork { first, bits })
    }
}

impl fmt::Display for PeerNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if number(self.first).1 == self.bits {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}/{}", self.first, self.bits)
        }
    }
}

/// Who may send. Without networks, only this machine may; without titles, all titles may.
#[derive(Debug, Clone, Default)]
pub struct AllowedPeers {
    pub networks: Vec<PeerNetwork>,
    pub titles: Vec<AeTitle>,
}

impl AllowedPeers {
    /// Whether a connection from this address may ask for anything.
    pub fn allow_address(&self, address: IpAddr) -> bool {
        if self.networks.is_empty() {
            return is_this_machine(address);
        }
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }

    /// Whether an application entity may send under this title.
    pub fn allow_title(&self, calling: &str) -> bool {
        self.titles.is_empty() || self.titles.iter().any(|title| title.as_str() == calling)
    }
}

/// Whether this is the loopback interface.
fn is_this_machine(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback(),
        IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.6"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("10.0.0.7", "::ffff:10.0.0.7", "::a00:7"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("0.0.0.0/0", "255.1.1.1", "::1"),
            ("::/0", "fe80::1", "1.2.3.4"),
            ("192.168.1.128/25", "192.168.1.200", "192.168.1.127"),
        ] {
            let read: PeerNetwork = network.parse().unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(
                !read.contains(outside.parse().unwrap()),
                "{network} {outside}"
            );
            assert_eq!(read.to_string(), network);
        }
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "pacs",
            "10.0.0.0/-1",
        ] {
            assert_eq!(text.parse::<PeerNetwork>(), Err(NotANetwork), "{text}");
        }
    }

    #[test]
    fn without_a_rule_only_this_machine_may_send() {
        let nobody_named = AllowedPeers::default();
        assert!(nobody_named.allow_address("127.0.0.1".parse().unwrap()));
        assert!(nobody_named.allow_address("::1".parse().unwrap()));
        assert!(nobody_named.allow_address("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!nobody_named.allow_address("10.0.0.7".parse().unwrap()));
        let ward = AllowedPeers {
            networks: vec!["10.0.0.7".parse().unwrap()],
            titles: vec!["XRAY1".parse().unwrap()],
        };
        assert!(!ward.allow_address("127.0.0.1".parse().unwrap()));
        assert!(ward.allow_address("10.0.0.7".parse().unwrap()));
        assert!(ward.allow_title("XRAY1") && !ward.allow_title("xray1"));
    }
}
