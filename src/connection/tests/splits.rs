//! Any split of the input gives the same calls.

use super::conversations::ALL;
use super::*;

/// Cuts every part at the places that `cuts` names.
fn cut(parts: &[Part], mut cuts: impl FnMut(&Part, usize) -> bool) -> Vec<Part> {
    let mut pieces = Vec::new();
    for part in parts {
        let Ok(bytes) = &part.what else { continue };
        let mut from = 0;
        for at in 1..=bytes.len() {
            if at == bytes.len() || cuts(part, at) {
                let what = Ok(bytes[from..at].to_vec());
                pieces.push(Part { at: part.at + from, what, ..part.clone() });
                from = at;
            }
        }
    }
    pieces
}

#[test]
fn conversations_are_the_calls_that_they_are() {
    for conversation in ALL {
        let (told, record) = play(&parts(conversation.turns), Setting::default());
        assert_eq!(lines(&told), conversation.calls, "{}", conversation.name);
        assert_eq!(
            record.map(|record| (record.protocol, record.reason)),
            conversation.rest,
            "{}",
            conversation.name
        );
        for told in &told {
            assert!(told.call.causes.is_empty());
            assert_eq!(
                told.call.header(&told.call.response, "n").known(),
                told.target().as_deref().map(str::as_bytes)
            );
        }
    }
}

#[test]
fn byte_by_byte_it_is_the_same() {
    for conversation in ALL {
        let whole = parts(conversation.turns);
        let expected = play(&whole, Setting::default());
        let told = play(&cut(&whole, |_, _| true), Setting::default());
        assert_eq!(told, expected, "{}", conversation.name);
    }
}

#[test]
fn each_single_cut_gives_the_same() {
    for conversation in ALL {
        let whole = parts(conversation.turns);
        let expected = play(&whole, Setting::default());
        for turn in 0..whole.len() {
            for at in 1..whole[turn].len() {
                let told = play(&cut(&whole, |part, cut| part.turn == turn && cut == at), Setting::default());
                assert_eq!(told, expected, "{}: turn {turn} cut at {at}", conversation.name);
            }
        }
    }
}

#[test]
fn random_cuts_give_the_same() {
    let mut random = fastrand::Rng::with_seed(1);
    for conversation in ALL {
        let whole = parts(conversation.turns);
        let expected = play(&whole, Setting::default());
        for round in 0..200 {
            let every = random.usize(1..40);
            let pieces = cut(&whole, |_, _| random.usize(..every) == 0);
            assert_eq!(play(&pieces, Setting::default()), expected, "{}: {round}", conversation.name);
        }
    }
}

#[test]
fn without_a_handshake_the_roles_follow_from_content() {
    for conversation in ALL {
        let setting = Setting { opener: None, ..Setting::default() };
        let (told, _) = play(&parts(conversation.turns), setting);
        assert_eq!(lines(&told), conversation.calls, "{}", conversation.name);
        assert!(told.iter().all(|told| told.call.client.port() == 40_000));
    }
}
