//! Secrets read from files before the first frame: private keys, and the key logs of a replay.
//!
//! A pipe is read until its writer has closed it, which may never come: so a thread of its own reads, and the run can be
//! ended meanwhile.

pub(super) mod counters;
pub(super) mod ledger;
pub(super) mod lines;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use zeroize::Zeroizing;

use super::pipeline::stopped;
use super::{Failure, say};
use crate::config::Config;
use crate::limits::KEYLOG_PIECE_BYTES;
use crate::tls::{KeyFault, Keys};
use ledger::{Ledger, Log};

/// A file with secrets can't be read.
#[derive(Debug)]
pub struct SecretsError {
    path: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    Unreadable(io::Error),
    Key(KeyFault),
}

impl fmt::Display for SecretsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            What::Unreadable(error) => write!(formatter, "{path}: can't be read: {error}"),
            What::Key(fault) => write!(formatter, "{path}: {}", fault.name()),
        }
    }
}

/// All secrets that the configuration names, `None` if it names none, and what is to be counted of them. A live capture
/// follows its key logs instead.
pub(super) fn read(
    config: &Config,
    live: bool,
    stop: &Arc<AtomicBool>,
) -> Result<(Option<Arc<Keys>>, Ledger), Failure> {
    /// How often it is asked whether the run is to end.
    const PATIENCE: Duration = Duration::from_millis(50);
    if config.keylogs.is_empty() && config.private_keys.is_empty() {
        return Ok((None, Ledger::default()));
    }
    super::dumps::leave_none();
    let logs = if live { Vec::new() } else { config.keylogs.clone() };
    let private = config.private_keys.clone();
    let (answer, answers) = bounded(1);
    // where nobody asks any more, the run has ended
    let thread = move || drop(answer.send(read_all(&logs, &private)));
    std::thread::Builder::new().name("secrets".to_owned()).spawn(thread).map_err(Failure::System)?;
    loop {
        match answers.recv_timeout(PATIENCE) {
            Ok(read) => {
                let (keys, mut ledger) = read.map_err(Failure::Secrets)?;
                say_all(&mut ledger);
                return Ok((Some(Arc::new(keys)), ledger));
            }
            Err(RecvTimeoutError::Timeout) if stopped(stop) => return Err(Failure::StoppedAtSecrets),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Failure::Thread),
        }
    }
}

fn read_all(logs: &[PathBuf], private: &[PathBuf]) -> Result<(Keys, Ledger), SecretsError> {
    let unreadable =
        |path: &Path, error| SecretsError { path: path.to_path_buf(), what: What::Unreadable(error) };
    let (mut keys, mut ledger) = (Keys::default(), Ledger::default());
    // a file that is named twice is read once; a pipe would be waited for without end
    let mut known = BTreeSet::new();
    for path in logs {
        for file in files(path).map_err(|error| unreadable(path, error))? {
            let meta = fs::metadata(&file).map_err(|error| unreadable(&file, error))?;
            if known.insert((meta.dev(), meta.ino())) {
                let name = file.display().to_string();
                open_to_others(&name, &meta, &mut ledger);
                File::open(&file)
                    .and_then(|mut opened| read_log(&mut opened, name, &mut keys, &mut ledger))
                    .map_err(|error| unreadable(&file, error))?;
            }
        }
    }
    for path in private {
        let pem = fs::read(path).map(Zeroizing::new);
        let pem = pem.map_err(|error| unreadable(path, error))?;
        if let Ok(meta) = path.metadata() {
            open_to_others(&path.display().to_string(), &meta, &mut ledger);
        }
        keys.take_private_key(&pem)
            .map_err(|fault| SecretsError { path: path.clone(), what: What::Key(fault) })?;
    }
    Ok((keys, ledger))
}

fn read_log(file: &mut File, name: String, keys: &mut Keys, ledger: &mut Ledger) -> io::Result<()> {
    let mut log = Log::new(name);
    let mut piece = Zeroizing::new(vec![0; KEYLOG_PIECE_BYTES]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => log.push(piece.get(..length).unwrap_or_default(), keys, ledger),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    log.end(keys, ledger);
    Ok(())
}

/// What is in a secrets block of a capture.
pub(super) fn read_block(number: u64, bytes: &[u8], ledger: &mut Ledger) -> Keys {
    let mut keys = Keys::default();
    let mut log = Log::new(format!("secrets block {number} of the capture"));
    log.push(bytes, &mut keys, ledger);
    log.end(&mut keys, ledger);
    keys
}

/// Says what there is to say.
pub(super) fn say_all(ledger: &mut Ledger) {
    ledger.sentences().iter().for_each(|sentence| say(sentence));
}

/// The file itself, or the files of a directory in the order of their names.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir()? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Notes a file or pipe that others can read.
pub(super) fn open_to_others(name: &str, meta: &Metadata, ledger: &mut Ledger) {
    const OTHERS_READ: u32 = 0o044;
    let kind = meta.file_type();
    if (kind.is_file() || kind.is_fifo()) && meta.permissions().mode() & OTHERS_READ != 0 {
        ledger.open_to_others(name);
    }
}
