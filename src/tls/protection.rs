//! The keys of one direction, one behind the other, and the sequence number.
//!
//! ```text
//!   TLS 1.2:  Master ──ChangeCipherSpec──▶ Master
//!   TLS 1.3:  Early ──▶ Handshake ──▶ Traffic ──KeyUpdate──▶ Traffic …      each begins to count at 0
//! ```

use super::cipher::suite::Suite;
use super::cipher::{Agreed, Opener};
use super::inflate::Inflate;
use super::keylog::Label;
use super::keys::Secrets;
use super::record::{HEADER_BYTES, Record};
use super::schedule::{Secret, next_secret};
use crate::flow::Gap;
use crate::limits::{SEQUENCE_TRIES_MAX, TLS_RECORD_BYTES_MAX};

/// The keys in use.
#[derive(Debug)]
pub(super) struct Protection {
    opener: Opener,
    epoch: Epoch,
    /// Number of the next record.
    sequence: u64,
    /// A record of this direction was opened.
    proven: bool,
    /// The secret of the handshake is not known: its records are passed over.
    skips_handshake: bool,
    inflate: Option<Box<Inflate>>,
}

#[derive(Clone, Debug)]
enum Epoch {
    Master,
    Early,
    Handshake,
    Traffic(Secret),
}

/// What the keys that come next are made of.
pub(super) struct Next<'a> {
    pub(super) suite: Suite,
    pub(super) secrets: Option<&'a Secrets>,
    pub(super) of_client: bool,
}

/// What came of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Its tag is right. `nothing_lost`: no record with data is missing before it, under this key or the one before.
    Opened { nothing_lost: bool },
    /// The next key would be needed, and its secret is not known.
    NoSecret,
    /// It is not what it should be, after so many tries.
    Failed { tried: u64 },
}

impl Protection {
    /// With the key as the library spreads it out: 600 bytes for AES-GCM, up to a thousand for others.
    const BYTES: usize = size_of::<Self>() + 1024;

    /// Memory with keys and all.
    pub(super) fn memory(&self) -> usize {
        Self::BYTES + if self.inflate.is_some() { Inflate::BYTES } else { 0 }
    }

    /// For TLS 1.0 to 1.2. `None`: the suite can't be read.
    pub(super) fn of_12(
        suite: Suite,
        agreed: Agreed,
        master: &Secret,
        randoms: [&[u8; 32]; 2],
        of_client: bool,
    ) -> Option<Self> {
        let opener = Opener::of_master_secret(suite, agreed, master, randoms, of_client)?;
        let inflate = agreed.compresses.then(|| Box::new(Inflate::new()));
        Some(Self {
            opener,
            epoch: Epoch::Master,
            sequence: 0,
            proven: false,
            skips_handshake: false,
            inflate,
        })
    }

    /// For TLS 1.3: the first keys of a direction whose secrets are known. `None`: there are none.
    pub(super) fn of_13(suite: Suite, secrets: &Secrets, of_client: bool, early: bool) -> Option<Self> {
        let next = Next { suite, secrets: Some(secrets), of_client };
        let first = if early && of_client { Epoch::Early.opener(&next) } else { None };
        let (opener, epoch, skips_handshake) = match first {
            Some(opener) => (opener, Epoch::Early, false),
            None => match Epoch::Handshake.opener(&next) {
                Some(opener) => (opener, Epoch::Handshake, false),
                None => {
                    let (opener, epoch) = Epoch::Handshake.next(&next)?;
                    (opener, epoch, true)
                }
            },
        };
        Some(Self { opener, epoch, sequence: 0, proven: false, skips_handshake, inflate: None })
    }

    pub(super) const fn is_proven(&self) -> bool {
        self.proven
    }

    pub(super) const fn skips_handshake(&self) -> bool {
        self.skips_handshake
    }

    /// What was lost under these keys need not have been data.
    pub(super) const fn is_in_handshake(&self) -> bool {
        match self.epoch {
            Epoch::Handshake => true,
            Epoch::Master => self.sequence <= 1,
            Epoch::Traffic(_) => !self.proven,
            Epoch::Early => false,
        }
    }

    /// A record is missing.
    pub(super) fn pass(&mut self) {
        self.sequence += 1;
        if let Some(inflate) = &mut self.inflate {
            inflate.pass();
        }
    }

    /// Undoes the compression of an opened record, if there is one. False: it can't be undone.
    pub(super) fn inflate(&mut self, plaintext: &mut Vec<u8>) -> bool {
        self.inflate.as_mut().is_none_or(|inflate| inflate.record(plaintext))
    }

    pub(super) fn prefix_bytes(&self) -> u64 {
        self.opener.prefix_bytes()
    }

    pub(super) fn plaintext_bytes(&self, payload_bytes: u64) -> Option<u64> {
        self.opener.plaintext_bytes(payload_bytes)
    }

    /// Opens a record with the keys in use, or with those that come next.
    pub(super) fn open(&mut self, record: &Record<'_>, out: &mut Vec<u8>, next: &Next<'_>) -> Attempt {
        let was_in_handshake = self.is_in_handshake();
        let first = self.sequence;
        let (from, to) = self.numbers(record);
        self.opener.begin(record.offset);
        let mut tried = 0;
        for sequence in from..=to {
            tried += 1;
            if self.opener.open(sequence, record.header, record.payload, out).is_ok() {
                if sequence != first
                    && let Some(inflate) = &mut self.inflate
                {
                    inflate.pass();
                }
                let nothing_lost = match self.epoch {
                    Epoch::Handshake => true,
                    // Finished comes first
                    Epoch::Master => was_in_handshake && sequence <= first.max(1),
                    Epoch::Traffic(_) | Epoch::Early => sequence == first,
                };
                (self.sequence, self.proven) = (sequence + 1, true);
                self.opener.follow(record.payload, record.end());
                return Attempt::Opened { nothing_lost };
            }
        }
        self.opener.follow(record.payload, record.end());
        self.open_with_next(record, out, next, to - from, tried)
    }

    fn open_with_next(
        &mut self,
        record: &Record<'_>,
        out: &mut Vec<u8>,
        next: &Next<'_>,
        more: u64,
        mut tried: u64,
    ) -> Attempt {
        let mut epoch = self.epoch.clone();
        let was_in_handshake = self.is_in_handshake();
        while !matches!(epoch, Epoch::Master) {
            let Some((mut opener, following)) = epoch.next(next) else {
                let waits = record.in_sequence && !matches!(epoch, Epoch::Traffic(_));
                return if waits { Attempt::NoSecret } else { Attempt::Failed { tried } };
            };
            for sequence in 0..=more {
                tried += 1;
                if opener.open(sequence, record.header, record.payload, out).is_ok() {
                    let nothing_lost = was_in_handshake && sequence == 0;
                    *self = Self {
                        opener,
                        epoch: following,
                        sequence: sequence + 1,
                        proven: true,
                        skips_handshake: false,
                        inflate: None,
                    };
                    return Attempt::Opened { nothing_lost };
                }
            }
            // behind early data there may be two more; behind a KeyUpdate one is enough
            if matches!(following, Epoch::Traffic(_)) {
                break;
            }
            epoch = following;
        }
        Attempt::Failed { tried }
    }

    /// The sequence numbers that a record may have.
    fn numbers(&self, record: &Record<'_>) -> (u64, u64) {
        if record.in_sequence {
            return (self.sequence, self.sequence);
        }
        let longest = (HEADER_BYTES + TLS_RECORD_BYTES_MAX) as u64;
        let shortest = HEADER_BYTES as u64 + self.opener.payload_bytes_min();
        // of a hole whose size is not known nothing follows but that it may be small
        let least = if record.passed < Gap::UNKNOWN { record.passed.div_ceil(longest) } else { 0 };
        // another key may have been in use in the hole, and then the numbers begin anew
        let most = (record.passed / shortest).min(least + SEQUENCE_TRIES_MAX).max(least);
        let from = if matches!(self.epoch, Epoch::Master) && !self.proven { 0 } else { least };
        (self.sequence + from, self.sequence + most)
    }
}

impl Epoch {
    fn opener(&self, next: &Next<'_>) -> Option<Opener> {
        let label = match (self, next.of_client) {
            (Self::Early, true) => Label::ClientEarly,
            (Self::Handshake, true) => Label::ClientHandshake,
            (Self::Handshake, false) => Label::ServerHandshake,
            _ => return None,
        };
        Opener::of_traffic_secret(next.suite, next.secrets?.get(label)?)
    }

    /// The keys behind these.
    fn next(&self, next: &Next<'_>) -> Option<(Opener, Self)> {
        let secret = match self {
            Self::Master => return None,
            Self::Early => return Some((Self::Handshake.opener(next)?, Self::Handshake)),
            Self::Handshake => {
                let label = if next.of_client { Label::ClientTraffic } else { Label::ServerTraffic };
                next.secrets?.get(label)?.clone()
            }
            Self::Traffic(secret) => next_secret(next.suite.hash, secret),
        };
        Some((Opener::of_traffic_secret(next.suite, &secret)?, Self::Traffic(secret)))
    }
}
