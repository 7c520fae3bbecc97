//! Key logs followed while they grow and rotate, by a thread of its own.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crossbeam_channel::Sender;
use zeroize::Zeroizing;

use crate::limits::{KEYLOG_LINE_BYTES_MAX, KEYLOG_NAMELESS_LOOKS_MAX};
use crate::sensor::pipeline::stopped;
use crate::sensor::secrets::{files, take, warn_of_readers};
use crate::tls::Keys;

/// Between two looks at the files: far below what a connection may wait for its secrets.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes read at once.
const PIECE_BYTES: usize = 64 << 10;

/// The key logs of a run.
pub(super) struct Follower {
    paths: Vec<PathBuf>,
    files: HashMap<(u64, u64), Followed>,
}

struct Followed {
    file: File,
    name: String,
    read: u64,
    partial: Zeroizing<Vec<u8>>,
    /// Looks since it was last found under a name.
    nameless: u32,
}

impl Follower {
    pub(super) fn new(paths: &[PathBuf]) -> Self {
        Self { paths: paths.to_vec(), files: HashMap::new() }
    }

    /// Sends what is new to every worker until the run is to end.
    pub(super) fn follow(mut self, workers: &[Sender<Arc<Keys>>], stop: &Arc<AtomicBool>) {
        while !stopped(stop) {
            if let Some(keys) = self.look() {
                let keys = Arc::new(keys);
                for worker in workers {
                    // one that has gone needs none
                    drop(worker.send(Arc::clone(&keys)));
                }
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What is new in all files.
    pub(super) fn look(&mut self) -> Option<Keys> {
        let mut keys = Keys::default();
        for followed in self.files.values_mut() {
            followed.nameless += 1;
        }
        for path in self.paths.clone() {
            // what is not there yet, or just being renamed, is looked for again
            for file in files(&path).unwrap_or_default() {
                self.find(&file);
            }
        }
        for followed in self.files.values_mut() {
            followed.take(&mut keys);
        }
        self.files.retain(|_, followed| followed.nameless < KEYLOG_NAMELESS_LOOKS_MAX);
        (!keys.is_empty()).then_some(keys)
    }

    fn find(&mut self, path: &Path) {
        // a pipe without a writer must not stop the others
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let Ok(file) = opened else { return };
        let Ok(meta) = file.metadata() else { return };
        let followed = self.files.entry((meta.dev(), meta.ino())).or_insert_with(|| {
            warn_of_readers(path);
            Followed {
                file,
                name: path.display().to_string(),
                read: 0,
                partial: Zeroizing::new(Vec::new()),
                nameless: 0,
            }
        });
        followed.nameless = 0;
    }
}

impl Followed {
    fn take(&mut self, keys: &mut Keys) {
        if self.file.metadata().is_ok_and(|meta| meta.is_file() && meta.len() < self.read) {
            // it was emptied and is written anew
            self.read = 0;
            self.partial.clear();
            if self.file.seek(SeekFrom::Start(0)).is_err() {
                return;
            }
        }
        let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
        // nothing there, or nothing yet: both are looked at again
        while let Ok(length @ 1..) = self.file.read(&mut piece) {
            self.read += length as u64;
            self.partial.extend_from_slice(piece.get(..length).unwrap_or_default());
            let whole = self.partial.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            if whole > 0 {
                take(keys, self.partial.get(..whole - 1).unwrap_or_default(), &self.name);
                self.partial.drain(..whole);
            }
            if self.partial.len() > KEYLOG_LINE_BYTES_MAX {
                self.partial.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn line(number: u8) -> String {
        format!("CLIENT_RANDOM {} {}\n", format!("{number:02x}").repeat(32), "ab".repeat(48))
    }

    fn found(follower: &mut Follower) -> Vec<u8> {
        let keys = follower.look();
        let mut all: Vec<u8> =
            keys.iter().flat_map(|keys| keys.names().map(|random| random[0]).collect::<Vec<_>>()).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn files_are_followed_as_they_come_grow_rotate_and_are_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.log");
        let mut follower = Follower::new(std::slice::from_ref(&path));
        assert_eq!(found(&mut follower), [0_u8; 0]);
        let text = line(1);
        fs::write(&path, &text[..40]).unwrap();
        assert_eq!(found(&mut follower), [0_u8; 0]);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&text.as_bytes()[40..]).unwrap();
        file.write_all(line(2).as_bytes()).unwrap();
        assert_eq!(found(&mut follower), [1, 2]);
        assert_eq!(found(&mut follower), [0_u8; 0]);
        fs::rename(&path, folder.path().join("keys.log.1")).unwrap();
        fs::write(&path, line(4)).unwrap();
        file.write_all(line(3).as_bytes()).unwrap();
        assert_eq!(found(&mut follower), [3, 4]);
        fs::write(&path, "").unwrap();
        assert_eq!(found(&mut follower), [0_u8; 0]);
        fs::write(&path, line(5)).unwrap();
        assert_eq!(found(&mut follower), [5]);
    }

    #[test]
    fn a_directory_is_followed_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(&[folder.path().to_path_buf()]);
        fs::write(folder.path().join("a"), line(1)).unwrap();
        assert_eq!(found(&mut follower), [1]);
        fs::write(folder.path().join("b"), line(2)).unwrap();
        assert_eq!(found(&mut follower), [2]);
    }
}
