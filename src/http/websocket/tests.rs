//! Frames of WebSocket in any pieces, behind holes, and against the rules.

use super::*;
use crate::time::Timestamp;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame; `first` is its first byte.
fn frame(first: u8, of_client: bool, payload: &[u8]) -> Vec<u8> {
    let masked = if of_client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(masked | len as u8),
        len => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    if of_client {
        bytes.extend_from_slice(&MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        bytes.extend_from_slice(payload);
    }
    bytes
}

fn say(side: &mut Side, bytes: &[u8]) {
    let time = Timestamp::ZERO;
    side.data(&Data { offset: 0, bytes, time, ack: None, boundary: true });
}

fn lose(side: &mut Side, len: u64) {
    side.gap(&Gap { offset: 0, len, cause: GapCause::Lost });
}

fn said(of_client: bool, bytes: &[u8]) -> Side {
    let mut side = Side::new(of_client, Deflate::Yes);
    say(&mut side, bytes);
    side
}

#[test]
fn messages_by_kind_cut_anywhere() {
    for of_client in [false, true] {
        let bytes = [
            frame(0x81, of_client, b"hello"),
            frame(0x02, of_client, &[1; 300]),
            frame(0x89, of_client, b"p"),
            frame(0x80, of_client, &[2; 20]),
            frame(0xc1, of_client, b"packed"),
            frame(0x8a, of_client, b""),
            frame(0x88, of_client, &[0x03, 0xe9, b'x']),
        ]
        .concat();
        for cut in 0..bytes.len() {
            let mut side = said(of_client, &bytes[..cut]);
            say(&mut side, &bytes[cut..]);
            assert!(side.has_closed());
            let (messages, why, odd) = side.take();
            let opcodes = messages.opcodes.unwrap();
            assert_eq!((messages.count, messages.bytes, messages.compressed), (3, 331, 1), "cut at {cut}");
            assert_eq!(
                (opcodes.text, opcodes.binary),
                (Tally { count: 2, bytes: 11 }, Tally { count: 1, bytes: 320 })
            );
            assert_eq!(
                (opcodes.ping, opcodes.pong),
                (Tally { count: 1, bytes: 1 }, Tally { count: 1, bytes: 0 })
            );
            assert_eq!((opcodes.close_code, why, odd), (Some(1001), None, Anomalies::EMPTY), "cut at {cut}");
        }
    }
}

#[test]
fn a_hole_in_a_payload_hides_nothing() {
    let mut side = said(false, &frame(0x82, false, &[0; 200])[..50]);
    lose(&mut side, 100);
    say(&mut side, &[frame(0x82, false, &[0; 200])[150..].to_vec(), frame(0x81, false, b"next")].concat());
    let (messages, cut, _) = side.take();
    assert_eq!((messages.count, messages.bytes, cut), (2, 204, Some(Cut::Lost)));
}

#[test]
fn behind_another_hole_a_row_of_segments_of_whole_frames_is_believed() {
    let mut side = said(false, &frame(0x81, false, b"seen"));
    lose(&mut side, 40);
    say(&mut side, &frame(0x81, false, b"one"));
    assert_eq!(side.take().0.count, 1, "one segment may be anything");
    say(&mut side, &frame(0x82, false, &[7; 400]));
    say(&mut side, &frame(0x81, false, b"three"));
    let (messages, cut, odd) = side.take();
    assert_eq!((messages.count, messages.bytes), (3, 408), "what made them believed counts too");
    assert_eq!((cut, odd), (Some(Cut::Lost), Anomalies::EMPTY));
    say(&mut side, &frame(0x81, false, b"four")[..3]);
    let (messages, cut, _) = side.take();
    assert_eq!((messages.count, cut), (1, None), "from there on all is known again");
}

#[test]
fn what_is_no_row_of_frames_is_not_believed() {
    for bytes in [&[0_u8; 64][..], &[0x81; 64], b"hello, this is the middle of a message", &[0xff; 30]] {
        for of_client in [false, true] {
            let mut side = Side::new(of_client, Deflate::Yes);
            lose(&mut side, 5);
            for _ in 0..50 {
                say(&mut side, bytes);
            }
            let (messages, cut, odd) = side.take();
            assert_eq!((messages.count, messages.bytes, cut, odd), (0, 0, Some(Cut::Lost), Anomalies::EMPTY));
        }
    }
}

#[test]
fn rules_that_are_broken_are_named() {
    let odd = |of_client, bytes: &[u8]| said(of_client, bytes).take().2;
    for (what, of_client, bytes) in [
        ("a client that does not mask", true, frame(0x81, false, b"a")),
        ("a server that masks", false, frame(0x81, true, b"a")),
        ("an opcode that nobody has defined", false, frame(0x83, false, b"a")),
        ("a bit that nobody has defined", false, frame(0xa1, false, b"a")),
        ("a compressed ping", false, frame(0xc9, false, b"a")),
        ("a ping in pieces", false, frame(0x09, false, b"a")),
        ("a long ping", false, frame(0x89, false, &[0; 126])),
        ("a continuation of nothing", false, frame(0x80, false, b"a")),
        ("a message inside another", false, [frame(0x01, false, b"a"), frame(0x81, false, b"b")].concat()),
        ("a length of 64 bits", false, vec![0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(odd(of_client, &bytes), Anomalies::INVALID_FRAME, "{what}");
    }
    let mut uncompressed = Side::new(false, Deflate::No);
    say(&mut uncompressed, &frame(0xc1, false, b"a"));
    assert_eq!(uncompressed.take().2, Anomalies::INVALID_FRAME, "compression was not agreed upon");
}

#[test]
fn nothing_is_counted_behind_the_frame_that_closes() {
    let bytes = [frame(0x88, false, &[3, 0xe8]), frame(0x81, false, b"b")].concat();
    let (whole, mut pieces) = (said(false, &bytes).take(), Side::new(false, Deflate::Yes));
    bytes.chunks(1).for_each(|byte| say(&mut pieces, byte));
    assert_eq!(whole, pieces.take());
    assert_eq!((whole.0.count, whole.2), (0, Anomalies::EMPTY));
}

#[test]
fn of_a_hole_without_a_known_end_nothing_is_counted() {
    let mut side = said(false, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    side.gap(&Gap { offset: 0, len: Gap::UNKNOWN, cause: GapCause::Lost });
    let (messages, cut, _) = side.take();
    assert_eq!((messages.count, messages.bytes, cut), (1, 3, Some(Cut::Lost)));
}

#[test]
fn a_hole_may_hide_the_beginning_of_a_message() {
    let mut side = said(false, &frame(0x81, false, b"seen"));
    lose(&mut side, 40);
    (0..3).for_each(|_| say(&mut side, &frame(0x89, false, b"p")));
    say(&mut side, &frame(0x80, false, b"the rest"));
    say(&mut side, &frame(0x81, false, b"next"));
    let (messages, _, odd) = side.take();
    let opcodes = messages.opcodes.unwrap();
    assert_eq!((messages.count, messages.bytes, opcodes.text.bytes), (2, 16, 8));
    assert_eq!((opcodes.ping.count, odd), (3, Anomalies::EMPTY));
}

#[test]
fn bits_that_may_have_been_agreed_on_are_nothing_odd() {
    let mut side = Side::new(false, Deflate::Unknown);
    say(&mut side, &frame(0xf1, false, b"a"));
    let (messages, _, odd) = side.take();
    assert_eq!((messages.count, messages.compressed, odd), (1, 0, Anomalies::EMPTY));
}

#[test]
fn an_end_in_the_middle_is_told() {
    let whole = frame(0x81, false, b"hello");
    for (bytes, cut) in [
        (&whole[..], None),
        (&whole[..1], Some(Cut::Closed)),
        (&whole[..4], Some(Cut::Closed)),
        (&frame(0x01, false, b"a")[..], Some(Cut::Closed)),
    ] {
        let mut side = said(false, bytes);
        side.end(Cut::Closed);
        assert_eq!(side.take().1, cut, "{bytes:?}");
    }
}

#[test]
fn the_extension_by_which_messages_are_compressed() {
    for (value, expected) in [
        ("permessage-deflate", Deflate::Yes),
        ("x-other, Permessage-Deflate; client_max_window_bits=15", Deflate::Yes),
        ("x-permessage-deflate", Deflate::Unknown),
        ("x; permessage-deflate", Deflate::Unknown),
        (" , ", Deflate::No),
        ("", Deflate::No),
    ] {
        assert_eq!(Deflate::of(value.as_bytes()), expected, "{value}");
    }
}
