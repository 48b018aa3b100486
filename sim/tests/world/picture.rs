//! Runs as pictures: what is drawn, and how the page behaves in a real browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use reattach::session::Time;
use reattach_sim::machine::Kit;
use reattach_sim::run::{run, run_with};
use reattach_sim::scenario::{Scenario, draw, parse};
use reattach_sim::show::Picture;
use reattach_sim::trace::Detail;
use serde_json::json;

use crate::browser::Browser;
use crate::kits::WithSpawningProxy;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn situation(name: &str) -> Scenario {
    let file = root().join(format!("fixtures/scenario/world/{name}.scenario"));
    parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn picture(scenario: &Scenario, title: &str) -> Picture {
    let outcome = run(scenario, Detail::Picture);
    Picture::new(scenario, &outcome, title.to_owned(), String::new(), Time::ZERO..=Time(u64::MAX))
}

fn picture_with<K: Kit>(scenario: &Scenario) -> Picture {
    let outcome = run_with::<K>(scenario, Detail::Picture);
    assert!(outcome.checks.violation().is_some());
    Picture::new(scenario, &outcome, "A bug".to_owned(), String::new(), Time::ZERO..=Time(u64::MAX))
}

fn written(folder: &tempfile::TempDir, page: &str) -> PathBuf {
    let file = folder.path().join("page.html");
    std::fs::write(&file, page).unwrap();
    file
}

fn sim(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_reattach-sim")).current_dir(folder).args(args).output();
    let output = command.unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn the_pictures_in_the_documents_are_what_is_drawn_today() {
    for name in ["server_killed", "server_killed_during_outage"] {
        let scenario = format!("fixtures/scenario/world/{name}.scenario");
        let shown = format!("docs/{name}.svg");
        let (code, drawn) = sim(&root(), &["show", &scenario, "--svg", "--out", "-"]);
        assert_eq!(code, Some(0));
        let kept = std::fs::read_to_string(root().join(&shown)).unwrap_or_default();
        assert!(kept == drawn, "redo it: cargo sim show {scenario} --svg --out {shown}");
    }
}

#[test]
fn every_run_can_be_drawn() {
    for seed in 0..60 {
        let scenario = draw(seed);
        let drawn = picture(&scenario, "seed");
        let (svg, page) = (drawn.svg(), drawn.page());
        assert_eq!((svg, page), (picture(&scenario, "seed").svg(), picture(&scenario, "seed").page()));
    }
}

#[test]
fn a_picture_goes_where_it_is_asked_to_and_over_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let (code, told) = sim(here, &["show", "7"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("seed-7.html drawn: "), "{told}");
    let (_, told) = sim(here, &["show", "7"]);
    assert!(told.starts_with("seed-7.html drawn again: "), "{told}");
    std::fs::write(here.join("notes.svg"), "my notes").unwrap();
    let (code, told) = sim(here, &["show", "7", "--svg", "--out", "notes.svg"]);
    assert_eq!(code, Some(64));
    let way = "remove it, name another file, or use show --force";
    assert_eq!(told, format!("error: notes.svg is there and is no picture of this command: {way}\n"));
    assert_eq!(std::fs::read_to_string(here.join("notes.svg")).unwrap(), "my notes");
    let (code, _) = sim(here, &["show", "7", "--svg", "--out", "notes.svg", "--force"]);
    assert_eq!(code, Some(0));
    assert!(std::fs::read_to_string(here.join("notes.svg")).unwrap().starts_with("<svg "));
}

#[test]
fn a_replayed_part_can_be_drawn_beside_its_trace() {
    let folder = tempfile::tempdir().unwrap();
    let file = root().join("fixtures/scenario/world/server_killed.scenario");
    let part = ["--from", "5s", "--until", "6s", "--picture", "part.svg"];
    let (code, told) = sim(folder.path(), &[&["replay", file.to_str().unwrap()], &part[..]].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("part.svg drawn\n") && told.contains("is dead"), "{told}");
    let drawn = std::fs::read_to_string(folder.path().join("part.svg")).unwrap();
    assert!(drawn.contains(">is killed<") && !drawn.contains(">opens an editor<"));
}

#[test]
fn a_part_is_drawn_again_as_it_was_asked_for_also_one_in_which_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let part = ["show", "7", "--from", "1us", "--until", "2us"];
    let (code, told) = sim(folder.path(), &[&part[..], &["--out", "part.html"]].concat());
    assert_eq!(code, Some(0), "{told}");
    assert!(told.starts_with("part.html drawn: 0 lines, 0 messages; "), "{told}");
    let page = std::fs::read_to_string(folder.path().join("part.html")).unwrap();
    assert!(page.contains(">cargo sim show 7 --from 1us --until 2us<"));
    assert!(page.contains(">nothing happens here<"));
    let (_, whole) = sim(folder.path(), &["show", "7", "--out", "-"]);
    assert!(whole.contains(">cargo sim show 7<") && !whole.contains(">nothing happens here<"));
}

#[test]
fn two_commands_understand_a_pictures_name_alike() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sim(here, &["run", "7", "--json", "--save", "seven.scenario"]);
    let (code, told) = sim(here, &["show", "seven.scenario", "--out", "shown.svg"]);
    assert_eq!(code, Some(0), "{told}");
    sim(here, &["replay", "seven.scenario", "--picture", "replayed.svg"]);
    let drawn = |name: &str| std::fs::read_to_string(here.join(name)).unwrap();
    assert!(drawn("shown.svg").starts_with("<svg ") && drawn("shown.svg") == drawn("replayed.svg"));
    let shown = sim(here, &["show", "seven.scenario", "--out", "-"]);
    assert_eq!(shown, sim(here, &["replay", "seven.scenario", "--picture", "-"]));
    assert!(!here.join("-").exists());
    let (code, told) = sim(here, &["replay", "seven.scenario", "--picture", "-", "--json"]);
    assert_eq!(code, Some(64), "{told}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_picture_in_a_device_comes_to_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = sim(folder.path(), &["show", "7", "--out", "/dev/full"]);
    assert_eq!(code, Some(74), "{told}");
    assert!(told.contains("error: /dev/full cannot be written: "), "{told}");
    assert_eq!(sim(folder.path(), &["show", "7", "--out", "/dev/zero"]).0, Some(0));
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["show", "moon"], "moon cannot be read"),
        (
            &["show", "7", "--from", "2m", "--until", "1m"],
            "--from 2m is after --until 1m: nothing is between them",
        ),
        (&["show", "7", "--from", "1000h"], "--from 1000h is after the end of the run at "),
        (&["show", "7", "--from", "soon"], "invalid value 'soon' for '--from <TIME>'"),
        (&["show", "7", "--out", "no/where.html"], "no/where.html cannot be written"),
    ];
    for (args, sentence) in cases {
        let (code, told) = sim(folder.path(), args);
        assert_eq!(code, Some(64), "{args:?}: {told}");
        assert!(told.contains(sentence), "{args:?}: {told}");
    }
}

#[test]
fn the_page_can_be_walked_through_and_asks_for_nothing() {
    let Some(mut browser) = Browser::start(1280, 800) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    browser.show(&written(&folder, &picture(&situation("flapping_link"), "Links die").page()));
    let chosen = "document.querySelector('.chosen')?.dataset.e ?? null";
    let told = "document.querySelector('#details').textContent";
    assert_eq!(browser.value(chosen), json!(null));

    browser.click(".row.status .what");
    assert_ne!(browser.value(chosen), json!(null), "a click selects what it hits");
    assert!(browser.value(told).as_str().unwrap().contains("Connecting"));
    let first = browser.value(chosen);
    browser.press("j");
    let second = browser.value(chosen);
    assert_ne!(second, first, "a key goes on");
    browser.press("ArrowUp");
    assert_eq!(browser.value(chosen), first, "and back");
    browser.press("n");
    assert!(browser.value(told).as_str().unwrap().contains("the link is cut"));
    let seen = "(() => { const box = document.querySelector('.chosen').getBoundingClientRect(); \
                return box.y > 0 && box.y < innerHeight })()";
    assert_eq!(browser.value(seen), json!(true), "what is chosen is in sight");

    let height = "+document.querySelector('#picture').getAttribute('height')";
    let before = browser.value(height).as_f64().unwrap();
    browser.press("+");
    assert!(browser.value(height).as_f64().unwrap() > before * 1.3);
    browser.press("f");
    let fitted = browser.value(height).as_f64().unwrap();
    assert!(fitted < 800.0, "all of it is in sight: {fitted}");
    browser.press("0");

    browser.press("Home");
    for _ in 0..100 {
        if browser.value("document.querySelector('.swarm.chosen:not(.open)') !== null") == json!(true) {
            break;
        }
        browser.press("j");
    }
    assert_eq!(browser.value("document.querySelectorAll('.chosen .member').length"), json!(0));
    browser.press("Enter");
    let apart = browser.value("document.querySelectorAll('.chosen .member').length");
    assert_ne!(apart, json!(0), "messages come apart where there is room");

    browser.press("/");
    for letter in ["H", "e", "l", "l", "o"] {
        browser.press(letter);
    }
    assert_eq!(browser.value("document.querySelector('#found').textContent"), json!("8 found"));
    browser.press("Escape");
    browser.press("?");
    assert_eq!(browser.value("document.querySelector('#keys').open"), json!(true));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_broken_promise_is_one_key_away() {
    let Some(mut browser) = Browser::start(1280, 800) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = picture_with::<WithSpawningProxy>(&situation("server_killed_during_outage")).page();
    browser.show(&written(&folder, &page));
    browser.press("v");
    let told = browser.value("document.querySelector('#details').textContent");
    let told = told.as_str().unwrap();
    assert!(told.contains("never-spawn is broken"), "{told}");
    assert!(told.contains("serves a reconnect and takes the starter lock"), "{told}");
    assert_eq!(
        browser.value("document.querySelector('.verdict-line').className"),
        json!("verdict-line broken")
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn it_can_be_read_by_day_by_night_on_paper_and_on_a_small_screen() {
    let Some(mut browser) = Browser::start(1280, 800) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let drawn = picture(&situation("second_laptop_takes_over"), "Two laptops");
    let page = written(&folder, &drawn.page());
    let svg = folder.path().join("picture.svg");
    std::fs::write(&svg, drawn.svg()).unwrap();
    for file in [&page, &svg] {
        for (scheme, bright) in [("light", true), ("dark", false)] {
            let feature = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
            browser.ask("Emulation.setEmulatedMedia", json!({ "media": "", "features": feature }));
            browser.show(file);
            let (brightness, colours) = browser.looks();
            assert_eq!(brightness > 128.0, bright, "{} in {scheme}: {brightness}", file.display());
            assert!(colours > 100, "{} in {scheme}: {colours} colours", file.display());
        }
    }
    browser.show(&page);
    // A page that is dark on the screen is printed on white.
    let dark = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
    browser.ask("Emulation.setEmulatedMedia", json!({ "media": "print", "features": dark }));
    let (brightness, colours) = browser.looks();
    assert!(brightness > 200.0 && colours > 100, "{brightness}, {colours} colours");
    let sheets = browser.value("document.querySelectorAll('.sheet').length").as_u64().unwrap();
    let paper = browser.ask("Page.printToPDF", json!({ "printBackground": false }));
    let count = format!("atob('{}').match(/\\/Type ?\\/Page\\b/g).length", paper["data"].as_str().unwrap());
    let pages = browser.value(&count).as_u64().unwrap();
    assert!((1..=sheets).contains(&pages), "{sheets} sheets on {pages} pages: the head takes one of its own");

    browser.ask("Emulation.setEmulatedMedia", json!({ "media": "" }));
    let small = json!({ "width": 420, "height": 700, "deviceScaleFactor": 1, "mobile": false });
    browser.ask("Emulation.setDeviceMetricsOverride", small);
    let spills = "document.documentElement.scrollWidth > innerWidth";
    assert_eq!(browser.value(spills), json!(false), "only the picture scrolls sideways");
    let room = browser.value("document.querySelector('#stage').clientHeight").as_u64().unwrap();
    assert!(room > 250, "{room}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_title_is_text_whatever_it_says() {
    let Some(mut browser) = Browser::start(1280, 800) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let title = "</title></script><img src=x onerror=\"document.title='taken'\"> & {{events}}";
    browser.show(&written(&folder, &picture(&situation("server_killed"), title).page()));
    assert_eq!(browser.value("document.title"), json!(title));
    assert_eq!(browser.value("document.querySelector('h1').textContent"), json!(title));
    assert_eq!(browser.value("document.querySelectorAll('img').length"), json!(0));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
