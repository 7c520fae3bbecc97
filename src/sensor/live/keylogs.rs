//! Key logs followed while they grow, rotate, are emptied, come and go, by a thread of its own.
//!
//! Files are known by device and number, not by name, so a log that was renamed is read on beside the one that took its
//! name. They are looked at ten times a second: what tells of changes to files knows nothing of those on other hosts.

mod followed;
mod place;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use zeroize::Zeroizing;

use crate::limits::{
    KEYLOG_LAST_LOOK_BYTES_MAX, KEYLOG_LAST_LOOK_MS, KEYLOG_LOOK_MS, KEYLOG_PIECE_BYTES, KEYLOGS_MAX,
    KEYLOGS_OPEN_MAX,
};
use crate::sensor::Failure;
use crate::sensor::pipeline::stopped;
use crate::sensor::secrets::counters::Counters;
use crate::sensor::secrets::ledger::{Ledger, Log};
use crate::sensor::secrets::{files, say_all};
use crate::tls::Keys;
use followed::{Followed, Identity, Left};

/// The thread, and what it counted so far.
pub(super) struct Following {
    thread: JoinHandle<Counters>,
    counts: Receiver<Counters>,
}

impl Following {
    /// Starts it. It sends what is new to every worker until the run is to end, and then once more.
    pub(super) fn start(
        paths: &[PathBuf],
        workers: Vec<Sender<Arc<Keys>>>,
        stop: &Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let (follower, stop) = (Follower::new(paths), Arc::clone(stop));
        let (count, counts) = bounded(1);
        let thread = std::thread::Builder::new().name("keylogs".to_owned());
        let thread = thread.spawn(move || follower.follow(&workers, &count, &stop))?;
        Ok(Self { thread, counts })
    }

    /// Where it says now and then what it counted.
    pub(super) fn counts(&self) -> Receiver<Counters> {
        self.counts.clone()
    }

    /// Waits for its end; `None` if that does not come.
    pub(super) fn end(self) -> Result<Option<Counters>, Failure> {
        loop {
            match self.counts.recv_timeout(Duration::from_millis(KEYLOG_LAST_LOOK_MS)) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => {
                    return self.thread.join().map(Some).map_err(|_| Failure::Thread);
                }
            }
        }
    }
}

/// The key logs of a run.
struct Follower {
    paths: Vec<PathBuf>,
    files: BTreeMap<Identity, Followed>,
    ledger: Ledger,
    piece: Zeroizing<Vec<u8>>,
    /// Looks so far, those without a pause before them not counted.
    looks: u64,
    left: Left,
    /// What can't be read, and was said.
    refused: BTreeMap<PathBuf, ErrorKind>,
}

/// One reading of one key log.
struct Reading<'a> {
    keys: Keys,
    ledger: &'a mut Ledger,
    piece: &'a mut [u8],
    /// Bytes that were read.
    bytes: usize,
}

impl Reading<'_> {
    /// So many bytes of the piece were filled, and belong to that log.
    fn take(&mut self, length: usize, log: &mut Log) -> &[u8] {
        let bytes = self.piece.get(..length).unwrap_or_default();
        self.bytes += length;
        log.push(bytes, &mut self.keys, self.ledger);
        bytes
    }
}

impl Follower {
    fn new(paths: &[PathBuf]) -> Self {
        Self {
            paths: paths.to_vec(),
            files: BTreeMap::new(),
            ledger: Ledger::default(),
            piece: Zeroizing::new(vec![0; KEYLOG_PIECE_BYTES]),
            looks: 0,
            left: Left::Nothing,
            refused: BTreeMap::new(),
        }
    }

    fn follow(
        mut self,
        workers: &[Sender<Arc<Keys>>],
        count: &Sender<Counters>,
        stop: &Arc<AtomicBool>,
    ) -> Counters {
        let mut deliver = |keys: Keys| {
            let keys = Arc::new(keys);
            for worker in workers {
                // one that has gone needs none
                drop(worker.send(Arc::clone(&keys)));
            }
        };
        let mut counted = Counters::default();
        while !stopped(stop) {
            self.look(usize::MAX, &mut deliver);
            say_all(&mut self.ledger);
            // where there is no room another look tells it
            if counted != self.ledger.counters && count.try_send(self.ledger.counters).is_ok() {
                counted = self.ledger.counters;
            }
            if self.left == Left::Nothing {
                std::thread::sleep(Duration::from_millis(KEYLOG_LOOK_MS));
            }
        }
        // frames that came before the end are read, so are the secrets
        self.look(KEYLOG_LAST_LOOK_BYTES_MAX, &mut deliver);
        self.end(&mut deliver);
        if self.left == Left::More {
            self.ledger.tell("the run ended before all key logs were read to their end".to_owned());
        }
        say_all(&mut self.ledger);
        self.ledger.counters
    }

    /// Delivers what is new in all files, until so many bytes were read.
    fn look(&mut self, bytes_max: usize, deliver: &mut impl FnMut(Keys)) {
        self.looks += u64::from(self.left == Left::Nothing);
        let mut beyond = 0;
        for path in self.paths.clone() {
            match files(&path) {
                Ok(found) => {
                    if found.first() != Some(&path) {
                        // a directory that can be listed
                        self.accept(&path);
                    }
                    found.into_iter().for_each(|file| beyond += u64::from(!self.find(file)));
                }
                Err(error) => self.refuse(&path, &error),
            }
        }
        self.note_beyond(beyond);
        self.left = Left::Nothing;
        let all: Vec<Identity> = self.files.keys().copied().collect();
        let mut bytes = 0;
        for identity in all {
            if bytes >= bytes_max {
                self.left = Left::More;
                break;
            }
            if self.files.get(&identity).is_some_and(Followed::needs_opening) {
                self.make_room(deliver);
            }
            bytes += self.read(identity, deliver);
        }
        let over: Vec<Identity> = self
            .files
            .iter()
            .filter(|(_, followed)| followed.is_over(self.looks))
            .map(|(identity, _)| *identity)
            .collect();
        over.into_iter().for_each(|identity| self.let_go(identity, deliver));
    }

    /// The run ends: so do all lines that have begun.
    fn end(&mut self, deliver: &mut impl FnMut(Keys)) {
        while let Some((identity, _)) = self.files.first_key_value() {
            self.let_go(*identity, deliver);
        }
    }

    /// Notes what is found under a name. False: there are too many.
    fn find(&mut self, path: PathBuf) -> bool {
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) => {
                self.refuse(&path, &error);
                return true;
            }
        };
        let identity = Identity::of(&meta);
        if let Some(followed) = self.files.get_mut(&identity) {
            followed.found(path, meta, self.looks);
        } else if self.files.len() < KEYLOGS_MAX {
            self.files.insert(identity, Followed::new(path, meta, self.looks));
        } else {
            return false;
        }
        true
    }

    /// How many bytes of it were new.
    fn read(&mut self, identity: Identity, deliver: &mut impl FnMut(Keys)) -> usize {
        let Self { files, ledger, piece, looks, .. } = self;
        let Some(followed) = files.get_mut(&identity) else { return 0 };
        let mut reading = Reading { keys: Keys::default(), ledger, piece, bytes: 0 };
        let result = followed.read(*looks, &mut reading);
        let bytes = reading.bytes;
        if !reading.keys.is_empty() {
            deliver(reading.keys);
        }
        let (path, is_there) = (followed.path().to_path_buf(), !followed.is_nameless(self.looks));
        match result {
            Ok(left) => {
                if is_there {
                    self.accept(&path);
                }
                if left == Left::More {
                    self.left = Left::More;
                }
            }
            Err(error) => self.refuse(&path, &error),
        }
        bytes
    }

    fn let_go(&mut self, identity: Identity, deliver: &mut impl FnMut(Keys)) {
        let Some(mut followed) = self.files.remove(&identity) else { return };
        let (ledger, piece) = (&mut self.ledger, &mut self.piece[..]);
        let mut reading = Reading { keys: Keys::default(), ledger, piece, bytes: 0 };
        followed.end(&mut reading);
        if !reading.keys.is_empty() {
            deliver(reading.keys);
        }
    }

    /// Room for one more open file: of those that are open the one that has been quiet for longest is closed, or let go if
    /// it has no name to be opened by.
    fn make_room(&mut self, deliver: &mut impl FnMut(Keys)) {
        let open = || self.files.iter().filter(|(_, followed)| followed.is_open_file());
        if open().count() < KEYLOGS_OPEN_MAX {
            return;
        }
        let Some(identity) = open().min_by_key(|(_, followed)| followed.active()).map(|(one, _)| *one) else {
            return;
        };
        match self.files.get_mut(&identity) {
            Some(followed) if !followed.is_nameless(self.looks) => followed.close(),
            _ => self.let_go(identity, deliver),
        }
    }

    fn note_beyond(&mut self, beyond: u64) {
        let counted = &mut self.ledger.counters.keylogs_left_out;
        if beyond > 0 && *counted == 0 {
            let sentence = format!("more than {KEYLOGS_MAX} key logs: {beyond} are not followed");
            self.ledger.tell(sentence);
        }
        let counted = &mut self.ledger.counters.keylogs_left_out;
        *counted = beyond.max(*counted);
    }

    /// It can't be read, or is not there: said once, and tried again.
    fn refuse(&mut self, path: &Path, error: &io::Error) {
        let is_given = self.paths.iter().any(|given| given == path);
        let sentence = match error.kind() {
            // between two names of a rotation that is usual
            ErrorKind::NotFound if !is_given || self.looks > 1 => return,
            ErrorKind::NotFound => format!("{}: is not there yet, and is waited for", path.display()),
            _ => format!("{}: can't be read: {error}; it is tried again", path.display()),
        };
        let known = self.refused.get(path) == Some(&error.kind());
        if !known && (self.refused.len() < KEYLOGS_MAX || self.refused.contains_key(path)) {
            self.refused.insert(path.to_path_buf(), error.kind());
            self.ledger.tell(sentence);
        }
    }

    fn accept(&mut self, path: &Path) {
        self.refused.remove(path);
    }
}

#[cfg(test)]
mod tests;
