//! How long a task works before the others beside it have their turn.

use std::task::Context;

use crate::proto::limits::ROUNDS_MAX;

/// Makes rounds until one says that there is nothing more to do at once, and then is true. False if
/// the turn is over before: the task is woken for another.
pub fn is_done(cx: &mut Context<'_>, mut round: impl FnMut(&mut Context<'_>) -> bool) -> bool {
    let is_over = (0..ROUNDS_MAX).all(|_| round(cx));
    if is_over {
        cx.waker().wake_by_ref();
    }
    !is_over
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_turn_has_its_bound_and_is_followed_by_another() {
        // Rounds that have something to do, and whether the last of them is the turn's last.
        for (busy, done) in [(0, true), (ROUNDS_MAX - 1, true), (ROUNDS_MAX, false), (usize::MAX, false)] {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(Arc::clone(&woken));
            let mut rounds = 0;
            let mut cx = Context::from_waker(&waker);
            let is_done = is_done(&mut cx, |_| {
                rounds += 1;
                rounds <= busy
            });
            assert_eq!((is_done, woken.0.load(Ordering::Relaxed)), (done, !done), "{busy}");
            assert_eq!(rounds, ROUNDS_MAX.min(busy.saturating_add(1)));
        }
    }
}
