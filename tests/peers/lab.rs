//! Where the peers meet: a network namespace of the test's own, certificates, tcpdump, and processes that end with the
//! test. Everything lies in one scratch folder.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::say;

/// Set where the test runs inside the namespace.
const INSIDE: &str = "EAVES_PEERS_INSIDE";

/// What has to be there; `tests/setup.sh test` installs it.
const CORE: &[&str] = &["ip", "tcpdump", "openssl", "nginx", "curl", "nghttp", "nghttpd", "nghttpx"];

/// Nobody waits longer for a process of this machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Sizes of what the servers have under `/bytes/`.
const SIZES: [usize; 4] = [0, 17, 1000, 100_000];

/// Which side of the namespace's border the test stands on.
pub(crate) enum Entered {
    /// The test has run inside, or can't here.
    Outside,
    Inside,
}

/// Runs the test of this name again in namespaces of its own, for network and processes: nothing that it starts
/// outlives it. Without the privilege for that it is skipped, which is said.
pub(crate) fn enter(test: &str) -> Entered {
    if env::var_os(INSIDE).is_some() {
        return Entered::Inside;
    }
    let own = ["--net", "--pid", "--fork", "--kill-child"];
    // Whoever is not root has the privilege in a user namespace, and stays who he is: tcpdump as root changes its user.
    let as_user = [&["--user", "--map-current-user", "--keep-caps"], &own[..]].concat();
    let works = |options: &[&str]| Command::new("unshare").args(options).arg("true").output();
    let (options, output) = match works(&own) {
        Ok(output) if output.status.success() => (own.to_vec(), Ok(output)),
        _ => (as_user.clone(), works(&as_user)),
    };
    let reason = match output {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Some(format!("unshare: {error}")),
    };
    if let Some(reason) = reason {
        say(&format!("peers: SKIPPED, all: no network namespace can be made here: {reason}"));
        return Entered::Outside;
    }
    let output = Command::new("unshare")
        .args(options)
        .arg(env::current_exe().expect("the test has a path"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .env("PATH", format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default()))
        .stderr(Stdio::inherit())
        .output()
        .expect("the test runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "inside the namespace: {printed}");
    Entered::Outside
}

/// The place, and all that every combination shares.
pub(crate) struct Lab {
    scratch: TempDir,
    ports: AtomicU16,
    names: AtomicU16,
    keep: AtomicBool,
    suites: HashMap<String, String>,
}

impl Lab {
    /// Sets up the loopback as a link of Ethernet is: segments of its size, none joined by the host.
    pub(crate) fn new() -> Self {
        let missing: Vec<_> = CORE.iter().filter(|tool| !has(tool)).collect();
        assert!(missing.is_empty(), "missing, tests/setup.sh test installs them: {missing:?}");
        let ready =
            run(Command::new("ip").args(["link", "set", "lo", "mtu", "1500", "gso_max_segs", "1", "up"]));
        assert_eq!(ready.1, "", "the loopback");
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let lab = Self {
            suites: suites(),
            scratch,
            ports: AtomicU16::new(10_000),
            names: AtomicU16::new(0),
            keep: AtomicBool::new(false),
        };
        let site = lab.scratch().join("site/bytes");
        fs::create_dir_all(&site).expect("the scratch folder can be written");
        for size in SIZES {
            fs::write(site.join(size.to_string()), "x".repeat(size))
                .expect("the scratch folder can be written");
        }
        lab.certificate("ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        lab.certificate("rsa", &["rsa:2048"]);
        let group = ["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out"];
        run(Command::new("openssl").args(group).arg(lab.scratch().join("dh.pem")));
        lab
    }

    fn certificate(&self, name: &str, kind: &[&str]) {
        let path = |ending: &str| self.scratch().join(format!("{name}.{ending}"));
        let settings = "[req]\ndistinguished_name = name\nx509_extensions = more\n[name]\n[more]\n\
            basicConstraints = CA:FALSE\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n";
        fs::write(path("cnf"), settings).expect("the scratch folder can be written");
        let mut request = Command::new("openssl");
        request
            .args(["req", "-x509", "-nodes", "-days", "3650", "-subj", "/CN=localhost", "-newkey"])
            .args(kind);
        for (option, ending) in [("-config", "cnf"), ("-keyout", "key"), ("-out", "pem")] {
            request.arg(option).arg(path(ending));
        }
        run(&mut request);
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// A file of the scratch folder, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.scratch().join(name).to_str().expect("a path is text").to_owned()
    }

    /// A file that nobody else uses.
    pub(crate) fn fresh(&self, ending: &str) -> PathBuf {
        self.scratch().join(format!("{}.{ending}", self.names.fetch_add(1, Ordering::Relaxed)))
    }

    /// A port that no other combination uses, below those that the system gives to clients.
    pub(crate) fn port(&self) -> u16 {
        self.ports.fetch_add(1, Ordering::Relaxed)
    }

    /// The registered name of a suite that openssl calls so. Those of TLS 1.3 have one name.
    pub(crate) fn suite<'a>(&'a self, name: &'a str) -> &'a str {
        if name.starts_with("TLS_") {
            return name;
        }
        self.suites.get(name).unwrap_or_else(|| panic!("openssl knows no suite {name}"))
    }

    /// The folder stays, to be looked into.
    pub(crate) fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }

    /// A server, as soon as something listens on its port. What it says lies in the scratch folder.
    pub(crate) fn serve(&self, command: &mut Command, port: u16) -> Running {
        let log = self.fresh("log");
        let file = File::create(&log).expect("the scratch folder can be written");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
        let mut running = Running(command.spawn().expect("a server starts"));
        let pause = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while !is_listening(port) {
            let ended = running.0.try_wait().expect("a child can be asked");
            let said = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none() && waited < PATIENCE, "{command:?}: {}", said());
            std::thread::sleep(pause);
            waited += pause;
        }
        running
    }

    /// Records the loopback into `all.pcap` while `traffic` is made.
    pub(crate) fn record<R>(&self, traffic: impl FnOnce() -> R) -> R {
        let file = self.scratch().join("all.pcap");
        let mut tcpdump = Command::new("tcpdump")
            .args([
                "-i",
                "lo",
                "-n",
                "-s",
                "2048",
                "-U",
                "--immediate-mode",
                "-B",
                "131072",
                "-Z",
                "root",
                "-w",
            ])
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump starts");
        let mut lines = BufReader::new(tcpdump.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("listening on")), "tcpdump listens");
        let result = traffic();
        settled(&file);
        run(Command::new("kill").arg(tcpdump.id().to_string()));
        let said: Vec<_> = lines.collect();
        assert!(tcpdump.wait().is_ok_and(|status| status.success()), "{said:?}");
        assert!(said.iter().any(|line| line.starts_with("0 packets dropped by kernel")), "{said:?}");
        result
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.scratch.disable_cleanup(self.keep.load(Ordering::Relaxed));
    }
}

/// A process that is ended when it is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.kill().is_ok() {
            let _ = self.0.wait();
        }
    }
}

/// Whether there is a program of this name.
pub(crate) fn has(tool: &str) -> bool {
    let mut look = Command::new("sh");
    look.args(["-c", &format!("command -v {tool}")]).stdout(Stdio::null()).stderr(Stdio::null());
    look.status().is_ok_and(|status| status.success())
}

/// What a command that has to end well prints, on standard output and error.
pub(crate) fn run(command: &mut Command) -> (String, String) {
    let output = command.stdin(Stdio::null()).output().expect("a program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    (stdout, stderr)
}

/// Whether anything listens on this port, without a connection to it.
fn is_listening(port: u16) -> bool {
    let suffix = format!(":{port:04X}");
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .map(|file| fs::read_to_string(file).unwrap_or_default());
    tables.iter().flat_map(|table| table.lines()).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        columns.next().is_some_and(|local| local.ends_with(&suffix)) && columns.nth(1) == Some("0A")
    })
}

/// Waits until a file that another process writes has not grown for a while.
fn settled(file: &Path) {
    let size = || fs::metadata(file).map_or(0, |meta| meta.len());
    let mut last = None;
    while last != Some(size()) {
        last = Some(size());
        std::thread::sleep(Duration::from_millis(1500));
    }
}

/// The names that openssl has for suites → those of the registry.
fn suites() -> HashMap<String, String> {
    let (printed, _) =
        run(Command::new("openssl").args(["ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]));
    let pairs = printed.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let registered = words.next()?.to_owned();
        Some((words.nth(1)?.to_owned(), registered))
    });
    pairs.collect()
}
