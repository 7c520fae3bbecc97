//! Which connection a segment belongs to: two sockets and the tunnel's network, in an order that both directions
//! share.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// One end of a flow. IPv4 addresses are kept as `::ffff:a.b.c.d`; the key says which family was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    address: [u8; 16],
    port: u16,
}

/// The direction of a segment within its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the lower endpoint to the higher one.
    Up,
    /// From the higher endpoint to the lower one.
    Down,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    /// 0 or 1, for arrays of both directions.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Up => 0,
            Self::Down => 1,
        }
    }
}

/// A flow's two sockets, the lower first, plus the tunnel's network id (VNI) where there is one. Not the VLAN: a
/// mirror often shows one packet twice under two VLANs, and those fold into one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    low: Endpoint,
    high: Endpoint,
    vni: u32,
    v6: bool,
}

/// Network ids have 24 bits (VXLAN, GENEVE) or 32 (GRE key, TEID); this one stands for "no tunnel with an id".
const NO_VNI: u32 = u32::MAX;

impl FlowKey {
    /// The key of a packet from `source` to `target`, and the packet's direction in it.
    #[must_use]
    pub fn new(source: SocketAddr, target: SocketAddr, vni: Option<u32>) -> (Self, Direction) {
        let v6 = source.is_ipv6();
        Self::from_parts(octets(source.ip()), source.port(), octets(target.ip()), target.port(), v6, vni)
    }

    /// As [`FlowKey::new`], from an IPv4 header's bytes.
    #[must_use]
    #[inline]
    pub fn v4(
        source: [u8; 4],
        port: u16,
        target: [u8; 4],
        to_port: u16,
        vni: Option<u32>,
    ) -> (Self, Direction) {
        Self::from_parts(mapped(source), port, mapped(target), to_port, false, vni)
    }

    /// As [`FlowKey::new`], from an IPv6 header's bytes.
    #[must_use]
    #[inline]
    pub fn v6(
        source: [u8; 16],
        port: u16,
        target: [u8; 16],
        to_port: u16,
        vni: Option<u32>,
    ) -> (Self, Direction) {
        Self::from_parts(source, port, target, to_port, true, vni)
    }

    #[inline]
    fn from_parts(
        source: [u8; 16],
        port: u16,
        target: [u8; 16],
        to_port: u16,
        v6: bool,
        vni: Option<u32>,
    ) -> (Self, Direction) {
        let (from, to) = (Endpoint { address: source, port }, Endpoint { address: target, port: to_port });
        let vni = vni.unwrap_or(NO_VNI);
        let up = (u128::from_be_bytes(source), port) <= (u128::from_be_bytes(target), to_port);
        if up {
            (Self { low: from, high: to, vni, v6 }, Direction::Up)
        } else {
            (Self { low: to, high: from, vni, v6 }, Direction::Down)
        }
    }

    /// The socket that sends in this direction.
    #[must_use]
    pub fn sender(&self, direction: Direction) -> SocketAddr {
        let end = match direction {
            Direction::Up => &self.low,
            Direction::Down => &self.high,
        };
        let address = Ipv6Addr::from(end.address);
        let address = match address.to_ipv4_mapped() {
            Some(v4) if !self.v6 => IpAddr::V4(v4),
            _ => IpAddr::V6(address),
        };
        SocketAddr::new(address, end.port)
    }

    /// The direction of the client, if nothing else is known than the ports: clients take high ones.
    #[must_use]
    pub fn client_by_ports(&self) -> Direction {
        let (up, down) = (self.sender(Direction::Up), self.sender(Direction::Down));
        if up.port() >= down.port() { Direction::Up } else { Direction::Down }
    }

    /// The network id of the tunnel around the flow.
    #[must_use]
    pub fn vni(&self) -> Option<u32> {
        (self.vni != NO_VNI).then_some(self.vni)
    }

    /// The key as bytes, the same on every machine: what ids are made from.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 41] {
        let mut bytes = [0; 41];
        bytes[..16].copy_from_slice(&self.low.address);
        bytes[16..18].copy_from_slice(&self.low.port.to_be_bytes());
        bytes[18..34].copy_from_slice(&self.high.address);
        bytes[34..36].copy_from_slice(&self.high.port.to_be_bytes());
        bytes[36..40].copy_from_slice(&self.vni.to_be_bytes());
        bytes[40] = u8::from(self.v6);
        bytes
    }

    /// A hash for the flow table and the dispatch to workers: equal for both directions. The seed is secret, so
    /// that nobody can aim many flows at one bucket.
    #[must_use]
    #[inline]
    pub fn hash(&self, seed: u64) -> u64 {
        let (a, b) = (u128::from_ne_bytes(self.low.address), u128::from_ne_bytes(self.high.address));
        let ports = u64::from(self.low.port) << 16 | u64::from(self.high.port) | u64::from(self.vni) << 32;
        let first = fold(a as u64 ^ seed, (a >> 64) as u64 ^ 0x9E37_79B9_7F4A_7C15);
        let second = fold(b as u64 ^ first, (b >> 64) as u64 ^ 0xD6E8_FEB8_6659_FD93);
        fold(second ^ ports, 0xA076_1D64_78BD_642F ^ seed.rotate_left(32))
    }
}

/// Both halves of the 128-bit product, folded: each input bit reaches each output bit.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[inline]
fn mapped(address: [u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = address;
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_key_and_hash() {
        let (client, server) = ("10.0.0.9:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let (there, up) = FlowKey::new(client, server, Some(7));
        let (back, down) = FlowKey::new(server, client, Some(7));
        assert_eq!((there, up), (back, down.reverse()));
        assert_eq!(there.hash(1), back.hash(1));
        assert_eq!((there.sender(up), there.sender(down)), (client, server));
        assert_eq!(there.vni(), Some(7));
    }

    #[test]
    fn network_and_family_tell_flows_apart() {
        let (client, server): (SocketAddr, SocketAddr) =
            ("10.0.0.9:1".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
        let plain = FlowKey::new(client, server, None).0;
        assert_ne!(plain, FlowKey::new(client, server, Some(0)).0);
        let six = |v4: SocketAddr| match v4.ip() {
            IpAddr::V4(v4_address) => SocketAddr::new(v4_address.to_ipv6_mapped().into(), v4.port()),
            IpAddr::V6(_) => v4,
        };
        let mapped = FlowKey::new(six(client), six(server), None).0;
        assert_ne!(plain, mapped);
        assert!(mapped.sender(Direction::Up).is_ipv6());
        assert!(plain.sender(Direction::Up).is_ipv4());
    }

    #[test]
    fn an_address_talking_to_itself_has_two_directions() {
        let (a, b) = ("127.0.0.1:80".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        assert_ne!(FlowKey::new(a, b, None).1, FlowKey::new(b, a, None).1);
    }
}
