//! The handshake as both ends hash it, up to the client's key exchange: the extended master secret is derived from it
//! (RFC 7627 §3). One message that is missing makes another secret, so it is given whole or not at all.
//!
//! ```text
//!   Open ──ServerHelloDone──▶ Answered ──the client's key exchange──▶ Closed
//!     └──a hole, or more than is kept──▶ Broken                          each ClientHello begins anew
//! ```

use super::handshake::{self, Message};
use crate::limits::TRANSCRIPT_BYTES_MAX;

/// The messages of one handshake.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    messages: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    /// The server has said all that it says before the client's key exchange. What of that lies in a hole may not have been
    /// told yet when the key exchange comes, but then this has not come either.
    Answered,
    /// A message is missing.
    Broken,
    /// Nothing hangs on it.
    Closed,
}

impl Transcript {
    pub(super) fn memory(&self) -> usize {
        self.messages.capacity()
    }

    /// Another handshake begins.
    pub(super) fn begin(&mut self) {
        self.messages.clear();
        self.state = State::Open;
    }

    /// The next message of either end.
    pub(super) fn push(&mut self, message: &Message<'_>) {
        // RFC 5246 §7.4.1.1: the wish for a handshake is no part of it
        let is_part =
            matches!(self.state, State::Open | State::Answered) && message.kind != handshake::HELLO_REQUEST;
        if !is_part {
            return;
        }
        if self.messages.len() + message.bytes.len() > TRANSCRIPT_BYTES_MAX {
            return self.lose();
        }
        self.messages.extend_from_slice(message.bytes);
        if message.kind == handshake::SERVER_HELLO_DONE {
            self.state = State::Answered;
        }
    }

    /// A message is missing.
    pub(super) fn lose(&mut self) {
        if self.state != State::Closed {
            *self = Self { messages: Vec::new(), state: State::Broken };
        }
    }

    /// No secret is derived from it.
    pub(super) fn close(&mut self) {
        *self = Self { messages: Vec::new(), state: State::Closed };
    }

    /// All of it, up to the client's key exchange. `None`: something is missing in it.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let taken = std::mem::replace(self, Self { messages: Vec::new(), state: State::Closed });
        (taken.state == State::Answered).then_some(taken.messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(transcript: &mut Transcript, kind: u8, length: usize) {
        let bytes = [&[kind, 0, 0, 0][..], &vec![kind; length]].concat();
        transcript.push(&Message { kind, body: &bytes[4..], bytes: &bytes });
    }

    #[test]
    fn it_is_given_whole_or_not_at_all() {
        let mut transcript = Transcript::default();
        for (kind, length) in [(1, 2), (handshake::HELLO_REQUEST, 0), (2, 1), (14, 0), (16, 1)] {
            push(&mut transcript, kind, length);
        }
        let whole = [1, 0, 0, 0, 1, 1, 2, 0, 0, 0, 2, 14, 0, 0, 0, 16, 0, 0, 0, 16];
        assert_eq!(transcript.take().as_deref(), Some(&whole[..]));
        assert_eq!(transcript.take(), None);

        transcript.begin();
        for kind in [1, 2, 16] {
            push(&mut transcript, kind, 1);
        }
        assert_eq!(transcript.take(), None, "the server has not said all");

        transcript.begin();
        push(&mut transcript, 1, 1);
        transcript.lose();
        push(&mut transcript, 14, 0);
        assert_eq!(transcript.take(), None, "a hole");

        transcript.begin();
        push(&mut transcript, 11, TRANSCRIPT_BYTES_MAX);
        push(&mut transcript, 14, 0);
        assert_eq!((transcript.memory(), transcript.take()), (0, None), "more than is kept");
    }
}
