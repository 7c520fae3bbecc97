//! The records of one direction, cut out of its bytes however these come (RFC 8446 §5.1).
//!
//! ```text
//!   type │ version (2) │ length (2) │ payload …
//!
//!   Between ──header and payload──▶ Between           a hole inside a record costs that record,
//!      │ a hole over a border, or no header           wherever its end is known
//!      └──▶ Lost ──a header whose record opens──▶ Between
//! ```

use crate::flow::{Data, Gap};
use crate::limits::TLS_RECORD_BYTES_MAX;
use crate::time::Timestamp;

/// Length of a record's header.
pub(super) const HEADER_BYTES: usize = 5;

/// Bytes that a packet brings as a rule, for the room of a list of packets.
const PACKET_BYTES: usize = 1400;

/// A record, or what looks like one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) header: [u8; HEADER_BYTES],
    pub(super) payload: &'a [u8],
    /// Position of its first byte.
    pub(super) offset: u64,
    /// The packets that brought its bytes, in order; the first one begins at or before the record.
    pub(super) packets: &'a [Packet],
    /// It follows the record before. Otherwise it must prove itself, and nothing is known of the `passed` bytes before it.
    pub(super) in_sequence: bool,
    pub(super) passed: u64,
}

impl Record<'_> {
    pub(super) const fn kind(&self) -> u8 {
        let [kind, ..] = self.header;
        kind
    }

    /// Position behind its last byte.
    pub(super) const fn end(&self) -> u64 {
        self.offset + (HEADER_BYTES + self.payload.len()) as u64
    }
}

/// Where bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Position of its first byte.
    pub(super) offset: u64,
    pub(super) time: Timestamp,
    /// What it acknowledges, as a raw position of the other direction.
    pub(super) ack: Option<u64>,
}

impl Packet {
    /// The part of it that begins with `rest`, which is the last of `data`.
    const fn behind(self, data: &Data<'_>, rest: &[u8]) -> Self {
        Self { offset: data.offset + (data.bytes.len() - rest.len()) as u64, ..self }
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was read.
    Taken,
    /// It is none: it does not open.
    Refused,
    /// It can't be read yet, and must be offered again.
    Later,
    /// It was read, and nothing more may be read before [`Reader::resume`].
    TakenAndPause,
}

/// What a hole cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// One record of that type and payload; where it ends is known.
    Record { kind: u8, payload_bytes: u64, end: u64 },
    /// One record of which the rest is missing, and perhaps others behind it.
    RecordAndMore,
    /// An unknown number of records.
    Unknown,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The beginning of a record that is not whole yet, or that has to be offered again.
    pending: Vec<u8>,
    /// Position of the first pending byte.
    offset: u64,
    packets: Vec<Packet>,
    state: State,
    /// Where in what is pending the borders were lost, while that is looked through.
    lost_at: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    /// In a record of which bytes are missing.
    Skipping { left: u64 },
    /// The borders are not known. So many bytes went by since.
    Lost { passed: u64 },
}

impl Reader {
    pub(super) fn memory(&self) -> usize {
        self.pending.capacity() + self.packets.capacity() * size_of::<Packet>()
    }

    /// A record begins with the next byte.
    pub(super) const fn is_blank(&self) -> bool {
        self.pending.is_empty() && matches!(self.state, State::Between)
    }

    /// The borders of the records are not known.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost { .. })
    }

    /// The next bytes. Returns how many were taken: all, unless a record has to wait.
    pub(super) fn data(&mut self, data: &Data<'_>, take: &mut dyn FnMut(&Record<'_>) -> Verdict) -> usize {
        let packet = Packet { offset: data.offset, time: data.time, ack: data.ack };
        let mut rest = data.bytes;
        if let State::Skipping { left } = &mut self.state {
            let skipped = (rest.len() as u64).min(*left);
            *left -= skipped;
            if *left == 0 {
                self.state = State::Between;
            }
            rest = rest.get(skipped as usize..).unwrap_or_default();
        }
        while self.state == State::Between && !rest.is_empty() {
            if let Some(missing) = self.missing(rest) {
                // no more than the record needs, so that what follows it can be read where it lies
                let (now, behind) = rest.split_at(missing.min(rest.len()));
                self.gather(now, packet.behind(data, rest));
                rest = behind;
                if now.len() == missing && !self.resume(take) {
                    break;
                }
                continue;
            }
            if !self.pending.is_empty() {
                break;
            }
            let Some((header, payload)) = whole(rest) else { break };
            let offset = packet.behind(data, rest).offset;
            let packets = std::slice::from_ref(&packet);
            let record = Record { header, payload, offset, packets, in_sequence: true, passed: 0 };
            let verdict = take(&record);
            if verdict == Verdict::Later {
                break;
            }
            rest = rest.get(HEADER_BYTES + payload.len()..).unwrap_or_default();
            if verdict == Verdict::TakenAndPause {
                return data.bytes.len() - rest.len();
            }
        }
        if !rest.is_empty() {
            self.gather(rest, packet.behind(data, rest));
            self.resume(take);
        }
        data.bytes.len()
    }

    /// Bytes that the pending record lacks, which goes on with `rest`. `None`: nothing is pending, it waits, or it is none.
    fn missing(&self, rest: &[u8]) -> Option<usize> {
        if self.pending.is_empty() {
            return None;
        }
        let known = self.pending.first_chunk::<HEADER_BYTES>().copied();
        let Some(header) = known.or_else(|| self.header_with(rest)) else {
            return Some(HEADER_BYTES - self.pending.len());
        };
        let [.., high, low] = header;
        let wanted = HEADER_BYTES + usize::from(u16::from_be_bytes([high, low]));
        wanted.checked_sub(self.pending.len()).filter(|missing| *missing > 0 && is_header(&header))
    }

    /// The header of the pending record, which ends in `rest`, if all of it is there.
    #[cold]
    fn header_with(&self, rest: &[u8]) -> Option<[u8; HEADER_BYTES]> {
        let mut header = [0; HEADER_BYTES];
        let begins = header.iter_mut().zip(self.pending.iter().chain(rest)).map(|(to, from)| *to = *from);
        (begins.count() == HEADER_BYTES).then_some(header)
    }

    /// Offers again what waits. False: it still has to wait.
    pub(super) fn resume(&mut self, take: &mut dyn FnMut(&Record<'_>) -> Verdict) -> bool {
        let (pending, packets) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.packets));
        let (mut at, mut ready) = (0, true);
        while let Some(record) = self.next_record(&pending, &packets, &mut at) {
            let length = HEADER_BYTES + record.payload.len();
            match take(&record) {
                Verdict::Later => {
                    ready = false;
                    break;
                }
                Verdict::Refused if self.is_lost() => at += 1,
                verdict => {
                    self.state = State::Between;
                    at += length;
                    if verdict == Verdict::TakenAndPause {
                        ready = false;
                        break;
                    }
                }
            }
        }
        self.keep(pending, packets, at);
        ready
    }

    /// The record at `at` if all of it is there. Where the borders are lost, `at` moves to the next header.
    fn next_record<'a>(
        &mut self,
        pending: &'a [u8],
        packets: &'a [Packet],
        at: &mut usize,
    ) -> Option<Record<'a>> {
        loop {
            let rest = pending.get(*at..)?;
            let in_sequence = !self.is_lost();
            if !in_sequence {
                *at += rest.windows(HEADER_BYTES).position(is_protected).unwrap_or_else(|| {
                    // what is too short to tell stays
                    rest.len().saturating_sub(HEADER_BYTES - 1)
                });
            } else if rest.len() >= HEADER_BYTES && !is_header(rest) {
                (self.state, self.lost_at) = (State::Lost { passed: 0 }, *at);
                continue;
            }
            let (header, payload) = whole(pending.get(*at..)?)?;
            let offset = self.offset + *at as u64;
            let passed = match self.state {
                State::Lost { passed } => passed.saturating_add((*at - self.lost_at) as u64),
                _ => 0,
            };
            let first = packets.iter().rposition(|packet| packet.offset <= offset).unwrap_or(0);
            let packets = packets.get(first..).unwrap_or_default();
            return Some(Record { header, payload, offset, packets, in_sequence, passed });
        }
    }

    /// Bytes that are missing.
    pub(super) fn gap(&mut self, gap: &Gap, take: &mut dyn FnMut(&Record<'_>) -> Verdict) -> Option<Loss> {
        match self.state {
            State::Lost { .. } => {
                self.search_all(take);
                if let State::Lost { passed } = self.state {
                    let passed = passed.saturating_add(self.drop_pending()).saturating_add(gap.len);
                    self.state = State::Lost { passed };
                    return None;
                }
                // it was found just before
                return self.gap(gap, take);
            }
            State::Skipping { left } if gap.len < left => {
                self.state = State::Skipping { left: left - gap.len };
                return None;
            }
            State::Skipping { left } if gap.len == left => {
                self.state = State::Between;
                return None;
            }
            State::Skipping { left } => {
                self.state = State::Lost { passed: beyond(gap, left) };
                return Some(Loss::Unknown);
            }
            State::Between => {}
        }
        let Some(header) = self.pending.first_chunk::<HEADER_BYTES>().copied() else {
            let pending = self.drop_pending();
            self.state = State::Lost { passed: gap.len.saturating_add(pending) };
            return Some(Loss::Unknown);
        };
        let [kind, _, _, high, low] = header;
        let payload_bytes = u64::from(u16::from_be_bytes([high, low]));
        let end = self.offset + HEADER_BYTES as u64 + payload_bytes;
        self.drop_pending();
        let behind = gap.offset + gap.len;
        if behind > end {
            self.state = State::Lost { passed: beyond(gap, end - gap.offset) };
            return Some(Loss::RecordAndMore);
        }
        self.state = if behind == end { State::Between } else { State::Skipping { left: end - behind } };
        Some(Loss::Record { kind, payload_bytes, end })
    }

    /// Offers every whole record in what is pending, before that is given up.
    fn search_all(&mut self, take: &mut dyn FnMut(&Record<'_>) -> Verdict) {
        while self.is_lost() && self.pending.len() > HEADER_BYTES {
            if !self.resume(take) {
                return;
            }
            if self.is_lost() && !self.pending.is_empty() {
                // the header that it waits for more of was none
                let (pending, packets) =
                    (std::mem::take(&mut self.pending), std::mem::take(&mut self.packets));
                self.keep(pending, packets, 1);
            }
        }
    }

    fn drop_pending(&mut self) -> u64 {
        self.packets = Vec::new();
        std::mem::take(&mut self.pending).len() as u64
    }

    fn gather(&mut self, bytes: &[u8], packet: Packet) {
        if self.pending.is_empty() {
            self.offset = packet.offset;
            self.packets.clear();
            // a record that spans packets is put together at once
            let [kind, _, _, high, low] = *bytes.first_chunk().unwrap_or(&[0; HEADER_BYTES]);
            let length = if kind == 0 { 0 } else { usize::from(u16::from_be_bytes([high, low])) };
            let length = length.min(TLS_RECORD_BYTES_MAX);
            self.pending.reserve_exact((HEADER_BYTES + length).max(bytes.len()));
            self.packets.reserve_exact(1 + length / PACKET_BYTES);
        }
        self.pending.extend_from_slice(bytes);
        self.packets.push(packet);
    }

    /// Keeps what stands behind `at`.
    fn keep(&mut self, mut pending: Vec<u8>, mut packets: Vec<Packet>, at: usize) {
        let at = at.min(pending.len());
        if let State::Lost { passed } = &mut self.state {
            *passed = passed.saturating_add(at.saturating_sub(self.lost_at) as u64);
        }
        self.lost_at = 0;
        if at == 0 {
            (self.pending, self.packets) = (pending, packets);
            return;
        }
        self.offset += at as u64;
        pending.drain(..at);
        if pending.is_empty() {
            // whoever reads next gets the room
            pending.shrink_to(TLS_RECORD_BYTES_MAX);
        }
        let first = packets.iter().rposition(|packet| packet.offset <= self.offset).unwrap_or(0);
        packets.drain(..first);
        (self.pending, self.packets) = (pending, packets);
    }
}

/// What a hole hides behind its first bytes.
const fn beyond(gap: &Gap, first: u64) -> u64 {
    if gap.len < Gap::UNKNOWN { gap.len - first } else { Gap::UNKNOWN }
}

/// Header and payload of the record that `bytes` begin with, if all of it is there and it may be one.
fn whole(bytes: &[u8]) -> Option<([u8; HEADER_BYTES], &[u8])> {
    let header = *bytes.first_chunk()?;
    let [_, _, _, high, low] = header;
    let payload = bytes.get(HEADER_BYTES..HEADER_BYTES + usize::from(u16::from_be_bytes([high, low])))?;
    is_header(bytes).then_some((header, payload))
}

/// Types and versions that exist, a length that is allowed (RFC 8446 §5.1, RFC 5246 §6.2.3).
fn is_header(bytes: &[u8]) -> bool {
    match bytes {
        [20..=24, 3, 0..=4, high, low, ..] => {
            usize::from(u16::from_be_bytes([*high, *low])) <= TLS_RECORD_BYTES_MAX
        }
        _ => false,
    }
}

/// The header of a record whose version is settled: where the borders are lost, only such are looked for.
fn is_protected(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23, 3, 1..=3, high, low, ..] if (*high, *low) != (0, 0)) && is_header(bytes)
}
