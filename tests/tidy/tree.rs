//! The files of the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// What may stand at the top.
const TOP: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "benches",
    "clippy.toml",
    "fixtures",
    "fuzz",
    "rustfmt.toml",
    "src",
    "systemd",
    "target",
    "tests",
];

/// What tools leave behind, and git does not keep.
const LEFT_OUT: &[&str] =
    &[".git", "target", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/Cargo.lock"];

/// Larger ones don't belong into a repository.
const FILE_BYTES_MAX: u64 = 5 << 20;

const TEXTS: &[&str] = &["rs", "md", "toml", "sh", "py", "json", "service", "yml", "yaml"];

/// All files below one folder, by their path in it.
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<String>,
}

impl Tree {
    pub(crate) fn checkout() -> Self {
        Self::of(Path::new(env!("CARGO_MANIFEST_DIR")))
    }

    fn of(root: &Path) -> Self {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(root.join(&folder)).expect("a folder of the checkout can be read");
            for entry in entries {
                let entry = entry.expect("an entry can be read");
                let name = entry.file_name().into_string().expect("a name is UTF-8");
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if LEFT_OUT.contains(&path.as_str()) {
                    continue;
                }
                if entry.file_type().expect("an entry has a type").is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        files.sort();
        Self { root: root.to_owned(), files }
    }

    fn read(&self, ends: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, Source)> {
        let files = self.files.iter().filter(move |path| ends(path));
        let texts = files.map(|path| {
            let text = fs::read(self.root.join(path)).expect("a file of the checkout can be read");
            (path.clone(), Source::new(&String::from_utf8_lossy(&text)))
        });
        texts.collect::<Vec<_>>().into_iter()
    }

    /// Every Rust file.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (String, Source)> {
        self.read(|path| path.ends_with(".rs"))
    }

    /// Every file that a person wrote.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (String, Source)> {
        self.read(|path| path == "Makefile" || TEXTS.contains(&path.rsplit('.').next().unwrap_or_default()))
    }

    /// Files that don't belong there, or are too large.
    pub(crate) fn strangers(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for entry in fs::read_dir(&self.root).expect("the checkout can be read") {
            let name = entry.expect("an entry can be read").file_name().to_string_lossy().into_owned();
            if !TOP.contains(&name.as_str()) {
                faults.push(format!("{name} does not belong at the top"));
            }
        }
        for path in &self.files {
            let bytes = fs::metadata(self.root.join(path)).map_or(0, |data| data.len());
            if bytes > FILE_BYTES_MAX {
                faults.push(format!("{path} has {bytes} bytes, {FILE_BYTES_MAX} are allowed"));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_found_and_leftovers_are_not() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::create_dir_all(folder.path().join("fuzz/corpus")).unwrap();
        fs::create_dir_all(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("notes.txt"), "x").unwrap();
        fs::write(folder.path().join("src/lib.rs"), "//! The crate.\n").unwrap();
        for name in ["fuzz/corpus/large", "src/large.bin"] {
            fs::File::create(folder.path().join(name)).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        }
        let tree = Tree::of(folder.path());
        assert_eq!(tree.rust().map(|(path, _)| path).collect::<Vec<_>>(), ["src/lib.rs"]);
        let faults = tree.strangers();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].starts_with("notes.txt") && faults[1].starts_with("src/large.bin"), "{faults:?}");
    }
}
