//! Headers put before payloads, by hand: each function takes what is inside and returns it with its header.

/// Payload of the segment at the heart of every frame here.
pub(super) const HELLO: &[u8] = b"GET /wire HTTP/1.1\r\n\r\n";

pub(super) const ETHERNET: u32 = 1;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn be(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_be_bytes()
}

/// 40000 → 80, seq 1000, ack 2000, PSH and ACK, four bytes of options.
pub(super) fn tcp(payload: &[u8]) -> Vec<u8> {
    let head = [0x9c, 0x40, 0, 80, 0, 0, 3, 0xe8, 0, 0, 7, 0xd0, 0x60, 0x18, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1];
    join(&[&head, payload])
}

pub(super) fn udp(source: u16, target: u16, inside: &[u8]) -> Vec<u8> {
    join(&[&source.to_be_bytes(), &target.to_be_bytes(), &be(inside.len() + 8), &[0, 0], inside])
}

/// 10.0.0.9 → 10.0.0.2
pub(super) fn ipv4(protocol: u8, inside: &[u8]) -> Vec<u8> {
    ipv4_part(protocol, 7, 0x4000, inside)
}

/// With identification, flags and fragment offset.
pub(super) fn ipv4_part(protocol: u8, id: u16, flags_offset: u16, inside: &[u8]) -> Vec<u8> {
    let [a, b] = be(20 + inside.len());
    let ([c, d], [e, f]) = (id.to_be_bytes(), flags_offset.to_be_bytes());
    join(&[&[0x45, 0, a, b, c, d, e, f, 64, protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, 2], inside])
}

/// 2001:db8::9 → 2001:db8::2
pub(super) fn ipv6(next: u8, inside: &[u8]) -> Vec<u8> {
    let [a, b] = be(inside.len());
    let mut head = vec![0x60, 0, 0, 0, a, b, next, 64];
    for last in [9, 2] {
        head.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    join(&[&head, inside])
}

pub(super) fn ipv6_fragment(next: u8, id: u32, offset: u16, more: bool, inside: &[u8]) -> Vec<u8> {
    let head = join(&[&[next, 0], &(offset | u16::from(more)).to_be_bytes(), &id.to_be_bytes()]);
    ipv6(44, &join(&[&head, inside]))
}

/// The heart of most frames: IPv4 with TCP.
pub(super) fn packet() -> Vec<u8> {
    ipv4(6, &tcp(HELLO))
}

pub(super) fn packet_v6() -> Vec<u8> {
    ipv6(6, &tcp(HELLO))
}

pub(super) fn ethernet(kind: u16, inside: &[u8]) -> Vec<u8> {
    join(&[&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &kind.to_be_bytes(), inside])
}

/// Ethernet with the packet.
pub(super) fn frame() -> Vec<u8> {
    ethernet(0x0800, &packet())
}

pub(super) fn tagged(kind: u16, id: u16, next: u16, inside: &[u8]) -> Vec<u8> {
    ethernet(kind, &join(&[&id.to_be_bytes(), &next.to_be_bytes(), inside]))
}

pub(super) fn before(head: &[u8], inside: &[u8]) -> Vec<u8> {
    join(&[head, inside])
}

/// Ethernet, IPv4 and UDP around a tunnel's header and what it carries.
pub(super) fn over_udp(port: u16, head: &[u8], inside: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, &udp(55_555, port, &join(&[head, inside]))))
}

/// Ethernet, IPv4 and GRE with this head around what it carries.
pub(super) fn over_gre(head: &[u8], inside: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(47, &join(&[head, inside])))
}

pub(super) fn vxlan(vni: u8, inside: &[u8]) -> Vec<u8> {
    over_udp(4789, &[8, 0, 0, 0, 0, 0, vni, 0], inside)
}

pub(super) fn snap(kind: u16, inside: &[u8]) -> Vec<u8> {
    join(&[&[0xaa, 0xaa, 3, 0, 0, 0], &kind.to_be_bytes(), inside])
}

/// An IEEE 802.11 data frame to the access point, by frame control and what stands behind the 24 bytes.
pub(super) fn wifi(control: [u8; 2], behind: &[u8], inside: &[u8]) -> Vec<u8> {
    join(&[&control, &[0; 20], &[0x30, 0], behind, &snap(0x0800, inside)])
}

pub(super) fn pppoe(inside: &[u8]) -> Vec<u8> {
    join(&[&[0x11, 0, 0, 1], &be(inside.len() + 2), &[0, 0x21], inside])
}

pub(super) fn gtp(flags: u8, optional: &[u8], payload_len: usize) -> Vec<u8> {
    let [high, low] = be(optional.len() + payload_len);
    before(&[flags, 0xff, high, low, 0, 0, 0, 1], optional)
}
