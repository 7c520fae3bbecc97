//! Handshake messages, put together from records however they were cut, and what stands in those that matter
//! (RFC 8446 §4, RFC 5246 §7.4).

mod certificate;
mod hello;
mod ja4;

use crate::limits::HANDSHAKE_BYTES_MAX;

pub(super) use certificate::names;
pub(super) use hello::{ClientHello, ServerHello, encrypted_extensions};

/// Types of messages.
pub(super) const HELLO_REQUEST: u8 = 0;
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const NEW_SESSION_TICKET: u8 = 4;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const SERVER_HELLO_DONE: u8 = 14;
pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

/// Type and length.
const HEAD_BYTES: usize = 4;

/// Puts the messages of one direction together.
#[derive(Debug, Default)]
pub(super) struct Joiner {
    pending: Vec<u8>,
    /// Bytes left of a message that is too long to be kept.
    skipping: usize,
}

impl Joiner {
    pub(super) fn memory(&self) -> usize {
        self.pending.capacity()
    }

    /// Where the next message begins is not known.
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    /// The payload of one record. `deliver` gets each message whole, with its head.
    pub(super) fn push(&mut self, bytes: &[u8], mut deliver: impl FnMut(Message<'_>)) {
        let skipped = self.skipping.min(bytes.len());
        self.skipping -= skipped;
        let bytes = bytes.get(skipped..).unwrap_or_default();
        if self.pending.is_empty() {
            let rest = self.take_whole(bytes, &mut deliver);
            self.keep(bytes.get(bytes.len() - rest..).unwrap_or_default());
            return;
        }
        self.keep(bytes);
        let mut pending = std::mem::take(&mut self.pending);
        match self.take_whole(&pending, &mut deliver) {
            // an idle connection keeps no buffer
            0 => {}
            rest => {
                pending.drain(..pending.len() - rest);
                self.pending = pending;
            }
        }
    }

    /// Adds to what is pending. A message that spans records is put together where it lies, at once.
    fn keep(&mut self, bytes: &[u8]) {
        let begins = if self.pending.is_empty() { bytes } else { &self.pending };
        // what is longer was passed over, or its head is not whole yet
        let length = message_bytes(begins).filter(|length| *length <= HANDSHAKE_BYTES_MAX);
        let room = length.unwrap_or_default().max(self.pending.len() + bytes.len());
        self.pending.reserve_exact(room - self.pending.len());
        self.pending.extend_from_slice(bytes);
    }

    /// Delivers the whole messages that these bytes begin with; how many bytes are left.
    fn take_whole(&mut self, mut rest: &[u8], deliver: &mut impl FnMut(Message<'_>)) -> usize {
        while let Some(head) = rest.first_chunk::<HEAD_BYTES>() {
            let [kind, ..] = *head;
            let length = message_bytes(rest).unwrap_or_default();
            if length > HANDSHAKE_BYTES_MAX {
                self.skipping = length.saturating_sub(rest.len());
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            let Some(message) = rest.get(..length) else { break };
            deliver(Message { kind, body: message.get(HEAD_BYTES..).unwrap_or_default(), bytes: message });
            rest = rest.get(length..).unwrap_or_default();
        }
        rest.len()
    }
}

/// Length of the message that these bytes begin with.
fn message_bytes(bytes: &[u8]) -> Option<usize> {
    let [_, a, b, c] = *bytes.first_chunk::<HEAD_BYTES>()?;
    Some(HEAD_BYTES + u32::from_be_bytes([0, a, b, c]) as usize)
}

/// The ticket of a NewSessionTicket of TLS 1.2 and before (RFC 5077 §3.3).
pub(super) fn ticket(body: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor(body);
    cursor.take(4)?; // lifetime
    cursor.long().filter(|ticket| !ticket.is_empty())
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) kind: u8,
    pub(super) body: &'a [u8],
    /// All of it, head included.
    pub(super) bytes: &'a [u8],
}

/// Reads fields one behind the other; each read can fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u24(&mut self) -> Option<usize> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]) as usize)
    }

    /// A vector with a length of one byte.
    pub(crate) fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    /// A vector with a length of two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The numbers of a vector of two bytes each.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).filter_map(|pair| pair.first_chunk().copied().map(u16::from_be_bytes))
}

/// Text of the wire, within a bound; what is not printable is replaced.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.get(..crate::limits::TLS_NAME_BYTES_MAX).unwrap_or(bytes);
    bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { *byte as char } else { '\u{fffd}' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let long = [vec![11, 0, 1, 44], vec![7; 300]].concat();
        let all = [&[1, 0, 0, 2, 8, 9], &long[..], &[14, 0, 0, 0], &[20, 0, 0, 1, 5]].concat();
        let read = |pieces: &[&[u8]]| {
            let (mut joiner, mut seen) = (Joiner::default(), Vec::new());
            for piece in pieces {
                joiner.push(piece, |message| seen.push((message.kind, message.body.to_vec())));
            }
            assert!(joiner.pending.is_empty());
            seen
        };
        let whole = read(&[&all]);
        assert_eq!(whole.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [1, 11, 14, 20]);
        for cut in 0..all.len() {
            assert_eq!(read(&[&all[..cut], &all[cut..]]), whole, "cut at {cut}");
        }
        assert_eq!(read(&all.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn a_message_in_many_pieces_is_not_copied_again_for_each() {
        let (mut joiner, mut seen) = (Joiner::default(), Vec::new());
        let bytes = [&[11, 0, 0xf0, 0][..], &[7; 0xf000], &[14, 0, 0]].concat();
        let (first, rest) = bytes.split_at(4);
        joiner.push(first, |_| {});
        let place = joiner.pending.as_ptr();
        for piece in rest.chunks(16) {
            joiner.push(piece, |message| seen.push(message.bytes.len()));
            assert!(joiner.pending.as_ptr() == place || !seen.is_empty());
            assert!(joiner.memory() <= 4 + 0xf000 + 16);
        }
        assert_eq!((&*seen, &*joiner.pending), (&[0xf004][..], &[14, 0, 0][..]));
    }

    #[test]
    fn a_message_that_is_too_long_is_passed_over() {
        let (mut joiner, mut seen) = (Joiner::default(), Vec::new());
        let length = HANDSHAKE_BYTES_MAX + 100;
        let mut bytes = (length as u32 | 11 << 24).to_be_bytes().to_vec();
        bytes.resize(4 + length, 0);
        bytes.extend([14, 0, 0, 0]);
        for piece in bytes.chunks(16_000) {
            joiner.push(piece, |message| seen.push(message.kind));
            assert!(joiner.memory() < 20_000);
        }
        assert_eq!(seen, [14]);
    }
}
