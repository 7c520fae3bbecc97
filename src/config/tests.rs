//! The tests of `config`: each flag, flags against the file, and what errors say.

use std::time::Duration;

use clap::Parser;

use super::*;
use crate::cli::Typed;

fn typed(words: &str) -> Result<Task, ConfigError> {
    let words = std::iter::once("eaves").chain(words.split(' '));
    resolve(Typed::try_parse_from(words).unwrap().command)
}

fn replay(words: &str) -> ReplayConfig {
    match typed(&format!("replay x.pcap {words}").trim_end().replace("  ", " ")).unwrap() {
        Task::Replay(config) => config,
        other => panic!("{other:?}"),
    }
}

fn capture(words: &str) -> CaptureConfig {
    match typed(&format!("capture {words}")).unwrap() {
        Task::Capture(config) => config,
        other => panic!("{other:?}"),
    }
}

fn error(words: &str) -> String {
    typed(words).unwrap_err().to_string()
}

#[test]
fn defaults() {
    let config = replay("");
    assert_eq!(config.files, [PathBuf::from("x.pcap")]);
    let shared = config.shared;
    assert_eq!(shared.workers, std::thread::available_parallelism().unwrap().get().min(limits::WORKERS_MAX));
    assert_eq!((shared.redact, shared.memory_bytes, shared.analysis), (Redact::Standard, 1 << 30, true));
    assert_eq!((shared.sensor.as_str(), shared.filter, shared.kafka), ("replay", None, None));
    assert!(shared.outputs.is_empty());

    let config = capture("-i eth1");
    let live = LiveConfig { snaplen_bytes: 256 << 10, ring_bytes: 64 << 20, promiscuous: true };
    assert_eq!((config.interface.as_str(), config.live), ("eth1", live));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(config.shared.sensor, host.trim());
}

#[test]
fn each_flag_reaches_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "k").unwrap();
    let (folder, key) = (folder.path().display(), key.display());
    let words = format!(
        "--filter tcp --redact strict --workers 3 --memory 64MiB --sensor tap-1 --fingerprint-key {key} \
         --keylog {folder} --keylog {key} --private-key {key} --tls-hold 9MiB --call-max 7m --calls-out - --connections-out c.zst \
         --inventory-out i --findings-out f --sensor-out s --brokers a:9092,b --kafka-config x=y=z \
         --kafka-config acks=1 --kafka-timeout 5s"
    );
    let shared = replay(&words).shared;
    let kafka = KafkaConfig {
        brokers: "a:9092,b".into(),
        settings: vec![("x".into(), "y=z".into()), ("acks".into(), "1".into())],
        timeout: Duration::from_secs(5),
    };
    let file = |name: &str| Some(Output::File(name.into()));
    let outputs = Outputs {
        directory: None,
        calls: Some(Output::Stdout),
        connections: file("c.zst"),
        inventory: file("i"),
        findings: file("f"),
        sensor: file("s"),
    };
    let path = |shown: &dyn std::fmt::Display| PathBuf::from(shown.to_string());
    let expected = Config {
        filter: Some("tcp".into()),
        redact: Redact::Strict,
        workers: 3,
        memory_bytes: 64 << 20,
        sensor: "tap-1".into(),
        fingerprint_key: Some(path(&key)),
        keylogs: vec![path(&folder), path(&key)],
        private_keys: vec![path(&key)],
        tls_hold_bytes: 9 << 20,
        call_max: Duration::from_secs(420),
        outputs,
        analysis: true,
        kafka: Some(kafka),
    };
    assert_eq!(shared, expected);

    let live = capture("--interface eth1 --snaplen 128 --ring 1MiB --no-promiscuous").live;
    assert_eq!(live, LiveConfig { snaplen_bytes: 128, ring_bytes: 1 << 20, promiscuous: false });
    assert!(!replay("--no-analysis").shared.analysis);
}

#[test]
fn out_is_all_of_them_and_single_outputs_redirect() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new");
    let outputs = replay(&format!("--out {} --findings-out -", out.display())).shared.outputs;
    assert_eq!(outputs.directory.as_ref(), Some(&out));
    assert_eq!(outputs.calls, Some(Output::File(out.join("calls.ndjson"))));
    assert_eq!(outputs.inventory, Some(Output::File(out.join("inventory.ndjson"))));
    assert_eq!(outputs.findings, Some(Output::Stdout));
    assert_eq!(outputs.each().count(), 5);
    let without = replay(&format!("--out {} --no-analysis", out.display())).shared.outputs;
    let kinds: Vec<_> = without.each().map(|(option, _)| option).collect();
    assert_eq!(kinds, ["calls-out", "connections-out", "sensor-out"]);
}

/// Every flag with a value; the file gets the same under the same names.
const FLAGS: &[(&str, &str)] = &[
    ("filter", "udp"),
    ("redact", "none"),
    ("workers", "7"),
    ("memory", "77MiB"),
    ("sensor", "s7"),
    ("fingerprint-key", "/dev/null"),
    ("keylog", "/dev/null"),
    ("private-key", "/dev/null"),
    ("tls-hold", "5MiB"),
    ("call-max", "9m"),
    ("interface", "eth9"),
    ("snaplen", "2KiB"),
    ("ring", "8MiB"),
    ("no-promiscuous", "true"),
    ("out", "/srv/eaves"),
    ("calls-out", "-"),
    ("connections-out", "/srv/c"),
    ("inventory-out", "/srv/i"),
    ("findings-out", "/srv/f"),
    ("sensor-out", "/srv/s"),
    ("no-analysis", "false"),
    ("brokers", "k1,k2:9"),
    ("kafka-config", "a.b=c"),
    ("kafka-timeout", "3m"),
];

fn as_toml(name: &str, value: &str) -> String {
    match name {
        "keylog" | "private-key" | "kafka-config" => format!("{name} = ['{value}']\n"),
        "workers" | "no-promiscuous" | "no-analysis" => format!("{name} = {value}\n"),
        _ => format!("{name} = '{value}'\n"),
    }
}

#[test]
fn the_file_says_what_flags_say() {
    let names: Vec<_> = FLAGS.iter().map(|(name, _)| *name).collect();
    assert_eq!(file::keys(), names, "the table above must have each flag");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eaves.toml");
    std::fs::write(&path, FLAGS.iter().map(|(name, value)| as_toml(name, value)).collect::<String>())
        .unwrap();
    let flags: Vec<_> = FLAGS.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let by_flags = capture(&flags.join(" "));
    assert_eq!(capture(&format!("--config {}", path.display())), by_flags);

    for (name, value) in FLAGS {
        let lines = FLAGS.iter().map(|(one, value)| as_toml(one, value));
        let broker = ["brokers", "kafka-config", "kafka-timeout"].contains(name);
        if *name == "interface" || broker {
            continue;
        }
        let rest: String = lines.filter(|line| !line.starts_with(&format!("{name} "))).collect();
        std::fs::write(&path, &rest).unwrap();
        let mixed = capture(&format!("--config {} --{name}={value}", path.display()));
        assert_eq!(mixed, by_flags, "{name} from a flag, the rest from the file");
        if !["no-analysis", "no-promiscuous"].contains(name) {
            let without = capture(&format!("--config {}", path.display()));
            assert_ne!(without, by_flags, "{name} makes a difference");
        }
    }
}

#[test]
fn flags_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eaves.toml");
    let text = "workers = 2\nno-analysis = true\nkeylog = ['/dev/null']\nbrokers = 'a'\nkafka-config = ['a=1']\nring = 1\n";
    std::fs::write(&path, text).unwrap();
    let config = format!("--config {}", path.display());
    let shared = replay(&format!("{config} --workers 5 --no-analysis=false --kafka-config a=2")).shared;
    assert_eq!((shared.workers, shared.analysis, shared.keylogs.len()), (5, true, 1));
    let settings = shared.kafka.unwrap().settings;
    assert_eq!(settings, [("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())]);
    let missing = error("replay x --config /nowhere/eaves.toml");
    assert!(missing.starts_with("--config /nowhere/eaves.toml: can't be read: No such file"), "{missing}");
}

#[test]
fn contradictions_are_said() {
    let without = "without analysis there is neither an inventory nor a finding";
    for (words, sentence) in [
        (
            "--no-analysis --inventory-out i",
            format!("--no-analysis and --inventory-out contradict each other: {without}"),
        ),
        ("--no-analysis --findings-out i", format!("--no-analysis and --findings-out contradict each other: {without}")),
        (
            "--calls-out - --findings-out -",
            "--calls-out and --findings-out both write to standard output: each needs a place of its own".into(),
        ),
        (
            "--calls-out a --sensor-out ./a",
            "--calls-out and --sensor-out both write to ./a: each needs a place of its own".into(),
        ),
        ("--calls-out ./x.pcap", "--calls-out ./x.pcap: would overwrite a capture that is to be read".into()),
        ("./x.pcap", "./x.pcap: given twice, every call would be counted twice".into()),
        ("- -", "-: given twice, every call would be counted twice".into()),
        ("--out /dev/null", "--out /dev/null: is not a directory".into()),
        ("--calls-out=", "--calls-out: the value is empty".into()),
        ("--filter=", "--filter: the value is empty".into()),
        ("--workers 0", "--workers 0: must be 1 to 256".into()),
        ("--workers 257", "--workers 257: must be 1 to 256".into()),
        ("--memory 1MiB", "--memory 1MiB: must be at least 16MiB".into()),
        ("--sensor a/b", "--sensor 'a/b': a name has 1 to 255 letters, digits, '.', '-' or '_'".into()),
        ("--call-max 10ms", "--call-max 10ms: must be at least 1s".into()),
        ("--kafka-timeout 1s", "--kafka-timeout means nothing without --brokers".into()),
        ("--kafka-config a=b", "--kafka-config means nothing without --brokers".into()),
        ("--brokers a --kafka-config ab", "--kafka-config 'ab': must be KEY=VALUE, such as security.protocol=ssl".into()),
        (
            "--brokers a --kafka-config bootstrap.servers=b",
            "--brokers and --kafka-config bootstrap.servers contradict each other: the brokers are given twice".into(),
        ),
        ("--private-key /", "--private-key /: can't be read: is a directory".into()),
        ("--keylog /nowhere", "--keylog /nowhere: can't be read: No such file or directory (os error 2)".into()),
        (
            "--fingerprint-key /nowhere",
            "--fingerprint-key /nowhere: can't be read: No such file or directory (os error 2)".into(),
        ),
    ] {
        assert_eq!(error(&format!("replay x.pcap {words}")), sentence);
    }
    assert_eq!(error("capture"), "no interface to listen on: say -i IFACE");
    assert_eq!(error("capture --interface="), "--interface: the value is empty");
    assert_eq!(error("capture -i x --snaplen 12"), "--snaplen 12: must be 128 to 256KiB");
    assert_eq!(error("capture -i x --ring 3GiB"), "--ring 3GiB: must be 1MiB to 2147483647");
    let filter = error("check --filter tcp&&");
    assert!(filter.starts_with("--filter 'tcp&&': ") && filter.contains("syntax error"), "{filter}");
    assert!(replay("--calls-out /dev/null --sensor-out /dev/null").shared.outputs.sensor.is_some());
}

#[test]
fn brokers_are_hosts() {
    for brokers in ["k", "k:9092", "k,l", "10.0.0.1:9092", "[::1]:9092", "[::1]", "SSL://k:9093"] {
        assert_eq!(replay(&format!("--brokers {brokers}")).shared.kafka.unwrap().brokers, brokers);
    }
    for (brokers, entry) in
        [("k,,l", ""), ("k:", "k:"), ("k:0", "k:0"), ("k:65536", "k:65536"), ("[::1", "[::1"), (":1", ":1")]
    {
        let sentence =
            format!("--brokers: '{entry}' is not HOST or HOST:PORT (several are separated by commas)");
        assert_eq!(error(&format!("replay x --brokers {brokers}")), sentence);
    }
}

#[test]
fn what_clap_refuses() {
    for words in [
        "",
        "replay",
        "capture --keylog",
        "replay x --redact all",
        "replay x -i eth0",
        "replay x --memory 5Q",
        "sing",
    ] {
        let typed = Typed::try_parse_from(
            std::iter::once("eaves").chain(words.split(' ')).filter(|word| !word.is_empty()),
        );
        assert_eq!(typed.unwrap_err().exit_code(), 2, "{words}");
    }
    for words in ["--help", "-h", "--version", "replay --help", "capture -h"] {
        let typed = Typed::try_parse_from(std::iter::once("eaves").chain(words.split(' ')));
        assert_eq!(typed.unwrap_err().exit_code(), 0, "{words}");
    }
}

#[test]
fn what_check_prints_is_a_configuration() {
    let words =
        "-i eth1 --filter tcp --brokers a:1 --kafka-config sasl.password=hunter2 --out /tmp --memory 100MB";
    let Task::Check(config) = typed(&format!("check {words}")).unwrap() else { panic!("not a check") };
    let text = config.to_string();
    assert!(text.starts_with("# capture listens on eth1, promiscuous, "), "{text}");
    assert!(
        text.contains("kafka-config = [\"sasl.password=(hidden)\"]") && !text.contains("hunter2"),
        "{text}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eaves.toml");
    std::fs::write(&path, text.replace("(hidden)", "hunter2")).unwrap();
    let Task::Check(mut again) = typed(&format!("check --config {}", path.display())).unwrap() else {
        panic!("not a check")
    };
    again.shared.outputs.directory = Some("/tmp".into());
    assert_eq!(again, config);
    let Task::Check(bare) = typed("check").unwrap() else { panic!("not a check") };
    assert!(bare.to_string().starts_with("# capture needs an interface"));
}
