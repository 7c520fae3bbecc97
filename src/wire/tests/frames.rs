//! One frame for each encapsulation.

use super::build::{
    ETHERNET, HELLO, be, before, ethernet, frame, gtp, ipv4, ipv6, over_gre, over_udp, packet, pppoe, snap,
    tagged, tcp, udp, vxlan, wifi,
};

/// Every encapsulation by name: link type, frame, network id of the key. Each carries the same segment.
pub(super) fn all() -> Vec<(&'static str, u32, Vec<u8>, Option<u32>)> {
    let links = links().into_iter().chain(rare_links()).chain(wifis());
    let mut all: Vec<_> = links.map(|(name, link, frame)| (name, link, frame, None)).collect();
    let plain = tags().into_iter().chain(over_ip()).chain(mirrors()).chain(datagrams());
    all.extend(plain.map(|(name, frame)| (name, ETHERNET, frame, None)));
    all.extend(tunnels().into_iter().map(|(name, frame, vni)| (name, ETHERNET, frame, vni)));
    all
}

fn links() -> Vec<(&'static str, u32, Vec<u8>)> {
    let p = packet();
    let mut nflog_le = before(&[2, 0, 0, 0, 5, 0, 10, 0, b'x', 0, 0, 0, 0xff, 0xff, 9, 0], &p);
    nflog_le[12..14].copy_from_slice(&u16::try_from(p.len() + 4).unwrap().to_le_bytes());
    let mut nflog_be = before(&[2, 0, 0, 0, 0, 8, 0, 1, 8, 0, 0, 0, 0xff, 0xff, 0, 9], &p);
    nflog_be[12..14].copy_from_slice(&be(p.len() + 4));
    vec![
        ("ethernet", 1, frame()),
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
    ]
}

fn rare_links() -> Vec<(&'static str, u32, Vec<u8>)> {
    let (p, f) = (packet(), frame());
    vec![
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
        ("arcnet rfc 1051", 129, before(&[1, 2, 0, 0, 0xf0], &p)),
        ("arcnet rfc 1201", 129, before(&[1, 2, 0, 0, 0xd4, 0, 0, 1], &p)),
        ("firewire", 138, before(&[0; 16], &before(&[8, 0], &p))),
        ("netanalyzer", 240, before(&[0; 4], &f)),
        ("netanalyzer transparent", 241, before(&[0; 12], &f)),
        ("infiniband", 242, before(&[0; 40], &before(&[8, 0, 0, 0], &p))),
        ("broadcom tag", 281, before(&[0; 16], &before(&[8, 0], &p))),
        ("broadcom prepended", 282, before(&[0; 4], &f)),
        ("marvell tag", 283, before(&[0; 16], &before(&[8, 0], &p))),
        ("marvell ethernet tag", 284, before(&[0; 20], &before(&[8, 0], &p))),
    ]
}

fn wifis() -> Vec<(&'static str, u32, Vec<u8>)> {
    let p = packet();
    let plain = wifi([0x08, 1], &[], &p);
    let quality_padded = wifi([0x88, 1], &[0, 0, 0, 0], &p);
    vec![
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
    ]
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

fn over_ip() -> Vec<(&'static str, Vec<u8>)> {
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
    ]
}

fn mirrors() -> Vec<(&'static str, Vec<u8>)> {
    let p = packet();
    vec![
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
        ("gre aruba", over_gre(&[0, 0, 0x82, 0x10], &wifi([0x88, 1], &[0, 0], &p))),
        ("tzsp", over_udp(37008, &[1, 0, 0, 1, 0, 10, 2, 9, 9, 1], &frame())),
    ]
}

fn datagrams() -> Vec<(&'static str, Vec<u8>)> {
    let p = packet();
    vec![
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
        ("gre over udp", over_udp(4754, &[0x20, 0, 8, 0, 0, 0, 0, 1], &p)),
        ("mpls over udp", over_udp(6635, &[0, 1, 1, 64], &p)),
    ]
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
