//! What is no segment has a name: one frame for each kind of other traffic and each reason.

use super::build::{
    ETHERNET, before, ethernet, frame, ipv4, ipv4_part, ipv6, over_gre, over_udp, packet, tcp, udp, wifi,
};
use super::read;

fn others() -> Vec<(&'static str, u32, Vec<u8>)> {
    let v4 = |protocol| ethernet(0x0800, &ipv4(protocol, &[0; 20]));
    vec![
        ("other_arp", ETHERNET, ethernet(0x0806, &[0; 28])),
        ("other_icmp", ETHERNET, v4(1)),
        ("other_icmpv6", ETHERNET, ethernet(0x86dd, &ipv6(58, &[0; 8]))),
        ("other_igmp", ETHERNET, v4(2)),
        ("other_sctp", ETHERNET, v4(132)),
        ("other_esp", ETHERNET, v4(50)),
        ("other_udp", ETHERNET, over_udp(53, &[], &[])),
        // IPv6's numbers mean nothing in IPv4.
        ("other_ip_protocol", ETHERNET, v4(44)),
        ("other_ip_protocol", ETHERNET, v4(89)),
        ("other_ipv6_next_header", ETHERNET, ethernet(0x86dd, &ipv6(59, &[]))),
        ("other_non_ip", ETHERNET, ethernet(0x88cc, &[0; 20])),
        ("other_non_ip", 0, before(&[7, 0, 0, 0], &packet())),
        ("other_llc", ETHERNET, ethernet(38, &before(&[0x42, 0x42, 3], &[0; 35]))),
        ("other_mpls", ETHERNET, ethernet(0x8847, &before(&[0, 1, 1, 64], &[0x10; 20]))),
        ("other_ppp", 9, before(&[0xff, 3, 0xc0, 0x21], &[0; 8])),
        ("other_ppp", ETHERNET, ethernet(0x8863, &[0x11, 9, 0, 0, 0, 0])),
        ("other_tunnel_control", ETHERNET, over_udp(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0], &[0; 4])),
        ("other_tunnel_control", ETHERNET, over_udp(1701, &[0xc8, 2, 0, 12], &[0; 8])),
        ("other_tunnel_control", ETHERNET, over_gre(&[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1], &[0; 4])),
        ("other_wifi", 105, before(&[0x80, 0], &[0; 40])),
        ("other_wifi", 105, before(&[0x48, 1], &[0; 22])),
        ("other_wifi_protected", 105, wifi([0x08, 0x41], &[], &packet())),
        ("other_wifi_aggregate", 105, wifi([0x08, 0x05], &[], &packet())),
        ("other_wifi_aggregate", 105, wifi([0x88, 1], &[0x80, 0], &packet())),
    ]
}

/// Datagrams that are no tunnel.
fn datagrams() -> Vec<Vec<u8>> {
    vec![
        over_udp(53, &[], &[0; 20]),
        // The port of a tunnel, but not its header: the I flag of VXLAN, GENEVE's and GTP's version.
        over_udp(4789, &[0; 8], &frame()),
        over_udp(4790, &[0; 8], &frame()),
        over_udp(6081, &[0x40, 0, 8, 0, 0, 0, 0, 0], &packet()),
        over_udp(2152, &[0x50, 0xff, 0, 0, 0, 0, 0, 0], &packet()),
        over_udp(3544, &[], &packet()),
        over_udp(5072, &[0; 8], &packet()),
        over_udp(37008, &[2, 0, 0, 1], &packet()),
        over_udp(1701, &[0, 1], &packet()),
    ]
}

fn unreadable() -> Vec<(&'static str, u32, Vec<u8>)> {
    let ip = |bytes: Vec<u8>| ethernet(0x0800, &bytes);
    let changed = |at: usize, value: u8| {
        let mut bytes = frame();
        bytes[at] = value;
        bytes
    };
    vec![
        ("undecodable_unknown_link_type", 147, frame()),
        ("undecodable_unknown_link_type", 192, before(&[0, 0, 8, 0, 192, 0, 0, 0], &frame())),
        ("undecodable_truncated_link", ETHERNET, vec![0; 13]),
        ("undecodable_truncated_tag", ETHERNET, ethernet(0x8100, &[0, 1, 8])),
        ("undecodable_truncated_llc", ETHERNET, ethernet(7, &[0xaa, 0xaa, 3, 0, 0, 0, 8])),
        ("undecodable_truncated_mpls", ETHERNET, ethernet(0x8847, &[0, 1, 0, 64, 0, 1])),
        ("undecodable_truncated_ppp", ETHERNET, ethernet(0x8864, &[0x11, 0, 0])),
        ("undecodable_truncated_wifi", 127, vec![0, 0, 90, 0, 0, 0, 0, 0, 0]),
        ("undecodable_truncated_ipv4", ETHERNET, frame()[..33].to_vec()),
        ("undecodable_truncated_ipv6", ETHERNET, ethernet(0x86dd, &ipv6(6, &[])[..39])),
        ("undecodable_truncated_extension", ETHERNET, ethernet(0x86dd, &ipv6(60, &[6, 1, 0, 0, 0, 0, 0, 0]))),
        ("undecodable_truncated_tcp", ETHERNET, ip(ipv4(6, &tcp(&[])[..19]))),
        ("undecodable_truncated_udp", ETHERNET, ip(ipv4(17, &[0; 7]))),
        ("undecodable_truncated_tunnel", ETHERNET, over_gre(&[0x20, 0, 8, 0], &[0; 3])),
        ("undecodable_bad_link", ETHERNET, ethernet(0x8864, &[0x22, 0, 0, 1, 0, 2, 0, 0x21])),
        ("undecodable_bad_link", 127, before(&[1, 0, 8, 0, 0, 0, 0, 0], &[0; 40])),
        ("undecodable_bad_ip_version", ETHERNET, changed(14, 0x55)),
        ("undecodable_bad_ip_version", ETHERNET, ip(ipv4(41, &packet()))),
        ("undecodable_bad_ip_length", ETHERNET, changed(14, 0x44)),
        ("undecodable_bad_ip_length", ETHERNET, changed(17, 19)),
        ("undecodable_bad_tcp_length", ETHERNET, changed(46, 0x40)),
        ("undecodable_bad_tcp_length", ETHERNET, ip(ipv4(6, &tcp(&[])[..20]))),
        ("undecodable_bad_udp_length", ETHERNET, ip(ipv4(17, &[0, 1, 0, 1, 0, 7, 0, 0]))),
        ("undecodable_bad_tunnel", ETHERNET, over_gre(&[0, 3, 8, 0], &packet())),
        ("undecodable_bad_tunnel", ETHERNET, over_gre(&[0x40, 0, 8, 0], &packet())),
        (
            "undecodable_bad_tunnel",
            ETHERNET,
            over_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &frame()),
        ),
        ("undecodable_bad_fragment", ETHERNET, ip(ipv4_part(6, 1, 0x2000, &[0; 9]))),
        ("undecodable_bad_fragment", ETHERNET, ip(ipv4_part(6, 1, 0x1fff, &[0; 8]))),
        ("undecodable_bad_fragment", ETHERNET, ip(ipv4_part(6, 1, 0x2000, &[]))),
    ]
}

#[test]
fn what_is_no_segment_has_a_name() {
    for (name, link, frame) in others().into_iter().chain(unreadable()) {
        let (seen, counters) = read(link, &frame);
        assert_eq!(seen, None, "{name}");
        let mut found = Vec::new();
        counters.each(|counter, count| found.extend((count > 0 && counter != "frames").then_some(counter)));
        assert_eq!(found, [name]);
    }
}

#[test]
fn a_datagram_that_is_no_tunnel_is_told() {
    for frame in datagrams() {
        let (seen, counters) = read(ETHERNET, &frame);
        let seen = seen.unwrap();
        assert_eq!((counters.datagrams, seen.numbers), (1, Default::default()));
        assert!(frame.ends_with(&seen.payload) && !seen.payload.is_empty());
    }
}

#[test]
fn every_name_has_a_frame_here() {
    // Too deep and too many have tests of their own.
    let mut tried =
        vec!["undecodable_tunnel_too_deep", "undecodable_fragments_too_deep", "undecodable_too_many_headers"];
    tried.extend(others().into_iter().chain(unreadable()).map(|(name, ..)| name));
    super::Counters::default().each(|name, _| {
        if name.starts_with("other_") || name.starts_with("undecodable_") {
            assert!(tried.contains(&name), "{name}");
        }
    });
}

#[test]
fn udp_without_a_length_goes_to_the_end_of_the_packet() {
    let mut datagram = udp(1, 4789, &before(&[8, 0, 0, 0, 0, 0, 5, 0], &frame()));
    datagram[4..6].copy_from_slice(&[0, 0]);
    let (seen, _) = read(ETHERNET, &ethernet(0x0800, &ipv4(17, &datagram)));
    assert_eq!(seen, Some(super::expected(Some(5))));
}
