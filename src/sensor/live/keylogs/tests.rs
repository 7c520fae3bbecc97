//! Real files and pipes, and looks at them one after the other: no test waits for time to pass.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::*;
use crate::limits::{
    KEYLOG_DELETED_LOOKS_MAX, KEYLOG_LINE_BYTES_MAX, KEYLOG_LOOK_BYTES_MAX, KEYLOG_RENAMED_LOOKS_MAX,
};

fn line(number: u32) -> String {
    format!("CLIENT_RANDOM {} {}\n", format!("{number:08x}").repeat(8), "ab".repeat(48))
}

fn numbers(keys: &Keys) -> Vec<u32> {
    keys.names().map(|random| u32::from_be_bytes(random[..4].try_into().unwrap())).collect()
}

/// Files in a scratch folder, and who follows them.
struct Logs {
    folder: tempfile::TempDir,
    follower: Follower,
}

impl Logs {
    /// Follows these names in it.
    fn follow(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.path().join(name)).collect();
        Self { folder, follower: Follower::new(&paths) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// The numbers of the secrets that one look finds.
    fn look(&mut self) -> Vec<u32> {
        let mut all = Vec::new();
        self.follower.look(usize::MAX, &mut |keys| all.extend(numbers(&keys)));
        all.sort_unstable();
        all
    }

    /// Those that the end of the run finds.
    fn end(&mut self) -> Vec<u32> {
        let mut all = Vec::new();
        self.follower.end(&mut |keys| all.extend(numbers(&keys)));
        all.sort_unstable();
        all
    }

    fn said(&mut self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        self.follower.ledger.sentences().iter().map(|said| said.replace(&folder, "")).collect()
    }
}

const NONE: [u32; 0] = [];

#[test]
fn a_log_is_waited_for_and_read_as_it_grows() {
    let mut logs = Logs::follow(&["keys.log"]);
    assert_eq!(logs.look(), NONE);
    assert_eq!(logs.look(), NONE);
    assert_eq!(logs.said(), ["keys.log: is not there yet, and is waited for"]);
    let text = line(1);
    // half a line is none, even where what is there of it could be a shorter secret
    logs.write("keys.log", &text[..text.len() - 10]);
    assert_eq!(logs.look(), NONE);
    logs.append("keys.log", &text[text.len() - 10..]);
    logs.append("keys.log", &line(2));
    assert_eq!(logs.look(), [1, 2]);
    assert_eq!(logs.look(), NONE);
    logs.append("keys.log", line(3).trim_end());
    assert_eq!(logs.look(), NONE);
    assert_eq!(logs.end(), [3]);
    assert_eq!(logs.said(), Vec::<String>::new());
    assert_eq!(logs.follower.ledger.counters.keylog_lines, 3);
}

#[test]
fn a_renamed_log_is_read_on_beside_the_one_that_took_its_name() {
    let mut logs = Logs::follow(&["keys.log"]);
    logs.write("keys.log", &line(1));
    assert_eq!(logs.look(), [1]);
    logs.rename("keys.log", "keys.log.1");
    logs.append("keys.log.1", &line(2)[..50]);
    assert_eq!(logs.look(), NONE);
    logs.write("keys.log", &line(3));
    logs.append("keys.log.1", &line(2)[50..]);
    assert_eq!(logs.look(), [2, 3]);
    logs.rename("keys.log", "keys.log.2");
    logs.write("keys.log", &line(4));
    logs.append("keys.log.1", &line(5));
    logs.append("keys.log.2", &line(6));
    assert_eq!(logs.look(), [4, 5, 6]);
    // for as long as something comes
    for number in 10..14 {
        logs.follower.looks += KEYLOG_RENAMED_LOOKS_MAX - 1;
        logs.append("keys.log.1", &line(number));
        assert_eq!(logs.look(), [number]);
    }
    logs.follower.looks += KEYLOG_RENAMED_LOOKS_MAX;
    logs.look();
    logs.append("keys.log.1", &line(14));
    assert_eq!(logs.look(), NONE);
    logs.append("keys.log", &line(15));
    assert_eq!(logs.look(), [15]);
}

#[test]
fn an_emptied_log_is_read_anew_also_where_it_has_outgrown_its_old_size() {
    let mut logs = Logs::follow(&["keys.log"]);
    logs.write("keys.log", &format!("{}{}", line(1), line(2)));
    assert_eq!(logs.look(), [1, 2]);
    logs.write("keys.log", &line(3));
    assert_eq!(logs.look(), [3]);
    logs.write("keys.log", &(4..9).map(line).collect::<String>());
    assert_eq!(logs.look(), [4, 5, 6, 7, 8]);
    // emptied in the middle of a line, by one who writes on where it was
    let mut writer = OpenOptions::new().write(true).open(logs.path("keys.log")).unwrap();
    io::Seek::seek(&mut writer, io::SeekFrom::End(0)).unwrap();
    writer.write_all(&line(9).as_bytes()[..60]).unwrap();
    assert_eq!(logs.look(), NONE);
    fs::copy(logs.path("keys.log"), logs.path("keys.log.1")).unwrap();
    OpenOptions::new().write(true).open(logs.path("keys.log")).unwrap().set_len(0).unwrap();
    writer.write_all(line(10).as_bytes()).unwrap();
    assert_eq!(logs.look(), [10]);
    assert_eq!(logs.follower.ledger.counters.keylog_lines_broken, 1);
    assert_eq!(
        logs.said(),
        ["keys.log: line 6 is no line of a key log: not LABEL, client random and secret"]
    );
}

#[test]
fn a_deleted_log_is_read_to_its_end_and_its_successor_from_its_beginning() {
    let mut logs = Logs::follow(&["keys.log"]);
    logs.write("keys.log", &line(1));
    let mut writer = OpenOptions::new().append(true).open(logs.path("keys.log")).unwrap();
    assert_eq!(logs.look(), [1]);
    fs::remove_file(logs.path("keys.log")).unwrap();
    writer.write_all(line(2).as_bytes()).unwrap();
    logs.write("keys.log", &format!("{}{}", line(3), line(4)));
    assert_eq!(logs.look(), [2, 3, 4]);
    writer.write_all(line(5).trim_end().as_bytes()).unwrap();
    assert_eq!(logs.look(), NONE);
    assert_eq!(logs.follower.files.len(), 2);
    for _ in 0..KEYLOG_DELETED_LOOKS_MAX {
        assert_eq!(logs.look(), NONE);
    }
    // it is let go, and the line that has begun in it is one
    assert_eq!(logs.look(), [5]);
    assert_eq!(logs.follower.files.len(), 1);
}

#[test]
fn a_directory_and_a_link_are_followed_to_what_they_hold_now() {
    let mut logs = Logs::follow(&["all", "current"]);
    fs::create_dir(logs.path("all")).unwrap();
    logs.write("all/a", &line(1));
    symlink("all/a", logs.path("current")).unwrap();
    assert_eq!(logs.look(), [1]);
    logs.write("all/b", &line(2));
    assert_eq!(logs.look(), [2]);
    logs.write("c", &line(3));
    symlink("c", logs.path("next")).unwrap();
    logs.rename("next", "current");
    assert_eq!(logs.look(), [3]);
    logs.append("c", &line(4));
    logs.append("all/a", &line(5));
    logs.rename("all/a", "all/a.1");
    assert_eq!(logs.look(), [4, 5]);
    assert_eq!(logs.said(), Vec::<String>::new());
}

#[test]
fn a_pipe_is_followed_from_one_writer_to_the_next() {
    let mut logs = Logs::follow(&["pipe"]);
    assert!(Command::new("mkfifo").arg("-m600").arg(logs.path("pipe")).status().unwrap().success());
    assert_eq!(logs.look(), NONE);
    let open = |logs: &Logs| OpenOptions::new().write(true).open(logs.path("pipe")).unwrap();
    let (mut one, mut other) = (open(&logs), open(&logs));
    one.write_all(line(1).as_bytes()).unwrap();
    other.write_all(line(2).as_bytes()).unwrap();
    one.write_all(&line(3).as_bytes()[..99]).unwrap();
    assert_eq!(logs.look(), [1, 2]);
    one.write_all(&line(3).as_bytes()[99..]).unwrap();
    assert_eq!(logs.look(), [3]);
    // with the last writer the line ends that it has begun
    other.write_all(&line(4).as_bytes()[..20]).unwrap();
    drop((one, other));
    assert_eq!(logs.look(), NONE);
    let mut next = open(&logs);
    next.write_all(line(5).as_bytes()).unwrap();
    assert_eq!(logs.look(), [5]);
    assert_eq!(logs.said(), ["pipe: line 4 is no line of a key log: not LABEL, client random and secret"]);
}

#[test]
fn neither_a_large_log_nor_garbage_keeps_the_others_waiting() {
    let mut logs = Logs::follow(&["large", "small"]);
    let lines = 2 * KEYLOG_LOOK_BYTES_MAX / line(0).len();
    logs.write("large", &(0..lines as u32).map(line).collect::<String>());
    logs.write("small", &line(u32::MAX));
    let first = logs.look();
    assert!(first.len() < lines && first.last() == Some(&u32::MAX), "{}", first.len());
    assert_eq!(logs.follower.left, Left::More);
    let mut found = first.len();
    while logs.follower.left == Left::More {
        found += logs.look().len();
    }
    assert_eq!(found, lines + 1);
    // a look may be a short one: then something is left
    logs.append("large", &line(lines as u32));
    logs.append("small", &line(lines as u32 + 1));
    let mut found = Vec::new();
    logs.follower.look(1, &mut |keys| found.extend(numbers(&keys)));
    assert_eq!((found.len(), logs.follower.left), (1, Left::More));
    assert_eq!(logs.look().len(), 1);

    let mut random = fastrand::Rng::with_seed(3);
    let garbage: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
    fs::write(logs.path("small"), garbage).unwrap();
    logs.append("small", &"x".repeat(5 * KEYLOG_LINE_BYTES_MAX));
    logs.append("small", &format!("\r\n# comment\r\n{}", line(7).replace('\n', "\r\n")));
    assert_eq!(logs.look(), [7]);
    let said = logs.said();
    assert!((1..=4).contains(&said.len()), "{said:?}");
    let counters = logs.follower.ledger.counters;
    assert!(counters.keylog_lines_broken > 1_000, "{counters:?}");
    assert_eq!(
        counters.keylog_lines,
        counters.keylog_secrets + counters.keylog_lines_without_use + counters.keylog_lines_broken
    );
}

#[test]
fn a_directory_of_many_logs_is_followed_with_few_open_files() {
    let mut logs = Logs::follow(&["all"]);
    fs::create_dir(logs.path("all")).unwrap();
    let count = KEYLOGS_MAX as u32 + 3;
    (0..count).for_each(|number| logs.write(&format!("all/{number:05}"), &line(number)));
    assert_eq!(logs.look().len(), KEYLOGS_MAX);
    let open = |logs: &Logs| logs.follower.files.values().filter(|log| log.is_open_file()).count();
    assert_eq!(open(&logs), KEYLOGS_OPEN_MAX);
    logs.append("all/00000", &line(count));
    logs.append("all/01000", &line(count + 1));
    assert_eq!(logs.look(), [count, count + 1]);
    // one that was closed and written anew while nobody looked
    logs.write("all/00001", &format!("{}{}", line(count + 2), line(count + 3)));
    assert_eq!(logs.look(), [count + 2, count + 3]);
    assert_eq!(open(&logs), KEYLOGS_OPEN_MAX);
    assert_eq!(logs.said(), [format!("more than {KEYLOGS_MAX} key logs: 3 are not followed")]);
    assert_eq!(logs.follower.ledger.counters.keylogs_left_out, 3);
    // where one goes there is room for another
    (0..10).for_each(|number| fs::remove_file(logs.path(&format!("all/{number:05}"))).unwrap());
    logs.follower.looks += KEYLOG_DELETED_LOOKS_MAX;
    logs.look();
    assert_eq!(logs.look(), [count - 3, count - 2, count - 1]);
}

#[test]
fn what_others_can_read_and_what_nobody_can_read_is_said_once() {
    let mut logs = Logs::follow(&["keys.log", "folder/keys.log"]);
    logs.write("keys.log", &line(1));
    fs::set_permissions(logs.path("keys.log"), fs::Permissions::from_mode(0o640)).unwrap();
    logs.write("folder", "");
    assert_eq!(logs.look(), [1]);
    assert_eq!(logs.look(), NONE);
    assert_eq!(
        logs.said(),
        [
            "folder/keys.log: can't be read: Not a directory (os error 20); it is tried again",
            "keys.log: others can read these secrets (chmod go= helps)",
        ]
    );
    // and is followed when it can be
    fs::remove_file(logs.path("folder")).unwrap();
    fs::create_dir(logs.path("folder")).unwrap();
    logs.write("folder/keys.log", &line(2));
    assert_eq!(logs.look(), [2]);
    assert_eq!(logs.said(), Vec::<String>::new());
}
