//! What comes before the server's first byte, and beside its bytes on standard error: banners of login
//! shells, and things that never end.

use reattach::proto::limits::NOISE_BYTES_MAX;
use rustix::process::Signal;

use crate::client::{Client, Ended};
use crate::link::{Link, died_by};
use crate::place::{Place, wait_until};

/// What becomes of a client that says a word, loses its link, says another, and hears both.
fn end_after_a_cut(place: &Place, link: &Link, program: &[&str]) -> Ended {
    let mut client = link.client(place, &["--backoff-min", "1ms"], program);
    client.say("one\n");
    client.hears("one\n");
    link.cut();
    client.until("Reconnecting");
    client.say("two\n");
    client.hears("one\ntwo\n");
    client.end_input();
    client.wait()
}

#[test]
fn banners_before_the_preamble_are_survived() {
    let place = Place::new();
    let banner = r#"printf 'Welcome to devbox!\n\000\001 reattach\n{"reattach-proxy":'; seq 1 10000"#;
    let link = Link::with_script(&format!(
        "{banner}\necho 'Warning: everything is watched' >&2\necho $$ >> \"$here/carriers\"; exec \"$@\""
    ));
    let end = end_after_a_cut(&place, &link, &["cat"]);
    // Neither the banner nor the warning is the program's.
    assert_eq!((end.code(), end.text(), end.said), (Some(0), "one\ntwo\n".to_owned(), vec![]));
    place.is_left_clean();
}

#[test]
fn noise_up_to_its_bound_is_survived_and_one_byte_more_is_not() {
    for (bytes, survived) in [(NOISE_BYTES_MAX, true), (NOISE_BYTES_MAX + 1, false)] {
        let place = Place::new();
        let link = Link::with_script(&format!(r#"head -c {bytes} /dev/zero | tr '\0' x; exec "$@""#));
        let mut client = Client::start(link.connect(&place, &["--backoff-min", "1ms"], &["echo", "here"]));
        client.end_input();
        let end = client.wait();
        if survived {
            assert_eq!((end.code(), end.text(), end.said), (Some(0), "here\n".to_owned(), vec![]));
        } else {
            assert_eq!((end.code(), end.text()), (Some(255), String::new()));
            let last = end.said.last().unwrap();
            assert!(last.contains(&bytes.to_string()) && last.contains("xxxx"), "{:?}", end.said);
        }
        for server in place.servers() {
            crate::place::signal(server, "TERM");
        }
        wait_until("no process is left", || place.processes().is_empty());
    }
}

#[test]
fn noise_without_an_end_is_one_clear_sentence() {
    for script in ["exec yes 'no server here'", "yes 'no server here' | head -n 10000; exec \"$@\""] {
        let place = Place::new();
        let link = Link::with_script(script);
        let end = Client::start(link.connect(&place, &["--backoff-min", "1ms"], &["cat"])).wait();
        assert_eq!((end.code(), end.text()), (Some(255), String::new()));
        let last = end.said.last().unwrap();
        assert!(last.contains("does not speak this protocol"), "{:?}", end.said);
        assert!(
            last.contains("bytes that are not reattach's") && last.contains("no server here"),
            "{:?}",
            end.said
        );
        for server in place.servers() {
            // One that was started behind the noise; nobody met it, and it would end by itself.
            crate::place::signal(server, "TERM");
        }
        wait_until("no process is left", || place.processes().is_empty());
    }
}

#[test]
fn a_shell_that_has_no_server_says_so() {
    let place = Place::new();
    let link = Link::with_script("exec sh -c 'no-such-server proxy'");
    let end = Client::start(link.connect(&place, &[], &["cat"])).wait();
    assert_eq!(end.code(), Some(255));
    assert_eq!(end.said.len(), 1, "{:?}", end.said);
    assert!(
        end.said[0].contains("could not connect to") && end.said[0].contains("not found"),
        "{:?}",
        end.said
    );
}

#[test]
fn a_flood_on_standard_error_stops_nothing() {
    let place = Place::new();
    // It ends when nobody reads it any more.
    let link = Link::with_script(r#"yes >&2 & echo $$ >> "$here/carriers"; exec "$@""#);
    assert_eq!(end_after_a_cut(&place, &link, &["sh", "-c", "cat; exit 7"]).code(), Some(7));
    place.is_left_clean();
}

#[test]
fn a_flood_on_standard_error_does_not_keep_a_transport_from_its_end() {
    let place = Place::new();
    // The proxy's last words go where the flood goes.
    let link = Link::with_script(r#"yes >&2 & "$@"; touch "$here/ended""#);
    // On a busy machine the client's patience may not be enough; without a reader it never is.
    let ended = (0..10).any(|_| {
        let mut client = link.client(&place, &[], &["cat"]);
        client.say("one\n");
        client.hears("one\n");
        client.end_input();
        assert_eq!(client.wait().code(), Some(0));
        link.path("ended").exists()
    });
    assert!(ended, "it was killed");
    place.is_left_clean();
}

#[test]
fn a_transport_that_only_floods_standard_error_is_given_up_in_time_and_ends_with_the_client() {
    let place = Place::new();
    let link = Link::with_script(
        r#"if [ -e "$here/flood" ]; then exec yes >&2; fi; echo $$ >> "$here/carriers"; exec "$@""#,
    );
    let words = ["--backoff-min", "1ms", "--open-timeout", "300ms", "--max-attempts", "2"];
    let mut client = link.client(&place, &words, &["cat"]);
    client.until("Connected");
    std::fs::write(link.path("flood"), "").unwrap();
    link.cut();
    client.until("ReconnectExhausted");
    client.signal("USR1");
    client.until("Reconnecting");
    client.signal("TERM");
    client.signal("TERM");
    assert!(died_by(client.wait().status, Signal::TERM));
    for server in place.servers() {
        crate::place::signal(server, "TERM");
    }
    wait_until("no process is left", || place.processes().is_empty());
}
