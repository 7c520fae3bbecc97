//! What was named on the command line → streams of capture bytes: files, standard input, directories, and
//! whatever is packed with gzip or zstd, told by content rather than name.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::problem::{Fault, Problem};
use crate::limits;

/// An input that is open for reading.
pub(super) struct Stream {
    /// Its bytes, unpacked.
    pub(super) bytes: Box<dyn Read + Send>,
    /// It was packed.
    pub(super) packed: bool,
    /// It is a regular file of this size: it can be opened again.
    pub(super) size: Option<u64>,
    /// How many bytes of the file as it lies were read.
    pub(super) position: Arc<AtomicU64>,
}

impl Stream {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        if path.as_os_str() == "-" {
            return Self::new(std::io::stdin(), None);
        }
        let file = File::open(path).map_err(|error| Fault::of(&error, false))?;
        let size = file.metadata().ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        Self::new(file, size)
    }

    /// Looks at the first bytes and unpacks what follows if they say so. Multi-member gzip and concatenated zstd
    /// frames are one stream.
    pub(super) fn new(raw: impl Read + Send + 'static, size: Option<u64>) -> Result<Self, Fault> {
        let position = Arc::new(AtomicU64::new(0));
        let mut bytes: Box<dyn Read + Send> = Box::new(Counted { raw, position: position.clone() });
        let mut packed = false;
        for _ in 0..limits::COMPRESSION_LAYERS_MAX {
            let (magic, rest) = peek(bytes);
            bytes = match magic {
                // RFC 1952 §2.3.1.
                [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(buffered(rest))),
                // RFC 8878 §3.1.1; a skippable frame (§3.1.2) may stand first.
                [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                    let decoder = zstd::Decoder::with_buffer(buffered(rest));
                    Box::new(decoder.map_err(|error| Fault::of(&error, false))?)
                }
                _ => return Ok(Self { bytes: rest, packed, size, position }),
            };
            packed = true;
        }
        Ok(Self { bytes, packed, size, position })
    }
}

/// The first four bytes (zeros if there are fewer), and a stream that has them still. An error comes after what was
/// read before it, where whoever reads on meets it.
fn peek(mut bytes: Box<dyn Read + Send>) -> ([u8; 4], Box<dyn Read + Send>) {
    let mut first = Vec::with_capacity(4);
    let outcome = bytes.by_ref().take(4).read_to_end(&mut first);
    let mut magic = [0; 4];
    for (place, byte) in magic.iter_mut().zip(&first) {
        *place = *byte;
    }
    let first = Cursor::new(first);
    match outcome {
        Ok(_) => (magic, Box::new(first.chain(bytes))),
        Err(error) => (magic, Box::new(first.chain(Broken(Some(error))))),
    }
}

/// A stream that broke.
struct Broken(Option<std::io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> Result<usize, std::io::Error> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn buffered<R: Read>(bytes: R) -> BufReader<R> {
    BufReader::with_capacity(limits::BLOCK_BYTES_SMALL, bytes)
}

/// Counts what is read, for whoever shows progress.
struct Counted<R> {
    raw: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, space: &mut [u8]) -> Result<usize, std::io::Error> {
        let read = self.raw.read(space)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: PathBuf,
    /// Which of the named inputs it came from.
    pub(super) input: usize,
    /// It was found in a directory.
    pub(super) found: bool,
}

/// The files that the inputs stand for, directories opened to their depth, each directory in the order of names.
pub(super) fn list(inputs: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<Named> {
    let mut files = Vec::new();
    for (input, path) in inputs.iter().enumerate() {
        if path.as_os_str() != "-" && path.is_dir() {
            let mut walk = Walk { input, seen: HashSet::new(), files: &mut files, problems };
            walk.directory(path);
        } else {
            files.push(Named { path: path.clone(), input, found: false });
        }
    }
    files
}

/// A walk through one directory that was named.
struct Walk<'a> {
    input: usize,
    /// Directories by their true name: links may form a circle.
    seen: HashSet<PathBuf>,
    files: &'a mut Vec<Named>,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn directory(&mut self, top: &Path) {
        let mut open = vec![top.to_path_buf()];
        while let Some(directory) = open.pop() {
            match self.entries(&directory) {
                Ok(entries) => open.extend(entries.into_iter().rev()),
                Err(error) => self.problems.push(Problem::new(&directory, Fault::of(&error, false))),
            }
        }
    }

    /// Takes the files of a directory and gives its directories.
    fn entries(&mut self, directory: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
        if !self.seen.insert(directory.canonicalize()?) {
            return Ok(Vec::new());
        }
        let mut paths = fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        let mut directories = Vec::new();
        for path in paths {
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => directories.push(path),
                Ok(metadata) if metadata.is_file() => {
                    self.files.push(Named { path, input: self.input, found: true });
                }
                // A pipe or a device that nobody named might never end.
                Ok(_) => self.problems.push(Problem::new(&path, Fault::NotAFile)),
                Err(error) => self.problems.push(Problem::new(&path, Fault::of(&error, false))),
            }
        }
        Ok(directories)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: Vec<u8>) -> (Vec<u8>, bool, u64) {
        let mut stream = Stream::new(Cursor::new(bytes), None).unwrap();
        let mut out = Vec::new();
        stream.bytes.read_to_end(&mut out).unwrap();
        (out, stream.packed, stream.position.load(Ordering::Relaxed))
    }

    #[test]
    fn packing_is_told_by_content_and_undone_in_layers() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let skippable = [&[0x51, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9][..], &zstd(b"abcdef")].concat();
        for (bytes, packed) in [
            (b"abcdef".to_vec(), false),
            (gzip(b"abcdef"), true),
            ([gzip(b"abc"), gzip(b"def")].concat(), true),
            (zstd(b"abcdef"), true),
            ([zstd(b"ab"), zstd(b""), zstd(b"cdef")].concat(), true),
            (skippable, true),
            (gzip(&zstd(&gzip(b"abcdef"))), true),
        ] {
            let len = bytes.len() as u64;
            assert_eq!(unpacked(bytes), (b"abcdef".to_vec(), packed, len));
        }
        assert_eq!(unpacked(Vec::new()), (Vec::new(), false, 0));
        assert_eq!(unpacked(vec![0x1f]), (vec![0x1f], false, 1));
    }

    #[test]
    fn directories_are_walked_once_each_in_the_order_of_names() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for name in ["z", "a", "b/2", "b/1", "b/c/3"] {
            File::create(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(top.path(), at("b/circle")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("lost")).unwrap();
        let mut problems = Vec::new();
        let files = list(&[top.path().to_path_buf(), at("no")], &mut problems);
        let names: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
        assert_eq!(names, [at("a"), at("z"), at("b/1"), at("b/2"), at("b/c/3"), at("no")]);
        assert_eq!(files.last().map(|file| (file.input, file.found)), Some((1, false)));
        assert_eq!(problems, [Problem::new(&at("lost"), Fault::Missing)]);
    }
}
