//! Which response answers which request: sequences of messages and holes, and the calls that they are.

use super::*;

/// One step of a sequence.
///
/// `>1` request 1, `<1` its response, `>-1` and `<-1` the same, lost; `>~1` and `<~1`: the second half of it is lost.
/// `>h1` a HEAD, `<s408` a response with that status to nobody.
fn sequence(steps: &str) -> Vec<Part> {
    let mut at = [0; 2];
    let mut parts = Vec::new();
    for (turn, step) in steps.split_whitespace().enumerate() {
        let (who, what) = step.split_at(1);
        let direction = if who == ">" { Direction::Up } else { Direction::Down };
        let (mode, name) =
            what.split_at(what.find(|letter: char| letter.is_ascii_digit()).unwrap_or_default());
        let text = match (who, mode) {
            (">", "h") => format!("HEAD /{name} HTTP/1.1\r\nHost: h\r\n\r\n"),
            (">", _) => format!("POST /{name} HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nbody-{name}"),
            (_, "s") => format!("HTTP/1.1 {name} S\r\nContent-Length: 0\r\n\r\n"),
            (_, "h") => format!("HTTP/1.1 20{name} OK\r\nN: /{name}\r\nContent-Length: 999\r\n\r\n"),
            (_, "i") => "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            _ => format!("HTTP/1.1 20{name} OK\r\nN: /{name}\r\nContent-Length: 6\r\n\r\nbody-{name}"),
        };
        let at = &mut at[direction.index()];
        let kept = match mode {
            "-" => 0,
            "~" => text.len() / 2,
            _ => text.len(),
        };
        let bytes = text.as_bytes();
        parts.push(Part { direction, at: *at, what: Ok(bytes[..kept].to_vec()), turn });
        parts.push(Part { direction, at: *at + kept, what: Err(bytes.len() - kept), turn });
        *at += text.len();
    }
    parts
}

/// Sequences, how they end, and the calls.
const TABLE: &[(&str, EndReason, &[&str])] = &[
    (">1 <1 >2 <2", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> 202"]),
    (">1 >2 >3 <1 <2 <3", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> 202", "POST /3 -> 203"]),
    (">1 >2 <1 >3 <2 <3", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> 202", "POST /3 -> 203"]),
    (">1 <i0 <1 >2 <i0 <i0 <2", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> 202"]),
    // nobody asked: 408 on an idle connection (RFC 9110 §15.5.9)
    (">1 <1 <s408", EndReason::Fin, &["POST /1 -> 201", "? ? -> 408 unsolicited_response"]),
    ("<s408", EndReason::Fin, &["? ? -> 408 unsolicited_response"]),
    // a request is lost
    (">-1 <1 >2 <2", EndReason::Fin, &["? ? -> 201 gap_in_request", "POST /2 -> 202"]),
    (
        ">1 <1 >-2 <2 >3 <3",
        EndReason::Fin,
        &["POST /1 -> 201", "? ? -> 202 gap_in_request", "POST /3 -> 203"],
    ),
    (">1 <1 >-2 <2", EndReason::Fin, &["POST /1 -> 201", "? ? -> 202 gap_in_request"]),
    // a response is lost
    (">1 <-1 >2 <2", EndReason::Fin, &["POST /1 -> ? gap_in_response", "POST /2 -> 202"]),
    (">1 <1 >2 <-2", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> ? gap_in_response"]),
    (
        ">1 <-1 >2 <-2 >3 <3",
        EndReason::Fin,
        &["POST /1 -> ? gap_in_response", "POST /2 -> ? gap_in_response", "POST /3 -> 203"],
    ),
    // both
    (">-1 <-1 >2 <2", EndReason::Fin, &["POST /2 -> 202"]),
    (">1 <1 >-2 <-2 >3 <3", EndReason::Fin, &["POST /1 -> 201", "POST /3 -> 203"]),
    // half of it
    (">~1 <1 >2 <2", EndReason::Fin, &["POST /1 -> 201 gap_in_request", "POST /2 -> 202"]),
    (">1 <~1 >2 <2", EndReason::Fin, &["POST /1 -> 201 gap_in_response", "POST /2 -> 202"]),
    // a HEAD behind a hole: its answer is paired before its body would be read
    (
        ">1 <-1 >h2 <h2 >3 <3",
        EndReason::Fin,
        &["POST /1 -> ? gap_in_response", "HEAD /2 -> 202", "POST /3 -> 203"],
    ),
    // the ends
    (">1 <1 >2", EndReason::Fin, &["POST /1 -> 201", "POST /2 -> ? connection_closed"]),
    (">1", EndReason::Reset, &["POST /1 -> ? connection_reset"]),
    (">1", EndReason::Replaced, &["POST /1 -> ? connection_reset"]),
    (">1", EndReason::Expired, &["POST /1 -> ? expired"]),
    (">1 >2", EndReason::Evicted, &["POST /1 -> ? evicted", "POST /2 -> ? evicted"]),
    (">1 <1 >2", EndReason::InputEnded, &["POST /1 -> 201", "POST /2 -> ? still_open"]),
];

#[test]
fn responses_answer_the_requests_that_they_answer() {
    for (steps, end, calls) in TABLE {
        let (told, _) = play(&sequence(steps), Setting { end: *end, ..Setting::default() });
        assert_eq!(lines(&told), *calls, "{steps}");
    }
}

/// A random sequence of four calls. `pipelines`: how many of its requests wait for nothing, in percent.
fn random_sequence(
    random: &mut fastrand::Rng,
    pipelines: u8,
    lost: impl Fn(&mut fastrand::Rng, bool) -> bool,
) -> String {
    let (mut asked, mut answered, mut steps) = (0, 0, Vec::new());
    while answered < 4 {
        let asks = asked < 4 && (asked == answered || random.u8(..100) < pipelines);
        let mode = match lost(random, asks) {
            true => random.choice(["-", "~"]).unwrap_or_default(),
            false => "",
        };
        let (who, number) = if asks { (">", &mut asked) } else { ("<", &mut answered) };
        *number += 1;
        steps.push(format!("{who}{mode}{number}"));
    }
    steps.join(" ")
}

/// Plays it; how many pairs were told. None may be wrong.
fn pairs_are_right(steps: &str, known: [bool; 2]) -> usize {
    let (told, _) = play(&sequence(steps), Setting { known, ..Setting::default() });
    let mut paired = 0;
    for told in &told {
        let name = told.call.header(&told.call.response, "n").known().map(<[u8]>::to_vec);
        let status = told.call.status.map(|status| format!("/{}", status - 200));
        if let (Some(target), Some(status)) = (told.target(), &status) {
            assert_eq!(target, *status, "{steps}: {:?}", lines(std::slice::from_ref(told)));
            paired += 1;
        }
        assert!(name.is_none() || name == status.map(String::into_bytes), "{steps}");
    }
    paired
}

#[test]
fn no_pair_is_wrong_whatever_is_lost() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut paired = 0;
    for _ in 0..6_000 {
        let share = random.u8(5..60);
        let steps = random_sequence(&mut random, 0, |random, _| random.u8(..100) < share);
        paired += pairs_are_right(&steps, [random.u8(..4) != 0, random.u8(..4) != 0]);
    }
    assert!(paired > 9_000, "{paired} of 24,000 calls were paired");
}

#[test]
fn no_pair_of_a_pipeline_is_wrong_where_responses_are_lost() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..6_000 {
        let share = random.u8(5..60);
        let steps = random_sequence(&mut random, 40, |random, asks| !asks && random.u8(..100) < share);
        pairs_are_right(&steps, [true; 2]);
    }
}

#[test]
fn no_pair_of_a_pipeline_is_wrong_where_a_request_is_lost() {
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..6_000 {
        let lost = random.usize(0..4);
        let asked = std::cell::Cell::new(0);
        let steps =
            random_sequence(&mut random, 40, |_, asks| asks && asked.replace(asked.get() + 1) == lost);
        pairs_are_right(&steps, [true; 2]);
    }
}

#[test]
fn a_pipeline_is_bounded() {
    let asks = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n".repeat(crate::limits::PIPELINE_MAX + 10);
    let (told, _) =
        play(&parts(&[('>', &asks)]), Setting { end: EndReason::InputEnded, ..Setting::default() });
    assert_eq!(told.len(), crate::limits::PIPELINE_MAX + 10);
    let evicted = told.iter().filter(|told| told.call.causes.has(Causes::EVICTED)).count();
    assert!(evicted >= 10, "{evicted}");
}

#[test]
fn heads_that_wait_are_in_the_memory_books() {
    let (client, server): (SocketAddr, SocketAddr) = (([10, 0, 0, 1], 9).into(), ([10, 0, 0, 2], 80).into());
    let key = FlowKey::new(client, server, None).0;
    let mut connection = Connection::new(&key, 0, Stamp::default());
    let mut desk = Desk::new(None, u64::MAX);
    let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(60_000));
    let mut offset = 1 << 32;
    for direction in [Direction::Up, Direction::Down] {
        let start = Start { offset, known: true, opener: Some(Direction::Up) };
        connection.chunk(&key, &mut desk, direction, Chunk::Start(start), &mut |_| {});
    }
    for _ in 0..100 {
        let data = Data { offset, bytes: head.as_bytes(), time: Timestamp::ZERO, ack: None, boundary: true };
        connection.chunk(&key, &mut desk, Direction::Up, Chunk::Data(data), &mut |_| {});
        offset += head.len() as u64;
    }
    assert!(connection.memory() > 100 * head.len());
    connection.close(&key, &mut desk, EndReason::Fin, &mut |_| {});
    assert!(connection.memory() < 2 * head.len(), "{}", connection.memory());
}
