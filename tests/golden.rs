//! Captures of real servers and clients through the real binary: the records are what the clients saw, whatever the
//! capture is packed in and however many workers read it; and with frames missing, nothing that is told is wrong.
#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod harness;

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::process::Command;

use harness::pcap::{frames, split, with_loss, with_secrets};
use harness::truth::{all_equal, nothing_wrong, truth};
use harness::{Outcome, eaves, fixture, replay, replay_stdin, unbalanced};
use serde_json::Value;

const CLEAR: &[&str] = &["--redact", "none"];
/// What an input may not change.
const RECORDS: &[&str] = &["calls", "connections", "inventory", "findings"];

fn assert_none(faults: &[String], what: &str) {
    assert!(
        faults.is_empty(),
        "{what}: {} faults, the first ones:\n{}",
        faults.len(),
        faults[..faults.len().min(20)].join("\n")
    );
}

fn clean(name: &str) -> Outcome {
    let outcome = replay(CLEAR, &[fixture(name)]);
    assert_eq!(outcome.code, 0, "{name}: {}", outcome.stderr);
    assert_none(&unbalanced(&outcome.sensor()), name);
    outcome
}

#[test]
fn the_comparison_finds_what_is_wrong() {
    let calls = truth("v6");
    let mut records = calls.clone();
    records.iter_mut().for_each(|record| record["quality"] = "complete".into());
    assert_none(&all_equal(&calls, &records), "equal");
    assert_none(&nothing_wrong(&calls, &records), "equal");

    for place in [
        "/path",
        "/status",
        "/protocol",
        "/request/body_bytes",
        "/response/head_bytes",
        "/response/headers/2",
    ] {
        let mut wrong = records.clone();
        *wrong[3].pointer_mut(place).unwrap() = Value::from(7);
        assert!(!all_equal(&calls, &wrong).is_empty(), "{place}");
        wrong[3]["quality"] = "partial".into();
        assert!(!nothing_wrong(&calls, &wrong).is_empty(), "{place}");
    }
    let mut mispaired = records.clone();
    let answer = mispaired[4]["response"].take();
    mispaired[3]["response"] = answer;
    mispaired[3]["quality"] = "partial".into();
    assert!(!nothing_wrong(&calls, &mispaired).is_empty());
    let twice = [records.clone(), records[..1].to_vec()].concat();
    assert!(!nothing_wrong(&calls, &twice).is_empty() && !all_equal(&calls, &twice).is_empty());
    assert!(!all_equal(&calls, &records[1..]).is_empty());

    let mut part = records[5].clone();
    part.as_object_mut().unwrap().remove("response");
    assert!(!nothing_wrong(&calls, &[part.clone()]).is_empty(), "half a call is not complete");
    part["quality"] = "partial".into();
    part.as_object_mut().unwrap().remove("status");
    assert_none(&nothing_wrong(&calls, &[part]), "half a call");
}

#[test]
fn every_call_is_as_its_client_saw_it() {
    for name in ["shop", "v6", "trunk", "vxlan", "websocket"] {
        let outcome = clean(&format!("{name}.pcap"));
        let mut calls = outcome.records("calls");
        // the messages behind an upgrade are compared below
        calls.retain(|call| call["protocol"] != "websocket");
        assert_none(&all_equal(&truth(name), &calls), name);
    }
}

/// What the client of the fixture sent: `fixtures/make/client.py`. The server sends everything back.
#[test]
fn messages_behind_an_upgrade_are_those_that_its_client_sent() {
    let sizes = (0..20).map(|number| {
        format!("{{\"subscribe\": {number}, \"filter\": \"{}\"}}", "x".repeat(number * 17)).len()
    });
    let bytes: usize = sizes.sum();
    let outcome = clean("websocket.pcap");
    assert_eq!(outcome.records("connections"), Vec::<Value>::new());
    let calls = outcome.records("calls");
    let [upgrade, messages] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!((&messages["protocol"], &messages["quality"]), (&"websocket".into(), &"complete".into()));
    assert_eq!((&messages["path"], &messages["route"]), (&upgrade["path"], &upgrade["route"]));
    assert_eq!((&messages["part"], &messages["first"]), (&0.into(), &messages["id"]));
    for half in ["request", "response"] {
        let expected = serde_json::json!({
            "count": 20, "bytes": bytes, "compressed": 0, "text": { "count": 20, "bytes": bytes },
            "close": { "count": 1, "bytes": 2 }, "close_code": 1000,
        });
        assert_eq!(messages[half]["messages"], expected, "{half}");
    }
}

#[test]
fn an_overlay_is_named_and_other_networks_are_not() {
    for (name, vni) in [("vxlan.pcap", Some(4711)), ("trunk.pcap", None)] {
        for call in clean(name).records("calls") {
            assert_eq!(call.get("vni").and_then(Value::as_u64), vni, "{name}: {call}");
        }
    }
}

#[test]
fn what_is_no_call_is_told_as_a_connection() {
    let tls = clean("tls.pcap");
    assert_eq!(tls.records("calls"), Vec::<Value>::new());
    let ports: HashSet<_> = truth("tls").iter().map(|call| call["client"]["port"].clone()).collect();
    let told = tls.records("connections");
    assert_eq!(told.iter().map(|one| one["client"]["port"].clone()).collect::<HashSet<_>>(), ports);
    assert!(told.iter().all(|one| one["protocol"] == "tls" && one["server"]["port"] == 443), "{told:?}");
    for one in &told {
        assert_eq!((&one["reason"], &one["tls"]["server_name"]), (&"no_key".into(), &"api.shop.test".into()));
    }
    let sensor = tls.sensor();
    let undecrypted = sensor["undecrypted"].as_array().unwrap();
    for kind in undecrypted {
        assert_eq!((&kind["server_name"], &kind["reason"]), (&"api.shop.test".into(), &"no_key".into()));
        let like = |one: &&Value| ["version", "cipher"].iter().all(|name| one["tls"][*name] == kind[*name]);
        assert_eq!(kind["connections"], told.iter().filter(like).count());
    }
    let connections = |kind: &Value| kind["connections"].as_u64().unwrap();
    assert_eq!(undecrypted.iter().map(connections).sum::<u64>(), told.len() as u64);
    for counter in ["secrets_evicted", "sessions_evicted", "session_names_evicted"] {
        assert_eq!(sensor["counters"]["secrets"][counter], 0);
    }
}

#[test]
fn calls_inside_tls_are_as_their_client_saw_them() {
    let keylog = fixture("tls.pcap.keylog");
    let options = ["--redact", "none", "--keylog", keylog.to_str().unwrap()];
    let outcome = replay(&options, &[fixture("tls.pcap")]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert_none(&unbalanced(&outcome.sensor()), "tls");
    assert_none(&all_equal(&truth("tls"), &outcome.records("calls")), "tls");
    assert!(outcome.records("calls").iter().all(|call| call["tls"]["server_name"] == "api.shop.test"));
    for workers in ["2", "5"] {
        let more = replay(&[&options[..], &["--workers", workers]].concat(), &[fixture("tls.pcap")]);
        more.assert_same(&outcome, RECORDS, workers);
    }
}

#[test]
fn resumed_sessions_are_read_with_the_secret_of_the_first_connection() {
    let keylog = fixture("tls-resumed.pcap.keylog");
    let run = |workers: &str| {
        let options = ["--redact", "none", "--workers", workers, "--keylog", keylog.to_str().unwrap()];
        replay(&options, &[fixture("tls-resumed.pcap")])
    };
    let one = run("1");
    assert_eq!(one.code, 0, "{}", one.stderr);
    assert_none(&unbalanced(&one.sensor()), "resumed");
    let mut calls: Vec<_> = one
        .records("calls")
        .iter()
        .map(|call| {
            assert_eq!((&call["quality"], &call["status"]), (&"complete".into(), &200.into()));
            call["path"].as_str().unwrap().to_owned()
        })
        .collect();
    calls.sort();
    assert_eq!(calls, ["/five", "/four", "/one", "/three", "/two"]);
    for workers in ["2", "5"] {
        run(workers).assert_same(&one, &[RECORDS, &["sensor"]].concat(), workers);
    }
}

#[test]
fn calls_are_read_around_other_handshakes_with_private_keys_and_through_a_proxy() {
    let again: &[&str] = &[
        "/asked",
        "/certificate",
        "/early",
        "/id",
        "/known-2",
        "/known-3",
        "/late",
        "/later",
        "/one",
        "/resumed-by-id",
        "/resumed-by-ticket",
        "/shown",
        "/three",
        "/ticket",
        "/two",
    ];
    let rsa: &[&str] = &["/extended", "/extended-resumed", "/plain", "/plain-resumed"];
    let proxy: &[&str] = &["/inner/one", "/inner/two"];
    for (name, secrets, kind, paths) in [
        ("tls-again.pcap", "tls-again.pcap.keylog", "--keylog", again),
        ("tls-rsa.pcap", "tls-rsa.pcap.key", "--private-key", rsa),
        ("tls-proxy.pcap", "tls-proxy.pcap.keylog", "--keylog", proxy),
    ] {
        let secrets = fixture(secrets);
        let run = |workers: &str| {
            let options = ["--redact", "none", "--workers", workers, kind, secrets.to_str().unwrap()];
            replay(&options, &[fixture(name)])
        };
        let one = run("1");
        assert_eq!(one.code, 0, "{name}: {}", one.stderr);
        assert_none(&unbalanced(&one.sensor()), name);
        let calls = one.records("calls");
        assert!(calls.iter().all(|call| call["quality"] == "complete" && call["status"] == 200), "{calls:?}");
        let asked = calls.iter().filter(|call| call["method"] == "GET");
        let mut told: Vec<_> = asked.map(|call| call["path"].as_str().unwrap()).collect();
        told.sort_unstable();
        assert_eq!(told, paths, "{name}");
        assert_eq!(one.records("connections"), Vec::<Value>::new(), "{name}");
        for workers in ["2", "5"] {
            run(workers).assert_same(&one, &[RECORDS, &["sensor"]].concat(), workers);
        }
    }
}

#[test]
fn secrets_in_the_capture_are_used_wherever_they_stand() {
    let (capture, keylog) =
        (fs::read(fixture("tls.pcap")).unwrap(), fs::read(fixture("tls.pcap.keylog")).unwrap());
    let frames = frames(&capture).len();
    let folder = tempfile::tempdir().unwrap();
    for at in [0, 1, 10, frames / 2, frames] {
        let path = folder.path().join(format!("{at}.pcapng"));
        fs::write(&path, with_secrets(&capture, &keylog, at)).unwrap();
        let one = replay(&["--redact", "none", "--workers", "1"], &[&path]);
        assert_eq!(one.code, 0, "{}", one.stderr);
        assert_none(&unbalanced(&one.sensor()), "secrets");
        assert_none(&all_equal(&truth("tls"), &one.records("calls")), "secrets");
        for workers in ["2", "5"] {
            let more = replay(&["--redact", "none", "--workers", workers], &[&path]);
            more.assert_same(&one, RECORDS, workers);
        }
    }
}

#[test]
fn any_packing_gives_the_same_records() {
    let whole = clean("shop.pcap");
    for name in ["shop.pcapng", "shop.pcap.gz", "shop.pcap.zst"] {
        clean(name).assert_same(&whole, RECORDS, name);
        let packed = fs::read(fixture(name)).unwrap();
        replay_stdin(CLEAR, &packed).assert_same(&whole, RECORDS, &format!("{name} on standard input"));
    }
    let capture = fs::read(fixture("shop.pcap")).unwrap();
    replay_stdin(CLEAR, &capture).assert_same(&whole, RECORDS, "standard input");
    let folder = tempfile::tempdir().unwrap();
    let mut parts = split(&capture, 10, folder.path());
    assert_eq!(parts.len(), 10);
    replay(CLEAR, &parts).assert_same(&whole, RECORDS, "ten files");
    fastrand::Rng::with_seed(4).shuffle(&mut parts);
    replay(CLEAR, &parts).assert_same(&whole, RECORDS, "ten files in any order");
    replay(CLEAR, &[folder.path()]).assert_same(&whole, RECORDS, "a folder of ten files");
}

#[test]
fn any_number_of_workers_gives_the_same_bytes() {
    let kinds = [RECORDS, &["sensor"]].concat();
    for name in ["shop.pcap", "shop-loss.pcap", "trunk.pcap", "vxlan.pcap", "tls.pcap"] {
        let one = replay(&["--workers", "1"], &[fixture(name)]);
        for workers in ["2", "5"] {
            let more = replay(&["--workers", workers], &[fixture(name)]);
            more.assert_same(&one, &kinds, &format!("{name} with {workers} workers"));
        }
    }
}

#[test]
fn with_frames_missing_nothing_wrong_is_told() {
    let calls = truth("shop");
    let mut captures =
        vec![("shop-loss.pcap".to_owned(), fs::read(fixture("shop-loss.pcap")).unwrap(), 0.03)];
    let shop = fs::read(fixture("shop.pcap")).unwrap();
    for (n, share) in [0.005, 0.02, 0.05, 0.2, 0.5].into_iter().enumerate() {
        for seed in 0..4 {
            captures.push((
                format!("loss {share}, seed {seed}"),
                with_loss(&shop, share, seed * 10 + n as u64),
                share,
            ));
        }
    }
    for (what, capture, share) in captures {
        let mut file = tempfile::Builder::new().suffix(".pcap").tempfile().unwrap();
        file.write_all(&capture).unwrap();
        let outcome = replay(CLEAR, &[file.path()]);
        assert!(matches!(outcome.code, 0 | 1), "{what}: exit code {}: {}", outcome.code, outcome.stderr);
        assert_none(&unbalanced(&outcome.sensor()), &what);
        let records = outcome.records("calls");
        assert_none(&nothing_wrong(&calls, &records), &what);
        let complete = records.iter().filter(|record| record["quality"] == "complete").count();
        if share < 0.03 {
            assert!(
                complete * 2 > calls.len(),
                "{what}: only {complete} of {} calls are complete",
                calls.len()
            );
        }
        assert!(complete < calls.len(), "{what}: frames are missing, and yet every call is complete");
    }
}

#[test]
fn every_record_is_as_the_schema_says() {
    let schema = eaves().arg("schema").output().unwrap();
    assert!(schema.status.success());
    let schema: Value = serde_json::from_slice(&schema.stdout).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("the schema is one");
    for redact in ["none", "standard", "strict"] {
        for name in ["shop.pcap", "shop-loss.pcap", "tls.pcap", "websocket.pcap", "vxlan.pcap"] {
            let outcome = replay(&["--redact", redact], &[fixture(name)]);
            for kind in outcome.files.keys() {
                for record in outcome.records(kind) {
                    if let Err(error) = validator.validate(&record) {
                        panic!("{name}, {redact}: {error}\n{record}");
                    }
                }
            }
        }
    }
}

/// What a record may never carry: credentials of the shop's customers, and the keys that it leaks.
fn secrets() -> Vec<String> {
    let mut secrets = HashSet::new();
    for call in truth("shop") {
        for pair in
            ["request", "response"].iter().flat_map(|half| call[half]["headers"].as_array().unwrap().clone())
        {
            let value = pair[1].as_str().unwrap().to_owned();
            match pair[0].as_str().unwrap().to_ascii_lowercase().as_str() {
                "authorization" => secrets.insert(value.split(' ').nth(1).unwrap().to_owned()),
                "x-api-key" => secrets.insert(value),
                "cookie" | "set-cookie" if value.contains("session=") => {
                    secrets.insert(value.split(['=', ';']).nth(1).unwrap().to_owned())
                }
                _ => false,
            };
        }
        if let Some((_, token)) = call["path"].as_str().unwrap().split_once("access_token=") {
            secrets.insert(token.to_owned());
        }
    }
    let capture = String::from_utf8_lossy(&fs::read(fixture("shop.pcap")).unwrap()).into_owned();
    for name in ["awsAccessKeyId", "awsSecretAccessKey", "githubToken"] {
        let value = capture
            .split(&format!("\"{name}\": \""))
            .nth(1)
            .unwrap_or_else(|| panic!("{name} is in the capture"));
        secrets.insert(value.split('"').next().unwrap().to_owned());
    }
    assert!(secrets.len() > 15, "{secrets:?}");
    secrets.into_iter().collect()
}

#[test]
fn no_secret_leaves_the_sensor_unless_it_is_asked_for() {
    let secrets = secrets();
    let held = |outcome: &Outcome| {
        let texts: Vec<_> =
            outcome.files.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        secrets
            .iter()
            .filter(|secret| texts.iter().any(|text| text.contains(*secret)))
            .cloned()
            .collect::<Vec<_>>()
    };
    for options in [&[][..], &["--redact", "standard"], &["--redact", "strict"]] {
        for name in ["shop.pcap", "shop-loss.pcap"] {
            assert_eq!(held(&replay(options, &[fixture(name)])), Vec::<String>::new(), "{name} {options:?}");
        }
    }
    assert!(
        held(&replay(CLEAR, &[fixture("shop.pcap")])).len() > 10,
        "with none, headers stand as they were sent"
    );
}

#[test]
fn the_shop_is_taken_stock_of_and_its_leaks_are_found() {
    let outcome = replay(&[], &[fixture("shop.pcap")]);
    let findings = outcome.records("findings");
    for (rule, path) in
        [("data.secret-leak", "/api/v1/storefront/settings"), ("auth.secret-in-url", "/api/v1/users/{")]
    {
        let found =
            findings.iter().find(|finding| finding["rule"] == rule).unwrap_or_else(|| panic!("{rule}"));
        assert_eq!(found["service"], "api.shop.test", "{found}");
        assert!(found["operation"]["template"].as_str().unwrap().starts_with(path), "{found}");
    }
    // What a gateway says of any path does not show that something is there; the shop's other refusals are to
    // operations that nobody was let into.
    let shown = |call: &&Value| ![301, 401, 403, 404, 429].map(Value::from).contains(&call["status"]);
    let shown = truth("shop").iter().filter(shown).count() as u64;
    let inventory = outcome.records("inventory");
    let counted: u64 = inventory.iter().map(|endpoint| endpoint["calls"].as_u64().unwrap()).sum();
    assert_eq!(counted, shown, "calls in the inventory, and calls to something that is there");
    let carts: Vec<_> = inventory
        .iter()
        .filter(|one| one["method"] == "GET" && one["template"].as_str().unwrap().ends_with("/cart"))
        .collect();
    assert_eq!(carts.len(), 1, "one operation, however many customers: {carts:?}");
    assert_eq!(carts[0]["calls"], 24);
}

/// Requests as tshark sees them, or nothing where there is no tshark.
fn by_tshark(name: &str) -> Option<Vec<String>> {
    let fields = ["tcp.srcport", "http.request.method", "http.request.uri", "http.host"];
    let mut command = Command::new("tshark");
    command.arg("-r").arg(fixture(name)).args([
        "-d",
        "tcp.port==8080-8090,http",
        "-Y",
        "http.request",
        "-T",
        "fields",
    ]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let done = command.output().ok()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut requests = Vec::new();
    for line in String::from_utf8_lossy(&done.stdout).lines() {
        // Several requests in one segment stand on one line, joined by commas.
        let columns: Vec<Vec<&str>> = line.split('\t').map(|column| column.split(',').collect()).collect();
        for n in 0..columns[1].len() {
            requests.push(format!("{} {} {} {}", columns[0][0], columns[1][n], columns[2][n], columns[3][n]));
        }
    }
    requests.sort();
    Some(requests)
}

#[test]
fn tshark_sees_the_same_requests() {
    for name in ["shop.pcap", "v6.pcap", "vxlan.pcap", "websocket.pcap"] {
        let Some(theirs) = by_tshark(name) else {
            harness::say("golden: tshark is not asked, it is not installed");
            return;
        };
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let mut calls = clean(name).records("calls");
        calls.retain(|call| call["protocol"] != "websocket");
        let request = |call: &Value| {
            let [method, path, authority] = ["method", "path", "authority"].map(|field| text(&call[field]));
            format!("{} {method} {path} {authority}", call["client"]["port"])
        };
        let mut ours: Vec<_> = calls.iter().map(request).collect();
        ours.sort();
        assert_eq!(ours, theirs, "{name}");
    }
}
