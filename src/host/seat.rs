//! Who is attached to a server, or was: what its people want to know, and what a program finds of its client.
//!
//! `server.seat.json` is a word for people, as the record is, written when a client comes or goes. It proves
//! nothing; of a server that has ended it is removed.

use std::cell::RefCell;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::agent::{self, Agent, Token};
use super::directory::Directory;
use super::paths::Place;
use super::record::{read, time_for_people, write};
use crate::io::clock;
use crate::proto::InstanceId;

/// What the file's name ends with.
pub const ENDING: &str = ".seat.json";

/// Who sits there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The server.
    pub instance: InstanceId,
    /// Whether a client is attached.
    pub attached: bool,
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// The same, for people.
    pub since_at: String,
    /// The client, or the last one, as it named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
}

impl Word {
    fn now(instance: InstanceId, attached: bool, client: Option<String>) -> Self {
        let since = clock::unix_seconds();
        Word { instance, attached, since, since_at: time_for_people(since), client }
    }

    /// Reads it; absent as long as no client was ever there.
    pub fn read(place: &Place, directory: &Directory) -> Option<Self> {
        read(directory, &place.name(ENDING))
    }
}

/// A server's seat.
#[derive(Debug)]
pub struct Seat<'a> {
    place: &'a Place,
    instance: InstanceId,
    /// As it should be told; nothing before the first client came.
    word: RefCell<Option<Word>>,
    agent: RefCell<Option<Agent>>,
}

/// Whoever may sit down.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What the attachment is known by.
    pub token: Token,
    /// As the client names itself.
    pub client: Option<String>,
}

impl<'a> Seat<'a> {
    /// An empty one.
    pub fn new(place: &'a Place, instance: InstanceId, agent: Option<Agent>) -> Self {
        Seat { place, instance, word: RefCell::default(), agent: RefCell::new(agent) }
    }

    /// A client is let in.
    pub fn take(&self, caller: &Caller) {
        if let Some(agent) = &mut *self.agent.borrow_mut() {
            agent.renew(self.place, &caller.token);
        }
        self.tell(Word::now(self.instance, true, caller.client.clone()));
    }

    /// It has gone.
    pub fn leave(&self) {
        let client = self.word.borrow().as_ref().and_then(|word| word.client.clone());
        self.tell(Word::now(self.instance, false, client));
    }

    /// Whoever called will not come any more: what was left for it is of no use.
    pub fn dismiss(&self, caller: &Caller) {
        if self.agent.borrow().is_some() {
            agent::forget(self.place, &caller.token);
        }
    }

    fn tell(&self, word: Word) {
        *self.word.borrow_mut() = Some(word);
        if let Ok(Some(directory)) = self.place.find() {
            self.keep_word(&directory);
        }
    }

    /// Whether a client is attached.
    pub fn is_taken(&self) -> bool {
        self.word.borrow().as_ref().is_some_and(|word| word.attached)
    }

    /// Puts back what somebody removed, replaced or garbled.
    pub fn keep(&self, directory: &Directory) {
        self.keep_word(directory);
        if let Some(agent) = &*self.agent.borrow()
            && let Err(error) = agent.keep()
        {
            log::warn!("the program cannot be led to the agent of its client: {error}");
        }
    }

    fn keep_word(&self, directory: &Directory) {
        let word = self.word.borrow();
        if let Some(word) = word.as_ref().filter(|word| Word::read(self.place, directory).as_ref() != Some(*word))
            // Without it people know less, no more.
            && let Err(error) = write(directory, &self.place.name(ENDING), word)
        {
            log::debug!("it cannot be written who is attached: {error}");
        }
    }

    /// Where the program finds the agent of whoever sits there.
    pub fn agent(&self) -> Option<std::path::PathBuf> {
        self.agent.borrow().as_ref().map(Agent::path).map(Path::to_owned)
    }

    /// Takes away what nobody needs once the server is gone.
    pub fn remove(&self, directory: &Directory) {
        let _ = directory.remove(&self.place.name(ENDING));
        if let Some(agent) = &*self.agent.borrow() {
            agent.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_gone_is_remembered_until_somebody_else_comes() {
        let home = tempfile::tempdir().unwrap();
        let place = Place::beside(&home.path().join("server.pid")).unwrap();
        let directory = place.find().unwrap().unwrap();
        let seat = Seat::new(&place, InstanceId(7), None);
        seat.keep(&directory);
        assert_eq!(Word::read(&place, &directory), None);
        let caller = |client: Option<&str>| Caller { token: [0; 16], client: client.map(str::to_owned) };
        seat.take(&caller(Some("me@laptop")));
        let word = Word::read(&place, &directory).unwrap();
        assert!(seat.is_taken() && word.attached && word.client.as_deref() == Some("me@laptop"));
        seat.leave();
        let word = Word::read(&place, &directory).unwrap();
        assert!(!seat.is_taken() && !word.attached && word.client.as_deref() == Some("me@laptop"));
        std::fs::write(home.path().join("server.seat.json"), "garbled").unwrap();
        seat.keep(&directory);
        assert_eq!(Word::read(&place, &directory), Some(word));
        seat.take(&caller(None));
        assert_eq!(Word::read(&place, &directory).unwrap().client, None);
        seat.remove(&directory);
        assert!(directory.names().unwrap().is_empty());
    }
}
