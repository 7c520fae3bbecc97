//! A mirror port of network namespaces (`mirror.sh`), traffic for it (`traffic.py`), and tcpdump beside the sensor.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A mirror port that is removed when it is dropped.
pub(crate) struct Mirror {
    name: String,
    /// The interface on which everything arrives once.
    pub(crate) tap: String,
}

impl Mirror {
    /// Sets one up, or says on standard error why the test is skipped.
    pub(crate) fn up(name: &str) -> Option<Self> {
        let ready = script(&["ready"]);
        if let Err(reason) = ready {
            say(&format!("SKIPPED: {reason}"));
            return None;
        }
        let name = format!("{name}{}", std::process::id() % 1_000_000);
        let printed = script(&["up", &name]).expect("the mirror port is set up");
        let tap = printed.lines().next().expect("the tap's name").to_owned();
        Some(Self { name, tap })
    }

    /// A command at the client's end.
    pub(crate) fn client(&self, words: &[&str]) -> Command {
        self.within("client", words)
    }

    /// A command at the server's end.
    pub(crate) fn server(&self, words: &[&str]) -> Command {
        self.within("server", words)
    }

    /// The interface into which what is sent arrives at the tap alone; in the server's namespace.
    pub(crate) fn behind_tap(&self) -> String {
        format!("{}m", self.name)
    }

    fn within(&self, end: &str, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("{}-{end}", self.name)]).args(words);
        command
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if let Err(reason) = script(&["down", &self.name]) {
            eprintln!("the mirror port stays: {reason}");
        }
    }
}

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Running {
    /// Starts a command and waits until it has printed a line with `word` in it, on standard output or error.
    pub(crate) fn until(mut command: Command, word: &str) -> Self {
        let on_stderr = command.get_program() == "tcpdump";
        command.stdout(Stdio::piped());
        if on_stderr {
            command.stderr(Stdio::piped());
        }
        let mut child = command.spawn().expect("starts");
        let lines: Box<dyn BufRead> = match (on_stderr, child.stderr.take(), child.stdout.take()) {
            (true, Some(stderr), _) => Box::new(BufReader::new(stderr)),
            (_, _, Some(stdout)) => Box::new(BufReader::new(stdout)),
            _ => panic!("no pipe"),
        };
        let said = lines.lines().map_while(Result::ok).find(|line| line.contains(word));
        assert!(said.is_some(), "{command:?} ended before it said {word:?}");
        Self(child)
    }

    /// tcpdump that writes all frames of an interface to a file as they come. In immediate mode each place of its ring
    /// is as large as the snap length, so a small one makes room for many.
    pub(crate) fn tcpdump(interface: &str, file: &Path) -> Self {
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", interface, "-U", "--immediate-mode", "-s", "2048", "-B", "65536", "-w"])
            .arg(file);
        Self::until(command, "listening on")
    }

    /// Waits until it ends by itself, and well.
    pub(crate) fn finish(mut self) {
        assert!(self.0.wait().is_ok_and(|status| status.success()));
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(asked.is_ok_and(|status| status.success()));
        assert!(self.0.wait().is_ok());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) && self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// The script that makes traffic.
pub(crate) const TRAFFIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traffic.py");

/// A command that has to end well.
pub(crate) fn run(mut command: Command) {
    let status = command.status().expect("starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// Waits until a file that another process writes has not grown for a while.
pub(crate) fn settled(file: &Path) {
    let size = || std::fs::metadata(file).map_or(0, |meta| meta.len());
    let mut last = None;
    while last != Some(size()) {
        last = Some(size());
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Long enough for every block of a ring to be handed over.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(300));
}

/// A tool that a test can't do without.
pub(crate) fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        say(&format!("SKIPPED: no {tool}"));
    }
    found
}

/// Says something past the test runner, which swallows what passing tests print.
fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").expect("standard error is open");
}

fn script(words: &[&str]) -> Result<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mirror.sh");
    let output = Command::new("bash").arg(path).args(words).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{} {}", text(&output.stdout), text(&output.stderr))),
    }
}
