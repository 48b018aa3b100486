//! The program there: where it runs, with what in its environment, and what is said of one that is not there.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::client::Client;
use crate::examples::example;
use crate::place::{Place, kill, wait_until};
use crate::sshd::Sshd;

/// Prints where it is, some variables and all its arguments.
const TELLER: [&str; 4] = ["sh", "-c", r#"pwd; printf '[%s]' "$A" "$B" "$PWD" "$@""#, "sh"];

const STRANGE: [&str; 15] =
    ["it's", "a  b", "$HOME", "`id`", "\"", "\\", "*", "", "new\nline", "ü 日本", "-x", "--", "#", "!!", "~"];

/// What it printed, and that it ended well.
fn output(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The only line that is said.
fn sentence(mut command: Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(255), 1), "{said}");
    said
}

#[test]
fn it_runs_where_and_with_what_is_said_whatever_that_is() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    for directory in STRANGE.into_iter().filter(|name| !name.is_empty()) {
        let path = place.home().join(format!("there {directory}"));
        fs::create_dir(&path).unwrap();
        let words = ["--cwd", path.to_str().unwrap(), "--env", &format!("A={directory}"), "--env", "B"];
        let mut command = sshd.connect(&place, &words, &[&TELLER[..], &STRANGE].concat());
        command.env("B", directory);
        let here = path.display();
        let arguments = STRANGE.map(|word| format!("[{word}]")).concat();
        assert_eq!(output(command), format!("{here}\n[{directory}][{directory}][{here}]{arguments}"));
    }
    wait_until("nothing is left", || place.servers().is_empty() && place.files().is_empty());
}

#[test]
fn its_home_is_the_one_there_and_the_last_word_holds() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    fs::create_dir(place.home().join("work")).unwrap();
    let there = place.home().join("work");
    let words = ["--cwd", "~/work", "--env", "A=1", "--env", "B=", "--env", "A=2"];
    let expected = format!("{0}\n[2][][{0}]", there.display());
    assert_eq!(output(sshd.connect(&place, &words, &TELLER)), expected);
    let words = [&["--local"], &words[..], &["--"], &TELLER].concat();
    assert_eq!(output(place.connect(&words)), expected);
    // Without a word it is where the login begins; here, where we are.
    let here = place.connect(&[&["--local", "--"], &TELLER[..]].concat());
    let own = std::env::current_dir().unwrap();
    assert!(output(here).starts_with(&format!("{}\n", own.display())));
    let mut beside = place.connect(&[&["--local", "--cwd", "work", "--"], &TELLER[..]].concat());
    beside.current_dir(place.home());
    assert!(output(beside).starts_with(&format!("{}\n", there.display())));
}

#[test]
fn a_place_where_it_cannot_run_is_named() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    for (directory, part) in [
        ("/no/such", "\"/no/such\", where the program is to run, does not exist"),
        ("/etc/passwd", "is not a directory"),
    ] {
        let said = sentence(sshd.connect(&place, &["--cwd", directory], &["cat"]));
        assert!(
            said.starts_with("reattach: the server could not be started: the directory")
                && said.contains(part),
            "{said}"
        );
    }
    assert!(place.files().is_empty() && place.servers().is_empty());
}

#[test]
fn one_that_is_not_there_is_said_to_be_looked_for_where() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let said = sentence(sshd.connect(&place, &["--env", "PATH=/usr/no:/opt/no"], &["no-such-program"]));
    assert!(said.ends_with("the command no-such-program was not found in /usr/no, /opt/no\n"), "{said}");
    let said = sentence(sshd.connect(&place, &[], &["no-such-program"]));
    assert!(said.contains("was not found in /") && said.contains("/usr/bin"), "{said}");
    assert!(said.ends_with("; with --login it is looked for where your login shell would\n"), "{said}");
    let said = sentence(sshd.connect(&place, &["--cwd", "~"], &["./no-such-program"]));
    assert!(said.contains(&format!("was not found in {}", place.home().display())), "{said}");
    let script = r#"printf '#!/no/such/interpreter\n' > "$0" && chmod 700 "$0""#;
    let path = place.home().join("script");
    assert!(Command::new("sh").args(["-c", script]).arg(&path).status().unwrap().success());
    let said = sentence(sshd.connect(&place, &["--cwd", "~"], &["./script"]));
    assert!(said.contains("./script is there, but what its first line names to run it is not"), "{said}");
}

#[test]
fn with_a_login_it_finds_what_the_user_finds_whichever_shell_that_is() {
    let profiles: [(&str, &[&str], &str); 5] = [
        ("bash", &[".profile"], "export A='from profile'; PATH=$PATH:$HOME/tools; echo Welcome; read x"),
        ("dash", &[".profile"], "export A='from profile'; PATH=$PATH:$HOME/tools; echo Welcome; read x"),
        ("zsh", &[".zprofile"], "export A='from profile'; PATH=$PATH:$HOME/tools; echo Welcome; read x"),
        (
            "fish",
            &[".config/fish/config.fish"],
            "set -x A 'from profile'; set -a PATH $HOME/tools; echo Welcome",
        ),
        ("tcsh", &[".login"], "setenv A 'from profile'; setenv PATH ${PATH}:${HOME}/tools; echo Welcome"),
    ];
    for (shell, files, profile) in profiles {
        let path = ["/bin", "/usr/bin"].map(|folder| format!("{folder}/{shell}"));
        let Some(path) = path.iter().find(|path| fs::exists(path).unwrap()) else {
            assert!(std::env::var_os("CI").is_none(), "{shell} is missing");
            let said = format!("SKIPPED: a login by {shell}, because that is missing\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            continue;
        };
        let place = Place::new();
        for file in files {
            let file = place.home().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{profile}\n")).unwrap();
        }
        let make = r#"mkdir "$0" && printf '#!/bin/sh\ncat; echo "$A|$B"\n' > "$0/my-tool" && chmod 700 "$0/my-tool""#;
        let tools = place.home().join("tools");
        assert!(Command::new("sh").args(["-c", make]).arg(&tools).status().unwrap().success());
        let mut command = place.connect(&["--local", "--login", "--env", "B=ours", "--", "my-tool"]);
        command.env("SHELL", path);
        let mut client = Client::start(command);
        client.say("our own input\n");
        client.end_input();
        let end = client.wait();
        assert_eq!(
            (end.code(), end.text()),
            (Some(0), "our own input\nfrom profile|ours\n".to_owned()),
            "{shell}"
        );
        let mut without = place.connect(&["--local", "--", "my-tool"]);
        without.env("SHELL", path);
        assert!(sentence(without).contains("my-tool was not found"), "{shell}");
    }
}

#[test]
fn with_a_login_over_ssh_it_finds_it_too() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    fs::write(place.home().join(".profile"), "export A=profile\n").unwrap();
    assert!(output(sshd.connect(&place, &["--login"], &TELLER)).contains("[profile]"));
    let said = sentence(sshd.connect(&place, &["--login"], &["no-such-program"]));
    assert!(said.contains("was not found in ") && !said.contains("--login"), "{said}");
}

#[test]
fn who_takes_over_is_told_that_something_else_runs() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    let mut first = sshd.client(&place, &["--id", "w", "--cwd", "~", "--env", "A=1"], &["cat"]);
    first.until("Connected");
    let takeover = ["--id", "w", "--takeover", "--log-format", "human"];
    for (words, program, part) in [
        (&[][..], &["pylsp", "-v"][..], Some("it is `cat`, not `pylsp -v`")),
        (&["--cwd", "/tmp"], &["cat"], Some("not in /tmp")),
        (&["--env", "A=2"], &["cat"], Some("it was not given A as you give it")),
        (&["--cwd", "~", "--env", "A=1"], &["cat"], None),
        (&[], &[], None),
    ] {
        let mut words = [&takeover[..], words].concat();
        if !program.is_empty() {
            words.push("--");
        }
        let mut all = sshd.words();
        all.extend([&words[..], program].concat().into_iter().map(str::to_owned));
        let mut next = Client::start(place.connect(&all));
        let word = format!("{}\n", words.join(" "));
        next.say(&word);
        next.hears_last(&word);
        // It ends without closing the session, as somebody does who leaves it to the next.
        kill(next.pid());
        let said = next.wait().said;
        let expected = part.map(|_| "reattach: what runs there is not what was asked for: ");
        assert_eq!(said.len(), usize::from(part.is_some()), "{said:?}");
        assert!(
            said.iter().all(|line| line.starts_with(expected.unwrap()) && line.contains(part.unwrap())),
            "{said:?}"
        );
    }
    assert!(place.run(&["stop", "w"]).status.success());
}

#[test]
fn a_server_that_is_its_own_application_has_no_surroundings() {
    let place = Place::new();
    let server = example("buffer_server");
    let server = server.to_str().unwrap();
    let said = sentence(place.connect(&["--local", "--server-path", server, "--cwd", "/tmp"]));
    assert!(said.contains("this server is its own application"), "{said}");
}
