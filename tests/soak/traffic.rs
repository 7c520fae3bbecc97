//! One connection of HTTP/2 as a client of an API and its server speak it: streams in parallel, tables of header
//! compression in use, and the frames that stand between them.

use std::collections::VecDeque;

use fastrand::Rng;

use crate::hpack::{Encoder, Item};
use crate::plan::Plan;
use crate::tcp::{End, Wire};

/// Frame types and flags of RFC 9113 §6.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}
pub(crate) mod flag {
    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const HEAD_BYTES: usize = 9;
const PAYLOAD_BYTES_MAX: usize = 16_384;
/// Room for padding, and for what stands in front of a header block.
const PADDED_BYTES_MAX: usize = 256;
/// The field that says which call a head belongs to.
pub(crate) const MARK: &str = "x-call";

/// A frame, and where it stands among all that its sender says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    /// Bytes of the payload in front of what it carries.
    pub(crate) prefix: usize,
    /// And behind.
    pub(crate) padding: usize,
    /// Which header block it carries, and from where in that on.
    pub(crate) block: Option<(usize, usize)>,
}

impl Frame {
    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// From where to where what it carries stands.
    pub(crate) const fn content(&self) -> (usize, usize) {
        (self.start + HEAD_BYTES + self.prefix, self.end - self.padding)
    }
}

/// A header block, and where its last frame ends.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) items: Vec<Item>,
    pub(crate) end: usize,
}

impl Block {
    pub(crate) fn is_interim(&self) -> bool {
        self.items.first().is_some_and(|item| item.name == ":status" && item.value.starts_with('1'))
    }
}

/// What one end says.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) frames: Vec<Frame>,
    pub(crate) blocks: Vec<Block>,
}

/// A call as both ends know it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) stream: u32,
    pub(crate) mark: String,
    pub(crate) method: String,
    pub(crate) authority: String,
    pub(crate) path: String,
    /// `None`: it was reset before.
    pub(crate) status: Option<u16>,
    /// Of the request and of the response; `None`: it did not come to its end.
    pub(crate) body_bytes: [Option<usize>; 2],
}

/// What is sent at once on a stream.
enum Part {
    Fields(Vec<(String, String)>, bool),
    Body(Vec<u8>, bool),
    Reset,
}

/// A call that is under way: what is yet to be said of it, and by whom.
struct Open {
    call: usize,
    parts: VecDeque<(End, Part)>,
}

/// The whole of a connection.
pub(crate) struct Traffic {
    pub(crate) wire: Wire,
    pub(crate) said: [Said; 2],
    pub(crate) calls: Vec<Call>,
    encoders: [Encoder; 2],
    random: Rng,
    plan: Plan,
    tokens: Vec<String>,
}

impl Traffic {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut random = Rng::with_seed(plan.seed.wrapping_mul(2) + 1);
        let mut traffic = Self {
            wire: Wire::open(&mut random),
            said: <[Said; 2]>::default(),
            calls: Vec::new(),
            encoders: [Encoder::new(), Encoder::new()],
            tokens: (0..5).map(|_| format!("Bearer {:032x}", random.u128(..))).collect(),
            random,
            plan: *plan,
        };
        traffic.greet();
        let mut open: Vec<Open> = Vec::new();
        while traffic.calls.len() < plan.calls as usize || !open.is_empty() {
            let begins = traffic.calls.len() < plan.calls as usize
                && (open.is_empty() || open.len() < plan.parallel && traffic.random.bool());
            if begins {
                let next = traffic.call();
                open.push(next);
            }
            let at = traffic.random.usize(..open.len());
            traffic.advance(&mut open[at]);
            open.retain(|one| !one.parts.is_empty());
        }
        if traffic.random.bool() {
            traffic.frame(End::Client, kind::GOAWAY, 0, 0, &[0; 8]);
        }
        End::BOTH.into_iter().for_each(|end| traffic.wire.flush(end));
        traffic.wire.close();
        traffic
    }

    /// Preface and settings of both ends.
    fn greet(&mut self) {
        self.wire.streams[End::Client.index()].extend(PREFACE);
        self.frame(End::Client, kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 0, 0, 4, 0, 0x10, 0, 0]);
        self.frame(End::Client, kind::WINDOW_UPDATE, 0, 0, &[0, 0x0f, 0, 1]);
        self.wire.flush(End::Client);
        self.frame(End::Server, kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 128]);
        self.frame(End::Server, kind::SETTINGS, flag::ACK, 0, &[]);
        self.wire.flush(End::Server);
        self.frame(End::Client, kind::SETTINGS, flag::ACK, 0, &[]);
    }

    /// One in so many, where extras are wanted.
    fn extra(&mut self, one_in: u32) -> bool {
        self.plan.extras && self.random.u32(..one_in) == 0
    }

    /// The next call, with all that is to be said of it.
    fn call(&mut self) -> Open {
        let number = self.calls.len() as u32;
        let method = ["GET", "GET", "POST", "DELETE"][self.random.usize(..4)];
        let path = match self.random.u8(..10) {
            0 => "/".to_owned(),
            1..4 => "/v1/cart?full=true".to_owned(),
            _ => format!("/v1/orders/{}", self.random.u32(..100_000)),
        };
        let sent = if method == "POST" { self.body(2_000) } else { Vec::new() };
        let received = self.body(self.plan.body_bytes_max);
        let status = [200, 200, 201, 204, 404, 418, 500][self.random.usize(..7)];
        let received = if status == 204 { Vec::new() } else { received };
        let mut call = Call {
            stream: 2 * number + 1,
            mark: number.to_string(),
            method: method.to_owned(),
            authority: ["api.shop.test", "pay.shop.test"][self.random.usize(..2)].to_owned(),
            path,
            status: Some(status),
            body_bytes: [Some(sent.len()), Some(received.len())],
        };
        let (request, response) = (self.request(&call, &sent), self.response(&call, &received));
        let mut parts: VecDeque<_> = request.into_iter().map(|part| (End::Client, part)).collect();
        // hardly any server answers before it was asked in full
        let early = self.extra(15);
        let mut at = if early { self.random.usize(1..=parts.len()) } else { parts.len() };
        for part in response {
            parts.insert(at, (End::Server, part));
            at += 1;
            at += if at < parts.len() { self.random.usize(..=parts.len() - at) } else { 0 };
        }
        if self.extra(15) {
            self.reset(&mut parts);
            call.forget(&parts);
        }
        self.calls.push(call);
        Open { call: number as usize, parts }
    }

    fn request(&mut self, call: &Call, body: &[u8]) -> Vec<Part> {
        let mut head = fields(&[
            (":method", &call.method),
            (":scheme", "http"),
            (":authority", &call.authority),
            (":path", &call.path),
            ("authorization", &self.tokens[self.random.usize(..self.tokens.len())]),
            ("user-agent", "shop/1"),
            (MARK, &call.mark),
        ]);
        if self.extra(20) {
            let length = [3_000, 18_000][self.random.usize(..2)];
            head.push(("x-large".to_owned(), (0..length).map(|_| self.random.alphanumeric()).collect()));
        }
        self.message(head, body)
    }

    fn response(&mut self, call: &Call, body: &[u8]) -> Vec<Part> {
        let status = call.status.unwrap_or_default().to_string();
        let head = fields(&[
            (":status", &status),
            ("content-type", "application/json"),
            (MARK, &call.mark),
            ("server", ["a", "b", "c"][self.random.usize(..3)]),
        ]);
        let mut parts = self.message(head, body);
        if self.extra(12) {
            let interim = fields(&[(":status", "103"), ("link", "</style.css>; rel=preload")]);
            parts.insert(0, Part::Fields(interim, false));
        }
        parts
    }

    /// Head, body and trailers; the end is said with the last of them, or in a frame of its own.
    fn message(&mut self, head: Vec<(String, String)>, body: &[u8]) -> Vec<Part> {
        let has_trailers = self.extra(6);
        let ends_apart = !has_trailers && self.random.u8(..4) == 0;
        let said_by_last = !has_trailers && !ends_apart;
        let mut parts = vec![Part::Fields(head, body.is_empty() && said_by_last)];
        let mut rest = body;
        while !rest.is_empty() {
            let most = if self.random.u8(..4) == 0 {
                self.random.usize(1..4_000)
            } else {
                PAYLOAD_BYTES_MAX - PADDED_BYTES_MAX
            };
            let (now, behind) = rest.split_at(rest.len().min(most));
            rest = behind;
            parts.push(Part::Body(now.to_vec(), rest.is_empty() && said_by_last));
        }
        if has_trailers {
            let sum = self.random.u8(..100).to_string();
            parts.push(Part::Fields(fields(&[("x-sum", &sum)]), true));
        } else if ends_apart {
            parts.push(Part::Body(Vec::new(), true));
        }
        parts
    }

    /// Text, JSON, or what compression leaves.
    fn body(&mut self, bytes_max: usize) -> Vec<u8> {
        let length = if bytes_max == 0 { 8 } else { self.random.usize(..=bytes_max) };
        match self.random.u8(..3) {
            0 => (0..length).map(|_| self.random.u8(32..127)).collect(),
            1 => b"{\"id\":17,\"name\":\"A. Smith\",\"paid\":true},"
                .iter()
                .copied()
                .cycle()
                .take(length)
                .collect(),
            _ => (0..length).map(|_| self.random.u8(..)).collect(),
        }
    }

    /// One end breaks off, and says nothing more. What the other one says may be under way, and comes yet, or does not.
    fn reset(&mut self, parts: &mut VecDeque<(End, Part)>) {
        let by = End::BOTH[self.random.usize(..2)];
        let at = self.random.usize(1..=parts.len());
        let mut under_way = if self.random.bool() { usize::MAX } else { self.random.usize(..2) };
        let behind = parts.split_off(at);
        parts.push_back((by, Part::Reset));
        for (from, part) in behind.into_iter().filter(|(from, _)| *from != by) {
            if under_way > 0 {
                parts.push_back((from, part));
                under_way -= 1;
            }
        }
    }

    /// Says a bit of one stream.
    fn advance(&mut self, open: &mut Open) {
        let stream = self.calls[open.call].stream;
        let Some((from, part)) = open.parts.pop_front() else { return };
        match part {
            Part::Fields(fields, ends) => self.head(from, stream, &fields, ends),
            Part::Body(body, ends) => self.data(from, stream, &body, ends),
            Part::Reset => self.frame(from, kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]),
        }
        self.between(from, stream);
    }

    /// What stands between the frames of calls, and when all of it is sent.
    fn between(&mut self, from: End, stream: u32) {
        if from == End::Server && self.random.u8(..6) == 0 {
            self.wire.flush(End::Server);
            let more = self.random.u32(1_000..30_000).to_be_bytes();
            self.frame(End::Client, kind::WINDOW_UPDATE, 0, 0, &more);
            if self.random.bool() {
                self.frame(End::Client, kind::WINDOW_UPDATE, 0, stream, &more);
            }
            self.wire.flush(End::Client);
        }
        if self.extra(40) {
            self.frame(End::Client, kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 15]);
        }
        if self.extra(40) {
            let opaque = self.random.u64(..).to_be_bytes();
            self.frame(from, kind::PING, 0, 0, &opaque);
            self.wire.flush(from);
            self.frame(from.other(), kind::PING, flag::ACK, 0, &opaque);
        }
        // a request is sent before it is answered
        self.wire.flush(End::Client);
        if self.random.u8(..4) > 0 {
            self.wire.flush(End::Server);
        }
        if self.random.u8(..5) == 0 {
            self.wire.acknowledge(from.other());
        }
    }

    /// A header block in one frame or in several.
    fn head(&mut self, from: End, stream: u32, fields: &[(String, String)], ends: bool) {
        let (bytes, items) = self.encoders[from.index()].block(fields, &mut self.random);
        let number = self.said[from.index()].blocks.len();
        let (mut at, mut kind) = (0, kind::HEADERS);
        while at < bytes.len() || kind == kind::HEADERS {
            let rest = (bytes.len() - at).min(PAYLOAD_BYTES_MAX - PADDED_BYTES_MAX);
            let now = if self.extra(8) { self.random.usize(rest.min(1)..=rest) } else { rest };
            let mut flags = if at + now == bytes.len() { flag::END_HEADERS } else { 0 };
            let (mut prefix, mut padding) = (Vec::new(), 0);
            if kind == kind::HEADERS {
                flags |= if ends { flag::END_STREAM } else { 0 };
                if self.extra(12) {
                    padding = self.random.usize(..200);
                    prefix.push(padding as u8);
                    flags |= flag::PADDED;
                }
                if from == End::Client && self.extra(12) {
                    prefix.extend([0, 0, 0, 0, 15]);
                    flags |= flag::PRIORITY;
                }
            }
            let padded = Padded { prefix: &prefix, content: &bytes[at..at + now], padding };
            self.put(from, (kind, flags, stream), &padded, Some((number, at)));
            (at, kind) = (at + now, kind::CONTINUATION);
        }
        let end = self.wire.streams[from.index()].len();
        self.said[from.index()].blocks.push(Block { items, end });
    }

    fn data(&mut self, from: End, stream: u32, body: &[u8], ends: bool) {
        let mut flags = if ends { flag::END_STREAM } else { 0 };
        let (mut prefix, mut padding) = (Vec::new(), 0);
        if self.extra(8) {
            padding = self.random.usize(..200);
            prefix.push(padding as u8);
            flags |= flag::PADDED;
        }
        let padded = Padded { prefix: &prefix, content: body, padding };
        self.put(from, (kind::DATA, flags, stream), &padded, None);
    }

    /// A frame of neither.
    fn frame(&mut self, from: End, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.put(from, (kind, flags, stream), &Padded { prefix: &[], content: payload, padding: 0 }, None);
    }

    fn put(
        &mut self,
        from: End,
        (kind, flags, stream): (u8, u8, u32),
        payload: &Padded<'_>,
        block: Option<(usize, usize)>,
    ) {
        let bytes = &mut self.wire.streams[from.index()];
        let start = bytes.len();
        let Padded { prefix, content, padding } = *payload;
        let length = (prefix.len() + content.len() + padding) as u32;
        bytes.extend(&length.to_be_bytes()[1..]);
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(prefix.iter().chain(content));
        bytes.resize(bytes.len() + padding, 0);
        let (end, prefix) = (bytes.len(), prefix.len());
        self.said[from.index()].frames.push(Frame {
            start,
            end,
            kind,
            flags,
            stream,
            prefix,
            padding,
            block,
        });
    }
}

/// A payload: what it carries, and what stands around it.
struct Padded<'a> {
    prefix: &'a [u8],
    content: &'a [u8],
    padding: usize,
}

impl Call {
    /// What is not said on its stream, because that is reset, is no part of it.
    fn forget(&mut self, parts: &VecDeque<(End, Part)>) {
        for end in End::BOTH {
            let mut said = parts.iter().filter(|(from, _)| *from == end).map(|(_, part)| part);
            if !said.any(|part| matches!(part, Part::Fields(_, true) | Part::Body(_, true))) {
                self.body_bytes[end.index()] = None;
            }
        }
        let is_head = |part: &Part| matches!(part, Part::Fields(fields, _) if fields.iter().any(|(name, _)| name == MARK));
        if !parts.iter().any(|(from, part)| *from == End::Server && is_head(part)) {
            self.status = None;
        }
    }
}

fn fields(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
