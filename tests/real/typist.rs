//! Somebody who types numbered lines to a program that gives them back, and notes when each comes:
//! what a user feels of a network, in figures.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use reattach::io::clock::Clock;
use reattach::session::Time;

use crate::client::Client;
use crate::place::wait;

/// Time from one line to the next of somebody who types steadily.
const PACE: Duration = Duration::from_millis(20);

/// Time after which a line that is not answered is felt as an outage.
const FELT: Duration = Duration::from_millis(500);

/// Somebody at a client that hosts `cat`.
pub(crate) struct Typist {
    client: Client,
    page: Arc<Page>,
    hands: Hands,
}

/// The lines that were typed: the first is number one.
#[derive(Default)]
struct Page {
    typed: Mutex<Vec<Time>>,
    is_enough: AtomicBool,
}

enum Hands {
    Idle(ChildStdin),
    Typing(JoinHandle<ChildStdin>),
    Between,
}

/// When the network was there: the changes in their order, beginning with a network.
pub(crate) struct Weather {
    clock: Clock,
    changes: Vec<(Time, bool)>,
}

impl Typist {
    /// Sits down once the client is connected.
    pub(crate) fn at(mut client: Client) -> Self {
        client.until("Connected");
        let hands = Hands::Idle(client.take_input());
        Typist { client, page: Arc::default(), hands }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Types one line; gives its number.
    pub(crate) fn line(&mut self) -> usize {
        let Hands::Idle(input) = &mut self.hands else { panic!("somebody who types steadily types no more") };
        self.page.line(input, self.client.clock())
    }

    /// Types fifty lines a second until told to rest.
    pub(crate) fn steadily(&mut self) {
        let Hands::Idle(mut input) = std::mem::replace(&mut self.hands, Hands::Between) else {
            panic!("somebody who types steadily types no more")
        };
        let (page, clock) = (Arc::clone(&self.page), self.client.clock());
        page.is_enough.store(false, Ordering::SeqCst);
        self.hands = Hands::Typing(std::thread::spawn(move || {
            let mut due = clock.now();
            while !page.is_enough.load(Ordering::SeqCst) {
                page.line(&mut input, clock);
                due += PACE;
                wait(due.since(clock.now()));
            }
            input
        }));
    }

    /// Types no more for now.
    pub(crate) fn rest(&mut self) {
        self.page.is_enough.store(true, Ordering::SeqCst);
        self.hands = match std::mem::replace(&mut self.hands, Hands::Between) {
            Hands::Typing(typing) => Hands::Idle(typing.join().unwrap()),
            idle => idle,
        };
    }

    /// When that line came back, if it does in time.
    pub(crate) fn answered(&self, number: usize, patience: Duration) -> Option<Time> {
        let mut bytes = None;
        self.within(patience, || {
            // Reading it all again costs something.
            let before = bytes.replace(self.client.heard_bytes());
            (before != bytes).then(|| self.client.lines().get(number - 1).map(|(at, _)| *at))?
        })
    }

    /// When the client first said after `from` that it is in that state, if it does in time.
    pub(crate) fn said(&self, state: &str, from: Time, patience: Duration) -> Option<Time> {
        self.within(patience, || {
            let events = self.client.events();
            let later = events.iter().find(|event| event.heard_at > from && event.state == state);
            later.map(|event| event.heard_at)
        })
    }

    /// The last state that the client told.
    pub(crate) fn state(&self) -> String {
        self.client.events().last().map(|event| event.state.clone()).unwrap_or_default()
    }

    fn within<R>(&self, patience: Duration, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        let clock = Clock::new();
        loop {
            let found = look();
            if found.is_some() || clock.now().since(Time::ZERO) >= patience {
                return found;
            }
            wait(Duration::from_millis(5));
        }
    }

    /// Share of the lines typed while the network was there that were answered before it was felt.
    pub(crate) fn usable_share(&self, weather: &Weather) -> f64 {
        let came = self.client.lines();
        let typed = self.page.typed.lock().unwrap().clone();
        let fair = typed.iter().enumerate().filter(|(_, at)| weather.is_fair(**at));
        let soon = |index: usize, at: Time| came.get(index).is_some_and(|(came, _)| came.since(at) <= FELT);
        let soon: Vec<bool> = fair.map(|(index, at)| soon(index, *at)).collect();
        soon.iter().filter(|soon| **soon).count() as f64 / soon.len() as f64
    }

    /// When each attempt was first spoken of.
    pub(crate) fn attempts(&self) -> Vec<Time> {
        let mut first = BTreeMap::new();
        for event in self.client.events() {
            first.entry(event.attempt).or_insert(event.heard_at);
        }
        first.into_values().collect()
    }

    /// Those of which the host has seen anything: all but those whose ssh found no way to it.
    fn logins(&self) -> Vec<Time> {
        let mut first = BTreeMap::new();
        let events = self.client.events();
        for event in &events {
            first.entry(event.attempt).or_insert(event.heard_at);
        }
        for event in events.iter().filter(|event| event.cause.contains("ssh: connect to host")) {
            first.remove(&event.attempt);
        }
        first.into_values().collect()
    }

    /// Nobody's host sees more logins than the allowance gives: five at once, and one more every three seconds.
    pub(crate) fn was_modest(&self) {
        let attempts = self.logins();
        for (index, from) in attempts.iter().enumerate() {
            for (more, to) in attempts[index..].iter().enumerate() {
                // A little more, for what is read late here.
                let allowed = 5.2 + to.since(*from).as_secs_f64() / 3.0;
                assert!((more + 1) as f64 <= allowed, "{} attempts in {:?}", more + 1, to.since(*from));
            }
        }
    }

    /// Every line comes back in time, once and in order.
    pub(crate) fn lost_nothing(&mut self, patience: Duration) -> bool {
        self.rest();
        let typed = self.page.typed.lock().unwrap().len();
        let all = typed == 0 || self.answered(typed, patience).is_some();
        for (index, (_, line)) in self.client.lines().iter().enumerate() {
            assert_eq!(*line, (index + 1).to_string(), "in their order");
        }
        all
    }
}

impl Drop for Typist {
    fn drop(&mut self) {
        // It may wait for a client that takes nothing more; that ends after this.
        self.page.is_enough.store(true, Ordering::SeqCst);
    }
}

impl Page {
    fn line(&self, input: &mut ChildStdin, clock: Clock) -> usize {
        let mut typed = self.typed.lock().unwrap();
        let number = typed.len() + 1;
        typed.push(clock.now());
        drop(typed);
        // A client that has ended is noticed by what it said.
        let _ = input.write_all(format!("{number}\n").as_bytes());
        number
    }
}

impl Weather {
    /// Fair from now on.
    pub(crate) fn fair(clock: Clock) -> Self {
        Weather { clock, changes: Vec::new() }
    }

    /// There is a network from now on, or none.
    pub(crate) fn turns(&mut self, is_fair: bool) -> Time {
        let now = self.clock.now();
        self.changes.push((now, is_fair));
        now
    }

    fn is_fair(&self, at: Time) -> bool {
        self.changes.iter().take_while(|(change, _)| *change <= at).last().is_none_or(|(_, is_fair)| *is_fair)
    }
}
