//! curl as a client: what it is asked to do, and what its own log says of each call.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::slice::from_ref;

use serde_json::{Value, json};

use crate::lab::{Lab, run};

/// One request.
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Bytes of a body.
    pub(crate) body: Option<usize>,
    /// More lines of curl's configuration.
    pub(crate) more: &'static str,
}

const fn ask(method: &'static str, path: &'static str, body: Option<usize>) -> Ask {
    Ask { method, path, body, more: "" }
}

/// A little of everything, for servers of the usual paths.
pub(crate) const USUAL: &[Ask] = &[
    ask("GET", "/bytes/1000", None),
    ask("POST", "/echo", Some(5000)),
    ask("HEAD", "/bytes/1000", None),
    ask("GET", "/bytes/100000", None),
    ask("GET", "/missing", None),
    ask("GET", "/bytes/0", None),
    ask("PUT", "/echo", Some(40_000)),
];

/// As few as show that a connection is read.
pub(crate) const FEW: &[Ask] = &[ask("GET", "/bytes/1000", None), ask("POST", "/echo", Some(5000))];

/// Each on a connection of its own.
pub(crate) const APART: &[Ask] = &[
    Ask { more: "header = \"Connection: close\"", ..ask("GET", "/bytes/17", None) },
    Ask { more: "header = \"Connection: close\"", ..ask("GET", "/bytes/1000", None) },
    Ask { more: "header = \"Connection: close\"", ..ask("POST", "/echo", Some(5000)) },
];

/// A run of curl.
pub(crate) struct Curl<'a> {
    lab: &'a Lab,
    base: String,
    /// Lines of curl's configuration.
    options: String,
    openssl: Option<String>,
}

/// What a run has left.
pub(crate) struct Log {
    pub(crate) calls: Vec<Value>,
    /// What `-v` tells.
    pub(crate) verbose: String,
    /// The key log.
    pub(crate) keys: PathBuf,
}

impl<'a> Curl<'a> {
    /// To `http` or `https` on this port.
    pub(crate) fn new(lab: &'a Lab, scheme: &str, port: u16, options: &str) -> Self {
        let options = format!("insecure\nipv4\nmax-time = 50\n{options}\n");
        Self { lab, base: format!("{scheme}://localhost:{port}"), options, openssl: None }
    }

    /// With these lines as the settings of openssl.
    pub(crate) fn openssl(mut self, settings: &str) -> Self {
        self.openssl = Some(settings.to_owned());
        self
    }

    /// All in one run, on one connection if the server keeps it.
    pub(crate) fn ask(&self, asks: &[Ask]) -> Log {
        self.ask_from(0, asks)
    }

    /// Each in a run of its own.
    pub(crate) fn ask_apart(&self, asks: &[Ask]) -> Vec<Value> {
        asks.iter().enumerate().flat_map(|(first, ask)| self.ask_from(first, from_ref(ask)).calls).collect()
    }

    fn ask_from(&self, first: usize, asks: &[Ask]) -> Log {
        let (config, keys) = (self.lab.fresh("curl"), self.lab.fresh("keys"));
        fs::write(&config, self.config(first, asks)).expect("the scratch folder can be written");
        let mut command = Command::new("curl");
        command.args(["-q", "-s", "-v", "-K"]).arg(&config).env("SSLKEYLOGFILE", &keys);
        if let Some(settings) = &self.openssl {
            command.env("OPENSSL_CONF", openssl_conf(self.lab, settings));
        }
        let (stdout, verbose) = run(&mut command);
        // Sizes of what came stand between the lines.
        let lines = verbose.lines().filter(|line| !line.starts_with(['{', '}']));
        let verbose = lines.collect::<Vec<_>>().join("\n");
        let answers: Vec<Value> =
            stdout.lines().map(|line| serde_json::from_str(line).expect("curl writes JSON")).collect();
        assert_eq!(answers.len(), asks.len(), "{verbose}");
        let tls = self.tls(&verbose);
        let calls = (first..)
            .zip(asks.iter().zip(&answers))
            .map(|(n, (ask, answer))| self.call(n, ask, answer, &tls));
        Log { calls: calls.collect(), verbose, keys }
    }

    fn config(&self, first: usize, asks: &[Ask]) -> String {
        let mut config = String::new();
        for (number, ask) in (first..).zip(asks) {
            let next = if number == first { "" } else { "next\n" };
            let kind =
                if ask.method == "HEAD" { "head".to_owned() } else { format!("request = {}", ask.method) };
            write!(
                config,
                "{next}{}{kind}\nurl = \"{}{}\"\n{}\n",
                self.options, self.base, ask.path, ask.more
            )
            .expect("text grows");
            writeln!(
                config,
                "header = \"X-Call: {number}\"\noutput = /dev/null\nwrite-out = \"%{{json}}\\n\""
            )
            .expect("text grows");
            if let Some(bytes) = ask.body {
                writeln!(config, "data-binary = \"{}\"", "y".repeat(bytes)).expect("text grows");
            }
        }
        config
    }

    fn call(&self, number: usize, ask: &Ask, answer: &Value, tls: &Value) -> Value {
        let protocol = match answer["http_version"].as_str() {
            Some("2") => "h2",
            Some("1.1") => "http/1.1",
            Some("1.0") | Some("1") => "http/1.0",
            other => panic!("HTTP {other:?}"),
        };
        assert_eq!(answer["errormsg"], Value::Null, "{answer}");
        json!({
            "call": number.to_string(), "protocol": protocol, "method": answer["method"],
            "authority": self.base.split_once("://").map(|(_, authority)| authority), "path": ask.path,
            "status": answer["response_code"], "tls": tls,
            "request": { "body_bytes": answer["size_upload"] }, "response": { "body_bytes": answer["size_download"] },
        })
    }

    /// Version and suite, which every connection of a run has to agree on.
    fn tls(&self, verbose: &str) -> Value {
        let mut agreed: Vec<_> =
            verbose.lines().filter_map(|line| line.strip_prefix("* SSL connection using TLSv")).collect();
        agreed.sort_unstable();
        agreed.dedup();
        let [agreed] = agreed.as_slice() else {
            assert!(agreed.is_empty() && self.base.starts_with("http://"), "{verbose}");
            return Value::Null;
        };
        let mut words = agreed.split(" / ");
        let version = words.next().map(|version| if version == "1" { "1.0" } else { version });
        let cipher = words.next().map(|name| self.lab.suite(name));
        json!({ "version": version, "cipher": cipher, "server_name": "localhost" })
    }
}

/// A configuration of openssl with these settings for every program that reads it.
pub(crate) fn openssl_conf(lab: &Lab, settings: &str) -> PathBuf {
    let file = lab.fresh("cnf");
    let text = format!(
        "openssl_conf = all\n[all]\nssl_conf = tls\n[tls]\nsystem_default = own\n[own]\n{settings}\n"
    );
    fs::write(&file, text).expect("the scratch folder can be written");
    file
}
