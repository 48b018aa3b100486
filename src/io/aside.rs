//! Work that blocks, on a thread beside.
//!
//! A general pool keeps a thread that has nothing to do any more, and that wakes up twice a second; a session
//! rests for hours. These sleep until there is work, and end when nobody has any for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread::Builder;

use futures::channel::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// A thread for one thing after the other.
#[derive(Debug, Default)]
pub struct Aside {
    /// None before the first.
    works: Option<mpsc::Sender<Work>>,
}

/// What such work will have come to.
#[derive(Debug)]
pub struct Coming<T>(oneshot::Receiver<T>);

impl Aside {
    /// Does it there; here, and at once, if there can be no thread.
    pub fn run<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> Coming<T> {
        let (done, result) = oneshot::channel();
        let work: Work = Box::new(move || {
            // Who does not wait for it any more need not know.
            let _ = done.send(work());
        });
        if self.works.is_none() {
            self.works = start();
        }
        match &self.works {
            Some(works) => works.send(work).expect("own bug: it ends with us"),
            None => work(),
        }
        Coming(result)
    }
}

impl<T> Future for Coming<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx).map(|result| result.expect("own bug: the work has panicked"))
    }
}

fn start() -> Option<mpsc::Sender<Work>> {
    let (works, waiting) = mpsc::channel::<Work>();
    let thread =
        Builder::new().name("aside".to_owned()).spawn(move || waiting.into_iter().for_each(|work| work()));
    match thread {
        Ok(_) => Some(works),
        Err(error) => {
            log::warn!("there can be no thread for what blocks: {error}");
            None
        }
    }
}

/// Does one thing on a thread that ends with it.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Coming<T> {
    Aside::default().run(work)
}

#[cfg(test)]
mod tests {
    use super::super::reactor;
    use super::*;

    #[test]
    fn one_thread_does_one_thing_after_the_other_and_ends_with_its_owner() {
        let here = std::thread::current().id();
        let (first, second, once) = reactor::block_on(async {
            let mut aside = Aside::default();
            let who = || std::thread::current().id();
            (aside.run(who).await, aside.run(who).await, run(who).await)
        })
        .unwrap();
        assert_eq!(first, second);
        assert!(first != here && once != here && once != first);
    }

    #[test]
    fn what_nobody_waits_for_is_done_all_the_same() {
        let (tell, told) = mpsc::channel();
        drop(Aside::default().run(move || tell.send(7)));
        assert_eq!(told.recv(), Ok(7));
    }
}
