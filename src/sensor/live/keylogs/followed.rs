//! One key log that is followed: a file or a pipe, under whatever name it has.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Reading;
use super::place::{Next, Place, Seen};
use crate::limits::{KEYLOG_DELETED_LOOKS_MAX, KEYLOG_LOOK_BYTES_MAX, KEYLOG_RENAMED_LOOKS_MAX};
use crate::sensor::secrets::ledger::Log;
use crate::sensor::secrets::open_to_others;

/// What a file is, whatever its name: device and number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self(meta.dev(), meta.ino())
    }
}

/// Whether what was left to read was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    More,
}

/// One key log.
pub(super) struct Followed {
    identity: Identity,
    /// The name under which it was found last.
    path: PathBuf,
    kind: Kind,
    log: Log,
    /// What its name showed at the last look.
    meta: Metadata,
    /// The look in which it was found under a name last.
    named: u64,
    /// The look in which something came last.
    active: u64,
}

enum Kind {
    /// It has places, and can be opened again.
    File { open: Option<File>, place: Place },
    /// What was read is gone from it.
    Pipe { open: Option<File> },
}

impl Followed {
    /// One that is there, and of which nothing was read.
    pub(super) fn new(path: PathBuf, meta: Metadata, look: u64) -> Self {
        let kind = match meta.is_file() {
            true => Kind::File { open: None, place: Place::default() },
            false => Kind::Pipe { open: None },
        };
        let log = Log::new(path.display().to_string());
        Self { identity: Identity::of(&meta), path, kind, log, meta, named: look, active: look }
    }

    /// It has this name, and looks so.
    pub(super) fn found(&mut self, path: PathBuf, meta: Metadata, look: u64) {
        (self.path, self.meta, self.named) = (path, meta, look);
    }

    /// The name under which it was found last.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// It keeps a file open that can be opened again, or that is gone.
    pub(super) const fn is_open_file(&self) -> bool {
        matches!(self.kind, Kind::File { open: Some(_), .. })
    }

    /// It would have to be opened to be read.
    pub(super) fn needs_opening(&self) -> bool {
        match &self.kind {
            Kind::File { open: None, place } => !place.is_as_it_was(seen(&self.meta)),
            Kind::Pipe { open } => open.is_none(),
            Kind::File { .. } => false,
        }
    }

    /// The look in which something came last.
    pub(super) const fn active(&self) -> u64 {
        self.active
    }

    /// It has lost its name.
    pub(super) const fn is_nameless(&self, look: u64) -> bool {
        self.named < look
    }

    /// Closes it until something is written to it.
    pub(super) fn close(&mut self) {
        if let Kind::File { open, .. } = &mut self.kind {
            *open = None;
        }
    }

    /// Nothing more is expected of it: it has had no name for long, and nothing came.
    pub(super) fn is_over(&self, look: u64) -> bool {
        if !self.is_nameless(look) {
            return false;
        }
        let quiet = look - self.active.max(self.named);
        match &self.kind {
            Kind::File { open: Some(file), .. } => {
                let deleted = file.metadata().is_ok_and(|meta| meta.nlink() == 0);
                quiet > if deleted { KEYLOG_DELETED_LOOKS_MAX } else { KEYLOG_RENAMED_LOOKS_MAX }
            }
            Kind::File { open: None, .. } => true,
            Kind::Pipe { .. } => quiet > KEYLOG_DELETED_LOOKS_MAX,
        }
    }

    /// Reads what is new.
    pub(super) fn read(&mut self, look: u64, reading: &mut Reading<'_>) -> io::Result<Left> {
        if self.needs_opening() && !self.open(reading)? {
            return Ok(Left::Nothing);
        }
        let before = reading.bytes;
        let left = match &mut self.kind {
            Kind::File { open: Some(file), place } => {
                let meta = if self.named == look { self.meta.clone() } else { file.metadata()? };
                read_file(file, seen(&meta), place, &mut self.log, reading)
            }
            Kind::Pipe { open: Some(pipe) } => read_pipe(pipe, &mut self.log, reading),
            Kind::File { .. } | Kind::Pipe { .. } => Ok(Left::Nothing),
        };
        if reading.bytes > before {
            self.active = look;
        }
        left
    }

    /// Nothing more is read of it.
    pub(super) fn end(&mut self, reading: &mut Reading<'_>) {
        self.log.end(&mut reading.keys, reading.ledger);
    }

    /// Opens it under its name. False: another file has that name by now.
    fn open(&mut self, reading: &mut Reading<'_>) -> io::Result<bool> {
        // a pipe without a writer must not stop the others
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&self.path)?;
        let meta = file.metadata()?;
        if Identity::of(&meta) != self.identity {
            return Ok(false);
        }
        let is_new = match &mut self.kind {
            Kind::File { open, place } => {
                *open = Some(file);
                place.read() == 0
            }
            Kind::Pipe { open } => {
                *open = Some(file);
                true
            }
        };
        if is_new {
            open_to_others(&self.path.display().to_string(), &meta, reading.ledger);
        }
        self.meta = meta;
        Ok(true)
    }
}

fn seen(meta: &Metadata) -> Seen {
    Seen { len: meta.len(), written: (meta.mtime(), meta.mtime_nsec()) }
}

fn read_file(
    file: &File,
    seen: Seen,
    place: &mut Place,
    log: &mut Log,
    reading: &mut Reading<'_>,
) -> io::Result<Left> {
    match place.next(seen, |at, buffer| file.read_exact_at(buffer, at).is_ok()) {
        Next::Wait => return Ok(Left::Nothing),
        Next::ReadOn => {}
        Next::ReadAnew => {
            log.end(&mut reading.keys, reading.ledger);
            *place = Place::default();
        }
    }
    let until = reading.bytes + KEYLOG_LOOK_BYTES_MAX;
    while reading.bytes < until {
        match file.read_at(reading.piece, place.read()) {
            Ok(0) => {
                place.reach_end(seen);
                return Ok(Left::Nothing);
            }
            Ok(length) => place.advance(reading.take(length, log)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Left::More)
}

fn read_pipe(pipe: &mut File, log: &mut Log, reading: &mut Reading<'_>) -> io::Result<Left> {
    let until = reading.bytes + KEYLOG_LOOK_BYTES_MAX;
    while reading.bytes < until {
        match pipe.read(reading.piece) {
            Ok(0) => {
                // no writer has it open: nobody goes on with a line that has begun
                log.end_line(&mut reading.keys, reading.ledger);
                return Ok(Left::Nothing);
            }
            Ok(length) => {
                reading.take(length, log);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Left::Nothing),
            Err(error) => return Err(error),
        }
    }
    Ok(Left::More)
}
