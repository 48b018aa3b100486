//! The file format against anything that anybody may write.

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use super::*;
use crate::run::run;
use crate::trace::Detail;

/// Words that mean something somewhere, and some that nearly do.
const WORDS: &[&str] = &[
    "scenario",
    "1",
    "seed",
    "7",
    "mode",
    "hostile",
    "recoverable",
    "duration",
    "set",
    "latency",
    "pids",
    "window",
    "wake-told",
    "yes",
    "no",
    "at",
    "0s",
    "5s",
    "+5s",
    "-1s",
    "1.5ms",
    "99999999999999999999h",
    "a",
    "b",
    "c",
    "d",
    "open",
    "start",
    "takeover",
    "send",
    "every",
    "of",
    "finish",
    "signal",
    "0",
    "64",
    "close",
    "retry",
    "restart",
    "network-up",
    "fault",
    "link-cut",
    "proxy-exit",
    "noise",
    "server-hang",
    "with",
    "for",
    "4294967296",
    "\u{1f980}",
    "#",
    "\u{0}",
];

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("../fixtures/regressions/scenario.txt");
    ProptestConfig { failure_persistence: Some(Box::new(regressions)), ..ProptestConfig::default() }
}

fn lines() -> impl Strategy<Value = String> {
    let word = prop_oneof![20 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => any::<String>()];
    let line = prop::collection::vec(word, 0..9).prop_map(|words| words.join(" "));
    prop::collection::vec(line, 0..12).prop_map(|lines| format!("scenario 1\n{}\n", lines.join("\n")))
}

/// A file that somebody has edited: a letter changed, a line lost, a line twice.
fn edited() -> impl Strategy<Value = String> {
    (any::<u64>(), any::<prop::sample::Index>(), any::<u8>(), 0..3u8).prop_map(|(seed, place, byte, how)| {
        let text = print(&draw(seed % 1000));
        let mut lines: Vec<&str> = text.lines().collect();
        let line = place.index(lines.len());
        match how {
            0 => {
                let mut bytes = text.into_bytes();
                let place = place.index(bytes.len());
                bytes[place] = byte;
                return String::from_utf8_lossy(&bytes).into_owned();
            }
            1 => drop(lines.remove(line)),
            _ => lines.insert(line, lines[line]),
        }
        lines.join("\n") + "\n"
    })
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    match parse(text) {
        Ok(scenario) => prop_assert_eq!(parse(&print(&scenario)), Ok(scenario)),
        Err(error) => {
            let told = error.to_string();
            prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1), "{}", told);
            prop_assert!(told.chars().count() < 1000 && !told.contains('\n'), "{}", told);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        holds(&text)?;
    }

    #[test]
    fn any_words_are_read_or_refused(text in lines()) {
        holds(&text)?;
    }

    #[test]
    fn any_edit_is_read_or_refused(text in edited()) {
        holds(&text)?;
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let cases = [
        ("at 1s a signal 0", "\"0\" is no signal: accepted is a whole number from 1 to 64"),
        (
            "at 1s fault proxy-exit a with 999999",
            "\"999999\" is no exit code of a proxy: accepted is a whole number from 0 to 255",
        ),
        ("at +5s a close", "\"+5s\" is no duration; write 1.5s, 20ms, 250us, 2m or 24h"),
        ("at 97h a close", "97h is no point in time: accepted is 0s to 345600s"),
        (
            "at 1s fault noise a with 4294967295",
            "\"4294967295\" is no count of bytes: accepted is a whole number from 1 to 1048576",
        ),
        (
            "at 1s a send 4294967295 every 1ms of 1",
            "\"4294967295\" is no count of requests: accepted is a whole number from 1 to 10000",
        ),
        ("set pids 1", "\"1\" is no range of process numbers: accepted is a whole number from 4 to 64"),
        ("seed +1", "\"+1\" is no seed: accepted is a whole number from 0 to 18446744073709551615"),
        ("at 61s a close", "61s is after the end: the duration is 60s"),
        ("at 1s fault sleep for 1s for 2s", "sleep does not take \"for 2s\""),
    ];
    for (line, why) in cases {
        let error = parse(&format!("scenario 1\n{line}\n")).unwrap_err();
        assert_eq!(error.to_string(), format!("line 2: {why}"));
    }
}

#[test]
fn a_client_that_is_never_opened_is_known() {
    let text =
        "scenario 1\nat 0s a open start\nat 1s fault link-cut b\nat 2s b close\nat 3s fault reboot for 1s\n";
    let told = std::collections::BTreeMap::from([(Letter(1), "at 1s fault link-cut b".to_owned())]);
    assert_eq!(parse(text).unwrap().unopened(), told);
    assert!((0..200).all(|seed| draw(seed).unopened().is_empty()));
}

#[test]
fn nothing_is_said_twice() {
    for line in ["seed 3", "mode hostile", "duration 9s", "set pids 8"] {
        let error = parse(&format!("scenario 1\n{line}\n# again\n{line}\n")).unwrap_err();
        let what = line.rsplit_once(' ').unwrap().0;
        assert_eq!(error.to_string(), format!("line 4: {what} was said on line 2 before, and is said once"));
    }
}

#[test]
fn all_users_together_send_a_bounded_number_of_requests() {
    let send = "at 1s a send 6000 every 1ms of 1\n";
    let error = parse(&format!("scenario 1\n{send}{send}")).unwrap_err();
    assert_eq!(error.to_string(), "line 3: the users send 12000 requests so far; 10000 in all are accepted");
}

#[test]
fn a_long_line_is_not_repeated_whole() {
    let error = parse(&format!("scenario 1\n{}\n", "x".repeat(5_000_000))).unwrap_err();
    assert!(error.to_string().len() < 300, "{error}");
}

/// A setting at its bound is a world in which promises can be kept.
#[test]
fn the_bounds_of_settings_break_no_promise() {
    for line in [
        "latency 0s",
        "latency 500ms",
        "bandwidth 1",
        "bandwidth 1000000",
        "ssh-time 0s",
        "ssh-time 20s",
        "step-time 0s",
        "step-time 100ms",
        "program-time 0s",
        "program-time 1s",
        "idle-lifetime 1s",
        "idle-lifetime 168h",
        "unmet-lifetime 1s",
        "unmet-lifetime 168h",
        "window 1",
        "window 1048576",
        "window-frames 1",
        "window-frames 10000",
        "ahead 1",
        "ahead 1048576",
        "attempts-max 1",
        "attempts-max 20",
        "pids 4",
        "pids 64",
    ] {
        for seed in 0..40 {
            let name = line.split(' ').next().unwrap();
            let drawn = print(&draw(seed));
            let others = drawn.lines().filter(|other| !other.starts_with(&format!("set {name} ")));
            let text: String = others.map(|other| format!("{other}\n")).collect();
            let scenario = parse(&format!("{text}set {line}\n")).unwrap();
            let outcome = run(&scenario, Detail::Hash);
            assert_eq!(outcome.checks.violation(), None, "seed {seed} with {line}");
        }
    }
}
