//! What can be known of each call by somebody who has all packets that are left in memory, and takes his time.
//!
//! Frames follow one another as long as their heads are there. A hole inside the payload of a frame costs these bytes alone;
//! behind any other one frames are hidden, nobody knows how many, and nothing of the tables of header compression that is
//! older is known. The next frame is found where one is wholly there and the head of another one follows it: so much is
//! demanded. Whoever is bolder may find it where the first head is: more than that nobody can know.

use std::collections::{BTreeMap, BTreeSet};

use crate::tcp::{End, Left};
use crate::traffic::{Block, Call, Frame, HEAD_BYTES, PREFACE, Said, flag, kind};

/// How readily frames are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// What is demanded of everybody.
    Careful,
    /// What is allowed to anybody.
    Bold,
}

/// Which fields of a head are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Method,
    Authority,
    Path,
    Status,
    RequestMark,
    ResponseMark,
    RequestBody,
    ResponseBody,
}

impl Field {
    fn of(name: &str, end: End) -> Option<Self> {
        match (name, end) {
            (":method", End::Client) => Some(Self::Method),
            (":authority", End::Client) => Some(Self::Authority),
            (":path", End::Client) => Some(Self::Path),
            (":status", End::Server) => Some(Self::Status),
            (crate::traffic::MARK, End::Client) => Some(Self::RequestMark),
            (crate::traffic::MARK, End::Server) => Some(Self::ResponseMark),
            _ => None,
        }
    }

    const fn body(end: End) -> Self {
        match end {
            End::Client => Self::RequestBody,
            End::Server => Self::ResponseBody,
        }
    }

    pub(crate) const fn is_size(self) -> bool {
        matches!(self, Self::RequestBody | Self::ResponseBody)
    }
}

/// Whether there is to be a record of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exists {
    Required,
    /// There may be one: something was seen, but nothing of a head.
    Allowed,
    /// Nothing of it is left.
    No,
}

/// Whether the record may say that it is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complete {
    /// It has to: nothing is missing, and that can be known.
    Required,
    Either,
    /// It must not.
    Refused,
}

/// What is known of a call.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) call: Call,
    pub(crate) fields: BTreeSet<Field>,
    pub(crate) exists: Exists,
    pub(crate) complete: Complete,
}

/// What is known of one end of a stream.
#[derive(Clone, Debug, Default)]
struct Half {
    fields: BTreeSet<Field>,
    blocks: u32,
    /// A block that can only be the head, and no interim answer, was seen.
    head: bool,
    /// No body can have come before what was seen of it.
    begun: bool,
    /// Fields of it are not known.
    unknown: bool,
    ended: bool,
    /// Frames of it may be hidden since it began.
    vague: bool,
}

/// What is known of each call.
pub(crate) fn known(calls: &[Call], said: &[Said; 2], left: &[Left; 2]) -> Vec<Known> {
    let [client, server] = left;
    let greeted = client.has(0, PREFACE.len());
    // the packet of the preface says that nothing was heard before
    let begins = [greeted, server.has(0, 1) && (server.opened || greeted)];
    let look = |end: End, view: View| {
        let (said, left) = (&said[end.index()], &left[end.index()]);
        let begins = view == View::Bold || begins[end.index()];
        let mut reader = Reader {
            end,
            view,
            said,
            left,
            steady: begins,
            roles: greeted,
            table: BTreeSet::new(),
            pending: None,
            halves: BTreeMap::new(),
        };
        reader.read(begins);
        reader.halves
    };
    let views = End::BOTH.map(|end| [look(end, View::Careful), look(end, View::Bold)]);
    calls.iter().map(|call| describe(call, said, left, &views)).collect()
}

fn describe(call: &Call, said: &[Said; 2], left: &[Left; 2], views: &[[BTreeMap<u32, Half>; 2]; 2]) -> Known {
    let mut fields = BTreeSet::new();
    let (mut seen, mut missing, mut sure, mut possible) = (false, false, true, true);
    for end in End::BOTH {
        let left = &left[end.index()];
        let is_of_call = |frame: &&Frame| {
            frame.stream == call.stream
                && matches!(frame.kind, kind::DATA | kind::HEADERS | kind::CONTINUATION)
        };
        for frame in said[end.index()].frames.iter().filter(is_of_call) {
            seen |= left.any(frame.start, frame.end);
            let block = frame.block.map(|(number, _)| &said[end.index()].blocks[number]);
            // an interim answer is nothing of a call
            let is_told = block.is_none_or(|block| !block.is_interim());
            missing |= is_told && !left.has(frame.start, frame.end);
        }
        let [careful, bold] =
            [0, 1].map(|view| views[end.index()][view].get(&call.stream).cloned().unwrap_or_default());
        sure &= careful.head && careful.ended && !careful.unknown && !careful.vague;
        possible &= bold.head && bold.ended && !bold.unknown && !bold.vague;
        if careful.begun && careful.ended && !careful.vague {
            fields.insert(Field::body(end));
        }
        fields.extend(careful.fields);
    }
    let exists = match seen {
        _ if fields.iter().any(|field| !field.is_size()) => Exists::Required,
        true => Exists::Allowed,
        false => Exists::No,
    };
    let complete = match (sure, possible) {
        _ if missing => Complete::Refused,
        (_, false) => Complete::Refused,
        (true, true) => Complete::Required,
        (false, true) => Complete::Either,
    };
    Known { call: call.clone(), fields, exists, complete }
}

/// A header block that is being read.
struct Pending {
    number: usize,
    /// So many of its bytes are there, from the first one on.
    bytes: usize,
    stream: u32,
    ends: bool,
    /// The first one of its end of the stream, and none can be hidden before it.
    is_first: bool,
}

/// Reads one direction.
struct Reader<'a> {
    end: End,
    view: View,
    said: &'a Said,
    left: &'a Left,
    /// No frame was missed.
    steady: bool,
    /// It is known who the client is.
    roles: bool,
    /// Entries of the table that are known.
    table: BTreeSet<u64>,
    pending: Option<Pending>,
    halves: BTreeMap<u32, Half>,
}

impl Reader<'_> {
    fn read(&mut self, begins: bool) {
        let (said, mut is_found) = (self.said, begins);
        for (index, frame) in said.frames.iter().enumerate() {
            let is_there = self.left.has(frame.start, frame.start + HEAD_BYTES);
            if !is_found && is_there {
                is_found = self.view == View::Bold || self.is_followed(index);
            } else if is_found && !is_there {
                is_found = false;
                self.lose();
            }
            if is_found {
                self.frame(frame);
            }
        }
        self.cut();
    }

    /// It is wholly there, and so is the head of the next one. Where padding begins what is there, of a frame of which the head
    /// is hidden, zeros are common and a head is mostly zeros: two more are asked for.
    fn is_followed(&self, index: usize) -> bool {
        let frames = &self.said.frames;
        let begin = self.left.since(frames[index].start);
        let is_stray = |frame: &Frame| frame.padding > 0 && frame.start < begin && begin < frame.end;
        let further = if frames[..index].iter().any(is_stray) { 3 } else { 1 };
        let last = frames.get(index + further);
        last.is_some_and(|last| self.left.has(frames[index].start, last.start + HEAD_BYTES))
    }

    /// Frames are hidden from here on.
    fn lose(&mut self) {
        self.cut();
        self.table.clear();
        self.steady = false;
        for half in self.halves.values_mut() {
            half.vague |= half.begun && !half.ended;
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let (start, end) = frame.content();
        match frame.kind {
            kind::DATA => {
                let half = self.halves.entry(frame.stream).or_default();
                // without it nobody knows what is body and what is padding
                half.vague |= !self.left.has(start - frame.prefix, start);
                // what was announced was said in full only if it is certain that it was sent
                half.ended |= frame.has(flag::END_STREAM) && frame.end <= self.left.reached;
            }
            kind::HEADERS => {
                self.cut();
                let half = self.halves.entry(frame.stream).or_default();
                let is_first = self.steady && half.blocks == 0;
                half.blocks += 1;
                let is_there = self.left.has(start - frame.prefix, start);
                let bytes = if is_there { self.left.until(start, end) - start } else { 0 };
                let Some((number, _)) = frame.block else { return };
                let (stream, ends) = (frame.stream, frame.has(flag::END_STREAM));
                self.pending = Some(Pending { number, bytes, stream, ends, is_first });
                self.go_on(frame, is_there && start + bytes == end);
            }
            kind::CONTINUATION => match self.pending.as_mut() {
                Some(pending) => {
                    let bytes = self.left.until(start, end) - start;
                    pending.bytes += bytes;
                    self.go_on(frame, start + bytes == end);
                }
                None => {
                    self.table.clear();
                    if let Some((number, _)) = frame.block {
                        self.doubt(frame.stream, number);
                    }
                }
            },
            _ => {}
        }
    }

    /// A frame of the block was read, wholly or as far as it goes.
    fn go_on(&mut self, frame: &Frame, is_whole: bool) {
        if !is_whole {
            self.cut();
        } else if frame.has(flag::END_HEADERS)
            && let Some(pending) = self.pending.take()
        {
            self.decode(&pending);
        }
    }

    /// The block breaks off: the fields before are known, the table no more.
    fn cut(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.decode(&pending);
            self.table.clear();
            self.doubt(pending.stream, pending.number);
        }
    }

    /// Fields are not known. Those of an interim answer are nothing of a call; not everybody can know that it is one.
    fn doubt(&mut self, stream: u32, number: usize) {
        let is_told = self.view == View::Careful || !self.said.blocks[number].is_interim();
        self.halves.entry(stream).or_default().unknown |= is_told;
    }

    fn decode(&mut self, pending: &Pending) {
        let Block { items, end } = &self.said.blocks[pending.number];
        let (mut fields, mut is_interim, mut has_pseudo) = (BTreeSet::new(), false, false);
        for item in items.iter().take_while(|item| item.end <= pending.bytes) {
            if item.needs.is_some_and(|entry| !self.table.contains(&entry)) {
                self.doubt(pending.stream, pending.number);
                continue;
            }
            self.table.extend(item.becomes);
            has_pseudo |= item.name.starts_with(':');
            is_interim |= item.name == ":status" && item.value.starts_with('1');
            fields.extend(Field::of(&item.name, self.end));
        }
        // somebody's first words say who is who, so do the fields that only one of them sends
        self.roles |= has_pseudo;
        let half = self.halves.entry(pending.stream).or_default();
        if is_interim || half.head || !self.roles {
            // nothing of it is of the head
        } else if has_pseudo {
            // whatever was hidden before was not of this message
            *half = Half { head: true, begun: true, vague: false, ..std::mem::take(half) };
            half.fields.extend(fields);
        } else if pending.is_first || !pending.ends {
            // trailers end a stream, and stand behind a head: it is the head, or an interim answer in front of it
            half.fields.extend(fields);
        }
        half.begun |= pending.is_first && self.roles;
        half.ended |= pending.ends && *end <= self.left.reached;
    }
}
