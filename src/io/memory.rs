//! Memory that is free and was not given back to the system.
//!
//! The allocator keeps what a burst of work needed, in case there is another one; a server that
//! rests for hours should not hold what it used for a second.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use super::sleep::Sleep;
use crate::proto::limits::{BULK_REST, FREE_BYTES_MAX, READ_BYTES_MIN};
use crate::session::inbox::Inbox;
use crate::session::outbox::Outbox;

/// Keeps what is free for the next read while there is bulk: the system clears each page that it hands out,
/// which takes a tenth of the time of a local bulk. For programs that have nothing but sessions, which see to
/// it that it is [given back](Hoard).
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let bytes = i32::try_from(FREE_BYTES_MAX).expect("some MiB");
        // SAFETY: the function takes numbers. A refusal costs speed only.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, bytes);
            libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = FREE_BYTES_MAX;
}

/// Gives back what is free; takes some tenths of a millisecond.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function takes a number, and is safe to call from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
    // Other allocators do so by themselves.
}

/// What a session holds, which is free memory once it has let go of it.
#[derive(Debug, Default)]
pub struct Hoard {
    was_large: bool,
    /// When that will have been long ago.
    rest: Option<Sleep>,
}

impl Hoard {
    /// To be told whenever one may have changed: gives free memory back some time after much was held, for
    /// replay or until the application takes it.
    pub fn poll(&mut self, outbox: &Outbox, inbox: &Inbox, cx: &mut Context<'_>) {
        self.poll_bytes(outbox.unacked_bytes() + inbox.unconsumed_bytes(), cx);
    }

    fn poll_bytes(&mut self, held_bytes: usize, cx: &mut Context<'_>) {
        if held_bytes >= READ_BYTES_MIN {
            *self = Hoard { was_large: true, rest: None };
            return;
        }
        if !self.was_large {
            return;
        }
        let rest = self.rest.get_or_insert_with(|| Sleep::after(BULK_REST));
        if Pin::new(rest).poll(cx).is_ready() {
            *self = Hoard::default();
            give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::super::reactor;
    use super::*;

    #[test]
    fn what_was_held_is_given_back_once_it_was_little_for_a_while() {
        reactor::block_on(async {
            let mut hoard = Hoard::default();
            let mut hold = async |bytes| {
                poll_fn(|cx| {
                    hoard.poll_bytes(bytes, cx);
                    Poll::Ready((hoard.was_large, hoard.rest.is_some()))
                })
                .await
            };
            assert_eq!(hold(READ_BYTES_MIN - 1).await, (false, false));
            assert_eq!(hold(READ_BYTES_MIN).await, (true, false));
            assert_eq!(hold(0).await, (true, true));
            assert_eq!(hold(READ_BYTES_MIN).await, (true, false));
            assert_eq!(hold(0).await, (true, true));
            Sleep::after(BULK_REST).await;
            assert_eq!(hold(0).await, (false, false));
        })
        .unwrap();
    }
}
