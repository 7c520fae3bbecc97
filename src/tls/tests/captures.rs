//! The fixtures that have keys.

use super::handshakes::{chunk_of, play, scripts};
use super::*;

fn read(keys: Option<Keys>, late: bool, lose: impl Fn(u64) -> bool) -> Vec<Heard> {
    let mut listener = Listener { bench: bench(keys, late), ..Listener::default() };
    listen(&fixture("tls.pcap"), &mut listener, lose);
    listener.heard.into_values().flatten().collect()
}

fn keys() -> Option<Keys> {
    keys_of(&fixture("tls.pcap.keylog"))
}

#[test]
fn everything_is_read_with_its_keys() {
    let all = read(keys(), false, |_| false);
    assert!(!all.is_empty());
    for heard in &all {
        assert_eq!(heard.reason, None);
        assert!(heard.memory < 6 << 10, "{} bytes", heard.memory);
        let [one, other] = &heard.said;
        assert!(one.bytes.starts_with(b"GET /") || other.bytes.starts_with(b"GET /"), "{heard:?}");
        assert!(one.bytes.starts_with(b"HTTP/1.1 ") || other.bytes.starts_with(b"HTTP/1.1 "));
        assert!(one.gaps.is_empty() && other.gaps.is_empty() && one.ended && other.ended);
        assert_eq!(heard.session.server_name.as_deref(), Some("api.shop.test"));
        let opened = heard.opened.as_ref().unwrap();
        assert!(opened.cipher.as_ref().is_some_and(|name| name.starts_with("TLS_")));
    }
    let versions: std::collections::BTreeSet<_> =
        all.iter().map(|heard| heard.session.version.clone().unwrap()).collect();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["1.2", "1.3"]);
}

#[test]
fn without_keys_nothing_is_said_but_what_the_handshake_shows() {
    for late in [false, true] {
        for heard in read(None, late, |_| false) {
            assert_eq!((heard.reason, &heard.opened), (Some(Reason::NoKey), &None));
            assert_eq!(heard.session.server_name.as_deref(), Some("api.shop.test"));
            assert!(heard.session.ja4.as_ref().is_some_and(|ja4| ja4.starts_with("t1")));
            if heard.session.version.as_deref() == Some("1.2") {
                assert_eq!(heard.session.certificate_names, ["api.shop.test"]);
            }
        }
    }
}

#[test]
fn wrong_keys_say_nothing() {
    let text = std::fs::read_to_string(fixture("tls.pcap.keylog")).unwrap();
    let wrong: String = text
        .lines()
        .map(|line| match line.strip_suffix('0') {
            Some(line) => format!("{line}1\n"),
            None => format!("{}0\n", &line[..line.len() - 1]),
        })
        .collect();
    let mut keys = Keys::default();
    assert_eq!(keys.take(wrong.as_bytes()).broken_lines, 0);
    for heard in read(Some(keys), false, |_| false) {
        assert_eq!(heard.reason, Some(Reason::BadMac));
        assert!(heard.said.iter().all(|said| said.bytes.is_empty()));
    }
}

/// What is told under loss is a part of what there is, in its order.
pub(super) fn is_part(part: &Said, whole: &[u8]) -> bool {
    let mut at = 0;
    let mut cuts: Vec<usize> = part.gaps.iter().map(|(place, _)| *place).collect();
    cuts.extend([0, part.bytes.len()]);
    cuts.sort_unstable();
    for pair in cuts.windows(2) {
        let piece = &part.bytes[pair[0]..pair[1]];
        if piece.is_empty() {
            continue;
        }
        match memchr::memmem::find(&whole[at..], piece) {
            Some(found) => at += found + piece.len(),
            None => return false,
        }
    }
    true
}

#[test]
fn the_loss_of_any_one_frame_gives_no_wrong_byte_and_costs_little() {
    let whole = read(keys(), false, |_| false);
    let mut failed = 0;
    let mut frames = 0;
    for lost in 1.. {
        let seen = std::cell::Cell::new(false);
        let part = read(keys(), false, |number| {
            seen.set(seen.get() || number == lost);
            number == lost
        });
        if !seen.get() {
            break;
        }
        frames += 1;
        for heard in &part {
            for said in heard.said.iter().filter(|said| !said.bytes.is_empty()) {
                assert!(
                    whole.iter().flat_map(|one| &one.said).any(|all| is_part(said, &all.bytes)),
                    "frame {lost}: {said:?}"
                );
            }
        }
        failed += part.iter().filter(|heard| heard.reason.is_some()).count();
    }
    // a frame with a hello costs a connection, hardly any other does
    assert!(failed <= 6 * whole.len(), "{failed} of {frames} losses cost a connection");
}

#[test]
fn keys_that_come_late_find_what_waits() {
    for name in ["tls.pcap", "tls-early.pcap", "tls-again.pcap"] {
        let keys = keys_of(&fixture(&format!("{name}.keylog"))).map(Arc::new);
        for (number, script) in scripts(name).iter().enumerate() {
            let whole = play(script, &mut Bench { keys: keys.clone(), ..bench(None, false) });
            for given_at in 0..=script.len() {
                let mut line = Line::default();
                let mut bench = bench(None, true);
                for (index, (direction, written)) in script.iter().enumerate() {
                    if index == given_at {
                        bench.keys = keys.clone();
                        line.retry(&mut bench);
                    }
                    line.chunk(*direction, &chunk_of(written), &mut bench);
                }
                bench.keys = keys.clone();
                line.retry(&mut bench);
                let late = line.close();
                let at = format!("{name} {number}: keys at {given_at} of {}", script.len());
                assert_eq!((late.reason, late.said), (whole.reason, whole.said.clone()), "{at}");
                // with the protocol, which stands in the encrypted extensions
                assert_eq!(late.opened, whole.opened, "{at}");
            }
        }
    }
}

#[test]
fn early_data_and_updated_keys_are_read() {
    let mut listener =
        Listener { bench: bench(keys_of(&fixture("tls-early.pcap.keylog")), false), ..Listener::default() };
    listen(&fixture("tls-early.pcap"), &mut listener, |_| false);
    let asked = |names: &[&str]| -> Vec<u8> {
        names
            .iter()
            .flat_map(|name| format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes())
            .collect()
    };
    let mut said: Vec<Vec<u8>> = listener
        .heard
        .into_values()
        .flatten()
        .inspect(|heard| assert_eq!(heard.reason, None))
        .flat_map(|heard| heard.said)
        .filter(|said| !said.bytes.is_empty())
        .inspect(|said| assert!(said.gaps.is_empty()))
        .map(|said| said.bytes)
        .collect();
    said.sort();
    assert_eq!(said, [asked(&["before"]), asked(&["early", "later", "updated"])]);
}
