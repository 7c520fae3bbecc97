//! Headers put before payloads, by hand: each function takes what is inside and returns it with its header.

/// Payload of the segment at the heart of every frame here.
pub(super) const HELLO: &[u8] = b"GET /wire HTTP/1.1\r\n\r\n";

pub(super) const ETHERNET: u32 = 1;

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn be(value: usize) -> [u8; 2] {
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

/// Every encapsulation by name: link type, frame, network id of the key. Each carries the same segment.
pub(super) fn all() -> Vec<(&'static str, u32, Vec<u8>, Option<u32>)> {
    let mut all = links();
    all.extend(wifis());
    let plain = tags().into_iter().chain(layers());
    all.extend(plain.map(|(name, frame)| (name, ETHERNET, frame, None)));
    all.extend(tunnels().into_iter().map(|(name, frame, vni)| (name, ETHERNET, frame, vni)));
    all
}

fn links() -> Vec<(&'static str, u32, Vec<u8>, Option<u32>)> {
    let (p, f) = (packet(), frame());
    let nflog_le = before(&[2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 0xff, 0xff, 9, 0], &p);
    let mut nflog_le = nflog_le;
    nflog_le[12..14].copy_from_slice(&u16::try_from(p.len() + 4).unwrap().to_le_bytes());
    let mut nflog_be = before(&[2, 0, 0, 0, 0, 8, 0, 1, 8, 0, 0, 0, 0xff, 0xff, 0, 9], &p);
    nflog_be[12..14].copy_from_slice(&be(p.len() + 4));
    let to_arcnet = |head: &[u8]| before(head, &p);
    let all = [
        ("ethernet", 1, f.clone()),
        ("null le", 0, before(&[2, 0, 0, 0], &p)),
        ("null be", 0, before(&[0, 0, 0, 2], &p)),
        ("null as ethernet type", 0, before(&[0, 8, 0, 0], &p)),
        ("loop", 108, before(&[0, 0, 0, 2], &p)),
        ("loop le", 108, before(&[2, 0, 0, 0], &p)),
        ("raw", 101, p.clone()),
        ("raw 12", 12, p.clone()),
        ("raw 14", 14, p.clone()),
        ("ipv4", 228, p.clone()),
        ("sll", 113, before(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0], &p)),
        ("sll llc", 113, before(&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0, 4], &snap(0x800, &p))),
        ("sll2", 276, before(&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], &p)),
        ("ppp", 9, before(&[0xff, 3, 0, 0x21], &p)),
        ("ppp without address", 9, before(&[0, 0x21], &p)),
        ("ppp short protocol", 9, before(&[0x21], &p)),
        ("ppp serial", 50, before(&[0xff, 3, 0, 0x21], &p)),
        ("cisco hdlc", 104, before(&[0x0f, 0, 8, 0], &p)),
        ("ppp with direction", 204, before(&[1, 0xff, 3, 0, 0x21], &p)),
        ("pppoe link", 51, pppoe(&p)),
        ("nflog le", 239, nflog_le),
        ("nflog be", 239, nflog_be),
        ("token ring", 6, before(&[0x10, 0x40, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2], &snap(0x800, &p))),
        (
            "token ring routed",
            6,
            before(&[0x10, 0x40, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 2, 4, 0, 0, 0], &snap(0x800, &p)),
        ),
        ("fddi", 10, before(&[0x50, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2], &snap(0x800, &p))),
        ("atm", 100, snap(0x800, &p)),
        ("frame relay", 107, before(&[0x18, 0x41, 3, 0xcc], &p)),
        ("frame relay snap", 107, before(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], &p)),
        ("frame relay cisco", 107, before(&[0x18, 0x41, 8, 0], &p)),
        ("enc", 109, before(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &p)),
        ("pflog", 117, before(&before(&[61, 2], &[0; 62]), &p)),
        ("fibre channel", 122, before(&[0; 16], &snap(0x800, &p))),
        ("sun atm", 123, before(&[2, 0, 0, 0], &snap(0x800, &p))),
        ("arcnet rfc 1051", 129, to_arcnet(&[1, 2, 0, 0, 0xf0])),
        ("arcnet rfc 1201", 129, to_arcnet(&[1, 2, 0, 0, 0xd4, 0, 0, 1])),
        ("firewire", 138, before(&[0; 16], &before(&[8, 0], &p))),
        ("netanalyzer", 240, before(&[0; 4], &f)),
        ("netanalyzer transparent", 241, before(&[0; 12], &f)),
        ("infiniband", 242, before(&[0; 40], &before(&[8, 0, 0, 0], &p))),
        ("broadcom tag", 281, before(&[0; 16], &before(&[8, 0], &p))),
        ("broadcom prepended", 282, before(&[0; 4], &f)),
        ("marvell tag", 283, before(&[0; 16], &before(&[8, 0], &p))),
        ("marvell ethernet tag", 284, before(&[0; 20], &before(&[8, 0], &p))),
    ];
    all.into_iter().map(|(name, link, frame)| (name, link, frame, None)).collect()
}

fn pppoe(inside: &[u8]) -> Vec<u8> {
    join(&[&[0x11, 0, 0, 1], &be(inside.len() + 2), &[0, 0x21], inside])
}

fn wifis() -> Vec<(&'static str, u32, Vec<u8>, Option<u32>)> {
    let p = packet();
    let plain = wifi([0x08, 1], &[], &p);
    let quality_padded = wifi([0x88, 1], &[0, 0, 0, 0], &p);
    let all = [
        ("802.11", 105, plain.clone()),
        ("802.11 qos", 105, wifi([0x88, 1], &[0, 0], &p)),
        ("802.11 qos ht", 105, wifi([0x88, 0x81], &[0, 0, 0, 0, 0, 0], &p)),
        ("802.11 four addresses", 105, wifi([0x08, 3], &[0; 6], &p)),
        ("radiotap", 127, before(&[0, 0, 8, 0, 0, 0, 0, 0], &plain)),
        ("radiotap padded", 127, before(&[0, 0, 9, 0, 2, 0, 0, 0, 0x20], &quality_padded)),
        (
            "radiotap chained, padded",
            127,
            before(
                &[0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x20],
                &quality_padded,
            ),
        ),
        ("prism", 119, before(&[0; 144], &plain)),
        ("avs in prism", 119, before(&[0x80, 0x21, 0x10, 1, 0, 0, 0, 12, 0, 0, 0, 0], &plain)),
        ("avs", 163, before(&[0x80, 0x21, 0x10, 1, 0, 0, 0, 12, 0, 0, 0, 0], &plain)),
        ("ppi", 192, before(&[0, 0, 12, 0, 105, 0, 0, 0, 9, 9, 9, 9], &plain)),
        ("ppi ethernet", 192, before(&[0, 0, 8, 0, 1, 0, 0, 0], &frame())),
    ];
    all.into_iter().map(|(name, link, frame)| (name, link, frame, None)).collect()
}

fn tags() -> Vec<(&'static str, Vec<u8>)> {
    let p = packet();
    let pseudo_wire = before(&[0, 1, 1, 64], &before(&[0, 0, 0, 0], &frame()));
    vec![
        ("vlan", tagged(0x8100, 5, 0x0800, &p)),
        ("qinq", tagged(0x88a8, 5, 0x8100, &before(&[0, 6, 8, 0], &p))),
        ("old qinq", tagged(0x9100, 5, 0x9200, &before(&[0, 6, 8, 0], &p))),
        ("vlan llc", tagged(0x8100, 5, u16::try_from(p.len() + 8).unwrap(), &snap(0x800, &p))),
        ("vn-tag", ethernet(0x8926, &before(&[0, 0, 0, 0, 8, 0], &p))),
        ("e-tag", ethernet(0x893f, &before(&[0, 0, 0, 0, 0, 0, 8, 0], &p))),
        ("backbone", ethernet(0x88e7, &before(&[0, 0, 0, 1], &frame()))),
        ("mpls", ethernet(0x8847, &before(&[0, 1, 0, 64, 0, 1, 1, 64], &p))),
        ("mpls multicast", ethernet(0x8848, &before(&[0, 1, 1, 64], &p))),
        ("mpls pseudo-wire", ethernet(0x8847, &pseudo_wire)),
        ("mpls pseudo-wire without control word", ethernet(0x8847, &before(&[0, 1, 1, 64], &frame()))),
        ("mpls pseudo-wire to 4x", {
            let mut inner = frame();
            inner[0] = 0x44;
            ethernet(0x8847, &before(&[0, 1, 1, 64], &inner))
        }),
        ("pppoe", ethernet(0x8864, &pppoe(&p))),
        ("vlan, pppoe", tagged(0x8100, 5, 0x8864, &pppoe(&p))),
        ("802.3 snap", ethernet(u16::try_from(p.len() + 8).unwrap(), &snap(0x0800, &p))),
        ("802.3 ip sap", ethernet(u16::try_from(p.len() + 3).unwrap(), &before(&[6, 6, 3], &p))),
        ("nsh", ethernet(0x894f, &before(&[0, 6, 1, 1, 0, 0, 0, 0], &before(&[0; 16], &p)))),
    ]
}

fn layers() -> Vec<(&'static str, Vec<u8>)> {
    let (p, t) = (packet(), tcp(HELLO));
    let auth = |next| vec![next, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    vec![
        ("ah", ethernet(0x0800, &ipv4(51, &before(&auth(6), &t)))),
        ("ip in ip", ethernet(0x0800, &ipv4(4, &p))),
        ("ipv4 in ipv6", ethernet(0x86dd, &ipv6(4, &p))),
        ("ipv4 in ipv6 in ipv4", ethernet(0x0800, &ipv4(41, &ipv6(4, &p)))),
        ("ether in ip", ethernet(0x0800, &ipv4(97, &before(&[0x30, 0], &frame())))),
        ("mpls in ip", ethernet(0x0800, &ipv4(137, &before(&[0, 1, 1, 64], &p)))),
        ("gre", over_gre(&[0, 0, 8, 0], &p)),
        ("gre all options", over_gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], &p)),
        ("gre ethernet", over_gre(&[0, 0, 0x65, 0x58], &frame())),
        ("gre mpls", over_gre(&[0, 0, 0x88, 0x47, 0, 1, 1, 64], &p)),
        ("gre wccp", over_gre(&[0, 0, 0x88, 0x3e], &p)),
        ("gre wccp 2", over_gre(&[0, 0, 0x88, 0x3e, 0, 0, 0, 0], &p)),
        ("gre over ipv6", ethernet(0x86dd, &ipv6(47, &before(&[0, 0, 8, 0], &p)))),
        ("pptp", {
            let [high, low] = be(p.len() + 4);
            over_gre(&[0x30, 0x81, 0x88, 0x0b, high, low, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 3, 0, 0x21], &p)
        }),
        ("erspan 1", over_gre(&[0, 0, 0x88, 0xbe], &frame())),
        ("erspan 2", over_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 7, 0, 0, 0, 0], &frame())),
        (
            "erspan 3",
            over_gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0], &frame()),
        ),
        (
            "erspan 3 platform, ip",
            over_gre(
                &[
                    0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 5, 0, 7, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0, 0, 0, 0,
                    0, 0,
                ],
                &p,
            ),
        ),
        ("gtp-u", over_udp(2152, &gtp(0x30, &[], p.len()), &p)),
        ("gtp-u sequence", over_udp(2152, &gtp(0x32, &[0, 1, 0, 0], p.len()), &p)),
        (
            "gtp-u extensions",
            over_udp(2152, &gtp(0x34, &[0, 0, 0, 0x85, 1, 0, 9, 0x40, 1, 0, 0, 0], p.len()), &p),
        ),
        ("gtp-u ethernet", over_udp(2152, &gtp(0x30, &[], frame().len()), &frame())),
        ("teredo", over_udp(3544, &[], &ipv6(4, &p))),
        (
            "teredo authenticated",
            over_udp(3544, &[0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 1, 1, 1, 1, 1, 1], &ipv6(4, &p)),
        ),
        ("l2tp", over_udp(1701, &[0, 2, 0, 1, 0, 1, 0xff, 3, 0, 0x21], &p)),
        ("l2tp all options", {
            let [high, low] = be(p.len() + 18);
            let head = [0x4a, 2, high, low, 0, 1, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0x21];
            over_udp(1701, &head, &p)
        }),
        ("ayiya", over_udp(5072, &before(&[0x41, 0x52, 0x11, 4, 0, 0, 0, 0], &[0; 36]), &p)),
        ("tzsp", over_udp(37008, &[1, 0, 0, 1, 0, 10, 2, 9, 9, 1], &frame())),
        ("mpls over udp", over_udp(6635, &[0, 1, 1, 64], &p)),
    ]
}

fn gtp(flags: u8, optional: &[u8], payload_len: usize) -> Vec<u8> {
    let [high, low] = be(optional.len() + payload_len);
    before(&[flags, 0xff, high, low, 0, 0, 0, 1], optional)
}

fn tunnels() -> Vec<(&'static str, Vec<u8>, Option<u32>)> {
    let (p, f) = (packet(), frame());
    let gpe = |next, inside: &[u8]| over_udp(4790, &[0x0c, 0, 0, next, 0, 0, 5, 0], inside);
    vec![
        ("vxlan", vxlan(5, &f), Some(5)),
        ("vxlan linux", over_udp(8472, &[8, 0, 0, 0, 1, 2, 3, 0], &f), Some(0x01_0203)),
        ("vxlan group policy", over_udp(4789, &[0x88, 0, 0, 9, 0, 0, 5, 0], &f), Some(5)),
        ("vxlan in vxlan", vxlan(6, &vxlan(5, &f)), Some(5)),
        ("gre in vxlan", vxlan(6, &over_gre(&[0x20, 0, 8, 0, 0, 0, 0, 1], &p)), Some(6)),
        ("vxlan over erspan", over_gre(&[0, 0, 0x88, 0xbe], &vxlan(5, &f)), Some(5)),
        (
            "vxlan over ipv6",
            ethernet(0x86dd, &ipv6(17, &udp(1, 4789, &before(&[8, 0, 0, 0, 0, 0, 5, 0], &f)))),
            Some(5),
        ),
        ("vxlan gpe ip", gpe(1, &p), Some(5)),
        ("vxlan gpe ethernet", gpe(3, &f), Some(5)),
        ("vxlan gpe nsh", gpe(4, &before(&[0, 2, 2, 3, 0, 0, 0, 0], &f)), Some(5)),
        ("vxlan gpe without next", over_udp(4790, &[8, 0, 0, 0, 0, 0, 5, 0], &f), Some(5)),
        ("geneve", over_udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 5, 0], &f), Some(5)),
        ("geneve options, ip", over_udp(6081, &[1, 0, 8, 0, 0, 0, 5, 0, 0, 0, 0, 0], &p), Some(5)),
        ("nvgre", over_gre(&[0x20, 0, 0x65, 0x58, 0, 0, 5, 0x77], &f), Some(5)),
    ]
}
