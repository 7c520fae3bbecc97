//! What HTTP/2 says of a stream beside the plain call: frames that do not belong, resets, tunnels, floods.

use super::*;
use crate::call::{Anomalies, Causes};
use crate::http::h2::frame::{PREFACE, flag, kind};
use crate::limits::{H2_ANSWER_HEADS_MAX, H2_HEADS_BYTES_MAX, H2_RESETS_MAX, H2_STREAMS_MAX};

const GET: &[u8] = &[0x82, 0x86, 0x84];
/// `:status: 200`
const OK: &[u8] = &[0x88];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn head(stream: u32, end: bool, block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | if end { flag::END_STREAM } else { 0 }, stream, block)
}

fn data(stream: u32, end: bool, bytes: &[u8]) -> Vec<u8> {
    frame(kind::DATA, if end { flag::END_STREAM } else { 0 }, stream, bytes)
}

fn reset(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

/// Plays frames, by turns, after both ends have begun the connection. `>` the client, `<` the server.
fn say(turns: &[(char, Vec<u8>)]) -> Vec<Told> {
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let begin = [('>', [PREFACE.as_slice(), &settings].concat()), ('<', settings)];
    let mut at = [0; 2];
    let parts: Vec<Part> = begin
        .iter()
        .chain(turns)
        .enumerate()
        .map(|(turn, (who, bytes))| {
            let direction = if *who == '>' { Direction::Up } else { Direction::Down };
            let from = &mut at[direction.index()];
            let part = Part { direction, at: *from, what: Ok(bytes.clone()), turn };
            *from += part.len();
            part
        })
        .collect();
    play(&parts, Setting::default()).0
}

fn one(turns: &[(char, Vec<u8>)]) -> Told {
    let mut told = say(turns);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0)
}

#[test]
fn a_head_has_the_pseudo_headers_that_it_must_have() {
    let method = [0x82];
    let connect = [&[0x02, 7][..], b"CONNECT", &[0x01, 1, b'a']].concat();
    for (ask, answer, right) in [
        (GET, OK, true),
        (&connect, OK, true),
        (GET, GET, false),
        (GET, &[0x87], false),
        (&method, OK, false),
        (&[0x84], OK, false),
        (OK, OK, false),
    ] {
        let call = one(&[('>', head(1, true, ask)), ('<', head(1, true, answer))]).call;
        let malformed =
            (call.causes.has(Causes::MALFORMED), call.anomalies.has(Anomalies::INVALID_START_LINE));
        assert_eq!(malformed, (!right, !right), "{ask:x?} {answer:x?}");
        let method = call.method.map(|span| span.of(&call.buffer).to_vec());
        let of_request = ask[0] == 0x82 || ask[0] == 0x02;
        assert_eq!(method.is_some(), of_request, "an answer gives no method: {call:?}");
    }
}

#[test]
fn what_follows_the_end_of_a_stream_changes_nothing() {
    let told = one(&[
        ('>', head(1, false, GET)),
        ('>', data(1, true, b"abc")),
        ('>', data(1, true, b"def")),
        ('>', head(1, true, &[0x83, 0x86, 0x85])),
        ('<', head(1, true, OK)),
        ('<', head(1, true, &[0x8d])),
    ]);
    assert_eq!(told.call.request.body_bytes, Some(3));
    assert_eq!(told.request_body.as_deref(), Some(b"abc".as_slice()));
    assert_eq!((told.call.status, told.target().as_deref()), (Some(200), Some("/")));
    assert!(
        told.call.anomalies.has(Anomalies::UNEXPECTED_BODY)
            && told.call.anomalies.has(Anomalies::INVALID_FRAME)
    );
}

#[test]
fn a_body_before_its_head_is_not_handed_on() {
    let told = one(&[
        ('>', head(1, true, GET)),
        ('<', data(1, false, b"early")),
        ('<', head(1, false, OK)),
        ('<', data(1, true, b"rest")),
    ]);
    assert_eq!((told.call.status, told.response_body), (Some(200), None));
}

#[test]
fn what_goes_through_a_tunnel_is_no_body() {
    let connect = [&[0x02, 7][..], b"CONNECT", &[0x01, 1, b'a']].concat();
    let told = one(&[
        ('>', head(1, false, &connect)),
        ('<', head(1, false, OK)),
        ('>', data(1, true, b"hello")),
        ('<', data(1, true, b"world")),
    ]);
    assert!(told.call.causes.is_empty());
    assert_eq!((told.call.request.body_bytes, told.call.response.body_bytes), (None, None));
    assert_eq!((told.request_body, told.response_body), (None, None));
}

#[test]
fn an_answer_that_crosses_the_reset_of_its_client_is_its_answer() {
    let turns = [('>', head(1, true, GET)), ('>', reset(1)), ('<', head(1, true, OK))];
    assert_eq!(one(&turns).call.status, Some(200));
    assert!(one(&turns).call.causes.is_empty());
    let call = one(&turns[..2]).call;
    assert_eq!((call.status, call.causes.has(Causes::STREAM_RESET)), (None, true));
}

#[test]
fn early_refusal_waits_for_the_rest_of_the_request() {
    let told = one(&[
        ('>', head(1, false, GET)),
        ('<', head(1, true, OK)),
        ('<', reset(1)),
        ('>', data(1, true, b"under way")),
    ]);
    assert_eq!((told.call.request.body_bytes, told.call.status), (Some(9), Some(200)));
    assert!(told.call.causes.is_empty());
}

#[test]
fn many_resets_are_a_flood_and_few_are_none() {
    for (resets, flood) in [(20, false), (3 * u32::try_from(H2_RESETS_MAX).unwrap(), true)] {
        let mut turns = Vec::new();
        for stream in (1..2 * resets).step_by(2) {
            turns.extend([('>', head(stream, true, GET)), ('>', reset(stream))]);
        }
        let told = say(&turns);
        assert_eq!(told.len(), resets as usize);
        assert!(told.iter().all(|one| one.call.causes.has(Causes::STREAM_RESET)));
        let named = told.iter().any(|one| one.call.anomalies.has(Anomalies::RESET_FLOOD));
        assert_eq!(named, flood, "{resets} resets");
    }
}

#[test]
fn streams_beyond_the_bound_are_told_as_evicted() {
    let asked = H2_STREAMS_MAX + 10;
    let turns: Vec<_> = (0..asked).map(|at| ('>', head(2 * at as u32 + 1, true, GET))).collect();
    let told = say(&turns);
    assert_eq!(told.len(), asked);
    let evicted = told.iter().filter(|one| one.call.causes.has(Causes::EVICTED));
    assert_eq!(
        evicted.map(|one| one.call.stream_id.unwrap()).collect::<Vec<_>>(),
        (0..10).map(|at| 2 * at + 1).collect::<Vec<_>>()
    );
}

#[test]
fn a_request_found_behind_a_hole_takes_its_times_from_itself() {
    // the place where frames go on is certain only when the frame behind it is there
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let ping = frame(kind::PING, 0, 0, &[7; 8]);
    let ask = head(3, true, GET);
    let begin = [PREFACE.as_slice(), &settings].concat();
    let lost = 20;
    let mut up = 0;
    let mut part = |turn, what: Result<Vec<u8>, usize>| {
        let part = Part { direction: Direction::Up, at: up, what, turn };
        up += part.len();
        part
    };
    let mut parts = vec![
        part(0, Ok(begin)),
        part(1, Err(lost)),
        part(2, Ok(ask[..ask.len() - 1].to_vec())),
        part(7, Ok([&ask[ask.len() - 1..], &ping, &ping, &ping].concat())),
    ];
    let answer = [settings, head(3, true, OK)].concat();
    parts.insert(3, Part { direction: Direction::Down, at: 0, what: Ok(answer), turn: 5 });
    let (told, _) = play(&parts, Setting::default());
    let call = &told.iter().find(|one| one.call.stream_id == Some(3)).unwrap().call;
    assert_eq!((call.time, call.status), (Timestamp::from_nanos(3_000_000), Some(200)));
    assert_eq!(call.duration_ns, Some(3_000_000), "{call:?}");
}

/// What is told of these requests, of which the server's frames have holes: `Err` so many bytes are missing.
fn answers(asks: &[Vec<u8>], server: &[Result<Vec<u8>, usize>]) -> Vec<Told> {
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let ask = [PREFACE.as_slice(), &settings, &asks.concat()].concat();
    let mut parts = vec![Part { direction: Direction::Up, at: 0, what: Ok(ask), turn: 0 }];
    let mut at = 0;
    for (turn, what) in [Ok(settings)].iter().chain(server).enumerate() {
        parts.push(Part { direction: Direction::Down, at, what: what.clone(), turn: turn + 1 });
        at += parts.last().unwrap().len();
    }
    play(&parts, Setting::default()).0
}

/// The same of one request.
fn answered(server: &[Result<Vec<u8>, usize>]) -> Call {
    let mut told = answers(&[head(1, true, GET)], server);
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0).call
}

#[test]
fn trailers_behind_a_hole_are_not_told_as_the_head() {
    let trailers = head(1, true, &[&[0, 11][..], b"grpc-status", &[1, b'0']].concat());
    let ping = frame(kind::PING, 0, 0, &[7; 8]);
    let call = answered(&[Err(100), Ok([ping.clone(), trailers, ping].concat())]);
    assert_eq!((call.grpc_status, call.status, call.response.seen), (Some(0), None, false), "{call:?}");
    assert_eq!((call.ttfb_ns, call.response.head_bytes), (None, None));
    assert!(call.causes.has(Causes::GAP_IN_RESPONSE));
}

#[test]
fn an_interim_answer_whose_status_is_unknown_is_not_the_answer() {
    // a hole in a header block, and all entries from before it are unknown
    let ask_again = head(3, true, &[0x40, 1, b'a', 1, b'b', 0x40, 1, b'c', 1, b'd']);
    let interim = head(1, false, &[0xbe]);
    let server = [
        Ok(ask_again[..9 + 2].to_vec()),
        Err(ask_again.len() - 11),
        Ok([interim, head(1, true, OK)].concat()),
    ];
    let told = answers(&[head(1, true, GET), head(3, true, GET)], &server);
    let call = &told.iter().find(|one| one.call.stream_id == Some(1)).unwrap().call;
    assert_eq!((call.status, call.response.head_bytes), (Some(200), Some(1)), "{call:?}");
}

#[test]
fn a_field_that_is_not_known_is_nothing_odd_before_one_that_is() {
    // a hole in a block, then an answer whose first field is unknown, perhaps a pseudo-header, and then `:status`
    let block = head(1, false, &[0x40, 1, b'a', 1, b'b']);
    let cut = block.len() - 2;
    let next = head(3, true, &[0xbe, 0x88]);
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let asks = [PREFACE.as_slice(), &settings, &head(1, true, GET), &head(3, true, GET)].concat();
    let begin = [settings, block[..cut].to_vec()].concat();
    let at = begin.len();
    let parts = [
        Part { direction: Direction::Up, at: 0, what: Ok(asks), turn: 0 },
        Part { direction: Direction::Down, at: 0, what: Ok(begin), turn: 1 },
        Part { direction: Direction::Down, at, what: Err(2), turn: 2 },
        Part { direction: Direction::Down, at: at + 2, what: Ok(next), turn: 3 },
    ];
    let (told, _) = play(&parts, Setting::default());
    let call = &told.iter().find(|one| one.call.stream_id == Some(3)).unwrap().call;
    assert_eq!((call.status, call.anomalies), (Some(200), Anomalies::EMPTY), "{call:?}");
}

#[test]
fn how_the_connection_ended_is_what_cut_a_head() {
    for (end, cause) in [
        (EndReason::Fin, Causes::CONNECTION_CLOSED),
        (EndReason::Reset, Causes::CONNECTION_RESET),
        (EndReason::InputEnded, Causes::STILL_OPEN),
    ] {
        let settings = frame(kind::SETTINGS, 0, 0, &[]);
        let ask = head(1, true, GET);
        let bytes = [PREFACE.as_slice(), &settings, &ask[..ask.len() - 1]].concat();
        let parts = [Part { direction: Direction::Up, at: 0, what: Ok(bytes), turn: 0 }];
        let (told, _) = play(&parts, Setting { end, ..Setting::default() });
        assert_eq!(told[0].call.causes, cause, "{:?}", told[0].call);
    }
}

#[test]
fn a_frame_longer_than_is_known_to_be_allowed_is_nothing_odd() {
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let ping = frame(kind::PING, 0, 0, &[7; 8]);
    let long = [ping.clone(), ping, data(1, false, &[b'x'; 60_000])].concat();
    let call = answered(&[Err(50), Ok(long), Ok(settings)]);
    assert_eq!(call.anomalies, Anomalies::EMPTY);
    assert!(!call.causes.has(Causes::MALFORMED));
}

#[test]
fn a_client_that_takes_answers_by_the_byte_is_named() {
    let settings = |window: u32| frame(kind::SETTINGS, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat());
    let more = |bytes: u32| frame(kind::WINDOW_UPDATE, 0, 1, &bytes.to_be_bytes());
    let plain = frame(kind::SETTINGS, 0, 0, &[]);
    let last = [head(3, true, GET)].concat();
    for (begin, between, abuse) in [
        (&plain, more(1).repeat(101), true),
        (&plain, more(1).repeat(100), false),
        (&plain, more(70_000).repeat(500), false),
        (&settings(1), more(1).repeat(98), false),
        (&settings(1), more(1).repeat(99), true),
        (&settings(1 << 20), more(1).repeat(100), false),
    ] {
        let ask = [PREFACE.as_slice(), begin, &head(1, true, GET), &between, &last].concat();
        let parts = [
            Part { direction: Direction::Up, at: 0, what: Ok(ask), turn: 0 },
            Part { direction: Direction::Down, at: 0, what: Ok(plain.clone()), turn: 1 },
        ];
        let (told, _) = play(&parts, Setting::default());
        let odd = told.iter().map(|one| one.call.anomalies).fold(Anomalies::EMPTY, Anomalies::union);
        assert_eq!(odd.has(Anomalies::WINDOW_ABUSE), abuse, "{}", between.len());
    }
    let told = one(&[
        ('>', head(1, false, GET)),
        ('>', more(0)),
        ('>', data(1, true, b"")),
        ('<', head(1, true, OK)),
    ]);
    assert!(told.call.anomalies.has(Anomalies::INVALID_FRAME), "no room is none");
}

#[test]
fn a_request_that_is_still_looked_for_when_its_answer_shows_who_the_client_is() {
    let text = b"{\"id\":17,\"name\":\"A. Smith\",\"paid\":true},";
    // of the first answer nothing is known that only a server would say
    let before = [head(1, false, &[0xc5, 0xc4]), data(1, false, text), data(1, true, text)].concat();
    let turns = [
        ('<', before),
        ('>', head(3, true, GET)),
        ('<', [head(3, false, OK), data(3, true, text)].concat()),
        ('>', [head(5, true, GET), head(7, true, GET)].concat()),
    ];
    let mut at = [0; 2];
    let part = |(turn, (who, bytes)): (usize, &(char, Vec<u8>))| {
        let direction = if *who == '>' { Direction::Up } else { Direction::Down };
        let from = at[direction.index()];
        at[direction.index()] += bytes.len();
        Part { direction, at: from, what: Ok(bytes.clone()), turn }
    };
    let parts: Vec<Part> = turns.iter().enumerate().map(part).collect();
    let joined = Setting { known: [false; 2], opener: None, end: EndReason::Fin };
    let told = play(&parts, joined).0;
    let third = told.iter().find(|told| told.call.stream_id == Some(3)).unwrap();
    assert!(third.call.request.seen && third.call.status == Some(200), "{:?}", lines(&told));
}

#[test]
fn a_hole_in_padding_makes_the_call_partial_and_keeps_its_size() {
    let padded = frame(kind::DATA, flag::END_STREAM | flag::PADDED, 1, b"\x03body\0\0\0");
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    let ask = [PREFACE.as_slice(), &settings, &head(1, true, GET)].concat();
    let answer = [settings, head(1, false, OK), padded].concat();
    let seen = answer.len() - 2;
    let part = |direction, at, what, turn| Part { direction, at, what, turn };
    let parts = [
        part(Direction::Up, 0, Ok(ask), 0),
        part(Direction::Down, 0, Ok(answer[..seen].to_vec()), 1),
        part(Direction::Down, seen, Err(2), 1),
    ];
    let told = play(&parts, Setting::default()).0.remove(0);
    assert_eq!(told.call.causes, Causes::GAP_IN_RESPONSE);
    assert_eq!(told.call.response.body_bytes, Some(4));
    assert!(told.call.duration_ns.is_none(), "its last byte was not seen");
}

#[test]
fn heads_of_an_answer_without_status_do_not_pile_up() {
    let block = [&[0x00, 1, b'a', 127, 121][..], &[b'v'; 248]].concat();
    let answers = (0..200).map(|_| ('<', head(1, false, &block)));
    let turns: Vec<_> = std::iter::once(('>', head(1, true, GET))).chain(answers).collect();
    let call = one(&turns).call;
    let bound = (H2_ANSWER_HEADS_MAX as usize + 1) * block.len() + 100;
    assert!(call.buffer.len() <= bound, "{} bytes", call.buffer.len());
    assert!(call.anomalies.has(Anomalies::INVALID_START_LINE));
}

#[test]
fn heads_of_many_streams_are_bounded_together() {
    let insert = [&[0x40, 1, b'a', 127, 0xa1, 0x1e][..], &[b'v'; 4000]].concat();
    let bomb = [GET, &[0xbe; 50]].concat();
    let first = ('>', head(1, false, &[GET, &insert].concat()));
    let bombs = (1..40).map(|number| ('>', head(2 * number + 1, false, &bomb)));
    let told = say(&std::iter::once(first).chain(bombs).collect::<Vec<_>>());
    assert_eq!(told.len(), 40);
    let evicted = told.iter().take_while(|told| told.call.causes.has(Causes::EVICTED)).count();
    let bytes = 50 * 4000 * (40 - evicted);
    assert!((1..30).contains(&evicted) && bytes < 2 * H2_HEADS_BYTES_MAX, "{evicted}");
    assert!(told[0].call.anomalies.has(Anomalies::HEAD_TOO_LONG));
}
