//! One direction of a connection: what its records are protected with, and whether it is read or waits.
//!
//! ```text
//!   Free ──its secrets, or what the server says, are missing──▶ Waits ──they come──▶ Next ──▶ Free
//!     └──the other direction may go on, and is older──────────────────────────────────▲
//! ```

use super::handshake::Joiner;
use super::plain::Plain;
use super::protection::Protection;
use super::record::Reader;

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// `None`: no record is in pieces.
    pub(super) reader: Option<Box<Reader>>,
    pub(super) joiner: Joiner,
    pub(super) plain: Plain,
    pub(super) cover: Cover,
    pub(super) turn: Turn,
    /// The first record that opens proves the master secret of the handshake in hand.
    pub(super) proves_master: bool,
    /// Something is missing that may have been plaintext.
    pub(super) doubt: bool,
    pub(super) bad_records: u32,
    pub(super) tried_bytes: u64,
    /// Its beginning need not be in the capture.
    pub(super) joined: bool,
}

/// What stands over the records of a direction.
#[derive(Debug, Default)]
pub(super) enum Cover {
    /// Nothing yet.
    #[default]
    None,
    /// Keys that are still to be made: it has changed its keys for those of another handshake inside the first, or so many
    /// records that they open are missing.
    Due {
        missing: u64,
    },
    Keys(Protection),
}

/// Whether a direction is read. The numbers tell which came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    #[default]
    Free,
    /// What comes is held.
    Waits(Wait, u64),
    /// It waited, or gave way, and may go on.
    Next(u64),
}

/// What a direction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// What the server chooses, or whether it takes early data.
    Server,
    Secrets,
}

impl Side {
    pub(super) fn memory(&self) -> usize {
        let keys = self.keys().map_or(0, Protection::memory);
        let reader = self.reader.as_ref().map_or(0, |reader| size_of::<Reader>() + reader.memory());
        reader + self.joiner.memory() + self.plain.memory() + keys
    }

    pub(super) const fn keys(&self) -> Option<&Protection> {
        match &self.cover {
            Cover::Keys(keys) => Some(keys),
            Cover::None | Cover::Due { .. } => None,
        }
    }

    pub(super) const fn keys_mut(&mut self) -> Option<&mut Protection> {
        match &mut self.cover {
            Cover::Keys(keys) => Some(keys),
            Cover::None | Cover::Due { .. } => None,
        }
    }

    pub(super) const fn waits(&self) -> bool {
        matches!(self.turn, Turn::Waits(..))
    }

    pub(super) fn waits_for(&self, what: Wait) -> bool {
        matches!(self.turn, Turn::Waits(wait, _) if wait == what)
    }

    /// What it waits for has come, if that is it.
    pub(super) fn wake(&mut self, what: Wait) {
        if let Turn::Waits(wait, since) = self.turn
            && wait == what
        {
            self.turn = Turn::Next(since);
        }
    }
}
