//! A capture on a mirror port whose key logs are written after the frames: the frames are read, then the keys come.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::harness::records;
use super::harness::schema::assert_valid;
use super::mirror::{Mirror, has, run};
use super::*;

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // it may have ended
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sensor at work, and its folder: `markers` in it is followed too.
struct Sensor {
    child: Killed,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
    folder: TempDir,
    markers: Cell<u32>,
}

impl Sensor {
    /// Starts it and waits until it listens. `prepare` makes what is there before.
    fn start(mirror: &Mirror, log: &str, prepare: fn(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("markers")).unwrap();
        prepare(folder.path());
        let mut command = eaves();
        command.args(["capture", "-i", &mirror.tap, "--redact", "none", "--workers", "2", "--out"]);
        command.arg(folder.path().join("out"));
        for log in [log, "markers"] {
            command.arg("--keylog").arg(folder.path().join(log));
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let said = Arc::new(Mutex::new(String::new()));
        let listener = thread::spawn({
            let said = Arc::clone(&said);
            move || {
                for line in stderr.lines().map_while(Result::ok) {
                    said.lock().unwrap().push_str(&(line + "\n"));
                }
            }
        });
        let sensor = Self { child: Killed(child), said, listener, folder, markers: Cell::new(0) };
        sensor.until_said("listening on");
        sensor
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write_private(&self.path(name), text);
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn until_said(&self, words: &str) {
        until(words, || self.said.lock().unwrap().contains(words).then_some(()));
    }

    /// Waits until it has looked at all key logs: it says that it found a new one. It may have been in the middle of a look
    /// then, so that is waited for twice.
    fn until_it_looked(&self) {
        for _ in 0..2 {
            let name = format!("markers/{}", self.markers.replace(self.markers.get() + 1));
            self.write(&name, "no key\n");
            self.until_said(&format!("{name}: line 1 is no line of a key log"));
        }
    }

    /// The calls that it has told so far.
    fn calls(&self) -> Vec<Value> {
        let text = fs::read(self.path("out/calls.ndjson")).unwrap_or_default();
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        records(&text[..whole])
    }

    fn until_calls(&self, count: usize) {
        until(&format!("{count} calls"), || (self.calls().len() >= count).then_some(()));
    }

    /// Asks it to end, and waits for that: all that it was told to decrypt is decrypted, and told once.
    fn end(mut self, what: &str, expected: &[Value]) {
        assert!(Command::new("kill").arg(self.child.0.id().to_string()).status().unwrap().success());
        let status = until("the end", || self.child.0.try_wait().unwrap());
        self.listener.join().unwrap();
        let said = self.said.lock().unwrap().clone();
        assert_eq!(status.code(), Some(0), "{what}: {said}");
        let read = |kind: &str| {
            let found = records(&fs::read(self.folder.path().join(format!("out/{kind}.ndjson"))).unwrap());
            assert_valid(&found, kind);
            found
        };
        assert_eq!(all_equal(expected, &read("calls")), Vec::<String>::new(), "{what}: {said}");
        assert_eq!(read("connections"), Vec::<Value>::new(), "{what}");
        let sensor = read("sensor").pop().unwrap();
        assert_eq!(unbalanced(&sensor), Vec::<String>::new(), "{what}");
        assert_eq!(sensor["undecrypted"], serde_json::json!([]), "{what}");
        let counted = |name: &str| sensor["counters"]["keylogs"][name].as_u64().unwrap();
        assert_eq!(counted("keylog_lines_broken"), u64::from(self.markers.get()), "{what}: {said}");
        assert_eq!(counted("keylog_lines"), keylog().lines().count() as u64 + counted("keylog_lines_broken"));
    }
}

/// Sends a capture into the tap.
fn send(mirror: &Mirror, name: &str) {
    let into = format!("--intf1={}", mirror.behind_tap());
    let file = fixture(name);
    let words = ["tcpreplay", "--quiet", "--preload-pcap", "--pps=4000", &into, file.to_str().unwrap()];
    let mut command = mirror.server(&words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    run(command);
}

/// How a key log is written.
struct Way {
    name: &'static str,
    /// What the sensor is told to follow.
    log: &'static str,
    /// Makes what is there before.
    prepare: fn(&Path),
    write: fn(&Sensor, [&str; 3]),
}

const fn way(
    name: &'static str,
    log: &'static str,
    prepare: fn(&Path),
    write: fn(&Sensor, [&str; 3]),
) -> Way {
    Way { name, log, prepare, write }
}

fn nothing(_: &Path) {}

/// The key log comes in three pieces. The second begins and ends in the middle of a line.
const WAYS: &[Way] = &[
    way("late", "keys.log", nothing, |sensor, pieces| sensor.write("keys.log", &pieces.concat())),
    way(
        "appended",
        "keys.log",
        |folder| write_private(&folder.join("keys.log"), ""),
        |sensor, pieces| {
            for piece in pieces {
                sensor.append("keys.log", piece);
                sensor.until_it_looked();
            }
        },
    ),
    way("renamed", "keys.log", nothing, |sensor, [one, two, three]| {
        sensor.write("keys.log", one);
        sensor.until_it_looked();
        sensor.rename("keys.log", "keys.log.1");
        sensor.append("keys.log.1", two);
        sensor.until_it_looked();
        let (rest, more) = three.split_at(three.find('\n').unwrap() + 1);
        sensor.write("keys.log", more);
        sensor.append("keys.log.1", rest);
    }),
    way("copied and truncated", "keys.log", nothing, |sensor, [one, two, three]| {
        let (whole, more) = one.split_at(one.rfind('\n').unwrap() + 1);
        sensor.write("keys.log", whole);
        sensor.until_it_looked();
        fs::copy(sensor.path("keys.log"), sensor.path("keys.log.1")).unwrap();
        let rest = [more, two, three].concat();
        assert!(rest.len() > whole.len(), "it outgrows its old size between two looks");
        sensor.write("keys.log", &rest);
    }),
    way("deleted and made again", "keys.log", nothing, |sensor, [one, two, three]| {
        sensor.write("keys.log", one);
        sensor.until_it_looked();
        let mut writer = OpenOptions::new().append(true).open(sensor.path("keys.log")).unwrap();
        fs::remove_file(sensor.path("keys.log")).unwrap();
        let (rest, more) = three.split_at(three.find('\n').unwrap() + 1);
        writer.write_all(two.as_bytes()).unwrap();
        sensor.write("keys.log", more);
        sensor.until_it_looked();
        writer.write_all(rest.as_bytes()).unwrap();
    }),
    way("behind a link", "current", nothing, |sensor, pieces| {
        let text = pieces.concat();
        let (first, second) = text.split_at(text[..text.len() / 2].rfind('\n').unwrap() + 1);
        sensor.write("a.log", first);
        symlink("a.log", sensor.path("current")).unwrap();
        sensor.until_it_looked();
        sensor.write("b.log", second);
        symlink("b.log", sensor.path("next")).unwrap();
        sensor.rename("next", "current");
    }),
    way(
        "in a directory",
        "logs",
        |folder| fs::create_dir(folder.join("logs")).unwrap(),
        |sensor, pieces| {
            let text = pieces.concat();
            for (number, line) in text.lines().enumerate() {
                sensor.write(&format!("logs/{number}"), &format!("{line}\r\n"));
            }
        },
    ),
    way(
        "through a pipe",
        "pipe",
        |folder| make_pipe(&folder.join("pipe")),
        |sensor, pieces| {
            let open = || OpenOptions::new().write(true).open(sensor.path("pipe")).unwrap();
            let [one, two, three] = pieces;
            let (mut writer, other) = (open(), open());
            writer.write_all(one.as_bytes()).unwrap();
            sensor.until_it_looked();
            writer.write_all(two.as_bytes()).unwrap();
            drop(other);
            let (rest, more) = three.split_at(three.find('\n').unwrap() + 1);
            writer.write_all(rest.as_bytes()).unwrap();
            drop(writer);
            sensor.until_it_looked();
            open().write_all(more.as_bytes()).unwrap();
        },
    ),
];

fn pieces(text: &str) -> [&str; 3] {
    let (third, cut) = (text.len() / 3, 40);
    let one = text[..third].rfind('\n').unwrap() + cut;
    let two = text[..2 * third].rfind('\n').unwrap() + cut;
    [&text[..one], &text[one..two], &text[two..]]
}

#[test]
fn a_capture_decrypts_all_calls_however_its_key_log_is_written() {
    if !has("tcpreplay") {
        return;
    }
    let Some(mirror) = Mirror::up("evg") else { return };
    let text = keylog();
    let clear = truth("v6");
    let all = [truth("tls"), clear.clone()].concat();
    for Way { name: what, log, prepare, write } in WAYS {
        let sensor = Sensor::start(&mirror, log, *prepare);
        send(&mirror, "tls.pcap");
        // what came before these calls was read
        send(&mirror, "v6.pcap");
        sensor.until_calls(clear.len());
        assert_eq!(all_equal(&clear, &sensor.calls()), Vec::<String>::new(), "{what}");
        write(&sensor, pieces(&text));
        sensor.until_calls(all.len());
        sensor.end(what, &all);
    }
    // no time for a look: the end asks for one
    let sensor = Sensor::start(&mirror, "keys.log", nothing);
    send(&mirror, "tls.pcap");
    sensor.until_said("keys.log: is not there yet, and is waited for");
    sensor.write("keys.log", text.trim_end());
    sensor.end("at the end", &truth("tls"));
}

/// A writer that never stops keeps neither the keys of others nor the end waiting.
#[test]
fn a_pipe_that_never_runs_dry_does_not_keep_a_capture_from_its_end() {
    if !has("tcpreplay") {
        return;
    }
    let Some(mirror) = Mirror::up("evw") else { return };
    let sensor = Sensor::start(&mirror, "pipe", |folder| make_pipe(&folder.join("pipe")));
    let mut pipe = OpenOptions::new().write(true).open(sensor.path("pipe")).unwrap();
    let writer = thread::spawn(move || {
        let mut lines: u64 = 0;
        while pipe.write_all(b"# nothing\n").is_ok() {
            lines += 1;
        }
        lines
    });
    send(&mirror, "tls.pcap");
    sensor.write("markers/keys", &keylog());
    sensor.until_calls(truth("tls").len());
    let mut child = sensor.child;
    assert!(Command::new("kill").arg(child.0.id().to_string()).status().unwrap().success());
    assert_eq!(until("the end", || child.0.try_wait().unwrap()).code(), Some(0));
    assert!(writer.join().unwrap() > 100);
}
