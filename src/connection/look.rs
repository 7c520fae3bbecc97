//! The look at what a connection speaks: bounded, by segments and bytes, in both directions.

use crate::call::Causes;
use crate::flow::Data;
use crate::http::h2::frame::{PAYLOAD_BYTES_DEFAULT, begins_server};
use crate::http::h2::resync::Search;
use crate::http::sniff::{Sniffed, begins_request, sniff};
use crate::limits::{LOOK_BYTES, LOOK_FRAMES_BYTES_MAX, LOOK_SEGMENTS, LOOK_TURNS};
use crate::wire::Direction;

/// What the look has found so far.
#[derive(Debug, Default)]
pub(super) struct Look {
    sides: [Eye; 2],
    /// Segments that were no HTTP, where a message would have begun.
    segments: u32,
    /// Times that the other end began to speak, where a message may be under way.
    turns: u32,
    spoke: Option<Direction>,
    carrier: Option<&'static str>,
    /// A proxy's header was passed.
    proxied: bool,
}

/// The look at one direction.
#[derive(Debug, Default)]
struct Eye {
    /// Its beginning, or something since, was not in the capture: it may be in the middle of a message.
    blind: Option<Causes>,
    /// Bytes of it went by that were no HTTP.
    skipped: bool,
    /// First bytes, too few to tell.
    pending: Vec<u8>,
    place: Option<Data<'static>>,
    /// Where it may be in the middle of a message: what is looked through for frames of HTTP/2.
    frames: Option<Box<Frames>>,
}

/// The search for frames of HTTP/2 in one direction.
#[derive(Debug)]
struct Frames {
    search: Search,
    /// Bytes that were looked through.
    bytes: usize,
}

/// What a chunk of data showed.
pub(super) enum Looked<'a> {
    Nothing,
    GiveUp(&'static str),
    /// TLS begins, or is under way.
    Tls {
        bytes: std::borrow::Cow<'a, [u8]>,
        place: Data<'static>,
    },
    /// HTTP begins with `bytes` at `place`.
    Http {
        client: Direction,
        bytes: std::borrow::Cow<'a, [u8]>,
        place: Data<'static>,
    },
    /// HTTP/2 begins with `bytes` at `place`: the preface of the client, or the first frame of the server.
    H2 {
        client: Direction,
        bytes: std::borrow::Cow<'a, [u8]>,
        place: Data<'static>,
    },
    /// Frames of HTTP/2 are under way.
    Frames,
}

/// A search of which nothing is known.
pub(super) fn new_search() -> Search {
    Search::new(PAYLOAD_BYTES_DEFAULT)
}

impl Look {
    pub(super) fn start(&mut self, direction: Direction, known: bool) {
        self.eye(direction).blind = (!known).then_some(Causes::JOINED_MIDSTREAM);
    }

    pub(super) fn gap(&mut self, direction: Direction) {
        let eye = self.eye(direction);
        eye.blind = eye.blind.or(Some(Causes::GAP_IN_REQUEST));
        eye.pending = Vec::new();
        if let Some(frames) = &mut eye.frames {
            frames.search.gap();
        }
    }

    /// What was kept of a direction to be looked through for frames.
    pub(super) fn take_search(&mut self, direction: Direction) -> Search {
        self.eye(direction).frames.take().map_or_else(new_search, |frames| frames.search)
    }

    /// First bytes of a direction that were too few to tell.
    pub(super) fn take_pending(&mut self, direction: Direction) -> Option<(Vec<u8>, Data<'static>)> {
        let eye = self.eye(direction);
        let place = eye.place.take()?;
        Some((std::mem::take(&mut eye.pending), place))
    }

    /// Nothing of this direction went by unread.
    pub(super) fn in_sequence(&self, direction: Direction) -> bool {
        let [up, down] = &self.sides;
        let eye = if direction == Direction::Up { up } else { down };
        eye.blind.is_none() && !eye.skipped
    }

    /// Why requests may be hidden in this direction, if they may.
    pub(super) fn hidden(&self, direction: Direction) -> Option<Causes> {
        let [up, down] = &self.sides;
        let eye = if direction == Direction::Up { up } else { down };
        eye.blind.or(eye.skipped.then_some(Causes::JOINED_MIDSTREAM))
    }

    pub(super) fn memory(&self) -> usize {
        let eye = |eye: &Eye| {
            let frames = eye.frames.as_ref().map_or(0, |frames| size_of::<Frames>() + frames.search.memory());
            eye.pending.capacity() + frames
        };
        self.sides.iter().map(eye).sum()
    }

    /// The best name for what it speaks.
    pub(super) fn protocol(&self) -> &'static str {
        self.carrier.unwrap_or("unknown")
    }

    /// What looked like HTTP was none.
    pub(super) fn disappointed(&mut self) -> Option<&'static str> {
        for eye in &mut self.sides {
            eye.skipped = true;
        }
        self.segments += 1;
        (self.segments >= LOOK_SEGMENTS).then(|| self.protocol())
    }

    pub(super) fn data<'a>(&mut self, direction: Direction, data: &Data<'a>) -> Looked<'a> {
        let in_sequence = self.in_sequence(direction);
        if !in_sequence && self.finds_frames(direction, data) {
            return Looked::Frames;
        }
        if !data.boundary && !in_sequence {
            return Looked::Nothing;
        }
        let eye = self.eye(direction);
        let mut place = Data { bytes: &[], ..*data };
        let mut bytes = std::borrow::Cow::Borrowed(data.bytes);
        if !eye.pending.is_empty() {
            let mut joined = std::mem::take(&mut eye.pending);
            joined.extend_from_slice(data.bytes);
            place = eye.place.take().unwrap_or(place);
            bytes = joined.into();
        }
        if in_sequence && !is_binary_proxy_header(&bytes) {
            pass_blank_lines(&mut bytes, &mut place);
        }
        match sniff(&bytes) {
            _ if bytes.is_empty() => Looked::Nothing, // blank lines alone
            _ if in_sequence && is_binary_proxy_header(&bytes) => {
                self.behind_proxy_header(direction, bytes, place)
            }
            Sniffed::Request if !in_sequence && !begins_request(&bytes) => self.skip(direction),
            Sniffed::Request => Looked::Http { client: direction, bytes, place },
            Sniffed::Response => Looked::Http { client: direction.reverse(), bytes, place },
            Sniffed::Named("h2") => Looked::H2 { client: direction, bytes, place },
            _ if in_sequence && begins_server(&bytes) => {
                Looked::H2 { client: direction.reverse(), bytes, place }
            }
            Sniffed::Named("tls") => Looked::Tls { bytes, place },
            Sniffed::Named(protocol) => Looked::GiveUp(protocol),
            Sniffed::Short if bytes.len() < LOOK_BYTES && in_sequence => {
                let eye = self.eye(direction);
                (eye.pending, eye.place) = (bytes.into_owned(), Some(place));
                Looked::Nothing
            }
            Sniffed::Carrier("proxy-protocol") => self.behind_proxy_line(direction, bytes, place),
            Sniffed::Carrier(name) => {
                self.carrier = Some(name);
                self.skip(direction)
            }
            Sniffed::Short | Sniffed::Unknown => self.skip(direction),
        }
    }

    /// A line in front of the first message tells the proxy's client (the PROXY protocol, version 1, §2.1).
    fn behind_proxy_line<'a>(
        &mut self,
        direction: Direction,
        bytes: std::borrow::Cow<'a, [u8]>,
        place: Data<'static>,
    ) -> Looked<'a> {
        const LINE_BYTES_MAX: usize = 107;
        let line = bytes.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n').map(|lf| lf + 1);
        if line.is_none() && bytes.len() >= LINE_BYTES_MAX {
            self.carrier = Some("proxy-protocol");
            return self.skip(direction);
        }
        self.behind_proxy(direction, line, bytes, place)
    }

    /// The same in numbers (version 2, §2.2): signature, version and command, family, length of the rest.
    fn behind_proxy_header<'a>(
        &mut self,
        direction: Direction,
        bytes: std::borrow::Cow<'a, [u8]>,
        place: Data<'static>,
    ) -> Looked<'a> {
        let header = match bytes.get(PROXY_SIGNATURE.len()..) {
            Some([_, _, high, low, rest @ ..]) => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length > LOOK_BYTES {
                    self.carrier = Some("proxy-protocol");
                    return self.skip(direction);
                }
                (rest.len() >= length).then_some(PROXY_SIGNATURE.len() + 4 + length)
            }
            _ => None,
        };
        self.behind_proxy(direction, header, bytes, place)
    }

    /// Looks at what follows a proxy's header of that length; waits for the rest of it where the length is not known yet.
    fn behind_proxy<'a>(
        &mut self,
        direction: Direction,
        header: Option<usize>,
        bytes: std::borrow::Cow<'a, [u8]>,
        mut place: Data<'static>,
    ) -> Looked<'a> {
        self.carrier = Some("proxy-protocol");
        let Some(line) = header else {
            let eye = self.eye(direction);
            (eye.pending, eye.place) = (bytes.into_owned(), Some(place));
            return Looked::Nothing;
        };
        if std::mem::replace(&mut self.proxied, true) {
            // a connection has one such header; more of them are made to be unwrapped without end
            return self.skip(direction);
        }
        let rest = bytes.get(line..).unwrap_or_default();
        if rest.is_empty() {
            return Looked::Nothing;
        }
        place.offset += line as u64;
        let rest = Data { bytes: rest, ..place };
        match self.data(direction, &rest) {
            Looked::Http { client, bytes, place } => {
                Looked::Http { client, bytes: bytes.into_owned().into(), place }
            }
            Looked::H2 { client, bytes, place } => {
                Looked::H2 { client, bytes: bytes.into_owned().into(), place }
            }
            Looked::Tls { bytes, place } => Looked::Tls { bytes: bytes.into_owned().into(), place },
            Looked::GiveUp(protocol) => Looked::GiveUp(protocol),
            Looked::Frames => Looked::Frames,
            Looked::Nothing => Looked::Nothing,
        }
    }

    /// In the middle of a connection a frame may begin anywhere.
    fn finds_frames(&mut self, direction: Direction, data: &Data<'_>) -> bool {
        let frames = self
            .eye(direction)
            .frames
            .get_or_insert_with(|| Box::new(Frames { search: new_search(), bytes: 0 }));
        if frames.bytes > LOOK_FRAMES_BYTES_MAX {
            frames.search = new_search();
            return false;
        }
        frames.bytes += data.bytes.len();
        frames.search.push(data);
        frames.search.find().is_some()
    }

    /// Bytes went by that are no HTTP. Where this may be the middle of a message, all the rest of it
    /// may go by before the next one begins, so turns are counted there rather than segments.
    fn skip<'a>(&mut self, direction: Direction) -> Looked<'a> {
        let blind = self.eye(direction).blind.is_some();
        self.eye(direction).skipped = true;
        if blind {
            self.turns += u32::from(self.spoke != Some(direction));
        } else {
            self.segments += 1;
        }
        self.spoke = Some(direction);
        let over = self.segments >= LOOK_SEGMENTS || self.turns >= LOOK_TURNS;
        if over { Looked::GiveUp(self.protocol()) } else { Looked::Nothing }
    }

    fn eye(&mut self, direction: Direction) -> &mut Eye {
        let [up, down] = &mut self.sides;
        if direction == Direction::Up { up } else { down }
    }
}

/// First bytes of a header of the PROXY protocol, version 2.
const PROXY_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes are such a header, or the beginning of one that blank lines are not (they have no NUL).
fn is_binary_proxy_header(bytes: &[u8]) -> bool {
    let length = bytes.len().min(PROXY_SIGNATURE.len());
    length > 4 && bytes.get(..length) == PROXY_SIGNATURE.get(..length)
}

/// Blank lines in front of a first message mean nothing (RFC 9112 §2.2).
fn pass_blank_lines(bytes: &mut std::borrow::Cow<'_, [u8]>, place: &mut Data<'static>) {
    let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > 0 {
        place.offset += blank as u64;
        *bytes = match std::mem::take(bytes) {
            std::borrow::Cow::Borrowed(borrowed) => borrowed.get(blank..).unwrap_or_default().into(),
            std::borrow::Cow::Owned(mut owned) => {
                owned.drain(..blank);
                owned.into()
            }
        };
    }
}
