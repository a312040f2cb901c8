//! The state machine exhaustively; the pipelines are held to it against a real server in the
//! integration tests.

use proptest::prelude::*;

use super::*;
use crate::outcome::Evidence;

const EVENTS: [Event; 17] = [
    Event::Claim,
    Event::Complete,
    Event::Reject,
    Event::Cancel,
    Event::Retry,
    Event::Fail { spent: false, cancelled: false },
    Event::Fail { spent: true, cancelled: false },
    Event::Fail { spent: false, cancelled: true },
    Event::Fail { spent: true, cancelled: true },
    Event::Expire { spent: false, cancelled: false },
    Event::Expire { spent: true, cancelled: false },
    Event::Expire { spent: false, cancelled: true },
    Event::Expire { spent: true, cancelled: true },
    Event::Release { cancelled: false },
    Event::Release { cancelled: true },
    Event::HandBack { cancelled: false },
    Event::HandBack { cancelled: true },
];

#[test]
fn every_state_and_event() {
    let table: Vec<String> = State::ALL
        .into_iter()
        .flat_map(|from| EVENTS.into_iter().map(move |event| (from, event)))
        .filter_map(|(from, event)| from.after(event).map(|to| format!("{from} {event:?} -> {to}")))
        .collect();
    let expected = [
        "ready Claim -> running",
        "ready Cancel -> cancelled",
        "running Complete -> completed",
        "running Reject -> dead",
        "running Cancel -> running",
        "running Fail { spent: false, cancelled: false } -> ready",
        "running Fail { spent: true, cancelled: false } -> dead",
        "running Fail { spent: false, cancelled: true } -> cancelled",
        "running Fail { spent: true, cancelled: true } -> cancelled",
        "running Expire { spent: false, cancelled: false } -> ready",
        "running Expire { spent: true, cancelled: false } -> dead",
        "running Expire { spent: false, cancelled: true } -> cancelled",
        "running Expire { spent: true, cancelled: true } -> cancelled",
        "running Release { cancelled: false } -> ready",
        "running Release { cancelled: true } -> cancelled",
        "running HandBack { cancelled: false } -> ready",
        "running HandBack { cancelled: true } -> cancelled",
        "dead Retry -> ready",
        "cancelled Retry -> ready",
    ];
    assert_eq!(table, expected);
}

proptest! {
    /// Any sequence of events: only a claim leads into `running`, only a retry out of a final
    /// state, and a completed job stays completed.
    #[test]
    fn any_sequence_keeps_the_invariants(events in prop::collection::vec(0..EVENTS.len(), 0..60)) {
        let mut state = State::Ready;
        for event in events.into_iter().map(|i| EVENTS[i]) {
            let Some(next) = state.after(event) else { continue };
            if next == State::Running && state != State::Running {
                prop_assert_eq!(event, Event::Claim);
            }
            if state.is_final() {
                prop_assert_eq!(event, Event::Retry);
                prop_assert_ne!(state, State::Completed);
            }
            if state == State::Running && event != Event::Cancel {
                prop_assert_ne!(next, State::Running);
            }
            state = next;
        }
    }

    #[test]
    fn cut_text_is_bounded_and_whole(text in "\\PC{0,300}", limit in 0_usize..200) {
        let cut = record::cut(&text, limit);
        prop_assert!(cut.len() <= limit.max(text.len()) + '…'.len_utf8());
        prop_assert!(text.len() > limit || cut == text);
        let end = record::end(&text, limit);
        prop_assert!(end.len() <= limit.max(text.len()) + '…'.len_utf8());
        prop_assert!(text.ends_with(end.trim_start_matches('…')));
        prop_assert!(text.len() > limit || end == text);
    }
}

fn held_by(transition: &Transition) -> bool {
    transition.filter.contains_key("claim.token")
}

#[test]
fn every_write_after_a_claim_asks_for_the_token_and_names_the_queue() {
    let (token, id) = (Token::mint(), JobId::mint());
    let held = Held { queue: "q", token, id: &id };
    let ids = || vec![id.to_bson()];
    let payload = Payload::bytes("text/plain", "x");
    let fenced = [
        complete_and_remove("q", token, ids()),
        complete_and_keep(&held, Some(&payload), Duration::ZERO),
        fail(&held, "c", &Failure::new("m"), Duration::ZERO),
        release(&held, Duration::ZERO),
        hand_back("q", token, ids()),
        expire("q", token, ids(), "c"),
        progress(&held, &Progress::default()),
        save(&held, &payload),
    ];
    for transition in fenced {
        assert!(held_by(&transition), "{transition:?}");
        assert_eq!(transition.filter.get_str("queue").ok(), Some("q"), "{transition:?}");
    }
}

/// The whole document of a failed attempt, however much its guest had to say.
#[test]
fn ten_records_fit_into_a_quarter_of_a_mebibyte() {
    let mut failure = Failure::of_kind("k".repeat(1 << 20), "é".repeat(1 << 20));
    let long = || Some("é\0".repeat(1 << 20));
    (failure.code, failure.stderr, failure.backtrace) = (long(), long(), long());
    *failure.evidence = Evidence {
        digest: long(),
        version: long(),
        log: long(),
        cpu: Some(Duration::MAX),
        memory: Some(u64::MAX),
        wall: Some(Duration::MAX),
        worker: long(),
    };
    let consumer = "c".repeat(200);
    let record = record::record(&consumer, &failure);
    assert_eq!(record.get_i64("memory_bytes").ok(), Some(i64::MAX));
    let bytes = bson::serialize_to_vec(&record).map_or(usize::MAX, |bytes| bytes.len());
    assert!(10 * bytes < 256 * 1024, "{bytes}");
}

#[test]
fn a_tail_keeps_its_end() {
    let stderr = format!("[17 bytes before this]\n{}the end", "x".repeat(8 * 1024 - 7));
    let mut failure = Failure::new("m");
    failure.stderr = Some(stderr.clone());
    let kept = |failure: &Failure| {
        let record = record::record("c", failure);
        let stderr = record.get_document("stderr").and_then(|text| text.get_str("$literal"));
        stderr.map(str::to_owned).ok()
    };
    assert_eq!(kept(&failure), Some(stderr.clone()));
    failure.stderr = Some(stderr.replace('x', "\0"));
    let kept = kept(&failure);
    assert!(kept.is_some_and(|text| text.ends_with("\u{2400}the end") && text.starts_with('…')));
}
