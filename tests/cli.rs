//! The real binary as a person meets it: what it says of bad input and of outputs that can't be written, with which
//! exit code it ends, and that what could be read before is written whole.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod harness;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use harness::schema::{assert_all_valid, assert_valid};
use harness::{eaves, fixture, pcap, records, replay, replay_stdin, say};
use serde_json::Value;

fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Exit code 2, and one sentence with these words in it.
fn assert_refused(command: &mut Command, words: &[&str]) {
    let done = output(command);
    let said = said(&done);
    assert_eq!(done.status.code(), Some(2), "{command:?}: {said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(said.starts_with("eaves: "), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in: {said}");
    }
    assert!(done.stdout.is_empty());
}

/// A capture, and what is to be said of it: exit code, words, how many calls are written.
struct Bad {
    name: &'static str,
    bytes: Vec<u8>,
    code: i32,
    words: &'static [&'static str],
    calls: Option<std::ops::RangeInclusive<usize>>,
}

fn shop() -> Vec<u8> {
    fs::read(fixture("shop.pcap")).unwrap()
}

fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at..at + new.len()].copy_from_slice(new);
    changed
}

/// Where the 600th packet stands.
fn middle(capture: &[u8]) -> usize {
    24 + pcap::frames(capture).iter().take(600).map(|frame| frame.len()).sum::<usize>()
}

/// Where the 600th block stands.
fn middle_block(capture: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..600 {
        at += u32::from_le_bytes(capture[at + 4..at + 8].try_into().unwrap()) as usize;
    }
    at
}

fn bad_captures() -> Vec<Bad> {
    let (shop, some) = (shop(), Some(100..=177));
    let ng = fs::read(fixture("shop.pcapng")).unwrap();
    let packed = fs::read(fixture("shop.pcap.gz")).unwrap();
    let (at, block) = (middle(&shop), middle_block(&ng));
    let bad = |name, bytes, code, words, calls| Bad { name, bytes, code, words, calls };
    vec![
        bad("text", b"GET / HTTP/1.1\r\n".repeat(20), 2, &["at byte 0: not a capture"], None),
        bad("empty", Vec::new(), 2, &["at byte 0: the file is empty"], None),
        bad("two bytes", vec![0xd4, 0xc3], 2, &["not a capture"], None),
        bad("header alone", pcap::HEADER.to_vec(), 0, &[], Some(0..=0)),
        bad(
            "cut header",
            pcap::HEADER[..20].to_vec(),
            2,
            &["at byte 0: the file ends inside the file header"],
            None,
        ),
        bad("cut", shop[..at + 50].to_vec(), 1, &["at byte ", "50 of ", "copy the file again"], some.clone()),
        bad(
            "cut header of a packet",
            shop[..at + 7].to_vec(),
            1,
            &["inside a packet header, 7 of 16"],
            some.clone(),
        ),
        bad(
            "length",
            with(&shop, at + 8, &[0xff; 8]),
            1,
            &["damaged: a packet says it is 4294967295 bytes long"],
            some.clone(),
        ),
        bad(
            "block",
            with(&ng, block + 4, &[5, 0, 0, 0]),
            1,
            &["damaged: a block says it is 5 bytes long"],
            some.clone(),
        ),
        bad(
            "other length",
            with(&ng, block + 4, &[0, 1, 0, 0]),
            1,
            &["damaged: a block is 256 bytes long by its head"],
            some,
        ),
        bad("snap length", with(&shop, 16, &[0xff; 4]), 0, &[], Some(178..=178)),
        bad("no snap length", with(&shop, 16, &[0; 4]), 0, &[], Some(178..=178)),
        bad(
            "link type",
            with(&shop, 20, &[249, 0]),
            2,
            &["at byte 0: frames of link type 249, which is not known"],
            Some(0..=0),
        ),
        bad(
            "gzip",
            packed[..packed.len() / 2].to_vec(),
            1,
            &["of the uncompressed data: ", "ends too early"],
            Some(50..=177),
        ),
        bad("gzip of text", vec![0x1f, 0x8b, 8, 0], 2, &["ends too early"], None),
    ]
}

#[test]
fn bad_captures_are_read_as_far_as_they_go() {
    let folder = tempfile::tempdir().unwrap();
    for Bad { name, bytes, code, words, calls } in bad_captures() {
        let path = folder.path().join(name);
        fs::write(&path, &bytes).unwrap();
        for outcome in [replay(&[], &[&path]), replay_stdin(&[], &bytes)] {
            let said = &outcome.stderr;
            assert_eq!(outcome.code, code, "{name}: {said}");
            assert_eq!(said.lines().count(), usize::from(!words.is_empty()), "{name}: {said}");
            for word in words {
                assert!(said.contains(word), "{name}: {word:?} is not in: {said}");
            }
            match &calls {
                Some(range) => {
                    assert!(range.contains(&outcome.records("calls").len()), "{name}");
                    assert_eq!(harness::unbalanced(&outcome.sensor()), Vec::<String>::new());
                    assert_all_valid(&outcome, name);
                    let problems = outcome.sensor()["problems"].as_array().unwrap().len();
                    assert_eq!(problems, words.len().min(1), "{name}");
                }
                None => assert!(outcome.files.is_empty(), "{name}: outputs were made for nothing"),
            }
        }
        let by_name = output(eaves().arg("replay").arg("--no-analysis").arg(&path));
        if !words.is_empty() {
            assert!(said(&by_name).contains(&format!("{}: ", path.display())), "{}", said(&by_name));
        }
    }
}

#[test]
fn one_bad_file_does_not_spoil_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (text, missing) = (folder.path().join("text"), folder.path().join("missing"));
    fs::write(&text, "no capture").unwrap();
    let outcome = replay(&[], &[text, missing.clone(), fixture("shop.pcap")]);
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("no such file") && outcome.stderr.contains("not a capture"));
    assert_eq!(outcome.records("calls").len(), 178);
    // One link type that nobody knows beside one that is known.
    let odd = folder.path().join("odd");
    fs::write(&odd, with(&shop(), 20, &[249, 0])).unwrap();
    let outcome = replay(&[], &[odd, fixture("shop.pcap")]);
    assert_eq!((outcome.code, outcome.records("calls").len()), (1, 178));
    assert!(outcome.stderr.contains("odd: at byte 0: frames of link type 249"), "{}", outcome.stderr);

    assert_refused(eaves().arg("replay").arg(&missing), &["missing: no such file"]);
    assert_refused(
        eaves().arg("replay").arg(folder.path().join("text")),
        &["text: at byte 0: not a capture"],
    );
    assert_refused(eaves().arg("replay").arg("/dev/null"), &["/dev/null: at byte 0: the file is empty"]);
    let out = output(eaves().arg("replay"));
    assert!(out.status.code() == Some(2) && said(&out).contains("<FILE>"), "{}", said(&out));
}

/// The command as a user without any right, if this one can become such a user.
fn as_nobody(folder: &Path) -> Option<Command> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    let setpriv = Command::new("setpriv").arg("--version").output().is_ok_and(|done| done.status.success());
    if !root || !setpriv {
        say("SKIPPED: only root, with setpriv, can become a user without rights");
        return None;
    }
    // The binary may lie where only root may look.
    let binary = folder.join("eaves");
    // Copied by another process: a file that this one has open for writing can't be run while any thread here starts one.
    if !binary.exists() {
        assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_eaves")).arg(&binary).status().unwrap().success());
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(binary);
    command.env("XDG_STATE_HOME", folder.join("state"));
    Some(command)
}

#[test]
fn no_permission_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut command) = as_nobody(folder.path()) else { return };
    let secret = folder.path().join("secret.pcap");
    fs::write(&secret, shop()).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    assert_refused(command.arg("replay").arg(&secret), &["secret.pcap: no permission to read it"]);
    let mut command = as_nobody(folder.path()).unwrap();
    assert_refused(command.args(["capture", "-i", "lo"]), &["lo: no permission to listen", "root"]);
}

#[test]
fn a_capture_that_can_not_be_costs_no_earlier_records() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls.ndjson");
    fs::write(&calls, "earlier\n").unwrap();
    let mut command = eaves();
    command.args(["capture", "-i", "no-such-if", "--out"]).arg(folder.path());
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
    assert_refused(
        &mut command,
        if root { &["no-such-if: there is no such interface"] } else { &["no-such-if: "] },
    );
    assert_eq!(fs::read_to_string(&calls).unwrap(), "earlier\n");
    assert_refused(eaves().arg("capture"), &["no interface to listen on: say -i IFACE"]);
}

/// A reader that takes the first line and goes.
fn head(command: &mut Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 64];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut some).unwrap();
    drop(stdout);
    let done = child.wait_with_output().unwrap();
    (done.status.code(), String::from_utf8_lossy(&some).into_owned(), said(&done))
}

/// Many copies of the shop, one after the other, far more than a pipe holds.
fn long(copies: u32) -> Vec<u8> {
    let shop = shop();
    let mut bytes = pcap::HEADER.to_vec();
    for copy in 0..copies {
        for frame in pcap::frames(&shop) {
            let start = bytes.len();
            bytes.extend_from_slice(frame);
            let seconds = u32::from_le_bytes(frame[..4].try_into().unwrap()) + 3600 * copy;
            bytes[start..start + 4].copy_from_slice(&seconds.to_le_bytes());
        }
    }
    bytes
}

#[test]
fn a_reader_that_has_gone_ends_the_run_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("long.pcap");
    fs::write(&capture, long(20)).unwrap();
    for options in [&["--no-analysis"][..], &[]] {
        let (code, first, said) =
            head(eaves().args(["replay", "--calls-out", "-"]).args(options).arg(&capture));
        assert!(first.starts_with("{\"type\":\"call\",\"v\":1,"), "{first}");
        assert_eq!((code, said.as_str()), (Some(2), ""));
    }
    let (code, _, said) = head(eaves().arg("schema"));
    assert!(said.is_empty() && matches!(code, Some(0 | 2)), "{code:?} {said}");
}

#[test]
fn an_output_that_can_not_be_written_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let full = |name: &str| {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/full", &link).unwrap();
        link
    };
    let no_space = "No space left on device";
    for name in ["calls.ndjson", "calls.gz", "calls.zst"] {
        let path = full(name);
        let mut command = eaves();
        command.args(["replay", "--calls-out"]).arg(&path).arg(fixture("shop.pcap"));
        assert_refused(&mut command, &["cannot write", name, no_space]);
    }
    for options in [&["--calls-out", "-"][..], &["--findings-out", "-"], &[]] {
        let mut command = eaves();
        command.arg("replay").args(options).arg(fixture("shop.pcap"));
        let done =
            command.stdin(Stdio::null()).stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{options:?}");
        assert!(said(&done).contains("cannot write standard output"), "{}", said(&done));
        assert!(said(&done).contains(no_space));
    }
    let missing = folder.path().join("missing/calls.ndjson");
    let mut command = eaves();
    command.args(["replay", "--calls-out"]).arg(&missing).arg(fixture("shop.pcap"));
    assert_refused(&mut command, &["cannot create", "No such file or directory"]);
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let shop = fixture("shop.pcap");
    let cases: [(&[&str], &[&str]); 8] = [
        (&["--calls-out", "-", "--findings-out", "-"], &["--calls-out", "--findings-out", "standard output"]),
        (&["--filter", "tcp prt 80"], &["filter 'tcp prt 80'", "syntax error"]),
        (&["--workers", "0"], &["--workers 0: must be 1 to 256"]),
        (&["--memory", "1MiB"], &["--memory 1MiB: must be at least"]),
        (&["--no-analysis", "--findings-out", "x"], &["--no-analysis and --findings-out"]),
        (&["--kafka-timeout", "5s"], &["--kafka-timeout means nothing without --brokers"]),
        (&["--config", "/no/such/file"], &["--config /no/such/file", "No such file"]),
        (&["--sensor", "a b"], &["--sensor 'a b'"]),
    ];
    for (options, words) in cases {
        assert_refused(eaves().arg("replay").args(options).arg(&shop), words);
    }
    assert_refused(eaves().arg("replay").arg(&shop).arg(&shop), &["given twice"]);
    assert_refused(
        eaves().args(["replay", "--calls-out"]).arg(&shop).arg(&shop),
        &["would overwrite a capture"],
    );
}

#[test]
fn a_filter_is_tcpdumps() {
    let all = replay(&[], &[fixture("shop.pcap")]);
    let client = all.records("calls")[5]["client"].clone();
    let filter = format!("tcp port {}", client["port"]);
    let some = replay(&["--filter", &filter], &[fixture("shop.pcap")]);
    let expected: Vec<_> = all.records("calls").into_iter().filter(|call| call["client"] == client).collect();
    let same = |call: &Value| call["id"].clone();
    assert!(!expected.is_empty() && expected.len() < 178);
    assert_eq!(
        some.records("calls").iter().map(same).collect::<Vec<_>>(),
        expected.iter().map(same).collect::<Vec<_>>()
    );
    let counters = &some.sensor()["counters"]["capture"];
    assert_eq!(counters["frames"].as_u64().unwrap() + counters["filtered"].as_u64().unwrap(), 743);
}

#[test]
fn a_file_says_what_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let (out, toml) = (folder.path().join("out"), folder.path().join("eaves.toml"));
    let text = format!(
        "redact = \"strict\"\nworkers = 3\nfilter = \"tcp\"\nsensor = \"s1\"\nout = {out:?}\n\
         findings-out = \"/dev/null\"\ninterface = \"eth0\"\nring = \"8MiB\"\n"
    );
    fs::write(&toml, text).unwrap();
    let done = output(eaves().args(["replay", "--config"]).arg(&toml).arg(fixture("shop.pcap")));
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let by_flags =
        replay(&["--redact", "strict", "--filter", "tcp", "--sensor", "s1"], &[fixture("shop.pcap")]);
    for kind in ["calls", "connections", "inventory", "sensor"] {
        let by_file = fs::read(out.join(format!("{kind}.ndjson"))).unwrap();
        if kind == "sensor" {
            // An output less is a line of the books less.
            assert_eq!(records(&by_file)[0]["counters"], by_flags.sensor()["counters"]);
        } else {
            assert!(by_file == by_flags.files[kind], "{kind}");
        }
    }
    // What check prints is read again and means the same.
    let check = |path: &Path| {
        let done = output(eaves().args(["check", "--config"]).arg(path));
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    };
    let first = check(&toml);
    assert!(first.contains("# capture listens on eth0, promiscuous, 3 worker(s), ring 8MiB each"), "{first}");
    let again = folder.path().join("again.toml");
    fs::write(&again, &first).unwrap();
    assert_eq!(check(&again), first);

    fs::write(&toml, "redact = \"strict\"\n\nworkrs = 3\n").unwrap();
    assert_refused(
        eaves().args(["check", "--config"]).arg(&toml),
        &["eaves.toml:3: there is no key 'workrs'"],
    );
    assert_refused(eaves().args(["check", "--filter", "tcp prt"]), &["--filter 'tcp prt'", "syntax error"]);
    let hidden =
        output(eaves().args(["check", "--brokers", "k:9092", "--kafka-config", "sasl.password=hunter2"]));
    let hidden = String::from_utf8(hidden.stdout).unwrap();
    assert!(hidden.contains("sasl.password=(hidden)") && !hidden.contains("hunter2"), "{hidden}");
}

#[test]
fn the_name_of_an_output_says_how_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    let plain = replay(&[], &[fixture("shop.pcap")]);
    let place = |name: &str| folder.path().join(name);
    let (calls, inventory) = (place("calls.ndjson.zst"), place("inventory.ndjson.gz"));
    let mut command = eaves();
    command.arg("replay").arg("--calls-out").arg(&calls).arg("--inventory-out").arg(&inventory);
    let done = output(command.args(["--findings-out", "-"]).arg(fixture("shop.pcap")));
    assert_eq!((done.status.code(), said(&done).as_str()), (Some(0), ""));
    assert!(done.stdout == plain.files["findings"]);
    assert!(unpacked("zstd", &calls) == plain.files["calls"]);
    assert!(unpacked("gzip", &inventory) == plain.files["inventory"]);
}

fn unpacked(tool: &str, path: &PathBuf) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut text = Vec::new();
    match tool {
        "zstd" => drop(zstd::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut text).unwrap()),
        _ => drop(flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap()),
    }
    text
}

#[test]
fn without_analysis_there_are_calls_alone() {
    let outcome = replay(&["--no-analysis"], &[fixture("shop.pcap")]);
    assert_eq!(outcome.code, 0);
    assert_eq!(outcome.files.keys().collect::<Vec<_>>(), ["calls", "connections", "sensor"]);
    let (with, without) = (replay(&[], &[fixture("shop.pcap")]), outcome.records("calls"));
    for (mut call, plain) in with.records("calls").into_iter().zip(&without) {
        for label in ["service", "template", "operation", "principal", "analysed"] {
            assert!(
                plain.get(label).is_none_or(|value| label == "analysed" && value == false),
                "{label} {plain}"
            );
            call.as_object_mut().unwrap().remove(label);
        }
        // The facts of bodies are the analysis's own.
        for field in ["id", "time", "path", "status", "credential", "route", "quality"] {
            assert_eq!(call.get(field), plain.get(field), "{field}");
        }
    }
    assert_all_valid(&outcome, "--no-analysis");
}

#[test]
fn strict_tells_no_path_and_no_value() {
    for name in ["shop.pcap", "websocket.pcap", "v6.pcap"] {
        let strict = replay(&["--redact", "strict"], &[fixture(name)]);
        let clear = replay(&["--redact", "none"], &[fixture(name)]);
        assert_all_valid(&strict, name);
        assert_eq!(strict.records("calls").len(), clear.records("calls").len());
        for (call, clear) in strict.records("calls").iter().zip(clear.records("calls")) {
            assert!(call.get("path").is_none(), "{call}");
            assert_eq!(
                (&call["id"], &call["status"], &call["method"]),
                (&clear["id"], &clear["status"], &clear["method"])
            );
            for half in ["request", "response"] {
                let names = |call: &Value| -> Vec<Value> {
                    call[half]["headers"].as_array().unwrap().iter().map(|pair| pair[0].clone()).collect()
                };
                assert_eq!(names(call), names(&clear));
                assert!(
                    call[half]["headers"].as_array().unwrap().iter().all(|pair| pair
                        .as_array()
                        .unwrap()
                        .len()
                        == 1)
                );
            }
            let template = call["template"].as_str().expect("messages behind an upgrade have one too");
            // Words that many callers asked for are no values.
            let told = |part: &str| {
                part.starts_with('{') || part == "v1" || part.bytes().all(|byte| byte.is_ascii_lowercase())
            };
            assert!(template.split('/').all(told), "{template}");
        }
    }
}

#[test]
fn the_schema_is_printed_and_every_record_is_as_it_says() {
    let done = output(eaves().arg("schema"));
    assert_eq!(done.status.code(), Some(0));
    let schema: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for (name, options) in
        [("shop-loss.pcap", &[][..]), ("tls.pcap", &[]), ("trunk.pcap", &["--redact", "none"])]
    {
        let outcome = replay(options, &[fixture(name)]);
        assert_all_valid(&outcome, name);
        let types: Vec<_> = outcome.records("sensor").iter().map(|record| record["type"].clone()).collect();
        assert_eq!(types, ["sensor"]);
    }
    let outcome = replay(&[], &[fixture("shop.pcap")]);
    assert_valid(&outcome.records("findings"), "findings");
    assert!(!outcome.records("findings").is_empty() && !outcome.records("inventory").is_empty());
}

#[test]
fn a_summary_is_for_a_person() {
    let done = output(eaves().arg("replay").arg(fixture("shop.pcap")));
    let text = String::from_utf8(done.stdout.clone()).unwrap();
    assert_eq!((done.status.code(), said(&done).as_str()), (Some(0), ""));
    for word in ["shop.pcap", "178", "frames received", "stream bytes seen", "calls opened", "api.shop.test"]
    {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
    assert!(!text.contains('\x1b'), "colours are for terminals");
}

/// SIGINT in the middle of the input: what was read is told, and that it was not all.
#[test]
fn an_interrupted_replay_says_so_and_writes_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = eaves()
        .args(["replay", "--out"])
        .arg(folder.path())
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let capture = long(40);
    let half = capture.len() / 2;
    pipe.write_all(&capture[..half]).unwrap();
    thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    thread::sleep(Duration::from_millis(100));
    // It may end before it has read all of this.
    let _ = pipe.write_all(&capture[half..]);
    drop(pipe);
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(said(&done).contains("stopped before the end of the input, after "), "{}", said(&done));
    let calls = records(&fs::read(folder.path().join("calls.ndjson")).unwrap());
    assert!((1..178 * 40).contains(&calls.len()), "{}", calls.len());
    let sensor = records(&fs::read(folder.path().join("sensor.ndjson")).unwrap()).remove(0);
    assert_eq!(harness::unbalanced(&sensor), Vec::<String>::new());
}
