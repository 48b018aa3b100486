//! Situations as files: `fixtures/scenario/client/NAME.scenario` is played to the client machine
//! alone, and its trace compared with `snapshots/client_NAME.snap`.
//!
//! A line is `TIME  WHO DOES WHAT`, times count from the start, `#` begins a comment. What comes from
//! a transport is news of the current attempt, or of another if the line ends with `of attempt N`:
//!
//! ```text
//! user sends N | finishes | closes | retries | restarts | takes N        (messages, deliveries)
//! laptop stalls until TIME | wakes      network comes up      link goes silent
//! client takes over | waits for its user     (without patience, allowance and hints that replace: how it is made)
//! ssh turned away
//! proxy runs | attaches | exits CODE | says CODE | exits CODE REASON | killed by SIGNAL | output ends | cannot start | is noisy
//!       [elsewhere | of another] exits CODE REASON    (on another machine; about another server)
//! server welcomes [received=N] [start=N] [instance=N] [host=N] | [elsewhere] refuses REASON | sends N
//!        | repeats | skips
//!        acks N | answers | says bye REASON | program exits CODE | trickles
//! end                                          (the time until which the machine is watched)
//! ```
//!
//! Probes are answered at once, and not shown, until the link of the current attempt goes silent.

use std::fmt::Write;

use serde::de::DeserializeOwned;

use super::*;
use crate::proto::{Refusal, Verdict};
use crate::snapshot::Fixture;

#[test]
fn plays_every_situation_as_its_trace_says() {
    for Fixture { name, path, text } in crate::snapshot::read_all("scenario/client") {
        let trace = play(&path, &text);
        crate::snapshot::assert_snapshot(&format!("client_{name}"), &trace);
    }
}

#[test]
#[should_panic(expected = "nap.scenario:3: \"laptop dozes\" is nothing that can happen")]
fn names_the_line_that_it_does_not_understand() {
    play("nap.scenario", "# a nap\n0s  proxy runs\n1s  laptop dozes\n");
}

#[test]
#[should_panic(expected = "nap.scenario:2: the time goes back")]
fn names_the_line_that_comes_too_late() {
    play("nap.scenario", "2s  proxy runs\n1s  end\n");
}

/// Plays a file and gives its trace.
fn play(file: &str, text: &str) -> String {
    let takes_over = text.lines().any(|line| line.ends_with("client takes over"));
    let first = if takes_over { First::Takeover } else { First::Start };
    let waits = text.lines().any(|line| line.ends_with("client waits for its user"));
    let config = if waits { waits_for_its_user() } else { config() };
    let mut play = Play::new(ClientConfig { first, ..config });
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if let Err(why) = play.line(line) {
            panic!("{file}:{}: {why}", number + 1);
        }
    }
    play.trace
}

struct Play {
    client: Client,
    now: Time,
    /// What the trace showed last.
    seen: String,
    /// The attempt whose link carries nothing that this file does not say.
    silent: Attempt,
    /// The nonce of the last Ping that was written.
    asked: u64,
    trace: String,
}

impl Play {
    fn new(config: ClientConfig) -> Self {
        let client = Client::new(config, SESSION, 0, Time::ZERO);
        let seen = "start".to_owned();
        let mut play = Play { client, now: Time::ZERO, seen, silent: 0, asked: 0, trace: String::new() };
        play.show();
        play
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        let (time, words) = line.split_once(' ').ok_or("a line is a time and what happens then")?;
        let until = parse_time(time)?;
        if until < self.now {
            return Err(format!("the time goes back to {until}"));
        }
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.show();
        }
        self.now = until;
        let words = words.trim();
        let (what, attempt) = match words.split_once(" of attempt ") {
            Some((what, number)) => (what, parse(number)?),
            None => (words, self.client.attempt()),
        };
        let words: Vec<&str> = what.split_whitespace().collect();
        match words[..] {
            ["end"] | ["client", "takes", "over"] | ["client", "waits", "for", "its", "user"] => {}
            ["link", "goes", "silent"] => self.silent = attempt,
            ["laptop", "stalls", "until", time] => self.now = parse_time(time)?,
            ["user", "sends", count] => {
                for _ in 0..parse(count)? {
                    self.client.handle_input(self.now, Input::Send(Bytes::from_static(b"i")));
                }
            }
            ["user" | "laptop" | "network", ..] => {
                let input = user_input(&words).ok_or(format!("{what:?} is nothing that can happen"))?;
                self.client.handle_input(self.now, input);
            }
            ["server", "sends", count] => {
                for _ in 0..parse(count)? {
                    let next = output(self.client.inbox().received() + 1);
                    self.client.handle_input(self.now, Input::Transport(attempt, next));
                }
            }
            _ => {
                let news = self.news(&words)?.ok_or(format!("{what:?} is nothing that can happen"))?;
                self.client.handle_input(self.now, Input::Transport(attempt, news));
            }
        }
        self.show();
        Ok(())
    }

    fn news(&self, words: &[&str]) -> Result<Option<News>, String> {
        let received = self.client.inbox().received();
        let text = |text: &str| text.to_owned();
        Ok(Some(match *words {
            ["proxy", "runs"] => News::Started(Some(HOME)),
            ["proxy", "attaches"] => News::Preamble,
            ["ssh", "turned", "away"] => turned_away(),
            ["proxy", "exits", code] => exited(ProgramExit::Code(parse(code)?)),
            ["proxy", "says", code] => says(verdict(&self.client, parse(code)?, None)),
            ["proxy", "exits", code, reason] => {
                says(verdict(&self.client, parse(code)?, Some(parse_word(reason)?)))
            }
            ["proxy", "elsewhere", "exits", code, reason] => {
                let verdict = verdict(&self.client, parse(code)?, Some(parse_word(reason)?));
                says(Verdict { host: Some(HostId(2)), ..verdict })
            }
            ["proxy", "of", "another", "exits", code, reason] => {
                let verdict = verdict(&self.client, parse(code)?, Some(parse_word(reason)?));
                says(Verdict { instance: Some(InstanceId(2)), ..verdict })
            }
            ["proxy", "killed", "by", signal] => exited(ProgramExit::Signal(parse(signal)?)),
            ["proxy", "output", "ends"] => News::Ended,
            ["proxy", "cannot", "start"] => News::NotOpened(text("no such program")),
            ["proxy", "is", "noisy"] => News::Garbled(text("noise")),
            ["server", "welcomes", ref fields @ ..] => {
                let mut welcome = welcome(&self.client);
                for field in fields {
                    match field.split_once('=') {
                        Some(("received", number)) => welcome.received = parse(number)?,
                        Some(("start", number)) => welcome.start = parse(number)?,
                        Some(("host", number)) => welcome.host = Some(HostId(parse(number)?)),
                        Some(("instance", number)) => welcome.instance = InstanceId(parse(number)?),
                        Some(_) | None => return Err(format!("a welcome has no {field:?}")),
                    }
                }
                News::Frame(Frame::Welcome(welcome))
            }
            ["server", "refuses", reason] => {
                let (reason, message, host) = (parse_word(reason)?, text("why"), Some(HOME));
                News::Frame(Frame::Refused(Refusal { reason, message, host }))
            }
            ["server", "elsewhere", "refuses", reason] => {
                let (reason, message, host) = (parse_word(reason)?, text("why"), Some(HostId(2)));
                News::Frame(Frame::Refused(Refusal { reason, message, host }))
            }
            ["server", "repeats"] => output(received),
            ["server", "skips"] => output(received + 2),
            ["server", "acks", seq] => News::Frame(Frame::Ack(parse(seq)?)),
            ["server", "answers"] => News::Frame(Frame::Pong(self.asked)),
            ["server", "says", "bye", reason] => bye(parse_word(reason)?),
            ["server", "trickles"] => News::Heard,
            ["program", "exits", code] => {
                News::Frame(Frame::Exit { seq: received + 1, exit: ProgramExit::Code(parse(code)?) })
            }
            _ => return Ok(None),
        }))
    }

    /// Does what the machine asks for, and writes a line of the trace for each thing worth one.
    fn show(&mut self) {
        let mut delivered = 0;
        while let Some(effect) = self.client.poll_effect() {
            match effect {
                Effect::Status(status, cause) => {
                    self.write(&format!("{} -> {status}", self.seen), &cause.to_string());
                    self.seen = format!("{status} #{}", self.client.attempt());
                }
                Effect::Deliver(..) | Effect::Finished(_) => delivered += 1,
                Effect::Ignored(attempt) => self.write_here(&format!("ignored #{attempt}")),
                Effect::Rejected(why) => self.write_here(&format!("rejected: {why}")),
                // What a transition says already.
                Effect::Open(..) | Effect::Close(..) => {}
            }
        }
        if delivered > 0 {
            self.write_here(&format!("delivers {delivered}"));
        }
        let mut numbers: Vec<Seq> = Vec::new();
        while let Some((attempt, frame)) = self.client.poll_transmit() {
            match frame {
                Frame::Ping(nonce) if attempt != self.silent => {
                    let pong = News::Frame(Frame::Pong(nonce));
                    self.client.handle_input(self.now, Input::Transport(attempt, pong));
                }
                Frame::Ping(nonce) => {
                    self.asked = nonce;
                    self.write_here("writes Ping");
                }
                frame => match frame.seq() {
                    Some(seq) => numbers.push(seq),
                    None => self.write_here(&format!("writes {}", frame.name())),
                },
            }
        }
        match numbers[..] {
            [] => {}
            [one] => self.write_here(&format!("writes message {one}")),
            [first, .., last] => self.write_here(&format!("writes messages {first} to {last}")),
        }
    }

    fn write_here(&mut self, what: &str) {
        let seen = self.seen.clone();
        self.write(&seen, what);
    }

    fn write(&mut self, state: &str, what: &str) {
        let _ = writeln!(self.trace, "{:>10}  client  {state:<46}  {what}", self.now);
    }
}

fn user_input(words: &[&str]) -> Option<Input> {
    Some(match *words {
        ["user", "finishes"] => Input::Finish,
        ["user", "closes"] => Input::Close,
        ["user", "retries"] => Input::Retry,
        ["user", "restarts"] => Input::Restart(SessionId(11)),
        ["user", "takes", count] => Input::Consumed(count.parse().ok()?),
        ["laptop", "wakes"] => Input::Wake,
        ["network", "comes", "up"] => Input::NetworkUp,
        _ => return None,
    })
}

fn parse<T: std::str::FromStr>(number: &str) -> Result<T, String> {
    number.parse().map_err(|_| format!("{number:?} is not a number"))
}

/// A reason, written as on the wire.
fn parse_word<T: DeserializeOwned>(word: &str) -> Result<T, String> {
    serde_json::from_value(word.into()).map_err(|error| error.to_string())
}

fn parse_time(time: &str) -> Result<Time, String> {
    // "12.5s" reads better in a file of situations than "12s 500ms".
    if let Some(seconds) = time.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok()) {
        return Ok(Time::ZERO + Duration::from_secs_f64(seconds));
    }
    let duration = humantime::parse_duration(time);
    duration.map(|duration| Time::ZERO + duration).map_err(|error| format!("{time:?} is no time: {error}"))
}

/// A proxy's end, with its word.
fn says(verdict: Verdict) -> News {
    let status = ProgramExit::Code(verdict.code);
    News::Exited(ProxyExit { status, verdict: Some(verdict), last_words: String::new() })
}
