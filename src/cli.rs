//! What was typed: the subcommands and their options, as clap reads them. What is meant by it is in `config`.
//!
//! [`Options`] is read from flags and from the TOML file alike, so a flag and a key of the file can't drift apart:
//! the long name of the one is the name of the other.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde::Deserialize;

use crate::config::{Bytes, Output, Period, Redact};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "eaves", version, about, long_about = LONG_ABOUT, after_long_help = EXAMPLES, max_term_width = 110)]
pub struct Typed {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LONG_ABOUT: &str = "\
A passive network sensor for API traffic. It reads capture files or listens on a mirror port, reassembles TCP, \
decrypts TLS with keys it is given, parses HTTP/1.x, HTTP/2, gRPC and WebSocket, and turns every API call into one \
record; from the calls it builds the inventory of the APIs that really exist and reports leaks. It never sends a packet.";

const EXAMPLES: &str = "\
Examples:
  eaves replay capture.pcapng                         read it and show what is in it
  eaves replay --out results/ monday.pcap.gz more/    all records as NDJSON files
  tcpdump -w - | eaves replay --calls-out - -         call records on standard output
  eaves capture -i eth1 --brokers kafka1:9092         listen, and stream to Kafka
  eaves check --config /etc/eaves/eaves.toml          is this sound, and what would it do?

Exit codes: 0 clean; 1 it ran, but lost or could not read or deliver something; 2 it could not run.";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read capture files and turn them into records
    #[command(long_about = REPLAY_ABOUT, after_long_help = REPLAY_EXAMPLES)]
    Replay {
        /// Capture files, directories of them, or '-' for standard input
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// How.
        #[command(flatten)]
        options: Box<Options>,
        /// Whereto.
        #[command(flatten)]
        output: Box<OutputOptions>,
    },
    /// Listen on an interface and turn what is heard into records
    #[command(long_about = CAPTURE_ABOUT, after_long_help = CAPTURE_EXAMPLES)]
    Capture(Box<Given>),
    /// Validate the configuration and say what would be done
    #[command(long_about = CHECK_ABOUT)]
    Check(Box<Given>),
    /// Print the JSON Schema of every record type
    Schema,
}

const REPLAY_ABOUT: &str = "\
Read capture files and turn them into records.

Reads pcap and pcapng, plain or compressed with gzip or zstd (told by content, not by name). Several files are one \
stream in the order of time. The output is the same on every machine and for any number of workers. Without an \
output option the run ends in a summary for a person.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  eaves replay capture.pcapng
  eaves replay --filter 'tcp port 8080' --calls-out calls.ndjson.zst --no-analysis day.pcap.gz
  eaves replay --out results/ --redact strict captures/";

const CAPTURE_ABOUT: &str = "\
Listen on an interface and turn what is heard into records.

Needs root, or the capability CAP_NET_RAW. Each worker has its own socket, and both directions of a connection reach \
the same one. SIGINT and SIGTERM end the run in order: what is under way is finished, written and delivered.";

const CAPTURE_EXAMPLES: &str = "\
Examples:
  eaves capture -i eth1
  eaves capture -i eth1 --filter 'net 10.0.0.0/8' --ring 256MiB --brokers kafka1:9092,kafka2:9092
  eaves capture --config /etc/eaves/eaves.toml";

const CHECK_ABOUT: &str = "\
Validate the configuration and say what would be done.

Takes the options of capture and replay, prints what they come to as TOML that --config reads, with the defaults \
filled in, and runs nothing.";

/// Every option there is, from flags or from a file.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// How.
    #[command(flatten)]
    pub options: Options,
    /// From what.
    #[command(flatten)]
    pub live: LiveOptions,
    /// Whereto.
    #[command(flatten)]
    pub output: OutputOptions,
}

/// Options of live capture alone.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[command(next_help_heading = "Capture")]
#[serde(rename_all = "kebab-case", default)]
pub struct LiveOptions {
    /// Interface to listen on, mostly the one at a mirror (SPAN) port
    #[arg(short, long, value_name = "IFACE")]
    pub interface: Option<String>,
    /// Bytes kept of each frame [default: 262144]
    #[arg(long, value_name = "BYTES")]
    pub snaplen: Option<Bytes>,
    /// Size of the kernel's ring for each worker [default: 64MiB]
    ///
    /// What arrives while a worker is busy waits here; when it is full, the kernel drops frames, and they are
    /// counted.
    #[arg(long, value_name = "BYTES")]
    pub ring: Option<Bytes>,
    /// Leave the interface in its mode: only frames for this host are seen
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true)]
    pub no_promiscuous: Option<bool>,
}

/// Options that replay and capture share.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Options {
    /// TOML file that says what the flags say, by the same names; flags win
    ///
    /// Lists (kafka-config, keylog, private-key) are arrays of strings; sizes and durations are strings such as
    /// "64MiB" and "60s". Paths start at the working directory, as those of flags do. The keys interface, snaplen, ring and no-promiscuous are capture's; replay leaves them aside.
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Only frames that match this BPF expression, as tcpdump takes it
    #[arg(long, value_name = "BPF")]
    pub filter: Option<String>,
    /// What stands in the records in the clear [default: standard]
    #[arg(long, value_name = "LEVEL", value_enum)]
    pub redact: Option<Redact>,
    /// Worker threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Memory that all workers together may hold [default: 1GiB]
    ///
    /// When it is reached, the least valuable connections are given up; each of their calls says so.
    #[arg(long, value_name = "BYTES")]
    pub memory: Option<Bytes>,
    /// Name of this sensor in the records [default: the host's name; in a replay: replay]
    ///
    /// A replay has a fixed name, so that it gives the same records on every machine.
    #[arg(long, value_name = "NAME")]
    pub sensor: Option<String>,
    /// Key of the fingerprints that stand for credentials [default: one made once for this host]
    ///
    /// Runs and sensors with the same key give the same credential the same fingerprint.
    #[arg(long, value_name = "FILE")]
    pub fingerprint_key: Option<PathBuf>,
    /// TLS key log (NSS format), a named pipe, or a directory of logs; a capture follows them as they grow and rotate
    #[arg(long, value_name = "FILE|DIR")]
    pub keylog: Vec<PathBuf>,
    /// RSA private key of a server, for suites in which the client sends the secret encrypted with it
    #[arg(long, value_name = "PEM")]
    pub private_key: Vec<PathBuf>,
    /// Ciphertext that may wait for keys that come late [default: 64MiB]
    #[arg(long, value_name = "BYTES")]
    pub tls_hold: Option<Bytes>,
    /// A conversation (WebSocket, a stream of gRPC) that lasts longer is told in parts of this length [default: 5m]
    #[arg(long, value_name = "DURATION")]
    pub call_max: Option<Period>,
}

/// Where the records go.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[command(next_help_heading = "Output")]
#[serde(rename_all = "kebab-case", default)]
pub struct OutputOptions {
    /// Directory for all records, one NDJSON file for each kind
    ///
    /// calls.ndjson, connections.ndjson, inventory.ndjson, findings.ndjson and sensor.ndjson. The options below
    /// redirect one of them.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Call records, as NDJSON ('-': standard output; compressed if the name ends in .gz or .zst)
    #[arg(long, value_name = "FILE")]
    pub calls_out: Option<Output>,
    /// Records of connections that were not turned into calls
    #[arg(long, value_name = "FILE")]
    pub connections_out: Option<Output>,
    /// Records of the operations that were seen
    #[arg(long, value_name = "FILE")]
    pub inventory_out: Option<Output>,
    /// Findings
    #[arg(long, value_name = "FILE")]
    pub findings_out: Option<Output>,
    /// Counters of the sensor itself
    #[arg(long, value_name = "FILE")]
    pub sensor_out: Option<Output>,
    /// Calls and connections alone: no inventory, no findings
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        hide_possible_values = true)]
    pub no_analysis: Option<bool>,
    /// Kafka brokers to send all records to, as HOST:PORT,HOST:PORT
    #[arg(long, value_name = "HOSTS")]
    pub brokers: Option<String>,
    /// A setting of librdkafka, such as security.protocol=ssl; may be given many times
    #[arg(long, value_name = "KEY=VALUE")]
    pub kafka_config: Vec<String>,
    /// How long to wait for Kafka to take the records before they are given up [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub kafka_timeout: Option<Period>,
}

impl Given {
    /// Flags first, and what they leave open from the file. Settings of Kafka add up, the flag's coming last.
    #[must_use]
    pub fn or(self, file: Self) -> Self {
        Self {
            live: self.live.or(file.live),
            options: self.options.or(file.options),
            output: self.output.or(file.output),
        }
    }
}

impl LiveOptions {
    fn or(self, file: Self) -> Self {
        Self {
            interface: self.interface.or(file.interface),
            snaplen: self.snaplen.or(file.snaplen),
            ring: self.ring.or(file.ring),
            no_promiscuous: self.no_promiscuous.or(file.no_promiscuous),
        }
    }
}

impl Options {
    fn or(self, file: Self) -> Self {
        Self {
            config: self.config,
            filter: self.filter.or(file.filter),
            redact: self.redact.or(file.redact),
            workers: self.workers.or(file.workers),
            memory: self.memory.or(file.memory),
            sensor: self.sensor.or(file.sensor),
            fingerprint_key: self.fingerprint_key.or(file.fingerprint_key),
            keylog: first_given(self.keylog, file.keylog),
            private_key: first_given(self.private_key, file.private_key),
            tls_hold: self.tls_hold.or(file.tls_hold),
            call_max: self.call_max.or(file.call_max),
        }
    }
}

impl OutputOptions {
    fn or(self, mut file: Self) -> Self {
        file.kafka_config.extend(self.kafka_config);
        Self {
            out: self.out.or(file.out),
            calls_out: self.calls_out.or(file.calls_out),
            connections_out: self.connections_out.or(file.connections_out),
            inventory_out: self.inventory_out.or(file.inventory_out),
            findings_out: self.findings_out.or(file.findings_out),
            sensor_out: self.sensor_out.or(file.sensor_out),
            no_analysis: self.no_analysis.or(file.no_analysis),
            brokers: self.brokers.or(file.brokers),
            kafka_config: file.kafka_config,
            kafka_timeout: self.kafka_timeout.or(file.kafka_timeout),
        }
    }
}

fn first_given(flags: Vec<PathBuf>, file: Vec<PathBuf>) -> Vec<PathBuf> {
    if flags.is_empty() { file } else { flags }
}
