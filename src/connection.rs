//! The stack of one connection: the few lines that chain the layers, and the choice of what it speaks.
//!
//! ```text
//!   Looking ──a start line──▶ Http ──CONNECT answered with 2xx──▶ Looking (in the tunnel)
//!      │                        └──101──▶ WebSocket, Http2 or GivenUp
//!      ├──a preface, or frames under way──▶ Http2
//!      ├──a ClientHello──▶ Tls ──▶ Looking (at its plaintext)
//!      └──another protocol, or nothing known for too long──▶ GivenUp
//! ```

mod arbitrary;
mod h2;
mod look;
mod secured;
mod switch;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::call::{Anomalies, Causes, Roles};
use crate::exchange::{Context, Desk, Exchange, Finished, cause_of_end};
use crate::flow::{Chunk, Data, EndReason, Stamp};
use crate::http::HttpEvent;
use crate::http::h1::Side;
use crate::http::h1::head::Kind;
use crate::time::Timestamp;
use crate::tls::Session;
use crate::wire::{Direction, FlowKey, Segment};
use h2::{Http2, Said};
use look::{Look, Looked};
use secured::Secured;
use switch::WebSocket;

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
    /// The TLS around it.
    tls: Option<Arc<Session>>,
}

#[derive(Debug)]
enum Stage {
    Looking(Box<Look>),
    Http(Box<Http>),
    Http2(Box<Http2>),
    WebSocket(Box<WebSocket>),
    Tls(Box<Secured>),
    GivenUp {
        protocol: &'static str,
        reason: &'static str,
    },
    /// It has ended, and all of it was told.
    Over,
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
        Self::blank(xxh3_128(&bytes), interface, stamp.time)
    }

    /// One of which nothing was seen.
    fn blank(id: u128, interface: u32, first: Timestamp) -> Self {
        Self {
            id,
            interface,
            stage: Stage::Looking(Box::default()),
            opener: None,
            client: None,
            first,
            last: first,
            packets: [0; 2],
            bytes: [0; 2],
            calls: 0,
            tunnels: 0,
            anomalies: Anomalies::EMPTY,
            tls: None,
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
    pub fn has_given_up(&self) -> bool {
        match &self.stage {
            Stage::GivenUp { .. } | Stage::Over => true,
            Stage::Tls(secured) => secured.tls.failure().is_some() || secured.inner.has_given_up(),
            Stage::WebSocket(talk) => talk.conversation.is_told(),
            Stage::Looking(_) | Stage::Http(_) | Stage::Http2(_) => false,
        }
    }

    /// Calls that were opened and not told yet.
    #[must_use]
    pub fn open_calls(&self) -> u64 {
        match &self.stage {
            Stage::Http(http) => http.exchange.open() as u64,
            Stage::Http2(http) => http.streams().open() as u64,
            Stage::WebSocket(talk) => u64::from(!talk.conversation.is_told()),
            Stage::Tls(secured) => secured.inner.open_calls(),
            Stage::Looking(_) | Stage::GivenUp { .. } | Stage::Over => 0,
        }
    }

    /// Bytes of memory beside the struct itself.
    #[must_use]
    #[inline]
    pub fn memory(&self) -> usize {
        match &self.stage {
            Stage::Looking(look) => size_of::<Look>() + look.memory(),
            Stage::Http(http) => {
                size_of::<Http>() + http.request.memory() + http.response.memory() + http.exchange.memory()
            }
            Stage::Http2(http) => http.memory(),
            Stage::WebSocket(talk) => size_of::<WebSocket>() + talk.conversation.memory(),
            Stage::Tls(secured) => size_of::<Secured>() + secured.tls.memory() + secured.inner.memory(),
            Stage::GivenUp { .. } | Stage::Over => 0,
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
        if let Stage::Tls(secured) = &mut self.stage {
            return secured.chunk(key, desk, direction, &chunk, emit);
        }
        match chunk {
            Chunk::Start(start) => {
                self.opener = self.opener.or(start.opener);
                match &mut self.stage {
                    Stage::Looking(look) => look.start(direction, start.known),
                    Stage::Http(http) if !start.known => http.join(direction),
                    Stage::Http2(http) => http.start(direction, &start),
                    Stage::Http(_)
                    | Stage::WebSocket(_)
                    | Stage::Tls(_)
                    | Stage::GivenUp { .. }
                    | Stage::Over => {}
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
                Stage::WebSocket(talk) => talk.conversation.gap(direction == talk.client, &gap),
                Stage::Tls(_) | Stage::GivenUp { .. } | Stage::Over => {}
            },
            Chunk::Rewritten => match &mut self.stage {
                Stage::Http(http) => http.exchange.rewritten(direction == http.context.client),
                Stage::Http2(http) => http.streams_mut().rewritten(),
                Stage::WebSocket(talk) => talk.conversation.rewritten(),
                Stage::Looking(_) | Stage::Tls(_) | Stage::GivenUp { .. } | Stage::Over => {
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
                    http.hear(desk, direction, &Said::End(end.reason), emit);
                } else if let Stage::WebSocket(talk) = &mut self.stage {
                    talk.conversation.end(direction == talk.client, end.reason);
                }
            }
        }
    }

    /// The names by which secrets of TLS would come that it waits for.
    #[must_use]
    pub fn wanted(&self) -> Vec<[u8; 32]> {
        match &self.stage {
            Stage::Tls(secured) if secured.tls.waits() => secured.tls.wanted(),
            Stage::Tls(secured) => secured.inner.wanted(),
            _ => Vec::new(),
        }
    }

    /// When a part of a call is to be told although nothing comes.
    #[must_use]
    #[inline]
    pub fn due(&self) -> Timestamp {
        match &self.stage {
            Stage::Http(http) => http.exchange.due(),
            Stage::Http2(http) => http.streams().due(),
            Stage::WebSocket(talk) => talk.conversation.due(),
            Stage::Tls(secured) => secured.inner.due(),
            _ => Timestamp::MAX,
        }
    }

    /// Tells the parts of calls that have lasted for long enough at that time.
    pub fn tell_parts(&mut self, desk: &Desk, clock: Timestamp, emit: &mut impl FnMut(Finished<'_>)) {
        match &mut self.stage {
            Stage::Http(http) => http.exchange.tell_parts(desk, clock, emit),
            Stage::Http2(http) => http.streams_mut().tell_parts(desk, clock, emit),
            Stage::WebSocket(talk) => talk.conversation.tell_parts(desk, clock, emit),
            Stage::Tls(secured) => secured.inner.tell_parts(desk, clock, emit),
            _ => {}
        }
    }

    /// Secrets have come, perhaps those that it waits for.
    pub fn retry<E: FnMut(Finished<'_>)>(&mut self, key: &FlowKey, desk: &mut Desk, emit: &mut E) {
        if let Stage::Tls(secured) = &mut self.stage {
            let Secured { tls, inner } = &mut **secured;
            let mut bench = desk.tls.lend();
            tls.retry(&mut bench, &mut |event| inner.hear(key, desk, event, emit));
            desk.tls.take_back(bench);
            inner.retry(key, desk, emit);
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
        let session = self.session();
        let told = self.conclude(desk, cause_of_end(reason), emit);
        // what was kept of it is given back now, though its flow is remembered for some time
        self.stage = Stage::Over;
        let (protocol, why) = told?;
        Some(crate::call::Connection { tls: session, ..self.record(key, protocol, why) })
    }

    /// Tells the calls that are still open; what it was and why, if it was not turned into calls.
    fn conclude(
        &mut self,
        desk: &mut Desk,
        cause: Causes,
        emit: &mut impl FnMut(Finished<'_>),
    ) -> Option<(&'static str, &'static str)> {
        match &mut self.stage {
            Stage::Http(http) => {
                let Http { context, request, exchange, .. } = &mut **http;
                request.conclude(&mut |event| exchange.request(context, desk, event, emit));
                http.exchange.finish(desk, cause, emit);
                self.calls += http.exchange.calls();
                self.anomalies.insert(http.exchange.late_anomalies());
                (!self.anomalies.is_empty()).then_some(("http", "anomalies"))
            }
            Stage::Http2(http) => {
                http.finish(desk, cause, emit);
                self.calls += http.streams().calls();
                self.client = http.client();
                self.anomalies.insert(http.streams().late_anomalies());
                match (self.anomalies.is_empty(), self.calls) {
                    (false, _) => Some(("h2", "anomalies")),
                    (true, 0) => Some(("h2", "no_calls")),
                    (true, _) => None,
                }
            }
            Stage::WebSocket(talk) => {
                talk.conversation.finish(cause, emit);
                self.calls += 1;
                (!self.anomalies.is_empty()).then_some(("websocket", "anomalies"))
            }
            Stage::Tls(secured) => {
                let Secured { tls, inner } = &mut **secured;
                let cause = if tls.failure().is_some() { Causes::UNDECRYPTED } else { cause };
                let told = inner.conclude(desk, cause, emit);
                self.client = inner.client.or(Some(tls.client()));
                self.calls += inner.calls;
                self.anomalies.insert(inner.anomalies);
                match tls.reason() {
                    Some(reason) => Some(("tls", reason.name())),
                    // it ended before anything was said in it
                    None if inner.bytes == [0, 0] => Some(("tls", "ended_before_known")),
                    None => told,
                }
            }
            Stage::GivenUp { protocol, reason } => Some((*protocol, *reason)),
            Stage::Over => None,
            Stage::Looking(look) => (self.bytes != [0, 0]).then_some((look.protocol(), "ended_before_known")),
        }
    }

    fn record(&self, key: &FlowKey, protocol: &'static str, reason: &'static str) -> crate::call::Connection {
        let (client, roles) = match (self.client, self.opener) {
            (Some(client), _) => (client, Roles::Content),
            (None, Some(opener)) => (opener, Roles::Handshake),
            (None, None) => (key.client_by_ports(), Roles::Ports),
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
            tls: None,
            quic_version: None,
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
                Looked::Tls { bytes, place } => {
                    let hidden = look.hidden(direction);
                    self.begin_tls(direction, hidden, &bytes);
                    let first = Chunk::Data(Data { bytes: &bytes, ..place });
                    self.chunk(key, desk, direction, first, emit);
                }
                Looked::Http { client, bytes, place } => {
                    let look = std::mem::take(&mut **look);
                    self.begin_http(key, client, look);
                    let first = Data { bytes: &bytes, ..place };
                    self.data(key, desk, direction, &first, emit);
                }
                Looked::H2 { client, bytes, place } => {
                    let mut look = std::mem::take(&mut **look);
                    let mut http = Http2::new(self.context(key, client), Some(client), &mut look);
                    if client == direction {
                        http.note_preface(place.ack);
                    }
                    let first = Data { bytes: &bytes, ..place };
                    http.hear(desk, direction, &Said::Data(&first), emit);
                    self.begin_http2(desk, direction.reverse(), http, look, emit);
                }
                Looked::Frames => {
                    let mut look = std::mem::take(&mut **look);
                    let context = self.context(key, self.opener.unwrap_or(direction));
                    let mut http = Http2::new(context, self.opener, &mut look);
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
            Stage::WebSocket(talk) => talk.data(desk, direction, data, emit),
            Stage::Tls(_) | Stage::GivenUp { .. } | Stage::Over => {}
        }
    }

    fn context(&self, key: &FlowKey, client: Direction) -> Context {
        let tls = self.tls.clone();
        Context { connection: self.id, key: *key, interface: self.interface, client, tls }
    }

    fn begin_http(&mut self, key: &FlowKey, client: Direction, look: Look) {
        self.client = Some(client);
        let context = self.context(key, client);
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
                None => Stage::Looking(Box::new(look)),
            };
        }
    }
}

impl Http {
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
