//! What becomes of the calls around a switch to another protocol, and how deep switches may go.

use crate::connection::Connection;
use crate::exchange::{Desk, Finished};
use crate::flow::{Chunk, Data, End, EndReason, Gap, GapCause, Stamp, Start};
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey};

const CLIENT: Direction = Direction::Up;
const SERVER: Direction = Direction::Down;

/// A connection whose both beginnings were seen, and what it told: target, status, causes.
struct Talk {
    key: FlowKey,
    connection: Connection,
    desk: Desk,
    offsets: [u64; 2],
    told: Vec<String>,
}

impl Talk {
    fn new() -> Self {
        let key = FlowKey::v4([10, 0, 0, 1], 40_000, [10, 0, 0, 2], 80, None).0;
        let connection = Connection::new(&key, 0, Stamp::default());
        let mut talk =
            Self { key, connection, desk: Desk::new(None, u64::MAX), offsets: [0; 2], told: Vec::new() };
        for direction in [CLIENT, SERVER] {
            talk.chunk(direction, Chunk::Start(Start { offset: 0, known: true, opener: Some(CLIENT) }));
        }
        talk
    }

    fn chunk(&mut self, direction: Direction, chunk: Chunk<'_>) {
        let Self { key, connection, desk, told, .. } = self;
        connection.chunk(key, desk, direction, chunk, &mut |finished| told.push(short(&finished)));
    }

    fn say(&mut self, direction: Direction, bytes: &[u8]) {
        let (offset, ack) =
            (self.offsets[direction.index()], Some(self.offsets[direction.reverse().index()]));
        self.offsets[direction.index()] += bytes.len() as u64;
        let data = Data { offset, bytes, time: Timestamp::ZERO, ack, boundary: true };
        self.chunk(direction, Chunk::Data(data));
    }

    fn lose(&mut self, direction: Direction, len: u64) {
        let offset = self.offsets[direction.index()];
        self.offsets[direction.index()] += len;
        self.chunk(direction, Chunk::Gap(Gap { offset, len, cause: GapCause::Lost }));
    }

    fn end(&mut self, direction: Direction) {
        let offset = self.offsets[direction.index()];
        self.chunk(direction, Chunk::End(End { offset, time: Timestamp::ZERO, reason: EndReason::Fin }));
    }

    /// The protocol of the connection's record, if it has one.
    fn close(&mut self) -> Option<&'static str> {
        let Self { key, connection, desk, told, .. } = self;
        let mut tell = |finished: Finished<'_>| told.push(short(&finished));
        connection.close(key, desk, EndReason::InputEnded, &mut tell).map(|record| record.protocol)
    }
}

fn short(finished: &Finished<'_>) -> String {
    let call = &*finished.call;
    let target = call.target.map(|span| String::from_utf8_lossy(span.of(&call.buffer)).into_owned());
    let causes: Vec<_> = call.causes.names().collect();
    format!("{} {} {}", target.unwrap_or_default(), call.status.unwrap_or(0), causes.join("+"))
}

#[test]
fn requests_behind_an_upgrade_are_told() {
    let mut talk = Talk::new();
    talk.say(CLIENT, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.say(SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    assert_eq!(talk.close(), None);
    assert_eq!(talk.told, ["/a 101 ", "/b 0 connection_closed", "/a 0 still_open"]);
}

#[test]
fn what_waits_for_a_verdict_survives_a_hole() {
    let mut talk = Talk::new();
    talk.say(CLIENT, b"GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n");
    talk.lose(CLIENT, 40);
    talk.say(CLIENT, b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.say(SERVER, b"HTTP/1.1 204 No Content\r\n\r\n");
    talk.say(CLIENT, b"GET /d HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.close();
    let targets: Vec<_> = talk.told.iter().map(|told| told.split(' ').next().unwrap()).collect();
    assert_eq!(targets, ["/a", "/c", "/d"]);
    assert_eq!(talk.told[0], "/a 204 ");
}

#[test]
fn what_waits_for_a_verdict_survives_the_end() {
    for answered in [true, false] {
        let mut talk = Talk::new();
        talk.say(CLIENT, b"GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n");
        talk.say(CLIENT, b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
        talk.end(CLIENT);
        if answered {
            talk.say(SERVER, b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
        }
        talk.close();
        let status = if answered { "204 " } else { "0 still_open" };
        assert_eq!(talk.told, [format!("/a {status}"), format!("/b {status}")]);
    }
}

#[test]
fn headers_of_proxies_are_not_unwrapped_without_end() {
    let mut talk = Talk::new();
    talk.say(CLIENT, &b"PROXY TCP\n".repeat(200_000));
    talk.say(CLIENT, b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n");
    talk.close();
    assert_eq!(talk.told, ["/a 0 still_open"]);
}

#[test]
fn tunnels_are_not_entered_without_end() {
    let mut talk = Talk::new();
    talk.say(CLIENT, &b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".repeat(1500));
    talk.say(SERVER, &b"HTTP/1.1 200 OK\r\n\r\n".repeat(1500));
    assert_eq!(talk.close(), Some("tunnel"));
    assert_eq!(talk.told.len(), crate::limits::TUNNELS_MAX as usize + 1);
}
