//! Loss at every place: what is told is true, and behind the hole it goes on.

use super::conversations::{ALL, Conversation};
use super::*;

/// Takes the bytes from `from` to `to` of one direction out.
fn lose(parts: &[Part], direction: Direction, from: usize, to: usize) -> Vec<Part> {
    let mut left = Vec::new();
    for part in parts {
        let (start, end) = (part.at, part.at + part.len());
        let (lost_from, lost_to) = (from.clamp(start, end), to.clamp(start, end));
        let Ok(bytes) = part.what.as_ref().map_err(|_| ()) else { continue };
        if part.direction != direction || lost_from == lost_to {
            left.push(part.clone());
            continue;
        }
        let piece = |what, at| Part { at, what, ..part.clone() };
        left.push(piece(Ok(bytes[..lost_from - start].to_vec()), start));
        left.push(piece(Err(lost_to - lost_from), lost_from));
        left.push(piece(Ok(bytes[lost_to - start..].to_vec()), lost_to));
    }
    left
}

/// Names and values of one half.
fn headers(call: &Call, of_request: bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let message = if of_request { &call.request } else { &call.response };
    call.headers_of(message).map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// Everything that is said of one half is true of the same half of `truth`.
fn half_is_true(told: &Told, truth: &Told, of_request: bool, what: &str) {
    let (mine, theirs, body, true_body) = if of_request {
        (&told.call.request, &truth.call.request, &told.request_body, &truth.request_body)
    } else {
        (&told.call.response, &truth.call.response, &told.response_body, &truth.response_body)
    };
    let (lines, true_lines) = (headers(&told.call, of_request), headers(&truth.call, of_request));
    assert!(true_lines.starts_with(&lines), "{what}: headers {lines:?}");
    assert!(!mine.head_whole || lines == true_lines, "{what}: a head that is not whole");
    assert!(mine.head_bytes.is_none() || mine.head_bytes == theirs.head_bytes, "{what}: head_bytes");
    assert!(mine.body_bytes.is_none() || mine.body_bytes == theirs.body_bytes, "{what}: body_bytes");
    assert!(body.is_none() || body == true_body, "{what}: body");
}

/// Everything that is said of a call is true.
fn is_true(told: &Told, truth: &[Told], what: &str) {
    let what = format!("{what}: {}", line(told));
    let call = &told.call;
    let asked = told.target().map(|target| {
        let found = truth.iter().find(|truth| truth.target().as_ref() == Some(&target));
        found.unwrap_or_else(|| panic!("{what}: was never asked"))
    });
    let name =
        call.header(&call.response, "n").known().map(|name| String::from_utf8_lossy(name).into_owned());
    let answered = match (name, asked) {
        (Some(name), _) => truth.iter().find(|truth| truth.target().as_ref() == Some(&name)),
        (None, asked) => asked,
    };
    if let Some(truth) = asked {
        half_is_true(told, truth, true, &what);
        assert_eq!(call.time, truth.call.time, "{what}");
        assert_eq!(call.id, truth.call.id, "{what}");
        assert_eq!(call.protocol, truth.call.protocol, "{what}");
    }
    if let (true, Some(truth)) = (call.response.seen, answered) {
        half_is_true(told, truth, false, &what);
        assert_eq!(call.status, truth.call.status, "{what}");
        if let Some(asked) = asked {
            assert_eq!(asked.target(), truth.target(), "{what}: the wrong answer");
            assert!(
                call.duration_ns.is_none_or(|duration| Some(duration) == truth.call.duration_ns),
                "{what}"
            );
            assert!(call.ttfb_ns.is_none_or(|ttfb| Some(ttfb) == truth.call.ttfb_ns), "{what}");
        }
    }
    if call.causes.is_empty() {
        assert_eq!(Some(told), asked, "{what}: called complete");
    }
}

fn each_loss(mut case: impl FnMut(&Conversation, &[Part], &[Told], Direction, usize, usize)) {
    // a body that looks like a head where a segment begins can't be told from one
    for conversation in ALL.iter().filter(|conversation| !conversation.name.contains("looks like heads")) {
        let whole = parts(conversation.turns);
        let (truth, _) = play(&whole, Setting::default());
        for direction in [Direction::Up, Direction::Down] {
            let of_direction = whole.iter().filter(|part| part.direction == direction);
            let len: usize = of_direction.map(Part::len).sum();
            for from in 0..len {
                for lost in [1, 2, 5, 17, 40, 90] {
                    case(conversation, &whole, &truth, direction, from, (from + lost).min(len));
                }
            }
        }
    }
}

#[test]
fn nothing_wrong_is_told_whatever_is_lost() {
    each_loss(|conversation, whole, truth, direction, from, to| {
        let (told, _) = play(&lose(whole, direction, from, to), Setting::default());
        let what = format!("{}: {direction:?} {from}..{to}", conversation.name);
        for told in &told {
            is_true(told, truth, &what);
        }
        let mut targets: Vec<_> = told.iter().filter_map(Told::target).collect();
        targets.sort();
        targets.dedup();
        assert_eq!(
            targets.len(),
            told.iter().filter(|told| told.target().is_some()).count(),
            "{what}: twice"
        );
    });
}

#[test]
fn behind_a_hole_the_next_call_is_found() {
    each_loss(|conversation, whole, truth, direction, from, to| {
        // the last call stands alone in its turns, and the hole lies before both
        let (Some(last), Some([asks, answers])) = (truth.last(), whole.last_chunk()) else { return };
        let alone =
            asks.direction == Direction::Up && answers.direction == Direction::Down && whole.len() > 2;
        let begins = asks.what.as_ref().is_ok_and(|bytes| bytes.starts_with(b"GET /"));
        let limit = if direction == Direction::Up { asks.at } else { answers.at };
        if !alone || !begins || to > limit {
            return;
        }
        let (told, _) = play(&lose(whole, direction, from, to), Setting::default());
        let what = format!("{}: {direction:?} {from}..{to}: {:?}", conversation.name, lines(&told));
        assert!(
            told.iter().any(|told| told.target() == last.target() && told.call.status == last.call.status),
            "{what}"
        );
    });
}

#[test]
fn a_capture_that_begins_in_the_middle_tells_the_truth() {
    for conversation in ALL {
        let whole = parts(conversation.turns);
        let (truth, _) = play(&whole, Setting::default());
        for first in 1..whole.len() {
            let setting = Setting { known: [false; 2], opener: None, ..Setting::default() };
            let (told, _) = play(&whole[first..], setting);
            for told in &told {
                is_true(told, &truth, &format!("{} from turn {first}", conversation.name));
            }
        }
    }
}

#[test]
fn one_direction_alone_tells_its_halves() {
    for conversation in ALL.iter().filter(|conversation| !conversation.name.contains("tunnel")) {
        let whole = parts(conversation.turns);
        let (truth, _) = play(&whole, Setting::default());
        for direction in [Direction::Up, Direction::Down] {
            let hide = |part: &Part| match part.direction == direction {
                true => part.clone(),
                false => Part { what: Err(part.len()), ..part.clone() },
            };
            let seen: Vec<Part> = whole.iter().map(hide).collect();
            let (told, _) = play(&seen, Setting { end: EndReason::InputEnded, ..Setting::default() });
            assert!(!told.is_empty(), "{}", conversation.name);
            for told in &told {
                assert!(told.call.request.seen != told.call.response.seen);
                assert!(!told.call.causes.is_empty());
                is_true(told, &truth, conversation.name);
            }
        }
    }
}
