//! Every encapsulation, whole, cut and mutated; what is no segment, by name; the short way against the long one.

mod build;
mod fragmentation;
mod frames;
mod names;

use super::*;
use crate::capture::LinkType;
use build::{ETHERNET, HELLO, before, ethernet, frame, ipv4, packet, packet_v6, tagged, tcp, vxlan};
use frames::all;

/// A segment that owns its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    flow: FlowKey,
    direction: Direction,
    numbers: (u32, u32, TcpFlags),
    payload: Vec<u8>,
    missing: u32,
    reassembled: bool,
}

impl From<Segment<'_>> for Seen {
    fn from(segment: Segment<'_>) -> Self {
        Self {
            flow: segment.flow,
            direction: segment.direction,
            numbers: (segment.seq, segment.ack, segment.flags),
            payload: segment.payload.to_vec(),
            missing: segment.missing,
            reassembled: segment.reassembled,
        }
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn captured(link: u32, bytes: &[u8], original_len: usize) -> Frame<'_> {
    Frame {
        time: Timestamp::ZERO,
        interface: 0,
        link: LinkType(link),
        original_len: u32::try_from(original_len).unwrap(),
        bytes,
    }
}

/// Pushes a frame and checks the books.
fn push(wire: &mut Wire, clock: Timestamp, frame: &Frame<'_>) -> Option<Seen> {
    let mut seen = None;
    wire.push(clock, frame, |segment| seen = Some(Seen::from(segment)));
    let balance = wire.counters().balance();
    assert!(balance.holds(), "{balance:?} {:?}", wire.counters());
    seen
}

fn read(link: u32, bytes: &[u8]) -> (Option<Seen>, Counters) {
    let mut wire = Wire::new(1 << 20);
    let seen = push(&mut wire, at(0), &captured(link, bytes, bytes.len()));
    (seen, *wire.counters())
}

fn expected(vni: Option<u32>) -> Seen {
    let (client, server) = ("10.0.0.9:40000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
    let (flow, direction) = FlowKey::new(client, server, vni);
    let numbers = (1000, 2000, TcpFlags(0x18));
    Seen { flow, direction, numbers, payload: HELLO.to_vec(), missing: 0, reassembled: false }
}

#[test]
fn every_encapsulation_gives_the_segment() {
    for (name, link, frame, vni) in all() {
        let (seen, counters) = read(link, &frame);
        assert_eq!(seen, Some(expected(vni)), "{name}: {counters:?}");
    }
}

#[test]
fn every_known_link_type_has_a_frame_here() {
    let tried: Vec<u32> = all().iter().map(|(_, link, ..)| *link).collect();
    // 166 shares its header with 204, 229 with 101.
    for link in link::KNOWN.iter().filter(|link| !matches!(link, 166 | 229)) {
        assert!(tried.contains(link), "{link}");
    }
}

#[test]
fn padding_is_no_payload() {
    for (name, link, frame, vni) in all() {
        let padded = before(&frame, &[0xee; 9]);
        assert_eq!(read(link, &padded).0, Some(expected(vni)), "{name}");
    }
}

#[test]
fn what_the_snap_length_cut_is_missing() {
    for (name, link, frame, vni) in all() {
        for length in 0..frame.len() {
            let mut wire = Wire::new(1 << 20);
            let cut = captured(link, &frame[..length], frame.len());
            let payload_at = frame.len() - HELLO.len();
            let seen = push(&mut wire, at(0), &cut);
            // Four bytes of TCP options may be cut too: the numbers are there.
            if length >= payload_at - 4 {
                let kept = length.saturating_sub(payload_at);
                let (payload, missing) = (HELLO[..kept].to_vec(), (HELLO.len() - kept) as u32);
                assert_eq!(seen, Some(Seen { payload, missing, ..expected(vni) }), "{name} {length}");
            } else {
                // of a tunnel whose header is cut, the datagram around it may be there
                let is_datagram = |seen: Seen| seen.numbers == (0, 0, TcpFlags(0));
                assert!(seen.is_none_or(is_datagram), "{name} {length}");
            }
        }
    }
}

#[test]
fn a_frame_that_was_short_on_the_wire_never_panics() {
    for (_, link, frame, _) in all() {
        for length in 0..frame.len() {
            read(link, &frame[..length]);
        }
    }
}

#[test]
fn ipv6_and_its_extension_headers() {
    let (client, server) = ("[2001:db8::9]:40000".parse().unwrap(), "[2001:db8::2]:80".parse().unwrap());
    let (flow, direction) = FlowKey::new(client, server, None);
    let wanted = Seen { flow, direction, ..expected(None) };
    let option = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    let mut all = vec![ethernet(0x86dd, &packet_v6())];
    for kind in [0, 43, 60, 135, 139, 140] {
        all.push(ethernet(0x86dd, &build::ipv6(kind, &before(&option(6), &tcp(HELLO)))));
    }
    let chain = [&option(43)[..], &option(60), &option(51), &[6, 1, 0, 0], &[0; 8], &tcp(HELLO)].concat();
    all.push(ethernet(0x86dd, &build::ipv6(0, &chain)));
    all.push(ethernet(0x86dd, &build::ipv6_fragment(6, 9, 0, false, &tcp(HELLO))));
    all.push(ethernet(0x0800, &ipv4(41, &packet_v6())));
    all.push(ethernet(0x86dd, &build::ipv6(41, &packet_v6())));
    all.push(tagged(0x8100, 5, 0x86dd, &packet_v6()));
    for frame in &all {
        assert_eq!(read(ETHERNET, frame).0, Some(wanted.clone()), "{frame:02x?}");
        for length in 0..frame.len() {
            push(&mut Wire::new(0), at(0), &captured(ETHERNET, &frame[..length], frame.len()));
        }
    }
    assert_eq!(read(229, &packet_v6()).0, Some(wanted.clone()));
    assert_eq!(read(0, &before(&[30, 0, 0, 0], &packet_v6())).0, Some(wanted));
}

#[test]
fn segments_that_the_card_will_cut_have_the_length_of_the_frame() {
    let mut v4 = frame();
    v4[16..18].copy_from_slice(&[0, 0]);
    assert_eq!(read(ETHERNET, &v4).0, Some(expected(None)));
    let seen = push(&mut Wire::new(0), at(0), &captured(ETHERNET, &v4, v4.len() + 90_000)).unwrap();
    assert_eq!((seen.payload, seen.missing), (HELLO.to_vec(), 90_000));

    let mut v6 = ethernet(0x86dd, &packet_v6());
    v6[18..20].copy_from_slice(&[0, 0]);
    assert_eq!(read(ETHERNET, &v6).0.unwrap().payload, HELLO);
}

#[test]
fn the_total_length_is_believed_beyond_the_frame() {
    let mut long = frame();
    long[16..18].copy_from_slice(&(packet().len() as u16 + 100).to_be_bytes());
    let seen = read(ETHERNET, &long).0.unwrap();
    assert_eq!((seen.payload, seen.missing), (HELLO.to_vec(), 100));
}

#[test]
fn ipv4_options_are_passed_over() {
    let mut with_options = packet();
    with_options[0] = 0x47;
    with_options[3] += 8;
    with_options.splice(20..20, [1; 8]);
    assert_eq!(read(101, &with_options).0, Some(expected(None)));
}

#[test]
fn etherparse_builds_what_is_read() {
    let builder = etherparse::PacketBuilder::ethernet2([1; 6], [2; 6])
        .double_vlan(etherparse::VlanId::ZERO, etherparse::VlanId::ZERO)
        .ipv4([10, 0, 0, 9], [10, 0, 0, 2], 64)
        .tcp(40000, 80, 1000, 1)
        .psh()
        .ack(2000);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, HELLO).unwrap();
    assert_eq!(read(ETHERNET, &bytes).0, Some(expected(None)));
}

#[test]
fn a_mirror_that_shows_packets_twice_gives_one_key() {
    let twice = [frame(), tagged(0x8100, 10, 0x0800, &packet()), tagged(0x8100, 20, 0x0800, &packet())];
    let session =
        |id| build::over_gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, id, 0, id, 0, 0, 0, 0], &frame());
    let tunnels = [
        session(1),
        session(2),
        build::over_gre(&[0x20, 0, 8, 0, 0, 0, 0, 1], &packet()),
        build::over_gre(&[0x20, 0, 8, 0, 0, 0, 0, 2], &packet()),
    ];
    for copy in twice.iter().chain(&tunnels) {
        assert_eq!(read(ETHERNET, copy).0, Some(expected(None)));
    }
    let of = |vni| read(ETHERNET, &vxlan(vni, &frame())).0.unwrap().flow;
    assert_ne!(of(1), of(2));
}

#[test]
fn tunnels_are_opened_to_a_bounded_depth() {
    let nested = |depth| (0..depth).fold(frame(), |inside, _| vxlan(1, &inside));
    let deepest = limits::TUNNEL_DEPTH_MAX;
    assert_eq!(read(ETHERNET, &nested(deepest)).0, Some(expected(Some(1))));
    let (seen, counters) = read(ETHERNET, &nested(deepest + 1));
    assert_eq!((seen, counters.undecodable_tunnel_too_deep), (None, 1));

    let tags = (0..limits::HEADERS_MAX).flat_map(|_| [0x81, 0, 0, 1]).collect::<Vec<u8>>();
    let (seen, counters) = read(ETHERNET, &before(&ethernet(0x8100, &[0, 1]), &tags));
    assert_eq!((seen, counters.undecodable_too_many_headers), (None, 1));
}

/// Changes a few bytes, and now and then the length.
fn mutate(random: &mut fastrand::Rng, frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    for _ in 0..random.usize(1..6) {
        let place = random.usize(..bytes.len());
        // Headers lie at the front and lengths are small: aim there.
        let place = if random.bool() { place.min(random.usize(..80)) } else { place };
        bytes[place] = match random.u8(..4) {
            0 => random.u8(..),
            1 => bytes[place].wrapping_add(1),
            2 => bytes[place] ^ 1 << random.u8(..8),
            _ => *random.choice([&0, &4, &6, &17, &0x45, &0x60, &0xff]).unwrap(),
        };
    }
    if random.u8(..4) == 0 {
        bytes.truncate(random.usize(1..=bytes.len()));
    }
    bytes
}

#[test]
fn mutated_frames_never_panic_and_the_books_balance() {
    let mut random = fastrand::Rng::with_seed(1);
    let frames = all();
    let mut wire = Wire::new(64 << 10);
    for round in 0..40_000_u64 {
        let (_, link, frame, _) = random.choice(&frames).unwrap();
        let bytes = mutate(&mut random, frame);
        let original_len = bytes.len() + random.usize(..2) * random.usize(..100);
        push(&mut wire, at(round / 100), &captured(*link, &bytes, original_len));
    }
    assert!(wire.counters().segments > 1000 && wire.counters().undecodable() > 1000);
    assert!(wire.counters().fragments_expired > 0);
}

#[test]
fn arbitrary_bytes_never_panic_and_the_books_balance() {
    let mut random = fastrand::Rng::with_seed(2);
    let frames = all();
    let (mut received, mut segments) = (0, 0);
    for _ in 0..3_000 {
        let mut input = Vec::new();
        for _ in 0..random.usize(1..8) {
            let (_, link, frame, _) = random.choice(&frames).unwrap();
            let index = link::KNOWN.iter().position(|known| known == link).unwrap();
            let [low, high] = (frame.len() as u16).to_le_bytes();
            input.extend([index as u8, random.u8(..60), random.u8(..2), low, high]);
            input.extend(frame);
        }
        let input = mutate(&mut random, &input);
        let counters = read_arbitrary(&input);
        assert!(counters.balance().holds(), "{counters:?}");
        received += counters.frames;
        segments += counters.segments;
    }
    assert!(received > 9_000 && segments > 3_000, "{received} {segments}");
}

#[test]
fn the_short_way_answers_as_the_long_one() {
    let mut random = fastrand::Rng::with_seed(3);
    let plain = [
        frame(),
        ethernet(0x86dd, &packet_v6()),
        tagged(0x8100, 9, 0x0800, &packet()),
        tagged(0x8100, 9, 0x86dd, &packet_v6()),
    ];
    for bytes in &plain {
        assert!(plain::segment(&captured(ETHERNET, bytes, bytes.len())).is_some());
    }
    let (mut answered, mut declined) = (0, 0);
    for _ in 0..60_000 {
        let chosen = random.choice(&plain).unwrap();
        let bytes = mutate(&mut random, chosen);
        let frame = captured(ETHERNET, &bytes, bytes.len() + random.usize(..2));
        let Some(short) = plain::segment(&frame) else {
            declined += 1;
            continue;
        };
        let mut packet = Packet::new(View::new(frame.bytes, frame.original_len as usize));
        assert_eq!(open(&mut packet, Inside::Ethernet), Ok(short), "{bytes:02x?}");
        answered += 1;
    }
    assert!(answered > 10_000 && declined > 10_000, "{answered} {declined}");
}
