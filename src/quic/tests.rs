//! Initial packets: those of RFC 9001, and connections of which pieces are missing or come in another order.

use super::packet::{Long, Version};
use super::*;
use crate::flow::Stamp;
use crate::limits::{QUIC_CRYPTO_BYTES_MAX, QUIC_IDLE_NS, QUIC_OPENING_MAX};
use crate::time::Timestamp;
use crate::tls::Alpn;
use crate::wire::{FlowKey, Segment, TcpFlags, Transport};

/// RFC 9001 §A.1: the connection id that the client made up.
const ID: &[u8] = &[0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// RFC 9001 §A.3.
fn server_initial() -> Vec<u8> {
    hex("cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5e
         de4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06
         edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee")
}

#[test]
fn the_server_of_rfc_9001() {
    let bytes = server_initial();
    let (packet, rest) = Long::read(&bytes).unwrap();
    assert!(rest.is_empty());
    let keys = Keys::of_initial(Version::V1, ID).unwrap();
    let (number, payload) = keys.open(1, &packet, 0).unwrap();
    assert_eq!((number, payload.len()), (1, 99));
    assert!(payload.starts_with(&hex("02000000000600405a020000560303eefce7f7b3")));
    assert!(keys.open(0, &packet, 0).is_none(), "the client's keys are others");
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = Long::read(&changed).and_then(|(packet, _)| keys.open(1, &packet, 0));
        assert!(opened.is_none(), "a bit of byte {at} is another one");
    }
}

/// A ClientHello that asks for `name` and offers `protocols`.
fn client_hello(name: &str, protocols: &[&str], padding: usize) -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes(), bytes].concat();
    let extension = |kind: u16, body: &[u8]| [&kind.to_be_bytes()[..], &sized(body)].concat();
    let names = sized(&[&[0][..], &sized(name.as_bytes())].concat());
    let offered: Vec<u8> =
        protocols.iter().flat_map(|name| [&[name.len() as u8], name.as_bytes()].concat()).collect();
    let extensions = [
        extension(0, &names),
        if protocols.is_empty() { Vec::new() } else { extension(16, &sized(&offered)) },
        extension(43, &[2, 3, 4]),
        extension(21, &vec![0; padding]),
    ]
    .concat();
    let body = [&[3, 3][..], &[7; 32], &[0], &sized(&[0x13, 0x01]), &[1, 0], &sized(&extensions)].concat();
    [&(body.len() as u32 | 1 << 24).to_be_bytes()[..], &body].concat()
}

/// A CRYPTO frame.
fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let number = |number: usize| (number as u16 | 0x4000).to_be_bytes();
    [&[6][..], &number(offset), &number(bytes.len()), bytes].concat()
}

/// An Initial packet of one end, protected as RFC 9001 §5 asks.
fn initial(
    sender: usize,
    version: Version,
    target: &[u8],
    origin: &[u8],
    number: u8,
    frames: &[u8],
) -> Vec<u8> {
    let (wire, kind) = match version {
        Version::V1 => (1, 0),
        Version::V2 => (0x6b33_43cf_u32, 1),
        Version::Draft(draft) => (0xff00_0000 | u32::from(draft), 0),
    };
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(8), 0);
    let length = ((payload.len() + 1 + 16) as u16 | 0x4000).to_be_bytes();
    let mut packet = vec![0xc0 | kind << 4];
    packet.extend(wire.to_be_bytes());
    packet.push(target.len() as u8);
    packet.extend(target);
    packet.extend([0, 0]); // no connection id of the sender, no token
    packet.extend(length);
    let number_at = packet.len();
    packet.push(number);
    let keys = Keys::of_initial(version, origin).unwrap();
    keys.seal_for_tests(sender, packet, number_at, number.into(), payload)
}

fn shown(datagrams: &[(Direction, Vec<u8>)]) -> Shown {
    let mut shown = Shown::default();
    for (direction, bytes) in datagrams {
        assert!(shown.datagram(*direction, bytes));
    }
    shown
}

#[test]
fn what_both_ends_say_first() {
    for (version, name) in [
        (Version::V1, "1"),
        (Version::V2, "2"),
        (Version::Draft(29), "draft-29"),
        (Version::Draft(27), "draft-27"),
    ] {
        let hello = client_hello("api.example", &["h3"], 0);
        let ask = initial(0, version, ID, ID, 0, &crypto(0, &hello));
        let server_hello = hex(
            "020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d
             3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304",
        );
        let answer = initial(1, version, &[], ID, 0, &crypto(0, &server_hello));
        let shown = shown(&[(Direction::Down, ask), (Direction::Up, answer)]);
        assert_eq!((shown.client(), shown.version().as_deref()), (Some(Direction::Down), Some(name)));
        let session = shown.session().unwrap();
        assert_eq!(session.server_name.as_deref(), Some("api.example"));
        assert_eq!(session.alpn, Alpn::Named("h3".to_owned()));
        assert_eq!((session.version.as_deref(), session.alpn_offered.len()), (Some("1.3"), 1));
        assert_eq!(session.cipher.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
        assert!(session.ja4.as_ref().unwrap().starts_with("q13d"), "{session:?}");
        assert!(!shown.is_opening() && shown.memory() == 0);
    }
}

#[test]
fn a_message_over_several_packets_in_any_order() {
    let hello = client_hello("long.example", &["h3", "h3-29"], 1700);
    let (front, back) = hello.split_at(900);
    let pieces = [
        crypto(0, &front[..100]),
        crypto(400, &front[400..]),
        crypto(100, &front[100..400]),
        crypto(900, back),
        crypto(90, &front[90..120]),
    ];
    let packet = |number: usize, frames: &[u8]| {
        let ping_and_ack = [&[1, 2, 5, 0, 0, 0][..], frames].concat();
        (Direction::Up, initial(0, Version::V1, ID, ID, number as u8, &ping_and_ack))
    };
    for first in 0..pieces.len() {
        let order = (0..pieces.len()).map(|at| (at + first) % pieces.len());
        let shown = shown(&order.map(|at| packet(at, &pieces[at])).collect::<Vec<_>>());
        let session = shown.session().unwrap();
        assert_eq!(session.server_name.as_deref(), Some("long.example"));
        assert_eq!(
            (&session.alpn, session.alpn_offered.len()),
            (&Alpn::Unknown, 2),
            "either may be agreed on"
        );
    }
    let missing = shown(&[packet(0, &pieces[0]), packet(1, &pieces[1])]);
    assert!(missing.session().is_none() && missing.is_opening());
}

#[test]
fn behind_a_retry_the_client_makes_its_keys_anew() {
    let hello = client_hello("api.example", &["h3"], 0);
    let chosen = [9; 12];
    let retry = [&[0xf0, 0, 0, 0, 1, 0, 12][..], &chosen, &[1; 40]].concat();
    let shown = shown(&[
        (Direction::Up, initial(0, Version::V1, ID, ID, 0, &crypto(0, &hello[..50]))),
        (Direction::Down, retry),
        (Direction::Up, initial(0, Version::V1, &chosen, &chosen, 1, &crypto(0, &hello))),
    ]);
    assert_eq!(shown.session().unwrap().server_name.as_deref(), Some("api.example"));
}

#[test]
fn what_only_looks_like_it_says_nothing() {
    let whole = initial(0, Version::V1, ID, ID, 0, &crypto(0, &client_hello("a.example", &[], 0)));
    for cut in 0..whole.len() {
        assert!(!Shown::default().datagram(Direction::Up, &whole[..cut]), "cut at {cut}");
    }
    for (at, byte) in [(0, 0x40), (0, 0x80), (1, 1), (4, 2), (5, 21)] {
        let mut other = whole.clone();
        other[at] = byte;
        assert!(!Shown::default().datagram(Direction::Up, &other), "byte {at}");
    }
    let far = crypto(QUIC_CRYPTO_BYTES_MAX - 10, &[1; 20]);
    let shown = shown(&[(Direction::Up, initial(0, Version::V1, ID, ID, 0, &far))]);
    assert!(shown.session().is_none() && shown.memory() < 4096, "{}", shown.memory());
}

struct Tap {
    flows: Flows,
    told: Vec<(Timestamp, crate::call::Connection)>,
}

impl Tap {
    fn new() -> Self {
        Self { flows: Flows::default(), told: Vec::new() }
    }

    fn push(&mut self, seconds: u64, port: u16, up: bool, payload: &[u8]) {
        let (client, server) = (([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], 443).into());
        let (flow, direction) =
            if up { FlowKey::new(client, server, None) } else { FlowKey::new(server, client, None) };
        let time = Timestamp::from_nanos(seconds * 1_000_000_000);
        let transport = Transport::Udp;
        let flags = TcpFlags::default();
        let datagram = Segment {
            transport,
            flow,
            direction,
            seq: 0,
            ack: 0,
            flags,
            payload,
            missing: 0,
            reassembled: false,
        };
        let told = &mut self.told;
        self.flows.push(Stamp { time, clock: time }, 0, &datagram, |at, _, connection| {
            told.push((at, connection.clone()));
        });
    }

    fn finish(mut self) -> Vec<(Timestamp, crate::call::Connection)> {
        let Self { flows, told } = &mut self;
        flows.finish(|_, connection| told.push((Timestamp::MAX, connection.clone())));
        let counters = flows.counters();
        let named = counters.datagrams_quic + counters.datagrams_other + counters.datagrams_beyond_flows_max;
        assert_eq!(counters.datagrams, named);
        self.told
    }
}

#[test]
fn a_flow_is_counted_from_its_first_long_header_on() {
    let ask = initial(0, Version::V1, ID, ID, 0, &crypto(0, &client_hello("a.example", &["h3"], 0)));
    let mut tap = Tap::new();
    tap.push(1, 5000, true, &[0x40; 30]);
    tap.push(2, 5000, true, &ask);
    tap.push(3, 5000, false, &server_initial());
    tap.push(4, 5000, false, &[0x41; 1000]);
    tap.push(4, 53, true, b"a question");
    let idle = QUIC_IDLE_NS / 1_000_000_000;
    tap.push(4 + idle, 5000, true, &ask);
    let counters = *tap.flows.counters();
    assert_eq!((counters.datagrams_quic, counters.datagrams_other), (4, 2));
    let told = tap.finish();
    let [(at, first), (_, second)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(at.as_nanos(), (4 + idle) * 1_000_000_000);
    assert_eq!((first.protocol, first.reason, first.packets), ("quic", "not_read", [1, 2]));
    assert_eq!(first.bytes, [ask.len() as u64, server_initial().len() as u64 + 1000]);
    assert_eq!(first.duration_ns, 2_000_000_000);
    assert_eq!(first.client, ([10, 0, 0, 1], 5000).into());
    assert_eq!((second.packets, second.duration_ns), ([1, 0], 0));
    assert_ne!(first.id, second.id);
}

#[test]
fn only_so_many_are_opened_at_once() {
    let half = crypto(0, &client_hello("a.example", &[], 0)[..40]);
    let ask = initial(0, Version::V1, ID, ID, 0, &half);
    let mut tap = Tap::new();
    for port in 0..QUIC_OPENING_MAX as u16 + 5 {
        tap.push(1, 1000 + port, true, &ask);
    }
    assert_eq!(tap.flows.counters().quic_not_opened, 5);
    assert_eq!(tap.finish().len(), QUIC_OPENING_MAX + 5);
}
