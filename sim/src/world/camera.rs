//! What the world shows to whoever draws it: marks, made only where a picture was asked for.
//!
//! Nothing here decides anything, draws from the dice or touches the hash.

use reattach::session::client::News;

use super::{LinkId, World};
use crate::machine::Kit;
use crate::trace::{Fate, Mark, Wire};

impl<K: Kit> World<'_, K> {
    /// Keeps a mark, if marks are kept.
    #[inline]
    pub(super) fn film(&mut self, tell: impl FnOnce(&Self) -> Mark) {
        if self.trace.is_filmed() {
            let mark = tell(self);
            self.trace.mark(self.now, mark);
        }
    }

    /// The next message to a link's client has arrived.
    #[inline]
    pub(super) fn film_arrival(&mut self, link: LinkId) {
        if self.trace.is_filmed()
            && let Some(conn) = self.conn_of(link)
        {
            let fate = self.fate_of_news(link);
            self.trace.message_arrived(self.now, Wire::Down(conn), fate);
        }
    }

    /// Old news that is no message and no exit: those have marks of their own.
    pub(super) fn film_old_news(&mut self, link: LinkId, news: &News) {
        let what = match news {
            News::Started(_) => "proxy runs",
            News::Ended => "end of output",
            News::Garbled(_) => "nonsense",
            News::NotOpened(_) => "not opened",
            News::Preamble | News::Heard | News::Frame(_) | News::Exited(_) => return,
        };
        self.film(|_| Mark::OldNews { link, what });
    }

    pub(super) fn film_gone(&mut self, link: LinkId) {
        self.film(|world| {
            let gone = &world.links[link as usize];
            let verdict = gone.verdict.as_ref().map(|verdict| verdict.message.as_str());
            let words = verdict.filter(|words| !words.is_empty()).unwrap_or(gone.last_words).to_owned();
            Mark::LinkGone { link, status: Self::exit_of(gone), words, fate: world.fate_of_news(link) }
        });
    }

    /// What becomes of a link's news, as its client's driver listens now.
    fn fate_of_news(&self, link: LinkId) -> Fate {
        let Self { links, clients, .. } = self;
        let from = &links[link as usize];
        if clients[from.client as usize].link == Some(link) {
            Fate::Taken
        } else if from.deaf {
            Fate::Unheard
        } else {
            Fate::Stale
        }
    }

    fn conn_of(&self, link: LinkId) -> Option<u32> {
        let proxy = self.links[link as usize].proxy?;
        self.proxies[proxy as usize].conn
    }
}
