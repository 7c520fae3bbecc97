//! The messages behind a call that asked for WebSocket, in HTTP/1 and in HTTP/2, and how they are told in parts.

use super::*;
use crate::call::{Causes, Message, Protocol};
use crate::exchange::Desk;
use crate::http::h2::frame::{PREFACE, flag, kind};

const CLIENT: Direction = Direction::Up;
const SERVER: Direction = Direction::Down;
const MINUTE: u64 = 60_000_000_000;

const ASK: &[u8] = b"GET /live HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
const TO_SERVER: &[u8] = &[0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
const TO_CLIENT: &[u8] = b"\x81\x05hello";
const CLIENT_CLOSES: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];
const SERVER_CLOSES: &[u8] = b"\x88\x02\x03\xe8";

/// A connection whose parts last for five minutes.
struct Talk {
    key: FlowKey,
    connection: Connection,
    desk: Desk,
    at: [u64; 2],
    now: Timestamp,
    told: Vec<Call>,
}

impl Talk {
    fn new() -> Self {
        let key = FlowKey::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80, None).0;
        let connection = Connection::new(&key, 0, Stamp::default());
        let desk = Desk::new(None, 5 * MINUTE);
        let mut talk = Self { key, connection, desk, at: [0; 2], now: Timestamp::ZERO, told: Vec::new() };
        for direction in [CLIENT, SERVER] {
            talk.chunk(direction, Chunk::Start(Start { offset: 0, known: true, opener: Some(CLIENT) }));
        }
        talk
    }

    fn agreed() -> Self {
        let mut talk = Self::new();
        talk.say(CLIENT, ASK);
        talk.say(SERVER, AGREE);
        talk
    }

    fn chunk(&mut self, direction: Direction, chunk: Chunk<'_>) {
        let Self { key, connection, desk, told, .. } = self;
        connection.chunk(key, desk, direction, chunk, &mut |finished| told.push(finished.call.clone()));
    }

    fn say(&mut self, direction: Direction, bytes: &[u8]) {
        let (offset, ack) = (self.at[direction.index()], Some(self.at[direction.reverse().index()]));
        self.at[direction.index()] += bytes.len() as u64;
        self.chunk(direction, Chunk::Data(Data { offset, bytes, time: self.now, ack, boundary: true }));
    }

    fn lose(&mut self, direction: Direction, len: u64) {
        let offset = self.at[direction.index()];
        self.at[direction.index()] += len;
        self.chunk(direction, Chunk::Gap(Gap { offset, len, cause: GapCause::Lost }));
    }

    fn wait(&mut self, nanos: u64) {
        self.now = self.now.plus(nanos);
    }

    /// What the flow table does when nothing comes.
    fn tick(&mut self) {
        let Self { connection, desk, told, now, .. } = self;
        if connection.due() <= *now {
            connection.tell_parts(desk, *now, &mut |finished| told.push(finished.call.clone()));
        }
    }

    fn close(&mut self, reason: EndReason) -> Vec<Call> {
        for direction in [CLIENT, SERVER] {
            let offset = self.at[direction.index()];
            self.chunk(direction, Chunk::End(End { offset, time: self.now, reason }));
        }
        assert_eq!(self.connection.open_calls(), u64::from(!self.is_told()));
        let Self { key, connection, desk, told, .. } = self;
        let record = connection.close(key, desk, reason, &mut |finished| told.push(finished.call.clone()));
        assert!(record.is_none(), "{record:?}");
        std::mem::take(&mut self.told)
    }

    fn is_told(&self) -> bool {
        self.told.iter().any(|call| call.part.is_some_and(|part| part.is_last))
    }
}

fn counts(message: &Message) -> (u64, u64) {
    let messages = message.messages.as_deref().unwrap();
    (messages.count, messages.bytes)
}

fn target(call: &Call) -> Option<&[u8]> {
    call.target.map(|target| target.of(&call.buffer))
}

#[test]
fn the_upgrade_is_one_call_and_the_messages_are_another() {
    let mut talk = Talk::agreed();
    talk.wait(1_000);
    talk.say(CLIENT, TO_SERVER);
    talk.wait(1_000);
    talk.say(SERVER, TO_CLIENT);
    talk.say(SERVER, TO_CLIENT);
    assert_eq!(talk.told.len(), 1, "it has not ended");
    talk.say(CLIENT, CLIENT_CLOSES);
    talk.say(SERVER, SERVER_CLOSES);
    let told = talk.close(EndReason::Fin);
    let [upgrade, messages] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((upgrade.protocol, upgrade.status, upgrade.part), (Protocol::Http11, Some(101), None));
    assert_eq!((upgrade.causes, upgrade.request.messages.as_ref()), (Causes::EMPTY, None));
    assert_eq!((messages.protocol, messages.method, messages.status), (Protocol::WebSocket, None, None));
    assert_eq!((messages.causes, target(messages)), (Causes::EMPTY, Some(b"/live".as_slice())));
    assert_eq!((counts(&messages.request), counts(&messages.response)), ((1, 2), (2, 10)));
    assert_eq!(messages.duration_ns, Some(2_000));
    let codes = [&messages.request, &messages.response]
        .map(|half| half.messages.as_ref().unwrap().opcodes.unwrap().close_code);
    assert_eq!(codes, [Some(1000); 2]);
    assert_ne!(upgrade.id, messages.id);
    assert_eq!(messages.part.unwrap().first, messages.id);
}

#[test]
fn how_it_ended_is_said() {
    for (closes, reason, cause) in [
        (None, EndReason::Fin, Causes::CONNECTION_CLOSED),
        (None, EndReason::InputEnded, Causes::STILL_OPEN),
        (Some((CLIENT, CLIENT_CLOSES)), EndReason::Fin, Causes::EMPTY),
        (Some((SERVER, SERVER_CLOSES)), EndReason::Reset, Causes::CONNECTION_RESET),
    ] {
        let mut talk = Talk::agreed();
        talk.say(SERVER, TO_CLIENT);
        if let Some((direction, bytes)) = closes {
            talk.say(direction, bytes);
        }
        let told = talk.close(reason);
        assert_eq!(told[1].causes, cause, "{reason:?}");
    }
}

#[test]
fn a_hole_over_frames_makes_it_partial_and_one_inside_a_payload_costs_no_count() {
    let mut talk = Talk::agreed();
    talk.say(SERVER, &TO_CLIENT[..4]);
    talk.lose(SERVER, 2);
    talk.say(SERVER, &TO_CLIENT[6..]);
    talk.lose(CLIENT, 8);
    talk.say(CLIENT, TO_SERVER);
    let told = talk.close(EndReason::Fin);
    assert_eq!((counts(&told[1].request), counts(&told[1].response)), ((0, 0), (1, 5)));
    let gaps = Causes::GAP_IN_REQUEST.union(Causes::GAP_IN_RESPONSE);
    assert_eq!(told[1].causes, gaps.union(Causes::CONNECTION_CLOSED));
}

#[test]
fn what_lasts_is_told_in_parts_and_silence_is_none() {
    let mut talk = Talk::agreed();
    talk.say(SERVER, TO_CLIENT);
    talk.wait(5 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 2, "the first part, though nothing more came");
    talk.wait(20 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 2, "nothing was said");
    talk.wait(MINUTE);
    talk.say(CLIENT, TO_SERVER);
    talk.wait(10 * MINUTE);
    talk.say(CLIENT, TO_SERVER);
    talk.say(SERVER, SERVER_CLOSES);
    let told = talk.close(EndReason::Fin);
    let parts: Vec<_> = told.iter().filter_map(|call| call.part.map(|part| (part, call))).collect();
    let seen: Vec<_> = parts
        .iter()
        .map(|(part, call)| (part.number, part.is_last, call.time.as_nanos() / MINUTE, call.causes))
        .collect();
    assert_eq!(
        seen,
        [(0, false, 0, Causes::STILL_OPEN), (1, false, 25, Causes::STILL_OPEN), (2, true, 35, Causes::EMPTY),]
    );
    let counted: Vec<_> =
        parts.iter().map(|(_, call)| (counts(&call.request).0, counts(&call.response).0)).collect();
    assert_eq!(counted, [(0, 1), (1, 0), (1, 0)]);
    assert!(parts.iter().all(|(part, _)| part.first == parts[0].1.id));
    let ids: std::collections::HashSet<_> = told.iter().map(|call| call.id).collect();
    assert_eq!(ids.len(), told.len());
}

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&len[1..], &[kind, flags], &1_u32.to_be_bytes(), payload].concat()
}

fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()].concat()
}

/// Both ends have begun HTTP/2, and the client asked for a tunnel with that protocol in it.
fn asked_in_h2(protocol: &str) -> Talk {
    let mut talk = Talk::new();
    let mut settings = frame(kind::SETTINGS, 0, &[]);
    settings[8] = 0;
    let ask = [
        literal(":method", "CONNECT"),
        literal(":protocol", protocol),
        literal(":scheme", "https"),
        literal(":path", "/live"),
        literal(":authority", "h"),
    ]
    .concat();
    talk.say(
        CLIENT,
        &[PREFACE.as_slice(), &settings, &frame(kind::HEADERS, flag::END_HEADERS, &ask)].concat(),
    );
    talk.say(SERVER, &settings);
    talk
}

#[test]
fn over_http2_the_stream_is_the_tunnel() {
    let mut talk = asked_in_h2("websocket");
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &[0x88]));
    assert_eq!(talk.told.len(), 1, "the call that asked has ended");
    assert_eq!(talk.connection.open_calls(), 1);
    talk.say(CLIENT, &frame(kind::DATA, 0, TO_SERVER));
    talk.say(SERVER, &frame(kind::DATA, 0, TO_CLIENT));
    talk.wait(6 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 2, "a part, though nothing more came");
    talk.say(CLIENT, &frame(kind::DATA, flag::END_STREAM, CLIENT_CLOSES));
    talk.say(SERVER, &frame(kind::DATA, flag::END_STREAM, SERVER_CLOSES));
    let told = talk.close(EndReason::Fin);
    let [upgrade, first, last] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((upgrade.protocol, upgrade.status, upgrade.stream_id), (Protocol::H2, Some(200), Some(1)));
    assert_eq!((upgrade.causes, upgrade.response.body_bytes), (Causes::EMPTY, Some(0)));
    assert_eq!((first.protocol, first.stream_id), (Protocol::WebSocket, Some(1)));
    assert_eq!((counts(&first.request), counts(&first.response)), ((1, 2), (1, 5)));
    assert_eq!((last.causes, last.part.map(|part| part.number)), (Causes::EMPTY, Some(1)));
}

#[test]
fn over_http2_a_refusal_or_another_protocol_is_no_conversation() {
    for (protocol, status) in [("websocket", 0x8d), ("connect-udp", 0x88)] {
        let mut talk = asked_in_h2(protocol);
        talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, &[status]));
        let told = talk.close(EndReason::Fin);
        assert_eq!(told.iter().map(|call| call.protocol).collect::<Vec<_>>(), [Protocol::H2], "{protocol}");
    }
}

#[test]
fn messages_of_grpc_are_counted_and_long_streams_told_in_parts() {
    let mut talk = Talk::new();
    let mut settings = frame(kind::SETTINGS, 0, &[]);
    settings[8] = 0;
    let typed = literal("content-type", "application/grpc");
    let ask = [vec![0x83, 0x86], literal(":path", "/shop.Cart/Watch"), typed.clone()].concat();
    talk.say(
        CLIENT,
        &[PREFACE.as_slice(), &settings, &frame(kind::HEADERS, flag::END_HEADERS, &ask)].concat(),
    );
    talk.say(SERVER, &settings);
    talk.say(CLIENT, &frame(kind::DATA, flag::END_STREAM, b"\0\0\0\0\x02hi"));
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &[&[0x88], typed.as_slice()].concat()));
    talk.say(SERVER, &frame(kind::DATA, 0, b"\0\0\0\0\x03one\x01\0\0\0\x03two"));
    talk.wait(7 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 1, "a part, though nothing more came");
    talk.say(SERVER, &frame(kind::DATA, 0, b"\0\0\0\0\x05three"));
    let trailers = [literal("grpc-status", "4"), literal("grpc-message", "too%20late")].concat();
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, &trailers));
    let told = talk.close(EndReason::Fin);
    let [first, last] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((first.protocol, first.grpc_status, first.causes), (Protocol::Grpc, None, Causes::STILL_OPEN));
    assert_eq!((counts(&first.request), counts(&first.response)), ((1, 2), (2, 6)));
    assert_eq!(first.response.messages.as_ref().unwrap().compressed, 1);
    assert_eq!((last.grpc_status, last.causes, counts(&last.response)), (Some(4), Causes::EMPTY, (1, 5)));
    assert_eq!(last.grpc_message.map(|span| span.of(&last.buffer)), Some(b"too%20late".as_slice()));
    let (part, rest) = (first.part.unwrap(), last.part.unwrap());
    assert_eq!((part.number, part.is_last, rest.number, rest.is_last), (0, false, 1, true));
    assert_eq!((first.id, last.time.as_nanos()), (rest.first, 5 * MINUTE));
    assert_eq!((first.response.body_bytes, last.response.body_bytes), (Some(16), Some(10)));
    assert_eq!((first.request.body_bytes, last.request.body_bytes), (Some(7), Some(0)));
}

#[test]
fn a_long_answer_of_grpc_web_is_told_in_parts() {
    let mut talk = Talk::new();
    let typed = "Content-Type: application/grpc-web+proto\r\n";
    let head = format!(
        "POST /shop.Cart/Watch HTTP/1.1\r\nHost: h\r\n{typed}Content-Length: 7\r\n\r\n\0\0\0\0\x02hi"
    );
    talk.say(CLIENT, head.as_bytes());
    talk.say(SERVER, format!("HTTP/1.1 200 OK\r\n{typed}Transfer-Encoding: chunked\r\n\r\n").as_bytes());
    talk.say(SERVER, b"8\r\n\0\0\0\0\x03one\r\n");
    talk.wait(7 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 1, "a part, though nothing more came");
    talk.wait(11 * MINUTE);
    talk.tick();
    assert_eq!(talk.told.len(), 1, "nothing was said in the next two");
    talk.say(SERVER, b"f\r\n\0\0\0\0\x0ahello");
    talk.lose(SERVER, 5);
    talk.wait(5 * MINUTE);
    talk.tick();
    talk.say(SERVER, b"\r\n15\r\n\x80\0\0\0\x10grpc-status: 4\r\n\r\n0\r\n\r\n");
    let told = talk.close(EndReason::Fin);
    let [first, second, last] = told.as_slice() else { panic!("{told:?}") };
    let parts = [first, second, last].map(|call| call.part.unwrap());
    assert_eq!(parts.map(|part| (part.number, part.is_last)), [(0, false), (1, false), (2, true)]);
    assert_eq!(parts.map(|part| part.first), [first.id; 3]);
    let minutes = [first, second, last].map(|call| call.time.as_nanos() / MINUTE);
    assert_eq!(minutes, [0, 15, 20]);
    assert_eq!([first, second, last].map(|call| call.response.body_bytes), [Some(8), Some(15), Some(21)]);
    assert_eq!([first, second, last].map(|call| call.request.body_bytes), [Some(7), Some(0), Some(0)]);
    assert_eq!([first, second, last].map(|call| counts(&call.response).0), [1, 1, 0]);
    let hole = Causes::GAP_IN_RESPONSE;
    assert_eq!(first.causes, Causes::STILL_OPEN);
    assert_eq!((second.causes, last.causes), (Causes::STILL_OPEN.union(hole), hole));
    assert_eq!([first, second, last].map(|call| call.grpc_status), [None, None, Some(4)]);
    assert_eq!(last.duration_ns, Some(3 * MINUTE));
}

#[test]
fn what_the_client_says_before_the_tunnel_is_agreed_on_is_counted() {
    for (early, cause) in [(vec![TO_SERVER.to_vec()], Causes::EMPTY), (Vec::new(), Causes::GAP_IN_REQUEST)] {
        let mut talk = asked_in_h2("websocket");
        if early.is_empty() {
            talk.lose(CLIENT, 40);
            let settings = [&[0, 0, 0, kind::SETTINGS, 0, 0, 0, 0, 0][..]; 4].concat();
            talk.say(CLIENT, &settings);
        }
        early.iter().for_each(|bytes| talk.say(CLIENT, &frame(kind::DATA, 0, bytes)));
        talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &[0x88]));
        talk.say(SERVER, &frame(kind::DATA, flag::END_STREAM, SERVER_CLOSES));
        talk.say(CLIENT, &frame(kind::DATA, flag::END_STREAM, CLIENT_CLOSES));
        let told = talk.close(EndReason::Fin);
        let messages = told.last().unwrap();
        assert_eq!(counts(&messages.request).0, early.len() as u64);
        assert_eq!(messages.causes.has(Causes::GAP_IN_REQUEST), !cause.is_empty(), "{:?}", messages.causes);
    }
}

/// A stream of gRPC whose answer has begun.
fn stream_of_grpc() -> Talk {
    let mut talk = Talk::new();
    let mut settings = frame(kind::SETTINGS, 0, &[]);
    settings[8] = 0;
    let typed = literal("content-type", "application/grpc");
    let ask = [vec![0x83, 0x86], literal(":path", "/shop.Cart/Watch"), typed.clone()].concat();
    let head = frame(kind::HEADERS, flag::END_HEADERS, &ask);
    talk.say(CLIENT, &[PREFACE.as_slice(), &settings, &head].concat());
    talk.say(SERVER, &settings);
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &[&[0x88], typed.as_slice()].concat()));
    talk
}

#[test]
fn each_part_has_the_causes_of_its_own_time() {
    let mut talk = stream_of_grpc();
    // a hole inside a message costs its bytes and no more
    let message = frame(kind::DATA, 0, b"\0\0\0\0\x0ahellohello");
    talk.say(SERVER, &message[..16]);
    talk.lose(SERVER, 4);
    talk.say(SERVER, &message[20..]);
    talk.wait(6 * MINUTE);
    talk.tick();
    talk.say(SERVER, &frame(kind::DATA, 0, b"\0\0\0\0\x02ok"));
    talk.wait(5 * MINUTE);
    talk.tick();
    // a hole over frames: what is counted from here on is not all
    talk.lose(SERVER, 100);
    talk.say(
        SERVER,
        &[frame(kind::DATA, 0, &[7; 50]), frame(kind::DATA, 0, &[7; 50]), frame(kind::DATA, 0, b"x")]
            .concat(),
    );
    talk.say(SERVER, &[frame(kind::DATA, 0, b"abcdefgh"), frame(kind::DATA, 0, b"abcdefgh")].concat());
    talk.wait(5 * MINUTE);
    talk.tick();
    let causes: Vec<Causes> = talk.told.iter().map(|call| call.causes).collect();
    let lost = Causes::STILL_OPEN.union(Causes::GAP_IN_RESPONSE);
    assert_eq!(causes, [lost, Causes::STILL_OPEN, lost]);
    talk.close(EndReason::InputEnded);
}

#[test]
fn the_end_of_grpc_is_noted_once_however_often_it_is_said() {
    let mut talk = stream_of_grpc();
    let trailers = [literal("grpc-status", "4"), literal("grpc-message", &"x".repeat(200))].concat();
    for _ in 0..200 {
        talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &trailers));
    }
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, &trailers));
    let told = talk.close(EndReason::Fin);
    assert_eq!(told[0].grpc_status, Some(4));
    assert!(told[0].buffer.len() < 1000, "{}", told[0].buffer.len());
}

#[test]
fn a_tunnel_has_no_messages_of_grpc() {
    let mut talk = Talk::new();
    let mut settings = frame(kind::SETTINGS, 0, &[]);
    settings[8] = 0;
    let ask = [
        literal(":method", "CONNECT"),
        literal(":protocol", "websocket"),
        literal(":path", "/live"),
        literal(":authority", "h"),
        literal("content-type", "application/grpc"),
    ]
    .concat();
    let head = frame(kind::HEADERS, flag::END_HEADERS, &ask);
    talk.say(CLIENT, &[PREFACE.as_slice(), &settings, &head].concat());
    talk.say(SERVER, &settings);
    talk.say(CLIENT, &frame(kind::DATA, 0, b"\0\0\0\0\x02hi"));
    talk.wait(6 * MINUTE);
    talk.tick();
    talk.say(SERVER, &frame(kind::HEADERS, flag::END_HEADERS, &[0x88]));
    let told = talk.close(EndReason::Fin);
    assert_eq!(
        told.iter().map(|call| call.protocol).collect::<Vec<_>>(),
        [Protocol::H2, Protocol::WebSocket]
    );
}
