//! The file that holds the key of the fingerprints.
//!
//! Whoever has the key can test guesses against a leaked topic, so the file is its owner's alone. It is made once,
//! so that all runs on a host agree; sensors that feed one analysis get copies of it.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::credential::{Fingerprinter, KEY_BYTES};

/// The file's name in the state directory.
pub const KEY_FILE: &str = "fingerprint.key";

/// Why there is no key. Each names the file.
#[derive(Debug)]
pub enum KeyError {
    /// The file can't be read.
    Read(PathBuf, io::Error),
    /// The file can't be made.
    Make(PathBuf, io::Error),
    /// It holds neither 32 bytes nor 64 hexadecimal digits.
    Malformed(PathBuf),
    /// Others than its owner and its group may read it, or others than its owner may write it; its mode.
    Exposed(PathBuf, u32),
    /// Neither `$XDG_STATE_HOME` nor `$HOME` says where state is kept.
    NoStateDirectory,
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(formatter, "{}: the fingerprint key can't be read: {error}", path.display()),
            Self::Make(path, error) => write!(formatter, "{}: the fingerprint key can't be made: {error}", path.display()),
            Self::Malformed(path) => write!(
                formatter,
                "{}: a fingerprint key is {KEY_BYTES} bytes, or {} hexadecimal digits",
                path.display(),
                2 * KEY_BYTES
            ),
            Self::Exposed(path, mode) => write!(
                formatter,
                "{}: the fingerprint key is open to others (mode {mode:04o}); chmod 600 it",
                path.display()
            ),
            Self::NoStateDirectory => formatter.write_str(
                "no place for the fingerprint key: set HOME or XDG_STATE_HOME, or give --fingerprint-key FILE",
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// With the key of `file`, which must exist; without one with the key of the user's state directory, made now if it is
/// not there.
///
/// # Errors
/// The key can't be read or made, or the file is not fit to hold one.
pub fn fingerprinter(file: Option<&Path>) -> Result<Fingerprinter, KeyError> {
    let key = match file {
        Some(path) => read(path)?,
        None => read_or_make(&state_directory().ok_or(KeyError::NoStateDirectory)?)?,
    };
    Ok(Fingerprinter::new(&key))
}

/// `$XDG_STATE_HOME/eaves`, else `$HOME/.local/state/eaves`; a relative path counts as none (XDG base directories).
#[must_use]
pub fn state_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("eaves"))
}

/// The key of a file.
///
/// # Errors
/// The file can't be read, is open to others, or holds no key.
pub fn read(path: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let failed = |error| KeyError::Read(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if metadata.is_file() && mode & 0o027 != 0 {
        return Err(KeyError::Exposed(path.to_owned(), mode));
    }
    let mut bytes = Vec::new();
    file.take(4 * KEY_BYTES as u64).read_to_end(&mut bytes).map_err(failed)?;
    parse(&bytes).ok_or_else(|| KeyError::Malformed(path.to_owned()))
}

/// The key in a directory; where there is none, a new one that nobody else has.
///
/// # Errors
/// As [`read`], or the file can't be made.
pub fn read_or_make(directory: &Path) -> Result<[u8; KEY_BYTES], KeyError> {
    let path = directory.join(KEY_FILE);
    match read(&path) {
        Err(KeyError::Read(_, error)) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    make(directory, &path).map_err(|error| KeyError::Make(path.clone(), error))?;
    // Of two runs that make it at once one is first, and both use what it made.
    read(&path)
}

/// Writes a file beside and links it to its name: nobody ever reads half a key, and no key is written over.
fn make(directory: &Path, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut key = [0; KEY_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    let beside =
        directory.join(format!("{KEY_FILE}.{}-{}", std::process::id(), text.get(..8).unwrap_or_default()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let linked = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&beside, path));
    std::fs::remove_file(&beside)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn parse(bytes: &[u8]) -> Option<[u8; KEY_BYTES]> {
    if let Ok(raw) = bytes.try_into() {
        return Some(raw);
    }
    let (digits, rest) = bytes.trim_ascii().as_chunks::<2>();
    let mut key = [0; KEY_BYTES];
    if digits.len() != KEY_BYTES || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in key.iter_mut().zip(digits) {
        *byte = (char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?) as u8;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_mode(path: &Path, text: &[u8], mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn made_once_for_its_owner_alone_then_read() {
        let scratch = tempfile::tempdir().unwrap();
        let state = scratch.path().join("state/eaves");
        let key = read_or_make(&state).unwrap();
        assert_eq!(read_or_make(&state).unwrap(), key);
        assert_ne!(read_or_make(&scratch.path().join("other")).unwrap(), key);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&state), mode(&state.join(KEY_FILE))), (0o700, 0o600));
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 1, "nothing is left beside the key");
        let first = fingerprinter(Some(&state.join(KEY_FILE))).unwrap();
        assert_eq!(first.key_id(), Fingerprinter::new(&key).key_id());
    }

    #[test]
    fn many_at_once_agree() {
        let scratch = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let make = || scope.spawn(|| read_or_make(scratch.path()).unwrap());
            let running: Vec<_> = std::iter::repeat_with(make).take(8).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn raw_bytes_and_digits_are_keys_and_nothing_else() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        with_mode(&path, &[0xab; 32], 0o600);
        assert_eq!(read(&path).unwrap(), [0xab; 32]);
        with_mode(&path, format!("{}\n", "AB".repeat(32)).as_bytes(), 0o640);
        assert_eq!(read(&path).unwrap(), [0xab; 32]);
        for text in ["", "short", &"ab".repeat(31), &"ab".repeat(33), &"xy".repeat(32), &"a".repeat(500)] {
            with_mode(&path, text.as_bytes(), 0o600);
            assert!(matches!(read(&path), Err(KeyError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn an_exposed_or_missing_file_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("key");
        for mode in [0o644, 0o604, 0o620] {
            with_mode(&path, &[1; 32], mode);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, KeyError::Exposed(_, found) if found == mode), "{error}");
            assert!(error.to_string().contains("chmod 600"));
        }
        assert!(matches!(read(&scratch.path().join("none")), Err(KeyError::Read(..))));
        assert!(matches!(
            read_or_make(&path.join("below a file")),
            Err(KeyError::Read(..) | KeyError::Make(..))
        ));
    }
}
