//! The secrets that were given: by client random, and the private keys of servers.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::keylog::{self, Broken, Entry, LABELS, LABELS_ALL, Label};
use super::newest::Newest;
use super::private::{KeyFault, PrivateKey};
use super::schedule::Secret;
use crate::counters;
use crate::limits::KEYLOG_LINE_BYTES_MAX;

/// All secrets that were given so far.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_random: Newest<Secrets>,
    private: Vec<Arc<PrivateKey>>,
    /// Master secrets by what names the session they belong to.
    sessions: Newest<Secret>,
}

counters! {
    /// What was known of secrets and is not any more.
    pub struct Counters {
        /// Connections whose secrets made room for newer ones.
        secrets_evicted,
        /// Sessions whose secrets made room for newer ones.
        sessions_evicted,
        /// Names of sessions that made room for newer ones before their secret was known.
        session_names_evicted,
    }
}

impl Counters {
    /// Adds the counts of another worker. What makes room in one does so in all: they are given the same secrets.
    pub fn add_worker(&mut self, other: &Self) {
        self.secrets_evicted = self.secrets_evicted.max(other.secrets_evicted);
        self.sessions_evicted = self.sessions_evicted.max(other.sessions_evicted);
        self.session_names_evicted += other.session_names_evicted;
    }
}

/// What names a session of TLS 1.2 and before that can be resumed: a hash of its id or of its ticket.
pub type SessionName = [u8; 32];

/// The name of the session with that id.
pub(super) fn name_of_id(id: &[u8]) -> SessionName {
    Sha256::new().chain_update(b"id").chain_update(id).finalize().into()
}

/// The name of the session in that ticket.
pub(super) fn name_of_ticket(ticket: &[u8]) -> SessionName {
    Sha256::new().chain_update(b"ticket").chain_update(ticket).finalize().into()
}

/// The secrets of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    by_label: [Option<Secret>; LABELS],
}

impl Secrets {
    pub(super) fn get(&self, label: Label) -> Option<&Secret> {
        self.by_label.get(label as usize)?.as_ref()
    }

    /// What both ends say under TLS 1.3 can be read. Their secrets are lines of their own in a key log.
    pub(super) fn are_of_both_ends(&self) -> bool {
        [Label::ClientTraffic, Label::ServerTraffic].into_iter().all(|label| self.get(label).is_some())
    }
}

/// What one line of a key log gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLine {
    /// A secret that was taken.
    Secret,
    /// It is a comment, empty, or of a label that is of no use here.
    WithoutUse,
    /// It can't be read.
    Broken(Broken),
}

/// What a piece of a key log gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Secrets that were taken.
    pub secrets: u64,
    /// Connections whose secrets made room for others.
    pub evicted: u64,
    /// Lines, the broken ones included.
    pub lines: u64,
    /// Lines that can't be read: their numbers, from 1, and why.
    pub broken: Vec<(u64, Broken)>,
    /// How many these are; only the first few are kept.
    pub broken_lines: u64,
}

impl Keys {
    /// No secret is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_random.is_empty() && self.sessions.is_empty()
    }

    /// Takes the private key of a server, in PEM.
    ///
    /// # Errors
    /// There is no RSA key in it that can be used.
    pub fn take_private_key(&mut self, pem: &[u8]) -> Result<(), KeyFault> {
        self.private.push(Arc::new(PrivateKey::from_pem(pem)?));
        Ok(())
    }

    /// Private keys of servers are known.
    pub(super) const fn has_private(&self) -> bool {
        !self.private.is_empty()
    }

    /// What a client sent encrypted, opened with the key that fits.
    pub(super) fn premaster(&self, encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.private.iter().find_map(|key| key.premaster(encrypted))
    }

    /// Takes the lines of a key log. Of several secrets for one purpose the last one counts.
    pub fn take(&mut self, text: &[u8]) -> Taken {
        let mut taken = Taken::default();
        let before = self.by_random.evicted();
        for line in text.split(|byte| *byte == b'\n') {
            taken.lines += 1;
            match self.take_line(line) {
                KeyLine::WithoutUse => {}
                KeyLine::Secret => taken.secrets += 1,
                KeyLine::Broken(broken) => {
                    taken.broken_lines += 1;
                    if taken.broken.len() < BROKEN_TOLD_MAX {
                        taken.broken.push((taken.lines, broken));
                    }
                }
            }
        }
        taken.evicted = self.by_random.evicted() - before;
        taken
    }

    /// Takes one line of a key log, without its end.
    pub fn take_line(&mut self, line: &[u8]) -> KeyLine {
        let read = match line.len() {
            ..=KEYLOG_LINE_BYTES_MAX => keylog::line(line),
            _ => Some(Err(Broken::TooLong)),
        };
        match read {
            None => KeyLine::WithoutUse,
            Some(Ok(entry)) => {
                self.insert(entry);
                KeyLine::Secret
            }
            Some(Err(broken)) => KeyLine::Broken(broken),
        }
    }

    fn insert(&mut self, entry: Entry) {
        let Entry { label, random, secret } = entry;
        if let Some(place) = self.by_random.entry(random).by_label.get_mut(label as usize) {
            *place = Some(secret);
        }
    }

    /// Takes over what another key log said.
    pub fn merge(&mut self, other: &Self) {
        for (random, secrets) in other.by_random.iter() {
            for (label, secret) in LABELS_ALL.iter().zip(&secrets.by_label) {
                if let Some(secret) = secret {
                    self.insert(Entry { label: *label, random: *random, secret: secret.clone() });
                }
            }
        }
        for (name, master) in other.sessions.iter() {
            self.learn(*name, master);
        }
        self.by_random.add_evicted(other.by_random.evicted());
        self.sessions.add_evicted(other.sessions.evicted());
    }

    /// Connections and sessions whose secrets made room for newer ones.
    #[must_use]
    pub const fn evicted(&self) -> (u64, u64) {
        (self.by_random.evicted(), self.sessions.evicted())
    }

    /// The client randoms, and the names of sessions, of which something is known.
    pub fn names(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.by_random.names().chain(self.sessions.names())
    }

    /// A session that can be resumed.
    pub(super) fn learn(&mut self, name: SessionName, master: &Secret) {
        self.sessions.entry(name).clone_from(master);
    }

    pub(super) fn of_session(&self, name: &SessionName) -> Option<&Secret> {
        self.sessions.get(name)
    }

    pub(super) fn of(&self, random: &[u8; 32]) -> Option<&Secrets> {
        self.by_random.get(random)
    }
}

/// Broken lines of one key log that are named; the rest is counted.
const BROKEN_TOLD_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_client_random_and_broken_lines_are_named() {
        let mut keys = Keys::default();
        let (one, other) = ("11".repeat(32), "22".repeat(32));
        let text = format!(
            "# log\nCLIENT_TRAFFIC_SECRET_0 {one} {}\nnonsense\nCLIENT_RANDOM {other} {}\nCLIENT_RANDOM {other} {}",
            "aa".repeat(32),
            "bb".repeat(48),
            "cc".repeat(48),
        );
        let taken = keys.take(text.as_bytes());
        assert_eq!((taken.secrets, taken.broken_lines, taken.evicted), (3, 1, 0));
        assert_eq!(taken.broken, [(3, Broken::Parts)]);
        assert!(keys.of(&[0x11; 32]).unwrap().get(Label::Master).is_none());
        assert_eq!(keys.of(&[0x22; 32]).unwrap().get(Label::Master), Some(&Secret::new(&[0xcc; 48])));
        assert!(keys.of(&[0x33; 32]).is_none());
        assert!(!format!("{keys:?}").contains("cc"));
    }

    #[test]
    fn what_made_room_is_counted_once_for_all_workers() {
        let mut keys = Keys { by_random: Newest::with_room(2), ..Keys::default() };
        let line = |number: u8| {
            format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "ab".repeat(48))
        };
        let text: String = (1..=5).map(line).collect();
        assert_eq!(keys.take(text.as_bytes()).evicted, 3);
        let mut all = Keys::default();
        all.merge(&keys);
        assert_eq!(
            (all.names().map(|name| name[0]).collect::<Vec<_>>(), all.evicted()),
            (vec![4, 5], (3, 0))
        );
        let mut sum = Counters::default();
        for names in [1, 2] {
            let of_worker =
                Counters { secrets_evicted: 3, sessions_evicted: 0, session_names_evicted: names };
            sum.add_worker(&of_worker);
        }
        assert_eq!(sum, Counters { secrets_evicted: 3, sessions_evicted: 0, session_names_evicted: 3 });
    }
}
