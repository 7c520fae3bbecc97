//! The stack of one connection: the few lines that chain the layers, and the choice of what it speaks.
//!
//! ```text
//!   Looking ──a start line──▶ Http ──101, or CONNECT answered with 2xx──▶ Looking (in the tunnel) or GivenUp
//!      ├──a preface, or frames under way──▶ Http2
//!      └──another protocol, or nothing known for too long──▶ GivenUp
//! ```

mod arbitrary;
mod h2;
mod look;
#[cfg(test)]
mod tests;

use xxhash_rust::xxh3::xxh3_128;

use crate::call::{Anomalies, Causes, Roles};
use crate::exchange::{Context, Desk, Exchange, Finished, Verdict};
use crate::flow::{Chunk, Data, EndReason, Gap, GapCause, Stamp};
use crate::http::HttpEvent;
use crate::http::h1::Side;
use crate::http::h1::head::Kind;
use crate::limits::TUNNELS_MAX;
use crate::time::Timestamp;
use crate::wire::{Direction, FlowKey, Segment};
use h2::{Http2, Said};
use look::{Look, Looked};

pub use arbitrary::read_arbitrary;

/// One connection and the layers above it.
#[derive(Debug)]
pub struct Connection {
    id: u128,
    interface: u32,
    stage: Stage,
    opener: Option<Direction>,
    /// The direction of the requests, once they were seen.
    client: Option<Direction>,
    first: Timestamp,
    last: Timestamp,
    packets: [u64; 2],
    bytes: [u64; 2],
    calls: u64,
    /// Tunnels that were entered, one in another.
    tunnels: u32,
    anomalies: Anomalies,
}

#[derive(Debug)]
enum Stage {
    Looking(Look),
    Http(Box<Http>),
    Http2(Box<Http2>),
    GivenUp { protocol: &'static str, reason: &'static str },
}

#[derive(Debug)]
struct Http {
    context: Context,
    request: Side,
    response: Side,
    exchange: Exchange,
    look: Look,
}

impl Connection {
    /// A connection that begins with this segment.
    #[must_use]
    pub fn new(key: &FlowKey, interface: u32, stamp: Stamp) -> Self {
        let mut bytes = [0_u8; 41 + 8];
        let (head, tail) = bytes.split_at_mut(41);
        head.copy_from_slice(&key.to_bytes());
        tail.copy_from_slice(&stamp.time.as_nanos().to_be_bytes());
        Self {
            id: xxh3_128(&bytes),
            interface,
            stage: Stage::Looking(Look::default()),
            opener: None,
            client: None,
            first: stamp.time,
            last: stamp.time,
            packets: [0; 2],
            bytes: [0; 2],
            calls: 0,
            tunnels: 0,
            anomalies: Anomalies::EMPTY,
        }
    }

    /// Counts a segment.
    #[inline]
    pub fn segment(&mut self, stamp: Stamp, segment: &Segment<'_>) {
        let index = segment.direction.index();
        if let (Some(packets), Some(bytes)) = (self.packets.get_mut(index), self.bytes.get_mut(index)) {
            *packets += 1;
            *bytes += segment.payload.len() as u64;
        }
        self.last = self.last.max(stamp.time);
    }

    /// Nothing more is wanted of it.
    #[must_use]
    #[inline]
    pub const fn has_given_up(&self) -> bool {
        matches!(self.stage, Stage::GivenUp { .. })
    }

    /// Calls that were opened and not told yet.
    #[must_use]
    pub fn open_calls(&self) -> u64 {
        match &self.stage {
            Stage::Http(http) => http.exchange.open() as u64,
            Stage::Http2(http) => http.streams().open() as u64,
            Stage::Looking(_) | Stage::GivenUp { .. } => 0,
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> usize {
        match &self.stage {
            Stage::Looking(look) => look.memory(),
            Stage::Http(http) => {
                size_of::<Http>() + http.request.memory() + http.response.memory() + http.exchange.memory()
            }
            Stage::Http2(http) => http.memory(),
            Stage::GivenUp { .. } => 0,
        }
    }

    /// What the flow says.
    #[inline]
    pub fn chunk(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        direction: Direction,
        chunk: Chunk<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        match chunk {
            Chunk::Start(start) => {
                self.opener = self.opener.or(start.opener);
                match &mut self.stage {
                    Stage::Looking(look) => look.start(direction, start.known),
                    Stage::Http(http) if !start.known => http.join(direction),
                    Stage::Http2(http) => http.start(direction, &start),
                    Stage::Http(_) | Stage::GivenUp { .. } => {}
                }
            }
            Chunk::Data(data) => self.data(key, desk, direction, &data, emit),
            Chunk::Gap(gap) => match &mut self.stage {
                Stage::Looking(look) => look.gap(direction),
                Stage::Http(http) => {
                    let Http { context, request, response, exchange, .. } = &mut **http;
                    if direction == context.client {
                        request.gap(&gap, &mut |event| exchange.request(context, desk, event, emit));
                    } else {
                        response.gap(&gap, &mut |event| exchange.response(context, desk, event, emit));
                    }
                    self.follow_verdict(key, desk, emit);
                }
                Stage::Http2(http) => http.hear(desk, direction, &Said::Gap(&gap), emit),
                Stage::GivenUp { .. } => {}
            },
            Chunk::Rewritten => match &mut self.stage {
                Stage::Http(http) => http.exchange.rewritten(direction == http.context.client),
                Stage::Http2(http) => http.streams_mut().rewritten(),
                Stage::Looking(_) | Stage::GivenUp { .. } => {
                    self.anomalies.insert(Anomalies::SEGMENT_REWRITTEN);
                }
            },
            Chunk::End(end) => {
                if let Stage::Http(http) = &mut self.stage {
                    let Http { context, request, response, exchange, .. } = &mut **http;
                    if direction == context.client {
                        let tell = &mut |event: HttpEvent<'_>| exchange.request(context, desk, event, emit);
                        request.end(end.offset, end.reason, tell);
                    } else {
                        let tell = &mut |event: HttpEvent<'_>| exchange.response(context, desk, event, emit);
                        response.end(end.offset, end.reason, tell);
                    }
                } else if let Stage::Http2(http) = &mut self.stage {
                    http.hear(desk, direction, &Said::End, emit);
                }
            }
        }
    }

    /// The connection has ended: tells the calls that are still open, and what was not turned into calls.
    pub fn close(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        reason: EndReason,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Option<crate::call::Connection> {
        let late = match &mut self.stage {
            Stage::Http(http) => {
                let Http { context, request, exchange, .. } = &mut **http;
                request.conclude(&mut |event| exchange.request(context, desk, event, emit));
                http.exchange.finish(desk, reason, emit);
                self.calls += http.exchange.calls();
                http.exchange.late_anomalies()
            }
            Stage::Http2(http) => {
                http.finish(desk, reason, emit);
                self.calls += http.streams().calls();
                self.client = http.client();
                http.streams().late_anomalies()
            }
            Stage::Looking(_) | Stage::GivenUp { .. } => Anomalies::EMPTY,
        };
        self.anomalies.insert(late);
        let (protocol, why) = match &self.stage {
            Stage::GivenUp { protocol, reason } => (*protocol, *reason),
            Stage::Looking(look) if self.bytes != [0, 0] => (look.protocol(), "ended_before_known"),
            Stage::Http(_) if !self.anomalies.is_empty() => ("http", "anomalies"),
            Stage::Http2(_) if !self.anomalies.is_empty() => ("h2", "anomalies"),
            Stage::Http2(_) if self.calls == 0 => ("h2", "no_calls"),
            Stage::Looking(_) | Stage::Http(_) | Stage::Http2(_) => return None,
        };
        self.stage = Stage::GivenUp { protocol, reason: why };
        Some(self.record(key, protocol, why))
    }

    fn record(&self, key: &FlowKey, protocol: &'static str, reason: &'static str) -> crate::call::Connection {
        let (client, roles) = match (self.client, self.opener) {
            (Some(client), _) => (client, Roles::Content),
            (None, Some(opener)) => (opener, Roles::Handshake),
            (None, None) => {
                let (up, down) = (key.sender(Direction::Up), key.sender(Direction::Down));
                let client = if up.port() >= down.port() { Direction::Up } else { Direction::Down };
                (client, Roles::Ports)
            }
        };
        let ordered = |pair: [u64; 2]| match client {
            Direction::Up => pair,
            Direction::Down => [pair[1], pair[0]],
        };
        crate::call::Connection {
            id: self.id,
            interface: self.interface,
            vni: key.vni(),
            client: key.sender(client),
            server: key.sender(client.reverse()),
            roles,
            time: self.first,
            duration_ns: self.last.since(self.first),
            protocol,
            reason,
            packets: ordered(self.packets),
            bytes: ordered(self.bytes),
            calls: self.calls,
            anomalies: self.anomalies,
        }
    }

    #[inline]
    fn data(
        &mut self,
        key: &FlowKey,
        desk: &mut Desk,
        direction: Direction,
        data: &Data<'_>,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        match &mut self.stage {
            Stage::Looking(look) => match look.data(direction, data) {
                Looked::Nothing => {}
                Looked::GiveUp(protocol) => {
                    self.stage = Stage::GivenUp { protocol, reason: "not_http" };
                }
                Looked::Http { client, bytes, place } => {
                    let look = std::mem::take(look);
                    self.begin_http(key, client, look);
                    let first = Data { bytes: &bytes, ..place };
                    self.data(key, desk, direction, &first, emit);
                }
                Looked::H2 { client, bytes, place } => {
                    let mut look = std::mem::take(look);
                    let mut http = Http2::new(self.id, key, self.interface, Some(client), &mut look);
                    if client == direction {
                        http.note_preface(place.ack);
                    }
                    let first = Data { bytes: &bytes, ..place };
                    http.hear(desk, direction, &Said::Data(&first), emit);
                    self.begin_http2(desk, direction.reverse(), http, look, emit);
                }
                Looked::Frames => {
                    let mut look = std::mem::take(look);
                    let mut http = Http2::new(self.id, key, self.interface, self.opener, &mut look);
                    http.hear(desk, direction, &Said::Kept, emit);
                    self.begin_http2(desk, direction.reverse(), http, look, emit);
                }
            },
            Stage::Http2(http) => http.hear(desk, direction, &Said::Data(data), emit),
            Stage::Http(http) => {
                let Http { context, request, response, exchange, .. } = &mut **http;
                if direction == context.client {
                    request.data(data, &mut |event| exchange.request(context, desk, event, emit));
                } else {
                    response.data(data, &mut |event| exchange.response(context, desk, event, emit));
                }
                self.follow_verdict(key, desk, emit);
                self.doubt();
            }
            Stage::GivenUp { .. } => {}
        }
    }

    fn begin_http(&mut self, key: &FlowKey, client: Direction, look: Look) {
        self.client = Some(client);
        let context = Context { connection: self.id, key: *key, interface: self.interface, client };
        let (asks, answers) = (look.in_sequence(client), look.in_sequence(client.reverse()));
        self.stage = Stage::Http(Box::new(Http {
            context,
            request: Side::new(Kind::Request, asks),
            response: Side::new(Kind::Response, answers),
            exchange: Exchange::new(look.hidden(client), answers),
            look,
        }));
    }

    /// What was kept of the other direction comes behind what told that this is HTTP/2.
    fn begin_http2(
        &mut self,
        desk: &mut Desk,
        other: Direction,
        mut http: Http2,
        mut look: Look,
        emit: &mut impl FnMut(Finished<'_>),
    ) {
        match look.take_pending(other) {
            Some((bytes, place)) => {
                let pending = Data { bytes: &bytes, ..place };
                http.hear(desk, other, &Said::Data(&pending), emit);
            }
            None => http.hear(desk, other, &Said::Kept, emit),
        }
        self.stage = Stage::Http2(Box::new(http));
    }

    /// What only looked like HTTP is looked at again.
    #[inline]
    fn doubt(&mut self) {
        if let Stage::Http(http) = &mut self.stage
            && http.request.is_lost()
            && http.response.is_idle()
            && http.exchange.calls() == 0
            && http.exchange.open() == 0
        {
            let mut look = std::mem::take(&mut http.look);
            self.client = None;
            self.stage = match look.disappointed() {
                Some(protocol) => Stage::GivenUp { protocol, reason: "not_http" },
                None => Stage::Looking(look),
            };
        }
    }

    /// After the answer to a CONNECT or to a wish for another protocol.
    #[inline]
    fn follow_verdict(&mut self, key: &FlowKey, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        loop {
            let Stage::Http(http) = &mut self.stage else { return };
            let Some(verdict) = http.exchange.take_verdict() else { return };
            match verdict {
                Verdict::Resume => {
                    let Http { context, request, response, exchange, .. } = &mut **http;
                    request.resume(&mut |event| exchange.request(context, desk, event, emit));
                    response.resume(&mut |event| exchange.response(context, desk, event, emit));
                }
                Verdict::Upgrade("h2c") => self.upgrade(desk, emit),
                Verdict::Upgrade(protocol) => {
                    self.leave_http(desk, emit);
                    self.stage = Stage::GivenUp { protocol, reason: "upgraded" };
                }
                Verdict::Tunnel if self.tunnels >= TUNNELS_MAX => {
                    self.leave_http(desk, emit);
                    self.stage = Stage::GivenUp { protocol: "tunnel", reason: "too_deep" };
                }
                Verdict::Tunnel => self.enter_tunnel(key, desk, emit),
            }
        }
    }

    /// What was asked and is not answered in HTTP any more is told before another protocol begins.
    fn leave_http(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        let Stage::Http(http) = &mut self.stage else { return };
        http.exchange.finish(desk, EndReason::Fin, emit);
        self.calls += http.exchange.calls();
        self.anomalies.insert(http.exchange.late_anomalies());
    }

    /// Both directions go on in HTTP/2, beginning with what was held.
    fn upgrade(&mut self, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        self.leave_http(desk, emit);
        let Stage::Http(http) = &mut self.stage else { return };
        let request = http.exchange.take_carried_over();
        let mut next = Box::new(Http2::upgraded(&http.context, desk, request.as_deref()));
        let (held, holes) = http.hand_over();
        for Held { direction, bytes, place } in held {
            next.hear(desk, direction, &Said::Data(&Data { bytes: &bytes, ..place }), emit);
        }
        for direction in holes {
            // how long the hole was is not known here: it may hide anything
            let gap = Gap { offset: 0, len: u64::MAX, cause: GapCause::Lost };
            next.hear(desk, direction, &Said::Gap(&gap), emit);
        }
        self.stage = Stage::Http2(next);
    }

    /// Both directions begin anew inside the tunnel; what was held for it is looked at first.
    fn enter_tunnel(&mut self, key: &FlowKey, desk: &mut Desk, emit: &mut impl FnMut(Finished<'_>)) {
        self.leave_http(desk, emit);
        self.tunnels += 1;
        let Stage::Http(http) = &mut self.stage else { return };
        let mut look = Look::default();
        look.start(Direction::Up, true);
        look.start(Direction::Down, true);
        let (held, holes) = http.hand_over();
        for direction in holes {
            look.gap(direction);
        }
        self.stage = Stage::Looking(look);
        for Held { direction, bytes, place } in held {
            self.data(key, desk, direction, &Data { bytes: &bytes, ..place }, emit);
        }
    }
}

/// Bytes that came before it was known who shall read them.
struct Held {
    direction: Direction,
    bytes: Vec<u8>,
    place: Data<'static>,
}

impl Http {
    /// What both sides held for whatever follows, and the directions of which it has a hole.
    fn hand_over(&mut self) -> (Vec<Held>, Vec<Direction>) {
        let client = self.context.client;
        let (mut held, mut holes) = (Vec::new(), Vec::new());
        for (direction, side) in [(client, &mut self.request), (client.reverse(), &mut self.response)] {
            let keep = |data: Data<'_>| {
                let (bytes, place) = (data.bytes.to_vec(), Data { bytes: &[], ..data });
                held.push(Held { direction, bytes, place });
            };
            if !side.hand_over(keep) {
                holes.push(direction);
            }
        }
        (held, holes)
    }

    /// This direction began before the capture did.
    fn join(&mut self, direction: Direction) {
        if direction == self.context.client {
            self.request = Side::new(Kind::Request, false);
            self.exchange.join_request(Causes::JOINED_MIDSTREAM);
        } else {
            self.response = Side::new(Kind::Response, false);
            self.exchange.join_response();
        }
    }
}
