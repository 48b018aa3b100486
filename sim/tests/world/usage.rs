//! Wrong seeds, files and options: one clear sentence, and an exit code of their own.

use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reattach-sim")).args(args).output().unwrap()
}

#[test]
fn wrong_calls_are_named_and_exit_with_64() {
    let cases: [(&[&str], &str); 21] = [
        (&["run", "moon"], "invalid value 'moon' for '<SEED>'"),
        (&["campaign", "--seeds", "9..3"], "\"9..3\" holds no seed"),
        (&["campaign", "--shard", "5/4"], "\"5/4\" is no part"),
        (&["campaign", "--time", "soon"], "invalid value 'soon' for '--time <TIME>'"),
        (&["replay", "nowhere.scenario"], "nowhere.scenario cannot be read"),
        (&["shrink", "nowhere.scenario"], "nowhere.scenario cannot be read"),
        (&["shrink", "18446744073709551616"], "\"18446744073709551616\" is no seed"),
        (&["shrink", "7", "--runs", "0"], "invalid value '0' for '--runs <N>'"),
        (&["explore", "--clients", "4"], "4 is not in 1..=3"),
        (&["explore", "--messages", "many"], "invalid value 'many' for '--messages <N>'"),
        (&["explore", "--time", "soon"], "invalid value 'soon' for '--time <TIME>'"),
        (&["run", "x"], "\"x\" is no seed; write a whole number from 0 to 18446744073709551615"),
        (&["run", "18446744073709551616"], "\"18446744073709551616\" is no seed; write a whole number"),
        (&["run", "-5"], "\"-5\" is no seed; write a whole number"),
        (&["show", "7", "--from=-1s"], "\"-1s\" is no time; write 12.5s, 10m or 2h"),
        (&["show", "7", "--from", "-1s"], "\"-1s\" is no time; write 12.5s, 10m or 2h"),
        (&["campaign", "--time", "-5s"], "\"-5s\" is no time; write 12.5s, 10m or 2h"),
        (&["explore", "--time", "-5s"], "\"-5s\" is no time; write 12.5s, 10m or 2h"),
        (&["campaign", "--seeds", "-1..5"], "\"-1..5\" is no range of seeds; write 0..10000"),
        (&["shrink", ""], "\"\" is neither a seed nor a file"),
        (&["dance"], "unrecognized subcommand 'dance'"),
    ];
    for (args, sentence) in cases {
        let output = sim(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {told}");
        assert!(told.contains(sentence), "{args:?}: {told}");
    }
}

#[test]
fn what_is_wrong_is_one_line() {
    for args in [&["run"][..], &["dance"], &["run", "7", "--nonsense"], &["campaign", "--time", "soon"]] {
        let told = String::from_utf8(sim(args).stderr).unwrap();
        assert_eq!(told.lines().count(), 1, "{args:?}: {told}");
        assert!(told.starts_with("error: "), "{told}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_no_wrong_call_and_nobody_listening_no_error() {
    let binary = env!("CARGO_BIN_EXE_reattach-sim");
    for args in
        [&["run", "7"][..], &["run", "7", "--json"], &["check-determinism", "--print", "hashes"], &["--help"]]
    {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(binary).args(args).stdout(full).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(74), "{args:?}: {told}");
        assert!(told.starts_with("error: the standard output cannot be written: "), "{told}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = Command::new(binary).args(args).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
        assert_eq!(output.status.code(), Some(141), "{args:?}");
    }
}

#[test]
fn a_trace_from_a_time_after_its_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seven.scenario");
    let path = file.to_str().unwrap();
    sim(&["run", "7", "--json", "--save", path]);
    let output = sim(&["replay", path, "--from", "9s", "--until", "3s"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert_eq!(told, "error: --from 9s is after --until 3s: nothing is between them\n");
}

#[test]
fn a_trace_and_a_picture_refuse_the_same_part() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seven.scenario");
    let picture = folder.path().join("seven.svg");
    let (path, picture) = (file.to_str().unwrap(), picture.to_str().unwrap());
    sim(&["run", "7", "--json", "--save", path]);
    let alone = sim(&["replay", path, "--from", "500h"]);
    let drawn = sim(&["replay", path, "--from", "500h", "--picture", picture]);
    assert_eq!(alone.status.code(), Some(64));
    assert!(alone.stderr.starts_with(b"error: --from 500h is after the end of the run at "), "{alone:?}");
    assert_eq!(alone, drawn);
}

#[test]
fn an_option_that_would_do_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seven.scenario");
    let path = file.to_str().unwrap();
    sim(&["run", "7", "--json", "--save", path]);
    let cases: [&[&str]; 5] = [
        &["replay", path, "--brief", "--picture", "p.svg"],
        &["replay", path, "--json", "--from", "1s"],
        &["check-determinism", "--print", "hashes", "--renew", path],
        &["check-determinism", "--print", "hashes", "--recorded", path],
        &["check-determinism", "--print", "hashes", "--against", "true"],
    ];
    for args in cases {
        let output = sim(args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {told}");
        assert_eq!((told.lines().count(), output.stdout.len()), (1, 0), "{args:?}: {told}");
    }
}

#[test]
fn a_file_of_somebody_else_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("README.md");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "# My notes\n\nOn scenario 1.\n").unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["run", "1", "--save"], "scenario"),
        (&["shrink", "7", "--save"], "scenario"),
        (&["explore", "--save"], "scenario"),
        (&["check-determinism", "--renew"], "record of hashes"),
    ];
    for (args, form) in cases {
        let output = sim(&[args, &[path]].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {told}");
        assert!(told.contains(&format!("is there and is no {form}: remove it, or name another")), "{told}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "# My notes\n\nOn scenario 1.\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_is_printed_although_its_file_cannot_be_written() {
    let output = sim(&["run", "7", "--save", "/dev/full"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(74), "{told}");
    assert!(told.starts_with("error: /dev/full cannot be written: "), "{told}");
    assert!(output.stdout.ends_with(b"every promise held\n"));
    let output = sim(&["check-determinism", "--renew", "/dev/full"]);
    assert_eq!(output.status.code(), Some(74));
    for args in [&["run", "7"][..], &["shrink", "7"], &["explore"]] {
        let output = sim(&[args, &["--save", "/nowhere/file"]].concat());
        assert_eq!(output.status.code(), Some(64), "a wrong path is found out before the work: {args:?}");
    }
}

#[test]
fn a_damaged_record_of_hashes_is_no_other_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hashes");
    let path = file.to_str().unwrap();
    let long = format!("0 {}\n", "7".repeat(10_000));
    for line in ["0 6fce6ae920722f0\n", "0 moon\n", "0\n", "\n", long.as_str()] {
        std::fs::write(&file, line).unwrap();
        let output = sim(&["check-determinism", "--recorded", path]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{line}: {told}");
        assert!(told.contains("not a seed, a blank and the 16 digits of its hash"), "{told}");
        assert!(told.chars().count() < 400, "{told}");
    }
    for (path, why) in
        [("/dev/zero", "no regular file"), ("/", "no regular file"), ("no/where", "cannot be read")]
    {
        let output = sim(&["check-determinism", "--recorded", path]);
        assert_eq!(output.status.code(), Some(64));
        assert!(String::from_utf8(output.stderr).unwrap().contains(why), "{path}");
    }
}

#[test]
fn a_stretch_that_is_not_there_has_no_events() {
    let stretch = ["--print", "events", "--seeds", "1..2", "--stretch", "18446744073709551615"];
    let output = sim(&[&["check-determinism"], &stretch[..]].concat());
    assert_eq!((output.status.code(), output.stdout), (Some(0), Vec::new()));
}

#[test]
fn one_seed_is_told_as_one() {
    let output = sim(&["check-determinism", "--seeds", "3..4"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "1 seed gave the same run three times, in two processes\n");
}

#[test]
fn a_client_that_is_never_opened_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lonely.scenario");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "scenario 1\nat 0s a open start\nat 1s fault link-cut b\n").unwrap();
    let output = sim(&["replay", path]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let why =
        "never opens client b, to whom nothing can happen: \"at 1s fault link-cut b\" changes nothing\n";
    assert_eq!(told, format!("warning: {path} {why}"));
}

#[test]
fn an_empty_part_is_named() {
    let output = sim(&["campaign", "--seeds", "0..2", "--shard", "3/4"]);
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "error: part 3/4 of the seeds 0..2 holds none of them\n");
}

#[test]
fn a_campaign_with_seeds_and_a_time_ends_with_whichever_comes_first() {
    let output = sim(&["campaign", "--seeds", "0..40", "--time", "10m", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["runs"], 40, "{report}");
}

#[test]
fn a_file_that_was_cut_off_or_is_no_text_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.scenario");
    let cases: [(&[u8], &str); 3] = [
        (b"scenario 1\nat 5s fau", "bad.scenario was cut off: its last line, \"at 5s fau\", has no end"),
        (b"\xff\xfe\n", "bad.scenario is no scenario: it is no text"),
        (&[b'x'; 2 << 20], "bad.scenario is no scenario: it has more than 1048576 bytes"),
    ];
    for (bytes, why) in cases {
        std::fs::write(&file, bytes).unwrap();
        let output = sim(&["replay", file.to_str().unwrap()]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64));
        assert!(told.ends_with(&format!("{why}\n")), "{told}");
    }
}

#[test]
fn a_campaign_ends_with_the_last_seed_that_there_is() {
    let output = sim(&["campaign", "--seeds", "18446744073709551610..18446744073709551615", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["runs"], 5, "{report}");
}

#[test]
fn another_process_that_says_nothing_is_no_proof() {
    let output = sim(&["check-determinism", "--seeds", "0..3", "--against", "true"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(told.contains("gave 0 hashes for 3 seeds"), "{told}");
}

#[test]
fn a_wrong_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.scenario");
    std::fs::write(&file, "scenario 1\nat 1s fault moon\n").unwrap();
    let output = sim(&["replay", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8(output.stderr).unwrap().contains("line 2: \"moon\" is no fault"));
}

#[test]
fn a_run_can_be_saved_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seven.scenario");
    let path = file.to_str().unwrap();
    let run = sim(&["run", "7", "--json", "--save", path]);
    let replay = sim(&["replay", path, "--json"]);
    assert_eq!(run.status.code(), Some(0));
    assert_eq!(run.stdout, replay.stdout);
}

#[test]
fn a_campaign_that_misses_a_goal_says_which() {
    let output = sim(&["campaign", "--seeds", "0..1"]);
    assert_eq!(output.status.code(), Some(12));
    assert!(String::from_utf8(output.stdout).unwrap().contains("never reached: "));
}

#[test]
fn a_seed_that_breaks_nothing_leaves_nothing_to_shrink() {
    let output = sim(&["shrink", "7"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(15), "{told}");
    assert_eq!(told, "seed 7 breaks no promise: there is nothing to shrink\n");
    assert!(output.stdout.is_empty());
    let output = sim(&["shrink", "7", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(15));
    let verdict = "seed 7 breaks no promise: there is nothing to shrink";
    assert_eq!(report, serde_json::json!({ "broken": null, "verdict": verdict }));
}

#[test]
fn a_search_says_whether_it_is_complete() {
    let world = ["explore", "--clients", "1", "--messages", "0", "--crashes", "1", "--json"];
    for (bound, complete, code) in [("10000", true, 0), ("100", false, 12)] {
        let output = sim(&[&world[..], &["--states-max", bound]].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["complete"], complete, "{report}");
        assert_eq!(output.status.code(), Some(code), "{report}");
        let verdict = report["verdict"].as_str().unwrap();
        assert_eq!(verdict == "every promise held", complete, "{verdict}");
        assert_eq!(verdict.ends_with("can still settle was not judged"), !complete, "{verdict}");
        assert!(report["broken"].is_null() && report["depth"].as_u64() > Some(5), "{report}");
    }
}

#[test]
fn coverage_of_too_few_seeds_says_what_is_missing() {
    let output = sim(&["coverage", "--seeds", "0..5"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(12), "{told}");
    for line in ["5 runs in ", "what clients were told", "    goal: ending-refused", "never reached: "] {
        assert!(told.contains(line), "{line} is missing: {told}");
    }
    let output = sim(&["coverage", "--seeds", "0..5", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(12));
    assert_eq!(report["runs"], 5);
    assert_eq!(report["wrong"], serde_json::json!([]));
    assert!(report["missing"].as_array().unwrap().contains(&"goal: ending-refused".into()));
}
