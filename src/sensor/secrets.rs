//! Key logs read from files, before the first frame.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::say;
use crate::config::Config;
use crate::tls::{KeyFault, Keys};

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

/// All secrets that the configuration names; `None` if it names none. A live capture follows its key logs instead.
pub(super) fn read(config: &Config, live: bool) -> Result<Option<Arc<Keys>>, SecretsError> {
    if config.keylogs.is_empty() && config.private_keys.is_empty() {
        return Ok(None);
    }
    super::dumps::leave_none();
    let mut keys = Keys::default();
    let logs = if live { &[][..] } else { &config.keylogs };
    for path in logs {
        for file in
            files(path).map_err(|error| SecretsError { path: path.clone(), what: What::Unreadable(error) })?
        {
            warn_of_readers(&file);
            let text = fs::read(&file)
                .map_err(|error| SecretsError { path: file.clone(), what: What::Unreadable(error) })?;
            take(&mut keys, &Zeroizing::new(text), &file.display().to_string());
        }
    }
    for path in &config.private_keys {
        warn_of_readers(path);
        let pem = fs::read(path).map(Zeroizing::new);
        let pem = pem.map_err(|error| SecretsError { path: path.clone(), what: What::Unreadable(error) })?;
        keys.take_private_key(&pem)
            .map_err(|fault| SecretsError { path: path.clone(), what: What::Key(fault) })?;
    }
    Ok(Some(Arc::new(keys)))
}

/// Takes the lines of a key log; says which can't be read.
pub(super) fn take(keys: &mut Keys, text: &[u8], name: &str) {
    let taken = keys.take(text);
    for (line, broken) in &taken.broken {
        say(&format!("{name}: line {line} is no line of a key log: {}", broken.name()));
    }
    let more = taken.broken_lines - taken.broken.len() as u64;
    if more > 0 {
        say(&format!("{name}: {more} more lines are none"));
    }
    if taken.left_out > 0 {
        say(&format!("{name}: {} secrets were left out, there are too many", taken.left_out));
    }
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

/// Whoever reads the secrets reads the traffic.
pub(super) fn warn_of_readers(path: &Path) {
    const OTHERS_READ: u32 = 0o044;
    if fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & OTHERS_READ != 0) {
        say(&format!("{}: others can read these secrets (chmod go= helps)", path.display()));
    }
}
