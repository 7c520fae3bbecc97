//! Tests of the stack of one connection: conversations whose calls are known, played in many ways.

mod conversations;
mod gaps;
mod h2;
mod looks;
mod memory;
mod pairing;
mod splits;
mod streams;
mod switches;
mod websocket;

use std::net::SocketAddr;

use super::*;
use crate::call::{Call, Connection as Record, Protocol};
use crate::flow::{End, Gap, GapCause, Start};

/// What one direction says at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    direction: Direction,
    /// Position, from the first byte of the direction.
    at: usize,
    /// Its bytes, or how many of them are missing.
    what: Result<Vec<u8>, usize>,
    /// Its turn in the conversation.
    turn: usize,
}

impl Part {
    fn len(&self) -> usize {
        self.what.as_ref().map_or_else(|missing| *missing, Vec::len)
    }
}

/// A call as it was told, with the bodies that were handed on.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    call: Call,
    request_body: Option<Vec<u8>>,
    response_body: Option<Vec<u8>>,
}

impl Told {
    fn new(finished: Finished<'_>) -> Self {
        Self {
            call: finished.call.clone(),
            request_body: finished.request_body.map(<[u8]>::to_vec),
            response_body: finished.response_body.map(<[u8]>::to_vec),
        }
    }

    fn target(&self) -> Option<String> {
        self.call.target.map(|target| String::from_utf8_lossy(target.of(&self.call.buffer)).into_owned())
    }
}

/// How both directions begin, and how they end.
#[derive(Clone, Copy, Debug)]
struct Setting {
    known: [bool; 2],
    opener: Option<Direction>,
    end: EndReason,
}

impl Default for Setting {
    fn default() -> Self {
        Self { known: [true; 2], opener: Some(Direction::Up), end: EndReason::Fin }
    }
}

/// Turns into parts: `>` the client speaks, `<` the server.
fn parts(turns: &[(char, &str)]) -> Vec<Part> {
    let mut at = [0; 2];
    let speak = |(turn, (who, text)): (usize, &(char, &str))| {
        let direction = if *who == '>' { Direction::Up } else { Direction::Down };
        let at = &mut at[direction.index()];
        let part = Part { direction, at: *at, what: Ok(text.as_bytes().to_vec()), turn };
        *at += text.len();
        part
    };
    turns.iter().enumerate().map(speak).collect()
}

/// What follows an upgrade to WebSocket has tests of its own.
fn note(told: &mut Vec<Told>, finished: Finished<'_>) {
    if finished.call.protocol != Protocol::WebSocket {
        told.push(Told::new(finished));
    }
}

/// Plays parts on a connection: the calls, and what is left to say of the connection.
fn play(parts: &[Part], setting: Setting) -> (Vec<Told>, Option<Record>) {
    const ORIGIN: [u64; 2] = [(1 << 32) + 1000, (1 << 32) + 5000];
    let (client, server): (SocketAddr, SocketAddr) =
        (([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], 80).into());
    let key = FlowKey::new(client, server, None).0;
    let time = |turn: usize| Timestamp::from_nanos(1_000_000 * (turn as u64 + 1));
    let start = Stamp { time: time(0), clock: time(0) };
    let mut connection = Connection::new(&key, 0, start);
    let mut desk = Desk::new(Some(|_, message| message.head_whole), u64::MAX);
    let mut told = Vec::new();
    let mut next = ORIGIN;
    let both = [Direction::Up, Direction::Down];
    let mut started = [false; 2];
    for part in parts.iter().filter(|part| part.len() > 0) {
        let index = part.direction.index();
        connection.segment(Stamp { time: time(part.turn), clock: time(part.turn) }, &carrier(key, part));
        let mut tell = |chunk: Chunk<'_>| {
            connection
                .chunk(&key, &mut desk, part.direction, chunk, &mut |finished| note(&mut told, finished));
        };
        let offset = ORIGIN[index] + part.at as u64;
        if !std::mem::replace(&mut started[index], true) {
            tell(Chunk::Start(Start { offset, known: setting.known[index], opener: setting.opener }));
        }
        match &part.what {
            Ok(bytes) => {
                let (time, ack) = (time(part.turn), Some(next[1 - index]));
                tell(Chunk::Data(Data { offset, bytes, time, ack, boundary: true }));
            }
            Err(len) => tell(Chunk::Gap(Gap { offset, len: *len as u64, cause: GapCause::Lost })),
        }
        next[index] = offset + part.len() as u64;
        assert!(connection.memory() < 2 * crate::limits::H2_HEADS_BYTES_MAX);
    }
    let last = time(parts.last().map_or(0, |part| part.turn));
    for direction in both {
        let end = End { offset: next[direction.index()], time: last, reason: setting.end };
        let emit = &mut |finished: Finished<'_>| note(&mut told, finished);
        connection.chunk(&key, &mut desk, direction, Chunk::End(end), emit);
    }
    let emit = &mut |finished: Finished<'_>| note(&mut told, finished);
    let record = connection.close(&key, &mut desk, setting.end, emit);
    // how many packets it were depends on how they were cut
    (told, record.map(|record| Record { packets: [0; 2], ..record }))
}

/// The segment that brings a part.
fn carrier(flow: FlowKey, part: &Part) -> Segment<'_> {
    Segment {
        flow,
        direction: part.direction,
        seq: 0,
        ack: 0,
        flags: crate::wire::TcpFlags::ACK,
        payload: part.what.as_deref().unwrap_or_default(),
        missing: 0,
        reassembled: false,
        transport: crate::wire::Transport::Tcp,
    }
}

/// A call in one line: `GET /a -> 200`, then what was not as it should be.
fn line(told: &Told) -> String {
    let call = &told.call;
    let method = call.method.map_or("?".into(), |method| String::from_utf8_lossy(method.of(&call.buffer)));
    let target = told.target().unwrap_or("?".into());
    let status = call.status.map_or("?".to_owned(), |status| status.to_string());
    let odd: Vec<&str> = call.causes.names().chain(call.anomalies.names()).collect();
    format!("{method} {target} -> {status} {}", odd.join(" ")).trim_end().to_owned()
}

fn lines(told: &[Told]) -> Vec<String> {
    told.iter().map(line).collect()
}
