//! HTTP/2 as the h2 crate speaks it, whole and with holes: what is told is what was said, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

/// Bytes and who sent them, in the order in which they went over the wire.
type Wire = Arc<Mutex<Vec<(Direction, Vec<u8>)>>>;

/// What a call was, as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    method: String,
    path: String,
    status: u16,
    asked_bytes: u64,
    answered_bytes: u64,
}

/// One direction of the wire, which writes down what goes over it.
async fn carry(
    mut from: tokio::io::ReadHalf<DuplexStream>,
    mut to: tokio::io::WriteHalf<DuplexStream>,
    direction: Direction,
    wire: Wire,
) {
    let mut bytes = [0; 1448];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        wire.lock().unwrap().push((direction, bytes[..count].to_vec()));
        to.write_all(&bytes[..count]).await.unwrap();
    }
    drop(to.shutdown().await);
}

/// Answers every request with as many bytes as its path says.
async fn serve(io: DuplexStream) {
    let mut connection = ::h2::server::handshake(io).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let (head, mut body) = request.into_parts();
            while let Some(Ok(bytes)) = body.data().await {
                drop(body.flow_control().release_capacity(bytes.len()));
            }
            let bytes: usize = head.uri.path().rsplit('/').next().unwrap().parse().unwrap();
            let status = if bytes.is_multiple_of(3) { 201 } else { 200 };
            let answer =
                http::Response::builder().status(status).header("server", "h2").header("x-len", bytes);
            let mut stream = respond.send_response(answer.body(()).unwrap(), bytes == 0).unwrap();
            if bytes > 0 {
                let mut trailers = http::HeaderMap::new();
                trailers.insert("x-sum", "1".parse().unwrap());
                let with_trailers = bytes.is_multiple_of(5);
                stream.send_data(vec![b'x'; bytes].into(), !with_trailers).unwrap();
                if with_trailers {
                    stream.send_trailers(trailers).unwrap();
                }
            }
        });
    }
}

/// Calls of which some are open at the same time: the bytes on the wire and, by stream, what each was.
fn conversation(seed: u64, count: usize) -> (Vec<Part>, BTreeMap<u32, Known>) {
    let wire = Wire::default();
    let known = Arc::new(Mutex::new(BTreeMap::new()));
    let (recorded, told) = (Arc::clone(&wire), Arc::clone(&known));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let (client_end, client_wire) = tokio::io::duplex(1 << 16);
        let (server_wire, server_end) = tokio::io::duplex(1 << 16);
        let ((up_from, down_to), (down_from, up_to)) =
            (tokio::io::split(client_wire), tokio::io::split(server_wire));
        tokio::spawn(carry(up_from, up_to, Direction::Up, Arc::clone(&recorded)));
        tokio::spawn(carry(down_from, down_to, Direction::Down, recorded));
        tokio::spawn(serve(server_end));
        // answers that nobody reads yet must not keep the one that is read from coming
        let mut settings = ::h2::client::Builder::new();
        settings.initial_connection_window_size(1 << 24);
        let (mut client, connection) = settings.handshake::<_, bytes::Bytes>(client_end).await.unwrap();
        tokio::spawn(connection);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut waiting = Vec::new();
        for number in 0..count {
            let (asked, answered) =
                (random.u64(..3) * random.u64(..2000), random.u64(..2) * random.u64(..30_000));
            let method = if asked > 0 { "POST" } else { "GET" };
            let path = format!("/orders/{}/{answered}", number % 7);
            let request = http::Request::builder()
                .method(method)
                .uri(format!("http://api.test{path}"))
                .header("authorization", format!("Bearer {}", number % 3))
                .header("x-call", number);
            client = client.ready().await.unwrap();
            let (response, mut body) = client.send_request(request.body(()).unwrap(), asked == 0).unwrap();
            if asked > 0 {
                body.send_data(vec![b'q'; asked as usize].into(), true).unwrap();
            }
            let stream = body.stream_id().as_u32();
            let method = method.to_owned();
            let what = Known { method, path, status: 0, asked_bytes: asked, answered_bytes: answered };
            waiting.push((stream, response, what));
            while waiting.len() > 5 || number + 1 == count && !waiting.is_empty() {
                let (stream, response, mut what) = waiting.remove(random.usize(..waiting.len()));
                let (head, mut body) = response.await.unwrap().into_parts();
                what.status = head.status.as_u16();
                while let Some(Ok(bytes)) = body.data().await {
                    drop(body.flow_control().release_capacity(bytes.len()));
                }
                drop(body.trailers().await);
                told.lock().unwrap().insert(stream, what);
            }
        }
    });
    let mut at = [0; 2];
    let said = std::mem::take(&mut *wire.lock().unwrap());
    let parts = said.into_iter().enumerate().map(|(turn, (direction, bytes))| {
        let from = &mut at[direction.index()];
        let part = Part { direction, at: *from, turn, what: Ok(bytes) };
        *from += part.len();
        part
    });
    let parts = parts.collect();
    let known = std::mem::take(&mut *known.lock().unwrap());
    (parts, known)
}

/// What is told of each stream has to be what its client knows; returns how many are complete.
fn check(told: &[Told], known: &BTreeMap<u32, Known>) -> usize {
    let mut complete = 0;
    let mut seen = Vec::new();
    for one in told {
        let call = &one.call;
        let stream = call.stream_id.unwrap();
        assert!(!seen.contains(&stream), "{stream} is told twice");
        seen.push(stream);
        let was = &known[&stream];
        let text = |span: crate::call::Span| String::from_utf8_lossy(span.of(&call.buffer)).into_owned();
        for (is, was) in [(call.method.map(text), &was.method), (call.target.map(text), &was.path)] {
            assert!(is.as_ref().is_none_or(|is| is == was), "{is:?} {was}");
        }
        assert!(call.status.is_none_or(|status| status == was.status), "{call:?}");
        for (message, was) in [(&call.request, was.asked_bytes), (&call.response, was.answered_bytes)] {
            assert!(message.body_bytes.is_none_or(|bytes| bytes == was), "{message:?} {was}");
            for (name, value) in call.headers_of(message) {
                let number = String::from_utf8_lossy(value).into_owned();
                assert!(name != b"x-len" || number == was.to_string(), "{number} {was}");
            }
        }
        if call.causes.is_empty() {
            complete += 1;
            let all = [call.method, call.target, call.authority].iter().all(Option::is_some);
            assert!(all && call.status.is_some() && call.duration_ns.is_some(), "{call:?}");
            assert_eq!(call.request.body_bytes, Some(was.asked_bytes));
            assert_eq!(call.response.body_bytes, Some(was.answered_bytes));
            let body = |body: &Option<Vec<u8>>| body.as_ref().map_or(0, Vec::len) as u64;
            assert_eq!(
                (body(&one.request_body), body(&one.response_body)),
                (was.asked_bytes, was.answered_bytes)
            );
        }
    }
    complete
}

#[test]
fn every_call_of_a_peer_is_told_as_its_client_knows_it() {
    for seed in 0..10 {
        let (parts, known) = conversation(seed, 60);
        let (told, record) = play(&parts, Setting::default());
        assert_eq!((check(&told, &known), told.len(), record), (known.len(), known.len(), None));
    }
}

#[test]
fn any_split_gives_the_same_calls() {
    let (parts, _) = conversation(11, 12);
    let (whole, _) = play(&parts, Setting::default());
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..40 {
        let mut cut = Vec::new();
        for part in &parts {
            let bytes = part.what.as_ref().unwrap();
            let at = random.usize(..=bytes.len());
            for (at, bytes) in [(0, &bytes[..at]), (at, &bytes[at..])] {
                cut.push(Part { at: part.at + at, what: Ok(bytes.to_vec()), ..part.clone() });
            }
        }
        assert_eq!(play(&cut, Setting::default()).0, whole);
    }
}

#[test]
fn under_loss_nothing_is_told_that_was_not_said() {
    let mut random = fastrand::Rng::with_seed(2);
    let (mut all, mut complete) = (0, 0);
    for seed in 0..60 {
        let (mut parts, known) = conversation(seed, 40);
        let share = [1, 5, 20, 50][seed as usize % 4];
        for part in &mut parts {
            if random.usize(..100) < share {
                part.what = Err(part.len());
            }
        }
        let skip = if random.bool() { 0 } else { random.usize(..parts.len() / 2) };
        let setting = if skip > 0 {
            Setting { known: [false; 2], opener: None, end: EndReason::InputEnded }
        } else {
            Setting::default()
        };
        let (told, _) = play(&parts[skip..], setting);
        all += known.len();
        complete += check(&told, &known);
    }
    assert!(complete * 8 > all, "{complete} of {all}");
}

#[test]
fn a_request_that_asks_for_http2_is_answered_on_the_first_stream() {
    let ask = b"GET /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n";
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let answer = [0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 2, 0, 1, 0, 0, 0, 1, b'o', b'k'];
    let preface = crate::http::h2::frame::PREFACE.as_slice();
    // the next one, and its answer: 404
    let next = vec![0, 0, 3, 1, 5, 0, 0, 0, 3, 0x82, 0x86, 0x85];
    let missing = [0, 0, 1, 1, 5, 0, 0, 0, 3, 0x8d];
    let turns: [(Direction, Vec<u8>); 5] = [
        (Direction::Up, ask.to_vec()),
        (Direction::Down, [switch.as_slice(), &settings].concat()),
        (Direction::Up, [preface, &settings].concat()),
        (Direction::Down, answer.to_vec()),
        (Direction::Up, next),
    ];
    let turns = turns.into_iter().chain([(Direction::Down, missing.to_vec())]);
    let mut at = [0; 2];
    let parts: Vec<Part> = turns
        .enumerate()
        .map(|(turn, (direction, bytes))| {
            let from = &mut at[direction.index()];
            let part = Part { direction, at: *from, turn, what: Ok(bytes) };
            *from += part.len();
            part
        })
        .collect();
    let (told, record) = play(&parts, Setting::default());
    assert_eq!(lines(&told), ["GET /a -> 101", "GET /a -> 200", "GET /index.html -> 404"]);
    let streams: Vec<_> = told.iter().map(|one| one.call.stream_id).collect();
    assert_eq!((streams, record), (vec![None, Some(1), Some(3)], None));
    assert_eq!(told[1].response_body.as_deref(), Some(b"ok".as_slice()));
}
