//! Frames of every kind, cut anyhow, with holes.

use super::frame::begins_server;
use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET /` and, in front, whatever is given.
const GET: &[u8] = &[0x82, 0x84, 0x86];

/// What a side says, body parts of one stream joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard(Vec<String>);

impl Heard {
    fn note(&mut self, event: &Event<'_>) {
        let stream = event.stream;
        let text = match event.what {
            What::Fields { fields, cut, padding, bytes, promise, .. } => {
                let names = fields.headers.iter().map(|header| header.name.of(fields.text()).len());
                let odd: Vec<&str> = fields.anomalies.names().collect();
                let padding = padding.map(|cut| format!("padding {cut:?} ")).unwrap_or_default();
                format!(
                    "fields {:?} {:?} {cut:?} {padding}{bytes:?} {promise} {odd:?} at {}",
                    names.collect::<Vec<_>>(),
                    fields
                        .method
                        .map(|method| String::from_utf8_lossy(method.of(fields.text())).into_owned()),
                    event.place.offset
                )
            }
            What::Body { bytes, .. } => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let front = format!("{stream} body ");
                if let Some(last) = self.0.last_mut().filter(|last| last.starts_with(&front)) {
                    last.push_str(&text);
                    return;
                }
                format!("body {text}")
            }
            What::Odd(odd) => format!("odd {:?}", odd.names().collect::<Vec<_>>()),
            What::End(time) => format!("end {}", time.is_some()),
            other => format!("{other:?}"),
        };
        self.0.push(format!("{stream} {text}"));
    }
}

/// Plays pieces of one direction: bytes, or a hole of so many.
fn hear(mut side: Side, pieces: &[Result<&[u8], usize>]) -> Heard {
    let (mut heard, mut fields, mut offset) = (Heard::default(), Fields::default(), 0);
    let mut tell = |event: Event<'_>| heard.note(&event);
    for piece in pieces {
        let time = Timestamp::from_nanos(7);
        match piece {
            Ok(bytes) => {
                side.data(&Data { offset, bytes, time, ack: None, boundary: true }, &mut fields, &mut tell);
                offset += bytes.len() as u64;
            }
            Err(len) => {
                let gap = Gap { offset, len: *len as u64, cause: GapCause::Lost };
                side.gap(&gap, &mut fields, &mut tell);
                offset += *len as u64;
            }
        }
        assert!(side.memory() < 1 << 20);
    }
    side.end(EndReason::InputEnded, &mut fields, &mut tell);
    heard
}

/// One of everything that a client sends.
fn everything() -> Vec<u8> {
    let long = [GET, &[0x40, 1, b'a'], &[5], b"value"].concat();
    [
        PREFACE.to_vec(),
        frame(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0x80, 0]),
        frame(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]),
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, GET),
        frame(
            kind::HEADERS,
            flag::PADDED | flag::PRIORITY,
            3,
            &[&[2, 0, 0, 0, 0, 9], &long[..4], &[0, 0]].concat(),
        ),
        frame(kind::CONTINUATION, 0, 3, &long[4..7]),
        frame(kind::CONTINUATION, flag::END_HEADERS, 3, &long[7..]),
        frame(kind::PRIORITY, 0, 5, &[0, 0, 0, 0, 1]),
        frame(kind::DATA, 0, 3, b"first "),
        frame(kind::DATA, flag::PADDED, 3, b"\x03second \0\0\0"),
        frame(kind::PING, flag::ACK, 0, &[0; 8]),
        frame(0xfa, 0, 0, b"grease"),
        frame(kind::DATA, flag::END_STREAM, 3, b""),
        frame(kind::HEADERS, flag::END_HEADERS, 5, &[0x82, 0x84, 0x86, 0xbe]),
        frame(kind::RST_STREAM, 0, 5, &[0, 0, 0, 8]),
        frame(kind::GOAWAY, 0, 0, &[0; 8]),
    ]
    .concat()
}

#[test]
fn every_frame_says_its_own() {
    let heard = hear(Side::client(), &[Ok(&everything())]);
    assert_eq!(
        heard.0,
        [
            "0 PayloadMax(32768)",
            "0 MoreWindow(256)",
            "1 fields [] Some(\"GET\") None Some(3) false [] at 52",
            "1 end true",
            "3 fields [1] Some(\"GET\") None Some(12) false [] at 64",
            "3 body first second ",
            "3 end true",
            "5 fields [1] Some(\"GET\") None Some(4) false [] at 201",
            "5 Reset",
        ]
    );
}

#[test]
fn any_split_of_the_input_gives_the_same() {
    let input = everything();
    let whole = hear(Side::client(), &[Ok(&input)]);
    for cut in 0..=input.len() {
        let (front, back) = input.split_at(cut);
        assert_eq!(hear(Side::client(), &[Ok(front), Ok(back)]), whole, "{cut}");
    }
    let bytes: Vec<_> = input.chunks(1).map(Ok).collect();
    assert_eq!(hear(Side::client(), &bytes), whole);
}

#[test]
fn a_hole_in_a_payload_costs_its_bytes_alone() {
    let input =
        [frame(kind::DATA, 0, 1, b"0123456789"), frame(kind::DATA, flag::END_STREAM, 1, b"ab")].concat();
    let heard = hear(Side::begun(), &[Ok(&input[..12]), Err(4), Ok(&input[16..])]);
    assert_eq!(heard.0, ["1 body 012", "1 Missing(Some(4), Lost)", "1 body 789ab", "1 end true"]);
    // up to the end of the frame, no further
    let heard = hear(Side::begun(), &[Ok(&input[..12]), Err(7), Ok(&input[19..])]);
    assert_eq!(heard.0, ["1 body 012", "1 Missing(Some(7), Lost)", "1 body ab", "1 end true"]);
}

#[test]
fn behind_any_other_hole_it_begins_anew_at_a_frame_that_another_one_follows() {
    let (one, two) = (frame(kind::DATA, 0, 1, b"0123456789"), frame(kind::DATA, 0, 3, b"next"));
    let three = frame(kind::DATA, flag::END_STREAM, 3, b"last");
    let rest = [&two[..], &three].concat();
    for missing in 1..one.len() {
        let tail = [&one[missing..], &rest].concat();
        let heard = hear(Side::begun(), &[Err(missing), Ok(&tail)]);
        assert_eq!(heard.0, ["0 Lost(Lost)", "3 body nextlast", "3 end true"], "{missing}");
    }
    // a hole from the middle of one payload into the next
    let heard = hear(Side::begun(), &[Ok(&one[..11]), Err(12), Ok(&[&two[4..], &rest].concat())]);
    assert_eq!(
        heard.0,
        ["1 body 01", "1 Missing(Some(8), Lost)", "0 Lost(Lost)", "3 body nextlast", "3 end true"]
    );
}

#[test]
fn padding_does_not_hide_frames() {
    let block = [&[0x88][..], &[0x40, 6], b"x-call", &[2], b"17", &[0xc1, 0xc0]].concat();
    let padded = [&[180][..], &block, &[0; 180]].concat();
    let head = frame(kind::HEADERS, flag::END_HEADERS | flag::PADDED, 35, &padded);
    let body = frame(kind::DATA, flag::END_STREAM, 43, b"{\"ok\":1}");
    let island = [&head[..], &body].concat();
    let heard = hear(Side::begun(), &[Err(17), Ok(&island), Err(17)]);
    assert_eq!(heard.0[1], "35 fields [6, 0, 0] None None Some(14) false [] at 17", "{heard:?}");
    // what is behind a block is padding only if it is zero
    let mut other = island.clone();
    other[head.len() - 1] = 7;
    let heard = hear(Side::begun(), &[Err(17), Ok(&other), Err(17)]);
    assert!(!heard.0.iter().any(|text| text.contains("fields")), "{heard:?}");
}

#[test]
fn a_hole_in_padding_is_named_and_costs_nothing_else() {
    let padded = |content: &[u8]| [&[9][..], content, &[0; 9]].concat();
    let head = frame(kind::HEADERS, flag::END_HEADERS | flag::PADDED, 1, &padded(GET));
    let body = frame(kind::DATA, flag::END_STREAM | flag::PADDED, 1, &padded(b"body"));
    let heard = hear(Side::begun(), &[Ok(&head[..15]), Err(7), Ok(&body[..16]), Err(7)]);
    assert_eq!(
        heard.0,
        [
            "1 fields [] Some(\"GET\") None padding Lost Some(3) false [] at 0",
            "1 body body",
            "1 Padding(Lost)",
            "1 end false",
        ]
    );
}

#[test]
fn a_block_that_is_cut_before_it_begins_still_ends_its_stream() {
    let ends = flag::END_HEADERS | flag::END_STREAM;
    let priority = frame(kind::HEADERS, ends | flag::PRIORITY, 1, &[&[0, 0, 0, 0, 9], GET].concat());
    let heard = hear(Side::begun(), &[Ok(&priority[..12]), Err(5)]);
    assert_eq!(heard.0, ["1 fields [] None Some(Lost) None false [] at 0", "1 end false"]);
    // what can't be is named, and is no hole
    let padded = frame(kind::HEADERS, ends | flag::PADDED, 1, &[&[9], GET].concat());
    let heard = hear(Side::begun(), &[Ok(&padded)]);
    assert_eq!(
        heard.0,
        ["1 fields [] None Some(Malformed) None false [\"invalid_frame\"] at 0", "1 end false"]
    );
    let stray = frame(kind::CONTINUATION, flag::END_HEADERS, 1, GET);
    let heard = hear(Side::begun(), &[Ok(&stray)]);
    assert_eq!(heard.0, ["1 fields [] None Some(Malformed) None false [\"invalid_frame\"] at 0"]);
    // a promise whose stream is not known is nothing of the stream that it came on
    let promise = frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[&[0, 0, 0, 2], GET].concat());
    let heard = hear(Side::begun(), &[Ok(&promise[..11]), Err(5)]);
    assert!(heard.0.is_empty(), "{heard:?}");
}

#[test]
fn a_block_with_a_hole_gives_its_beginning_and_its_stream_still_ends() {
    let block = [GET, &[0x40, 1, b'a', 3], b"xyz"].concat();
    let head = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block);
    let after = frame(kind::HEADERS, flag::END_HEADERS, 3, &[0x82, 0xbe]);
    let heard = hear(Side::begun(), &[Ok(&head[..14]), Err(2), Ok(&[&head[16..], &after[..]].concat())]);
    assert_eq!(
        heard.0,
        [
            "1 fields [] Some(\"GET\") Some(Lost) None false [] at 0",
            "1 end false",
            "3 fields [0] Some(\"GET\") None Some(2) false [] at 19",
        ]
    );
}

#[test]
fn what_is_no_frame_is_named_and_passed_over() {
    let fits = [frame(kind::DATA, 0, 1, b"good"), frame(kind::PING, 0, 0, &[0; 8])].concat();
    let odd = frame(kind::SETTINGS, 0, 7, &[1; 6]);
    let heard = hear(Side::begun(), &[Ok(&[&odd[..], &fits].concat())]);
    assert_eq!(heard.0, ["0 odd [\"invalid_frame\"]", "0 Lost(Malformed)", "1 body good"]);
    let heard = hear(Side::begun(), &[Ok(&frame(kind::HEADERS, flag::END_HEADERS, 1, &[0xc5]))]);
    assert_eq!(heard.0[0], "1 odd [\"invalid_hpack\"]");
}

#[test]
fn floods_are_named_and_bounded() {
    let mut input = frame(kind::HEADERS, 0, 1, GET);
    for _ in 0..1000 {
        input.extend(frame(kind::CONTINUATION, 0, 1, &[0x86]));
    }
    let heard = hear(Side::begun(), &[Ok(&input)]);
    assert_eq!(heard.0[0], "1 odd [\"continuation_flood\"]");
    let long = frame(kind::HEADERS, flag::END_HEADERS, 1, &vec![0x86; HEAD_BYTES_MAX + 1]);
    let heard = hear(Side::begun(), &[Ok(&long)]);
    assert_eq!(heard.0, ["1 fields [] None Some(Malformed) None false [\"head_too_long\"] at 0"]);
}

#[test]
fn a_server_begins_with_settings() {
    assert!(begins_server(&frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])));
    assert!(!begins_server(&frame(kind::SETTINGS, flag::ACK, 0, &[])));
    assert!(!begins_server(&frame(kind::DATA, 0, 1, &[])));
}

#[test]
fn in_bytes_of_other_kinds_no_frames_are_found() {
    let mut random = fastrand::Rng::with_seed(3);
    let place = Data { offset: 0, bytes: &[], time: Timestamp::ZERO, ack: None, boundary: true };
    let kinds: [fn(&mut fastrand::Rng, u32) -> [u8; 4]; 11] = [
        |random, _| random.u32(..).to_ne_bytes(),
        |random, _| u32::from(random.u8(..)).to_le_bytes(),
        |random, _| random.u32(..1000).to_be_bytes(),
        |random, _| [random.u8(32..127), random.u8(32..127), b' ', random.u8(32..127)],
        |random, _| [random.u8(..2), random.u8(..2), random.u8(..2), random.u8(..2)],
        |random, _| [0, 0, 0, u8::from(random.u8(..50) == 0)],
        |random, _| [random.u8(..4), random.u8(..4), random.u8(..4), random.u8(..4)],
        |random, _| [random.u8(..2), 0, random.u8(..2), 0],
        |random, _| [random.u8(..), random.u8(..2), random.u8(..), 255 * random.u8(..2)],
        |_, _| [0; 4],
        |_, count| count.to_be_bytes(),
    ];
    let mut count = 0;
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut search = Search::new(PAYLOAD_BYTES_DEFAULT);
        for at in 0..2_000 {
            let mut next = || {
                count += 1;
                kind(&mut random, count)
            };
            let bytes: Vec<u8> = (0..350).flat_map(|_| next()).collect();
            search.push(&Data { offset: at * 1400, bytes: &bytes, ..place });
            assert_eq!(search.find(), None, "kind {number}");
            assert!(search.memory() < 1 << 20);
        }
    }
}
