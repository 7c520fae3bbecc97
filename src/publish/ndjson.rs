//! Records as lines of JSON, a file for each kind: plain, or compressed as the file's name says.
//!
//! Files are made at the start, so that a wrong path is known before anything is read. Lines reach a file whole and
//! in order; kinds that go to one file (standard output, say) share its buffer, so that no line is ever torn.

mod target;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::target::Target;
use super::{Kind, Outgoing, Sink, SinkError, Tally};

/// The name that stands for standard output.
const STANDARD_OUTPUT: &str = "-";

/// The files of a run.
pub struct Ndjson {
    targets: Vec<Target>,
    /// Per kind: which of `targets`.
    places: [Option<usize>; Kind::ALL.len()],
    tally: Tally,
}

impl Ndjson {
    /// Makes the files, `-` being standard output. A kind that is not named is not written. Paths that lead to one
    /// file share it.
    pub fn create(files: &[(Kind, PathBuf)]) -> Result<Self, SinkError> {
        let mut sink = Self { targets: Vec::new(), places: [None; Kind::ALL.len()], tally: Tally::default() };
        for (kind, path) in files {
            let target = if path.as_os_str() == STANDARD_OUTPUT {
                Target::standard_output()
            } else {
                Target::create(path)
            };
            let target = target.map_err(|error| SinkError::Create { path: path.clone(), error })?;
            let known = sink.targets.iter().position(|other| other.same_file(&target));
            let place = known.unwrap_or_else(|| {
                sink.targets.push(target);
                sink.targets.len() - 1
            });
            if let Some(of_kind) = sink.places.get_mut(kind.index()) {
                *of_kind = Some(place);
            }
        }
        Ok(sink)
    }

    /// The files of every kind in a directory, which is made if it is not there; its parents are not.
    pub fn directory(directory: &Path) -> Result<Vec<(Kind, PathBuf)>, SinkError> {
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !directory.is_dir() => {
                Err(SinkError::Create { path: directory.to_owned(), error })
            }
            _ => Ok(Kind::ALL.into_iter().map(|kind| (kind, directory.join(kind.file_name()))).collect()),
        }
    }

    /// Whether records of that kind are written at all.
    #[must_use]
    pub fn takes(&self, kind: Kind) -> bool {
        self.places[kind.index()].is_some()
    }

    /// Where records of that kind go.
    #[must_use]
    pub fn path(&self, kind: Kind) -> Option<&Path> {
        self.targets.get(self.places[kind.index()]?).map(Target::path)
    }

    /// Writes `count` finished lines of one kind, each with its line break. A large piece goes to the file as it
    /// lies, without another copy.
    pub fn write_lines(&mut self, kind: Kind, lines: &[u8], count: u64) -> Result<(), SinkError> {
        debug_assert_eq!(memchr::memchr_iter(b'\n', lines).count() as u64, count);
        debug_assert!(lines.last().is_none_or(|byte| *byte == b'\n'));
        let Some(target) = self.places[kind.index()].and_then(|place| self.targets.get_mut(place)) else {
            return Ok(());
        };
        self.tally.account(kind).emitted += count;
        target.write_lines(kind, lines, count, &mut self.tally)
    }
}

impl Sink for Ndjson {
    fn name(&self) -> &'static str {
        "files"
    }

    fn write(&mut self, record: &Outgoing<'_>) -> Result<(), SinkError> {
        let Some(target) = self.places[record.kind.index()].and_then(|place| self.targets.get_mut(place))
        else {
            return Ok(());
        };
        self.tally.account(record.kind).emitted += 1;
        target.write_record(record.kind, record.json, &mut self.tally)
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        let Self { targets, tally, .. } = self;
        each(targets, |target| target.drain(tally))
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        let Self { targets, tally, .. } = self;
        each(targets, |target| target.finish(tally))
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

/// Does it to each file, also after one of them failed, and tells of the first failure.
fn each(
    targets: &mut [Target],
    mut act: impl FnMut(&mut Target) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    targets.iter_mut().map(&mut act).fold(Ok(()), Result::and)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::limits;
    use crate::time::Timestamp;

    fn record(kind: Kind, json: &[u8]) -> Outgoing<'_> {
        Outgoing { kind, id: "1", rev: None, time: Timestamp::ZERO, key: "k", subject: None, json }
    }

    fn create(files: &[(Kind, &Path)]) -> Result<Ndjson, SinkError> {
        let files: Vec<_> = files.iter().map(|(kind, path)| (*kind, path.to_path_buf())).collect();
        Ndjson::create(&files)
    }

    /// Lines of every size class, so that both ways into the file are taken in turn.
    fn write_pieces(sink: &mut Ndjson) -> String {
        let mut expected = String::new();
        for piece in 0..40_usize {
            let line = format!("{{\"n\":{piece},\"pad\":\"{}\"}}", "x".repeat(piece * 97 % 1000));
            sink.write(&record(Kind::Call, line.as_bytes())).unwrap();
            let count = if piece % 7 == 0 { limits::NDJSON_DIRECT_BYTES / line.len() + 1 } else { piece };
            let lines = format!("{line}\n").repeat(count);
            sink.write_lines(Kind::Call, lines.as_bytes(), count as u64).unwrap();
            expected.push_str(&line);
            expected.push('\n');
            expected.push_str(&lines);
        }
        expected
    }

    #[test]
    fn every_encoding_holds_the_same_lines_in_order() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["calls.ndjson", "calls.ndjson.gz", "calls.ndjson.zst"] {
            let path = scratch.path().join(name);
            let mut sink = create(&[(Kind::Call, &path)]).unwrap();
            let expected = write_pieces(&mut sink);
            sink.finish().unwrap();
            let stored = fs::read(&path).unwrap();
            let mut text = String::new();
            match path.extension().unwrap().to_str().unwrap() {
                "gz" => flate2::read::GzDecoder::new(&stored[..]).read_to_string(&mut text).unwrap(),
                "zst" => zstd::Decoder::new(&stored[..]).unwrap().read_to_string(&mut text).unwrap(),
                _ => (&stored[..]).read_to_string(&mut text).unwrap(),
            };
            assert!(text == expected, "{name}");
            let tally = sink.tally();
            assert_eq!(tally.of(Kind::Call).delivered, expected.lines().count() as u64);
            assert!(tally.closed());
        }
    }

    #[test]
    fn a_directory_gets_a_file_of_each_kind() {
        let scratch = tempfile::tempdir().unwrap();
        let out = scratch.path().join("out");
        for _again in 0..2 {
            let mut sink = Ndjson::create(&Ndjson::directory(&out).unwrap()).unwrap();
            for kind in Kind::ALL {
                assert!(sink.takes(kind));
                sink.write(&record(kind, kind.name().as_bytes())).unwrap();
            }
            sink.finish().unwrap();
            for kind in Kind::ALL {
                let text = fs::read_to_string(out.join(kind.file_name())).unwrap();
                assert_eq!(text, format!("{}\n", kind.name()));
                assert_eq!(sink.tally().of(kind).delivered, 1);
            }
        }
    }

    #[test]
    fn what_is_not_asked_for_is_not_counted() {
        let scratch = tempfile::tempdir().unwrap();
        let mut sink = create(&[(Kind::Call, &scratch.path().join("calls"))]).unwrap();
        sink.write(&record(Kind::Finding, b"{}")).unwrap();
        sink.write_lines(Kind::Sensor, b"{}\n", 1).unwrap();
        sink.finish().unwrap();
        assert_eq!(sink.tally(), Tally::default());
    }

    #[test]
    fn kinds_that_share_a_file_keep_order_and_books() {
        let scratch = tempfile::tempdir().unwrap();
        let (direct, detour) = (scratch.path().join("all"), scratch.path().join("./all"));
        let mut sink = create(&[(Kind::Call, &direct), (Kind::Finding, &detour)]).unwrap();
        for (kind, json) in [(Kind::Call, "1"), (Kind::Finding, "2"), (Kind::Call, "3")] {
            sink.write(&record(kind, json.as_bytes())).unwrap();
        }
        sink.finish().unwrap();
        assert_eq!(fs::read_to_string(&direct).unwrap(), "1\n2\n3\n");
        assert_eq!((sink.tally().of(Kind::Call).delivered, sink.tally().of(Kind::Finding).delivered), (2, 1));
    }

    #[test]
    fn a_wrong_path_is_known_at_the_start() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("missing/calls.ndjson");
        let error = create(&[(Kind::Call, &path)]).err().unwrap();
        let text = format!("cannot create {}: No such file or directory (os error 2)", path.display());
        assert_eq!(error.to_string(), text);
        assert!(matches!(Ndjson::directory(&path), Err(SinkError::Create { .. })));
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Ndjson::directory(&file), Err(SinkError::Create { .. })));
    }

    #[test]
    fn a_full_disk_is_told_once_and_counted_whole() {
        let full = Path::new("/dev/full");
        let mut sink = create(&[(Kind::Call, full), (Kind::Finding, full)]).unwrap();
        sink.write(&record(Kind::Finding, b"{}")).unwrap();
        let lines = "{}\n".repeat(limits::NDJSON_DIRECT_BYTES);
        let error = sink.write_lines(Kind::Call, lines.as_bytes(), limits::NDJSON_DIRECT_BYTES as u64);
        assert_eq!(
            error.unwrap_err().to_string(),
            "cannot write /dev/full: No space left on device (os error 28)"
        );
        sink.write(&record(Kind::Call, b"{}")).unwrap();
        sink.finish().unwrap();
        let (calls, findings) = (*sink.tally().of(Kind::Call), *sink.tally().of(Kind::Finding));
        assert_eq!((calls.emitted, calls.delivered), (limits::NDJSON_DIRECT_BYTES as u64 + 1, 0));
        assert_eq!((findings.emitted, findings.dropped.write_failed), (1, 1));
        assert!(sink.tally().closed());
    }

    #[test]
    fn a_disk_that_is_full_at_the_end_is_told_too() {
        let scratch = tempfile::tempdir().unwrap();
        for name in ["plain", "packed.gz", "packed.zst"] {
            let path = scratch.path().join(name);
            std::os::unix::fs::symlink("/dev/full", &path).unwrap();
            let mut sink = create(&[(Kind::Call, &path)]).unwrap();
            sink.write(&record(Kind::Call, b"{}")).unwrap();
            assert!(matches!(sink.finish(), Err(SinkError::Write { .. })), "{name}");
            assert_eq!(sink.tally().of(Kind::Call).dropped.write_failed, 1, "{name}");
            assert!(sink.tally().closed());
        }
    }
}
