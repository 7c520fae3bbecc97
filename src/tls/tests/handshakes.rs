//! Handshakes that lack a message, that come again inside a connection, in which clients show certificates.

use super::*;

/// The chunks of one connection.
pub(super) type Script = Vec<(Direction, Written)>;

/// The connections of a capture, in the order in which they began.
pub(super) fn scripts(name: &str) -> Vec<Script> {
    let mut listener =
        Listener { bench: bench(None, false), script: Some(Vec::new()), ..Listener::default() };
    listen(&fixture(name), &mut listener, |_| false);
    let mut scripts: Vec<(FlowKey, Script)> = Vec::new();
    for (key, direction, written) in listener.script.take().unwrap() {
        match scripts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, script)) => script.push((direction, written)),
            None => scripts.push((key, vec![(direction, written)])),
        }
    }
    scripts.into_iter().map(|(_, script)| script).collect()
}

/// The direction of the first bytes.
fn client_of(script: &Script) -> Direction {
    script.iter().find(|(_, (_, bytes))| !bytes.is_empty()).unwrap().0
}

/// A record: its direction, the range of its bytes, its type.
type Place = (Direction, std::ops::Range<u64>, u8);

/// The records of a connection, in the order in which they began.
fn records(script: &Script) -> Vec<Place> {
    let mut records: Vec<Place> = Vec::new();
    for (direction, (chunk, bytes)) in script {
        let Chunk::Data(data) = chunk else { continue };
        let end = data.offset + bytes.len() as u64;
        let mut at =
            records.iter().rev().find(|(of, ..)| of == direction).map_or(data.offset, |one| one.1.end);
        while at < end {
            let [kind, _, _, high, low] = *bytes[(at - data.offset) as usize..].first_chunk().unwrap();
            let behind = at + 5 + u64::from(u16::from_be_bytes([high, low]));
            records.push((*direction, at..behind, kind));
            at = behind;
        }
    }
    records
}

/// The records of the handshake in the clear behind the hellos.
fn clear_messages(script: &Script) -> Vec<Place> {
    let mut changed = [false; 2];
    let clear = |(direction, _, kind): &Place| {
        let changed = &mut changed[direction.index()];
        *changed |= *kind == CHANGE_CIPHER_SPEC;
        *kind == HANDSHAKE && !*changed
    };
    records(script).into_iter().filter(clear).skip(2).collect()
}

/// With a hole in one direction.
fn with_hole(script: &Script, direction: Direction, hole: &std::ops::Range<u64>) -> Script {
    let mut out = Script::new();
    for (of, (chunk, bytes)) in script {
        let Chunk::Data(data) = chunk else {
            out.push((*of, (*chunk, Vec::new())));
            continue;
        };
        let end = data.offset + bytes.len() as u64;
        let cut = hole.start.clamp(data.offset, end)..hole.end.clamp(data.offset, end);
        if *of != direction || cut.is_empty() {
            out.push((*of, (*chunk, bytes.clone())));
            continue;
        }
        let piece = |range: std::ops::Range<u64>| {
            let bytes = &bytes[(range.start - data.offset) as usize..(range.end - data.offset) as usize];
            (Chunk::Data(Data { offset: range.start, bytes: &[], ..*data }), bytes.to_vec())
        };
        let gap = Gap { offset: cut.start, len: cut.end - cut.start, cause: GapCause::Lost };
        out.push((direction, piece(data.offset..cut.start)));
        out.push((direction, (Chunk::Gap(gap), Vec::new())));
        out.push((direction, piece(cut.end..end)));
    }
    out.retain(|(_, (chunk, bytes))| !matches!(chunk, Chunk::Data(_)) || !bytes.is_empty());
    out
}

/// The chunk again.
pub(super) fn chunk_of((chunk, bytes): &Written) -> Chunk<'_> {
    match chunk {
        Chunk::Data(data) => Chunk::Data(Data { bytes, ..*data }),
        other => *other,
    }
}

pub(super) fn play(script: &Script, bench: &mut Bench) -> Heard {
    let mut line = Line::default();
    for (direction, written) in script {
        line.chunk(*direction, &chunk_of(written), bench);
    }
    line.close()
}

fn private_key() -> Option<Keys> {
    let mut keys = Keys::default();
    keys.take_private_key(&std::fs::read(fixture("tls-rsa.pcap.key")).unwrap()).unwrap();
    Some(keys)
}

#[test]
fn a_private_key_reads_what_was_sent_for_it_and_what_resumes_it() {
    let scripts = scripts("tls-rsa.pcap");
    assert_eq!(scripts.len(), 4);
    for pair in scripts.chunks(2) {
        let mut first = bench(private_key(), false);
        for script in pair {
            let heard = play(script, &mut first);
            assert_eq!(heard.reason, None);
            let [asked, answered] = &heard.said[..] else { unreachable!() };
            let (asked, answered) =
                if client_of(script) == Direction::Up { (asked, answered) } else { (answered, asked) };
            assert!(asked.bytes.starts_with(b"GET /") && answered.bytes.starts_with(b"HTTP/1.1 200"));
            let mut keys = private_key().unwrap();
            keys.merge(&std::mem::take(&mut first.learned));
            first.keys = Some(Arc::new(keys));
        }
    }
}

#[test]
fn a_message_that_is_lost_gives_no_wrong_secret() {
    let scripts = scripts("tls-rsa.pcap");
    // of the first connection the secret hangs on the whole handshake, of the third on the hellos alone
    for (script, is_extended) in [(&scripts[0], true), (&scripts[2], false)] {
        let whole = play(script, &mut bench(private_key(), false)).said;
        let client = client_of(script);
        let messages = clear_messages(script);
        // certificate, wish for one, done; certificate, key exchange, verify
        let of_client: Vec<bool> = messages.iter().map(|one| one.0 == client).collect();
        assert_eq!(of_client[..6], [false, false, false, true, true, true]);
        for (number, (direction, place, _)) in messages.into_iter().enumerate() {
            for hole in [place.clone(), place.start + 7..place.end, place.start + 3..place.end - 1] {
                let mut bench = bench(private_key(), false);
                let heard = play(&with_hole(script, direction, &hole), &mut bench);
                let said = (&heard.reason, &heard.said);
                // what is behind the key exchange is not hashed; without it there is no secret at all, and where a header is
                // missing in front of it, it is not found
                let hides_exchange = direction == client && number < 4 && hole.start < place.start + 5;
                if number == 4 || (is_extended && number < 4) || hides_exchange {
                    assert_eq!(heard.reason, Some(Reason::GapInHandshake), "{number} {hole:?}");
                    assert!(heard.opened.is_none() && bench.learned.is_empty());
                } else {
                    let bytes = |said: &[Said; 2]| said.clone().map(|said| said.bytes);
                    assert_eq!(said.0, &None, "{number} {hole:?}");
                    assert_eq!(bytes(said.1), bytes(&whole), "{number} {hole:?}");
                }
            }
        }
    }
}

#[test]
fn what_gave_way_to_the_other_direction_is_read_on_without_another_byte() {
    // the server's certificate is missing: what follows waits for the client's key exchange, of which a packet has the
    // first bytes, and the next one all that the client ever says
    let script = &scripts("tls-rsa.pcap")[2];
    let whole = play(script, &mut bench(private_key(), false)).said;
    let client = client_of(script);
    let messages = clear_messages(script);
    let cut = messages[4].1.start + 20;
    let mut holed = with_hole(script, client.reverse(), &messages[0].1);
    let of_flight = |(of, (chunk, bytes)): &(Direction, Written)| match chunk {
        Chunk::Data(data) => *of == client && data.offset + bytes.len() as u64 > cut,
        _ => false,
    };
    let at = holed.iter().position(of_flight).unwrap();
    let (flight, rest): (Script, Script) = holed.split_off(at).into_iter().partition(of_flight);
    let Some((_, (Chunk::Data(place), _))) = flight.first().cloned() else { unreachable!() };
    let bytes: Vec<u8> = flight.into_iter().flat_map(|(_, (_, bytes))| bytes).collect();
    let (before, behind) = bytes.split_at((cut - place.offset) as usize);
    for (offset, bytes) in [(place.offset, before), (cut, behind)] {
        holed.push((client, (Chunk::Data(Data { offset, ..place }), bytes.to_vec())));
    }
    holed.extend(rest);
    let heard = play(&holed, &mut bench(private_key(), false));
    assert_eq!(heard.reason, None);
    for (said, whole) in heard.said.iter().zip(&whole) {
        assert_eq!(
            (String::from_utf8_lossy(&said.bytes), said.ended),
            (String::from_utf8_lossy(&whole.bytes), true)
        );
    }
}

#[test]
fn a_hole_that_is_told_behind_the_key_exchange_gives_no_wrong_secret() {
    let script = &scripts("tls-rsa.pcap")[0];
    let client = client_of(script);
    let certificate = clear_messages(script)[0].1.clone();
    let mut holed = with_hole(script, client.reverse(), &certificate);
    // the flow waits for what is missing, and the client goes on meanwhile
    let gap = holed.iter().position(|(_, (chunk, _))| matches!(chunk, Chunk::Gap(_))).unwrap();
    let next = holed.iter().enumerate().skip(gap).find(|(_, (of, _))| *of == client).unwrap().0;
    holed[gap..=next].rotate_right(1);
    let mut bench = bench(private_key(), false);
    let heard = play(&holed, &mut bench);
    assert_eq!(heard.reason, Some(Reason::GapInHandshake));
    assert!(heard.opened.is_none() && bench.learned.is_empty());
}

/// The calls of each connection, as they were asked and answered, with what both ends are to say of them.
const AGAIN: [(&str, &[&str]); 7] = [
    ("1.2", &["one", "two", "three"]),
    ("1.2", &["ticket", "resumed-by-ticket"]),
    ("1.2", &["id", "resumed-by-id"]),
    ("1.2", &["asked", "certificate", "shown"]),
    ("1.2", &["known-2"]),
    ("1.3", &["known-3"]),
    ("1.3", &["early", "late", "later"]),
];

fn asked_of(host: &str, names: &[&str]) -> Vec<u8> {
    let ask = |name: &&str| format!("GET /{name} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
    names.iter().flat_map(ask).collect()
}

fn answered(names: &[&str]) -> Vec<u8> {
    let answer = |name: &&str| {
        let body = format!("answer to {name}");
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
            .into_bytes()
    };
    names.iter().flat_map(answer).collect()
}

/// Nothing is missing of what both ends said.
fn assert_whole(heard: &Heard, client: Direction, (version, names): (&str, &[&str])) {
    assert_eq!(heard.reason, None, "{names:?}");
    assert_eq!(heard.session.version.as_deref(), Some(version));
    let [up, down] = &heard.said;
    let (asks, answers) = if client == Direction::Up { (up, down) } else { (down, up) };
    for (said, expected) in [(asks, asked_of("live.test", names)), (answers, answered(names))] {
        assert_eq!(String::from_utf8_lossy(&said.bytes), String::from_utf8_lossy(&expected), "{names:?}");
        assert!(said.gaps.is_empty() && said.ended, "{names:?}");
    }
}

#[test]
fn all_is_read_before_and_after_another_handshake_and_with_certificates_of_clients() {
    let scripts = scripts("tls-again.pcap");
    assert_eq!(scripts.len(), AGAIN.len());
    for (script, expected) in scripts.iter().zip(AGAIN) {
        let heard = play(script, &mut bench(keys_of(&fixture("tls-again.pcap.keylog")), false));
        assert_whole(&heard, client_of(script), expected);
    }
}

#[test]
fn a_handshake_inside_a_connection_may_resume_its_session() {
    // what the key log says of the handshakes that resume is left out: its second and later lines for each of these
    let log = std::fs::read_to_string(fixture("tls-again.pcap.keylog")).unwrap();
    let mut known: Vec<&str> = Vec::new();
    let masters = log.lines().filter(|line| line.starts_with("CLIENT_RANDOM ")).filter(|line| {
        let secret = line.rsplit(' ').next().unwrap();
        !known.contains(&secret) && {
            known.push(secret);
            true
        }
    });
    let mut keys = Keys::default();
    keys.take(masters.collect::<Vec<_>>().join("\n").as_bytes());
    for index in [1, 2] {
        let script = &scripts("tls-again.pcap")[index];
        let mut bench = bench(Some(keys.clone()), false);
        let mut line = Line::default();
        for (direction, written) in script {
            line.chunk(*direction, &chunk_of(written), &mut bench);
        }
        // what a connection makes known comes back to it as to all others
        keys.merge(&std::mem::take(&mut bench.learned));
        bench.keys = Some(Arc::new(keys.clone()));
        line.retry(&mut bench);
        assert_whole(&line.close(), client_of(script), AGAIN[index]);
    }
}

#[test]
fn the_loss_of_any_record_gives_no_wrong_byte_and_no_wrong_secret() {
    for (script, (_, names)) in scripts("tls-again.pcap").iter().zip(AGAIN) {
        let whole = play(script, &mut bench(keys_of(&fixture("tls-again.pcap.keylog")), false)).said;
        for (direction, place, kind) in records(script) {
            for hole in [place.clone(), place.start + 6..place.end] {
                let mut bench = bench(keys_of(&fixture("tls-again.pcap.keylog")), false);
                let heard = play(&with_hole(script, direction, &hole), &mut bench);
                let at = format!("{names:?}: {hole:?} of {direction:?}, type {kind}");
                for (said, whole) in heard.said.iter().zip(&whole) {
                    assert!(captures::is_part(said, &whole.bytes), "{at}: {said:?}");
                    let is_silent = said.gaps.is_empty() && heard.reason.is_none() && said.ended;
                    assert!(!is_silent || said.bytes == whole.bytes, "{at}: {said:?}");
                }
                assert_ne!(heard.reason, Some(Reason::BadMac), "{at}");
            }
        }
    }
}

/// With all that the client says behind its hello in one piece.
fn hurried(script: &Script) -> Script {
    let client = client_of(script);
    let mut out = Script::new();
    let (mut chunks, mut place) = (0, 0);
    for (direction, (chunk, bytes)) in script {
        if *direction == client && matches!(chunk, Chunk::Data(_)) {
            chunks += 1;
            if chunks > 2 {
                out[place].1.1.extend_from_slice(bytes);
                continue;
            }
            place = out.len();
        }
        out.push((*direction, (*chunk, bytes.clone())));
    }
    out
}

#[test]
fn the_protocol_is_told_however_late_the_keys_come() {
    let mut tried = 0;
    for name in ["tls.pcap", "tls-again.pcap"] {
        let keys = keys_of(&fixture(&format!("{name}.keylog"))).map(Arc::new);
        for script in scripts(name).iter().map(hurried) {
            let whole = play(&script, &mut Bench { keys: keys.clone(), ..bench(None, false) });
            if whole.session.version.as_deref() != Some("1.3") {
                continue;
            }
            tried += 1;
            assert_ne!(whole.opened.as_ref().unwrap().alpn, Alpn::Unknown);
            let mut late = Line::default();
            let mut bench = bench(None, true);
            for (direction, written) in &script {
                late.chunk(*direction, &chunk_of(written), &mut bench);
            }
            bench.keys = keys.clone();
            late.retry(&mut bench);
            assert_eq!(late.close().opened, whole.opened, "{name}");
        }
    }
    assert!(tried > 2);
}

#[test]
fn early_data_behind_a_hole_is_not_passed_over_in_silence() {
    let script = &scripts("tls-early.pcap")[1];
    let keys = || keys_of(&fixture("tls-early.pcap.keylog"));
    let client = client_of(script);
    let whole = play(script, &mut bench(keys(), false)).said[client.index()].clone();
    // the first protected record of the server has the encrypted extensions, which take the early data
    let is_server = |one: &&Place| one.0 != client && one.2 == DATA;
    let (direction, place, _) = records(script).iter().find(is_server).unwrap().clone();
    for hole in [place.clone(), place.start + 6..place.end, place.start + 1..place.end + 3] {
        let holed = with_hole(script, direction, &hole);
        for late in [false, true] {
            let mut bench = bench(if late { None } else { keys() }, late);
            let mut line = Line::default();
            for (direction, written) in &holed {
                line.chunk(*direction, &chunk_of(written), &mut bench);
            }
            bench.keys = keys().map(Arc::new);
            line.retry(&mut bench);
            let heard = line.close();
            let said = &heard.said[client.index()];
            assert_eq!(heard.reason, None, "{hole:?} {late}");
            assert!(captures::is_part(said, &whole.bytes), "{hole:?} {late}");
            assert!(said.bytes.ends_with(&asked_of("h", &["later", "updated"])), "{hole:?} {late}: {said:?}");
            assert!(said.bytes == whole.bytes || !said.gaps.is_empty(), "{hole:?} {late}: {said:?}");
        }
    }
}

#[test]
fn of_more_tickets_than_are_kept_the_oldest_make_room() {
    use crate::limits::SESSION_NAMES_MAX;
    let message = |kind: u8, body: &[u8]| {
        let [_, a, b, c] = (body.len() as u32).to_be_bytes();
        let message = [&[kind, a, b, c], body].concat();
        [&[HANDSHAKE, 3, 3][..], &(message.len() as u16).to_be_bytes(), &message].concat()
    };
    let client = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0, 0, 0]].concat();
    let server = [&[3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat();
    let mut said = message(2, &server);
    for number in 0..SESSION_NAMES_MAX as u8 + 4 {
        said.extend(message(4, &[0, 0, 0, 0, 0, 1, number]));
    }
    let (mut tls, mut bench) = (Tls::new(Direction::Up, None), bench(None, true));
    for (direction, bytes) in [(Direction::Up, &message(1, &client)), (Direction::Down, &said)] {
        let data = Data { offset: 1000, bytes, time: Timestamp::ZERO, ack: None, boundary: true };
        tls.push(direction, &Chunk::Data(data), &mut bench, &mut |event| panic!("{event:?}"));
    }
    assert_eq!((tls.names.len(), bench.session_names_evicted), (SESSION_NAMES_MAX, 4));
}
