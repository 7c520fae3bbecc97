//! The program and its twin over random frames, as a network card, a bridge and this host would bring them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::capture::live::bpf::machine::{Packet, run};

/// What an IP packet is made of: addresses, ports, and what makes it one that is not looked into.
struct Made {
    ends: [SocketAddr; 2],
    reverse: Vec<u8>,
    packet: Vec<u8>,
    /// Both twins are to see its ports.
    seen: bool,
}

fn made(random: &mut fastrand::Rng) -> Made {
    let (a, b) = (random.u16(..), random.u16(..));
    let six = random.bool();
    let (from, to): (IpAddr, IpAddr) = if six {
        (Ipv6Addr::from_bits(random.u128(..)).into(), Ipv6Addr::from_bits(random.u128(..)).into())
    } else {
        (Ipv4Addr::from_bits(random.u32(..)).into(), Ipv4Addr::from_bits(random.u32(..)).into())
    };
    let protocol = *random.choice(&[6, 6, 6, 17, 47, 44]).unwrap();
    let fragment = if six || random.u8(..) < 200 { 0x4000 } else { random.u16(..) };
    let options = random.usize(0..=10);
    let packet = |from, to, a, b| ip(from, to, (a, b), protocol, fragment, options);
    Made {
        ends: [SocketAddr::new(from, a), SocketAddr::new(to, b)],
        packet: packet(from, to, a, b),
        reverse: packet(to, from, b, a),
        seen: protocol == 6 && (six || fragment & 0x3fff == 0),
    }
}

fn ip(from: IpAddr, to: IpAddr, ports: (u16, u16), protocol: u8, fragment: u16, options: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            packet.extend([0x45 + options as u8, 0, 0, 0, 0, 0]);
            packet.extend(fragment.to_be_bytes());
            packet.extend([64, protocol, 0, 0]);
            packet.extend(from.octets());
            packet.extend(to.octets());
            packet.resize(20 + 4 * options, 1);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            packet.extend([0x60, 0, 0, 0, 0, 20, protocol, 64]);
            packet.extend(from.octets());
            packet.extend(to.octets());
        }
        _ => panic!("two families"),
    }
    packet.extend(ports.0.to_be_bytes());
    packet.extend(ports.1.to_be_bytes());
    packet.resize(packet.len() + 16, 0);
    packet
}

/// A frame as libpcap gives it, with all its tags, and as the kernel has it when it was received: the first tag is
/// taken out, data begins behind the Ethernet header.
fn ethernet(packet: &[u8], tags: &[u16]) -> (Vec<u8>, Vec<u8>, u32) {
    let ethertype = if packet[0] >> 4 == 4 { 0x0800_u16 } else { 0x86dd };
    let mut frame = vec![2; 12];
    let mut types = Vec::new();
    for tag in tags {
        types.extend(tag.to_be_bytes());
        types.extend([0, 7]);
    }
    types.extend(ethertype.to_be_bytes());
    frame.extend(&types);
    frame.extend(packet);
    let first = if tags.is_empty() { 0 } else { 4 };
    let protocol = u32::from(half(&types, first).unwrap());
    let data = frame[14 + first..].to_vec();
    (frame, data, protocol)
}

const TAGGINGS: [&[u16]; 6] =
    [&[], &[], &[0x8100], &[0x88a8, 0x8100], &[0x88a8, 0x8100, 0x8100], &[0x8100, 0x8100, 0x8100, 0x8100]];

#[test]
fn the_program_and_its_twin_agree() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut per_worker = [0_u32; 5];
    for _ in 0..20_000 {
        let fanout = Fanout::new(random.u32(..), random.u32(..));
        let made = made(&mut random);
        let tags = *random.choice(&TAGGINGS).unwrap();
        let (mut frame, mut data, protocol) = ethernet(&made.packet, tags);
        let cut = if random.u8(..) < 30 { random.usize(0..=data.len()) } else { 0 };
        frame.truncate(frame.len() - cut);
        data.truncate(data.len() - cut);
        let workers = random.usize(1..=5);
        let expected = fanout.owner(ETHERNET, &frame, workers);
        let received = Packet { data: &data, network: 0, protocol, kind: 0 };
        assert_eq!(run(&fanout.program(), &received) as usize % workers, expected, "received {frame:02x?}");
        if tags.len() < 4 {
            // Sent by this host: the whole frame is there, and the network header is marked.
            let network = 14 + 4 * tags.len();
            let protocol = u32::from(half(&frame, 12).unwrap_or_default());
            let sent = Packet { data: &frame, network, protocol, kind: 4 };
            assert_eq!(run(&fanout.program(), &sent) as usize % workers, expected, "sent {frame:02x?}");
        }
        if cut == 0 && tags.len() < 4 {
            let back = ethernet(&made.reverse, tags).0;
            assert_eq!(fanout.owner(ETHERNET, &back, workers), expected, "both directions");
            let by_flow = fanout.flow_owner(made.ends[1], made.ends[0], workers);
            assert_eq!(expected, if made.seen { by_flow } else { 0 });
        }
        per_worker[fanout.owner(ETHERNET, &frame, 5)] += 1;
    }
    assert!(per_worker[1..].iter().all(|count| *count > 1_000), "{per_worker:?}");
}

#[test]
fn flows_of_one_client_spread_evenly() {
    let fanout = Fanout::random();
    for workers in [2, 3, 4, 8] {
        let mut counts = vec![0_u32; workers];
        for port in 0..4_000_u16 {
            let client = SocketAddr::new(Ipv4Addr::new(10, 0, 0, 9).into(), 32_768 + port);
            counts[fanout.flow_owner(client, "10.0.0.2:80".parse().unwrap(), workers)] += 1;
        }
        let fair = 4_000 / workers as u32;
        assert!(counts.iter().all(|count| (fair / 2..fair * 2).contains(count)), "{fanout:?} {counts:?}");
    }
}

#[test]
fn other_links_have_their_headers_elsewhere() {
    let mut random = fastrand::Rng::with_seed(1);
    let fanout = Fanout::new(3, 5);
    let made = std::iter::repeat_with(|| made(&mut random)).find(|made| made.seen).unwrap();
    let frame = ethernet(&made.packet, &[]).0;
    let owner = fanout.owner(ETHERNET, &frame, 1_000);
    assert_eq!(owner, fanout.flow_owner(made.ends[0], made.ends[1], 1_000));
    assert_eq!(fanout.owner(RAW, &made.packet, 1_000), owner);
    let cooked = [&[0; 14], &frame[12..14], &made.packet[..]].concat();
    assert_eq!(fanout.owner(LINUX_SLL, &cooked, 1_000), owner);
    let cooked = [&frame[12..14], &[0; 18], &made.packet[..]].concat();
    assert_eq!(fanout.owner(LINUX_SLL2, &cooked, 1_000), owner);
    assert_eq!(fanout.owner(LinkType(147), &frame, 1_000), 0);
}

#[test]
fn noise_agrees_too() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..20_000 {
        let fanout = Fanout::new(random.u32(..), random.u32(..));
        let mut frame = vec![0; random.usize(14..120)];
        random.fill(&mut frame);
        frame[12..14].copy_from_slice(random.choice(&[[8, 0], [0x86, 0xdd], [8, 6], [0x88, 0x47]]).unwrap());
        if let Some(version) = frame.get_mut(14) {
            *version = random.choice(&[0x45, 0x4f, 0x40, 0x60, 0x6f, 0x51]).unwrap().to_owned();
        }
        if let Some(protocol) = frame.get_mut(if random.bool() { 20 } else { 23 }) {
            *protocol = 6;
        }
        let received = Packet {
            data: &frame[14..],
            network: 0,
            protocol: u32::from(half(&frame, 12).unwrap()),
            kind: 0,
        };
        assert_eq!(
            run(&fanout.program(), &received) as usize % 7,
            fanout.owner(ETHERNET, &frame, 7),
            "{frame:02x?}"
        );
    }
}
