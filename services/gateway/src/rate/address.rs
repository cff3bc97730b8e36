//! Whose address a connection is: its own, or what a trusted proxy says.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use axum::http::HeaderMap;
use parking_lot::Mutex;

/// What limits count by: an IPv4 address, or the /64 that one IPv6 customer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(u128);

/// Addresses looked at from the right of `X-Forwarded-For`: more proxies than this stand in no row.
const HOPS: usize = 16;

impl Address {
    /// Of a peer, or of who a trusted peer says it speaks for: the first from the right that is no trusted proxy.
    pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> Self {
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.holds(address));
        let mut address = peer;
        let values = headers.get_all("x-forwarded-for").into_iter().collect::<Vec<_>>();
        let named = values.iter().rev().flat_map(|value| value.to_str().unwrap_or("").rsplit(','));
        let mut hops = named.take(HOPS);
        while is_trusted(address)
            && let Some(hop) = hops.next()
            && let Some(next) = parse(hop.trim())
        {
            address = next;
        }
        Self::from(address)
    }
}

/// An address as proxies write it, perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let without_port = || text.split_once(':').and_then(|(host, _)| host.parse().ok());
    bare.unwrap_or(text).parse().ok().or_else(without_port)
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() >> 64 << 64),
        }
    }
}

/// A network: an address and how many of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    fn holds(&self, address: IpAddr) -> bool {
        let (Some(ours), Some(theirs)) = (mapped(self.network, self.bits), mapped(address, 0)) else { return false };
        let shift = 128 - u32::from(ours.1);
        self.network.is_ipv4() == address.to_canonical().is_ipv4()
            && (shift == 128 || ours.0 >> shift == theirs.0 >> shift)
    }
}

/// As one of 128 bits, and how many count.
fn mapped(address: IpAddr, bits: u8) -> Option<(u128, u8)> {
    match address.to_canonical() {
        IpAddr::V4(address) => Some((address.to_ipv6_mapped().to_bits(), bits.checked_add(96)?)),
        IpAddr::V6(address) => Some((Ipv6Addr::to_bits(address), bits)),
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || "a network is an address and a number of bits: 10.0.0.0/8, fd00::/8".to_owned();
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let network: IpAddr = address.parse().map_err(|_| wanted())?;
        let all = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(all), |bits| bits.parse().ok()).filter(|bits| *bits <= all).ok_or_else(wanted)?;
        Ok(Self { network, bits })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// How many sockets each address has here.
#[derive(Debug, Clone, Default)]
pub struct Occupied {
    by_address: Arc<Mutex<HashMap<Address, usize>>>,
}

/// One socket's part of it; given back when dropped.
#[derive(Debug)]
pub struct Occupancy {
    of: Occupied,
    address: Address,
}

impl Occupied {
    /// One more socket of an address, unless it has `most`. Bounded by the connections there can be.
    pub fn enter(&self, address: Address, most: usize) -> Option<Occupancy> {
        let mut by_address = self.by_address.lock();
        let sockets = by_address.entry(address).or_default();
        if *sockets >= most {
            return None;
        }
        *sockets += 1;
        Some(Occupancy { of: self.clone(), address })
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        let mut by_address = self.of.by_address.lock();
        if let Some(sockets) = by_address.get_mut(&self.address) {
            *sockets = sockets.saturating_sub(1);
            if *sockets == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn of(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> Address {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        let trusted: Vec<Cidr> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Address::of(ip(peer), &headers, &trusted)
    }

    #[test]
    fn what_strangers_claim_is_not_believed() {
        assert_eq!(of("203.0.113.9", &["198.51.100.1"], &[]), ip("203.0.113.9").into());
        assert_eq!(of("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"]), ip("203.0.113.9").into());
        let proxies = ["10.0.0.0/8", "fd00::/8"];
        assert_eq!(of("10.1.2.3", &["198.51.100.1"], &proxies), ip("198.51.100.1").into());
        let chain = ["1.1.1.1, 198.51.100.1, 10.9.9.9"];
        assert_eq!(of("10.1.2.3", &chain, &proxies), ip("198.51.100.1").into(), "from the right");
        assert_eq!(of("10.1.2.3", &["1.1.1.1, 198.51.100.1", "fd00::7"], &proxies), ip("198.51.100.1").into());
        assert_eq!(of("10.1.2.3", &["198.51.100.1:4711"], &proxies), ip("198.51.100.1").into());
        assert_eq!(of("10.1.2.3", &["[2001:db8::1]:80"], &proxies), ip("2001:db8::").into());
        assert_eq!(of("10.1.2.3", &["198.51.100.1, unknown"], &proxies), ip("10.1.2.3").into(), "nothing is guessed");
        assert_eq!(of("10.1.2.3", &[], &proxies), ip("10.1.2.3").into());
        assert_eq!(of("::ffff:10.1.2.3", &["198.51.100.1"], &proxies), ip("198.51.100.1").into());
    }

    #[test]
    fn one_ipv6_customer_is_one_address() {
        let address = |text| Address::from(ip(text));
        assert_eq!(address("2001:db8:1:2:3::4"), address("2001:db8:1:2::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_ne!(address("198.51.100.1"), address("198.51.100.2"));
        assert_eq!(address("::ffff:198.51.100.1"), address("198.51.100.1"));
    }

    #[test]
    fn networks_are_read_and_hold_what_they_say() {
        let holds = |network: &str, address| network.parse::<Cidr>().unwrap().holds(ip(address));
        assert!(holds("10.0.0.0/8", "10.255.1.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && !holds("::/0", "8.8.8.8"));
        assert!(holds("127.0.0.1", "127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        for text in ["", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "10.0.0.0/x", "/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_has_only_so_many_sockets_at_once() {
        let (occupied, address) = (Occupied::default(), Address::from(ip("198.51.100.1")));
        let first = occupied.enter(address, 2);
        let second = occupied.enter(address, 2);
        assert!(first.is_some() && second.is_some() && occupied.enter(address, 2).is_none());
        assert!(occupied.enter(ip("198.51.100.2").into(), 2).is_some());
        drop(first);
        assert!(occupied.enter(address, 2).is_some());
        drop(second);
        assert!(occupied.by_address.lock().is_empty());
    }
}
