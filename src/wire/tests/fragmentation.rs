//! Datagrams in pieces: any order, copies, overlaps, time, bounds, and inside tunnels; and a random model test.

use super::build::{
    ETHERNET, HELLO, before, ethernet, frame, ipv4_part, ipv6_fragment, tagged, tcp, udp, vxlan,
};
use super::{Seen, Wire, at, captured, expected, limits, push};

/// Cuts a payload into parts of `size` bytes and calls back with offset, whether more follow, and the part.
fn cut(payload: &[u8], size: usize, mut make: impl FnMut(u16, bool, &[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let last = payload.len().div_ceil(size) - 1;
    let parts = payload.chunks(size).enumerate();
    parts.map(|(n, part)| make((n * size) as u16, n < last, part)).collect()
}

fn v4_packets(protocol: u8, id: u16, payload: &[u8], size: usize) -> Vec<Vec<u8>> {
    cut(payload, size, |offset, more, part| {
        ipv4_part(protocol, id, (u16::from(more) << 13) | (offset / 8), part)
    })
}

fn v4(id: u16, size: usize) -> Vec<Vec<u8>> {
    v4_packets(6, id, &tcp(HELLO), size).iter().map(|packet| ethernet(0x0800, packet)).collect()
}

fn v6(id: u32, size: usize) -> Vec<Vec<u8>> {
    cut(&tcp(HELLO), size, |offset, more, part| ethernet(0x86dd, &ipv6_fragment(6, id, offset, more, part)))
}

fn whole() -> Seen {
    Seen { reassembled: true, ..expected(None) }
}

fn push_all<'a>(wire: &mut Wire, frames: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Option<Seen>> {
    frames.into_iter().map(|frame| push(wire, at(1), &captured(ETHERNET, frame, frame.len()))).collect()
}

/// All orders of `n` things.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let insert = |order: &Vec<usize>, place: usize| {
        let mut longer = order.clone();
        longer.insert(place, n - 1);
        longer
    };
    orders(n - 1)
        .iter()
        .flat_map(|order| (0..n).map(|place| insert(order, place)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn in_any_order() {
    for (frames, is_v6) in [(v4(3, 16), false), (v6(3, 16), true)] {
        assert_eq!(frames.len(), 3);
        for order in orders(frames.len()) {
            let mut wire = Wire::new(1 << 20);
            let seen = push_all(&mut wire, order.iter().map(|n| &frames[*n]));
            assert_eq!(seen[..2], [None, None]);
            let last = seen[2].clone().unwrap();
            assert_eq!((last.payload.as_slice(), last.reassembled), (HELLO, true));
            assert!(is_v6 || last == whole());
            let counters = wire.counters();
            assert_eq!((counters.segments, counters.fragments_joined, counters.fragments_held), (1, 2, 0));
        }
    }
}

#[test]
fn copies_are_known_before_and_after_the_end() {
    let frames = v4(3, 16);
    let mut wire = Wire::new(1 << 20);
    let seen = push_all(&mut wire, frames.iter().flat_map(|frame| [frame, frame]));
    assert_eq!(seen.iter().flatten().collect::<Vec<_>>(), [&whole()]);
    let counters = *wire.counters();
    assert_eq!((counters.fragments_duplicate, counters.fragments_joined, counters.fragments_held), (3, 5, 0));
    // A mirror with two VLANs that shows the copies as a whole, later.
    let tags = v4_packets(6, 3, &tcp(HELLO), 16);
    let tags: Vec<_> = tags.iter().map(|packet| tagged(0x8100, 9, 0x0800, packet)).collect();
    assert!(push_all(&mut wire, &tags).iter().all(Option::is_none));
    assert_eq!((wire.counters().fragments_joined, wire.counters().fragments_held), (8, 0));
    // The same identification with other bytes is another datagram.
    let mut segment = tcp(HELLO);
    segment[7] ^= 1;
    let other = v4_packets(6, 3, &segment, 16);
    let other: Vec<_> = other.iter().map(|packet| ethernet(0x0800, packet)).collect();
    assert_eq!(push_all(&mut wire, &other).iter().flatten().count(), 1);
    // And after a while the same bytes are too: an identification comes round.
    wire.advance(at(1).plus(limits::FRAGMENT_COPY_NS));
    assert_eq!(push_all(&mut wire, &frames).iter().flatten().count(), 1);
}

#[test]
fn the_first_copy_wins_and_a_contradiction_is_counted() {
    let payload = tcp(HELLO);
    let part = |from: usize, to: usize, more: bool, bytes: &[u8]| {
        ethernet(0x0800, &ipv4_part(6, 3, (u16::from(more) << 13) | (from / 8) as u16, &bytes[from..to]))
    };
    let evil = vec![b'x'; payload.len()];
    let end = payload.len();
    let frames = [
        part(8, 24, true, &payload),
        part(16, 40, true, &evil),
        part(0, 16, true, &payload),
        part(24, 40, true, &payload),
        part(40, end, false, &payload),
    ];
    let mut wire = Wire::new(1 << 20);
    let seen = push_all(&mut wire, &frames).into_iter().flatten().next().unwrap();
    let mut mixed = payload[24..].to_vec();
    mixed[..16].copy_from_slice(&evil[..16]);
    assert_eq!(seen.payload, mixed);
    // The overlap at 16..24 differs; the copy of 24..40 too.
    assert_eq!(wire.counters().fragments_conflicting, 2);

    // A second "last" fragment that ends elsewhere, and one beyond the known end.
    let mut wire = Wire::new(1 << 20);
    let frames = [part(40, end, false, &payload), part(32, 40, false, &payload), part(0, 40, true, &payload)];
    assert_eq!(push_all(&mut wire, &frames).into_iter().flatten().next(), Some(whole()));
    assert_eq!(wire.counters().fragments_conflicting, 1);
    let mut wire = Wire::new(1 << 20);
    let longer = before(&payload, &[0; 64]);
    let frames = [part(40, end, false, &payload), part(32, 80, true, &longer), part(0, 40, true, &payload)];
    assert_eq!(push_all(&mut wire, &frames).into_iter().flatten().next(), Some(whole()));
    assert_eq!(wire.counters().fragments_conflicting, 1);
}

#[test]
fn they_expire_on_packet_time() {
    let frames = v4(3, 16);
    let mut wire = Wire::new(1 << 20);
    push_all(&mut wire, &frames[..2]);
    wire.advance(at(30));
    assert_eq!(wire.counters().fragments_held, 2);
    wire.advance(at(31));
    let counters = wire.counters();
    assert_eq!((counters.fragments_held, counters.fragments_expired, counters.fragments_evicted), (0, 2, 0));
    assert!(counters.balance().holds());
    // The rest comes too late and waits in vain.
    assert_eq!(push(&mut wire, at(31), &captured(ETHERNET, &frames[2], frames[2].len())), None);
    push(&mut wire, at(90), &captured(ETHERNET, &frame(), frame().len()));
    assert_eq!(wire.counters().fragments_expired, 3);
}

#[test]
fn the_oldest_goes_when_the_bounds_are_reached() {
    let mut wire = Wire::new(64 << 10);
    for id in 0..1000 {
        push_all(&mut wire, &v4(id, 16)[..1]);
    }
    let counters = *wire.counters();
    assert!(counters.fragments_held > 50 && counters.fragments_held < 200, "{counters:?}");
    assert_eq!(counters.fragments_evicted, 1000 - counters.fragments_held);
    // The youngest are still there.
    assert_eq!(push_all(&mut wire, &v4(999, 16)[1..]).last(), Some(&Some(whole())));

    let mut wire = Wire::new(usize::MAX);
    for id in 0..5000 {
        push_all(&mut wire, &v6(id, 16)[..1]);
    }
    assert_eq!(wire.counters().fragments_held, limits::FRAGMENTED_DATAGRAMS_MAX as u64);
    let mut wire = Wire::new(0);
    assert!(push_all(&mut wire, &v4(1, 16)).iter().all(Option::is_none));
    assert_eq!(wire.counters().fragments_evicted, 3);
}

#[test]
fn what_lies_before_a_cut_is_used() {
    let frames = v4(3, 24);
    for length in 0..=frames[1].len() {
        let mut wire = Wire::new(1 << 20);
        push_all(&mut wire, &frames[..1]);
        let seen = push(&mut wire, at(1), &captured(ETHERNET, &frames[1][..length], frames[1].len()));
        if length < 34 {
            assert_eq!((seen, wire.counters().undecodable_truncated_ipv4 <= 1), (None, true));
            continue;
        }
        let kept = length - 34;
        let missing = (HELLO.len() - kept) as u32;
        assert_eq!(seen, Some(Seen { payload: HELLO[..kept].to_vec(), missing, ..whole() }));
    }
}

#[test]
fn inside_and_around_tunnels() {
    // Around: the outer packet of a VXLAN tunnel in three pieces.
    let datagram = udp(5, 4789, &before(&[8, 0, 0, 0, 0, 0, 5, 0], &frame()));
    let outer: Vec<_> =
        v4_packets(17, 1, &datagram, 48).iter().map(|packet| ethernet(0x0800, packet)).collect();
    let mut wire = Wire::new(1 << 20);
    let seen = push_all(&mut wire, &outer);
    assert_eq!(seen.last(), Some(&Some(Seen { reassembled: true, ..expected(Some(5)) })));

    // Inside: one datagram's fragments in two networks don't mix.
    let parts = v4(1, 24);
    let mut wire = Wire::new(1 << 20);
    let mixed = [vxlan(1, &parts[0]), vxlan(2, &parts[1]), vxlan(1, &parts[1]), vxlan(2, &parts[0])];
    let seen = push_all(&mut wire, &mixed);
    let of = |vni| Some(Seen { reassembled: true, ..expected(Some(vni)) });
    assert_eq!(seen, [None, None, of(1), of(2)]);

    // Both: inner fragments in tunnels whose outer packets are fragmented.
    let mut wire = Wire::new(1 << 20);
    let mut frames = Vec::new();
    for (id, part) in v4(1, 24).iter().enumerate() {
        let datagram = udp(5, 4789, &before(&[8, 0, 0, 0, 0, 0, 5, 0], part));
        frames.extend(v4_packets(17, id as u16, &datagram, 32).iter().map(|packet| ethernet(0x0800, packet)));
    }
    let seen = push_all(&mut wire, &frames);
    assert_eq!(seen.last(), Some(&of(5)));
    assert_eq!(wire.counters().fragments_joined as usize, frames.len() - 1);
}

#[test]
fn datagrams_that_complete_each_other_are_put_together_to_a_bounded_depth() {
    // each waiting first fragment holds the head of the next datagram's last one, whose bytes are those of its own last
    let chain = |datagrams: u32| {
        let mut wire = Wire::new(16 << 20);
        for id in 0..datagrams {
            let head = ipv6_fragment(6, id + 1, 8, false, &[])[40..].to_vec();
            let next = if id + 1 < datagrams { 44 } else { 59 };
            let first = ethernet(0x86dd, &ipv6_fragment(next, id, 0, true, &head));
            assert_eq!(push(&mut wire, at(1), &captured(ETHERNET, &first, first.len())), None);
        }
        let last = ethernet(0x86dd, &ipv6_fragment(44, 0, 8, false, b"end"));
        assert_eq!(push(&mut wire, at(1), &captured(ETHERNET, &last, last.len())), None);
        *wire.counters()
    };
    let deepest = limits::NESTED_DATAGRAMS_MAX as u32;
    let within = chain(deepest);
    assert_eq!((within.other_ipv6_next_header, within.undecodable_fragments_too_deep), (1, 0));
    for datagrams in [deepest + 1, 4000] {
        let beyond = chain(datagrams);
        assert_eq!((beyond.other_ipv6_next_header, beyond.undecodable_fragments_too_deep), (0, 1));
        assert_eq!(u32::try_from(beyond.fragments_held), Ok(datagrams - deepest - 1));
    }
}

#[test]
fn random_fragments_give_what_an_obvious_twin_gives() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut completed = 0;
    for _ in 0..3000 {
        let mut wire = Wire::new(1 << 20);
        let total = random.usize(3..12) * 8;
        let first = tcp(HELLO);
        let (mut twin, mut result): (Vec<Option<u8>>, Option<Seen>) = (vec![None; total], None);
        let mut last_seen = false;
        for _ in 0..40 {
            let from = random.usize(..total / 8) * 8;
            let to = (from + random.usize(1..5) * 8).min(total);
            let mut bytes: Vec<u8> = (from..to).map(|_| random.u8(..)).collect();
            for (place, byte) in (from..to).zip(&mut bytes) {
                // The header is the same in all copies, so that the end is a segment.
                *byte = if place < 24 { first[place] } else { *byte };
            }
            if (from, to) == (0, total) {
                continue;
            }
            let more = to < total;
            let packet = ipv4_part(6, 3, (u16::from(more) << 13) | (from / 8) as u16, &bytes);
            result = push(&mut wire, at(1), &captured(101, &packet, packet.len()));
            last_seen |= !more;
            for (place, byte) in (from..to).zip(bytes) {
                twin[place].get_or_insert(byte);
            }
            let complete = last_seen && twin.iter().all(Option::is_some);
            assert_eq!(result.is_some(), complete);
            if complete {
                break;
            }
        }
        if let Some(seen) = result {
            let wanted: Vec<u8> = twin[24..].iter().flatten().copied().collect();
            assert_eq!(seen.payload, wanted);
            completed += 1;
        }
    }
    assert!(completed > 1000, "{completed}");
}
