//! Values by number: frames, exits and answers are the same wherever they are met.
//!
//! What only people read is left out of them, so that it never makes two states differ; so are
//! numbers of attempts, which the world puts in when a frame arrives.

use std::hash::Hash;

use reattach::proto::{Bye, Frame, Hello, Refusal};
use reattach::session::client::ProxyExit;
use reattach::session::launch;

use super::table::{Mix, Table};

/// The number of a value.
pub(super) type Name = u16;

/// All values that were ever met.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexicon {
    frames: Shelf<Frame>,
    pub(super) exits: Shelf<ProxyExit>,
    pub(super) answers: Shelf<launch::Input>,
}

impl Lexicon {
    /// The number of a frame.
    pub(super) fn frame(&mut self, frame: Frame) -> Name {
        let plain = match frame {
            Frame::Hello(hello) => Frame::Hello(Hello { attempt: 0, ..hello }),
            Frame::Refused(refusal) => Frame::Refused(Refusal { message: String::new(), ..refusal }),
            Frame::Bye(bye) => Frame::Bye(Bye { message: String::new(), ..bye }),
            other @ (Frame::Welcome(_)
            | Frame::Data { .. }
            | Frame::Fin { .. }
            | Frame::Exit { .. }
            | Frame::Ack(_)
            | Frame::Ping(_)
            | Frame::Pong(_)) => other,
        };
        self.frames.name(plain)
    }

    /// The frame of that number.
    pub(super) fn frame_of(&self, name: Name) -> &Frame {
        self.frames.value(name)
    }
}

/// Values of one kind.
#[derive(Clone, Debug)]
pub(super) struct Shelf<T> {
    table: Table,
    values: Vec<T>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { table: Table::default(), values: Vec::new() }
    }
}

impl<T: Eq + Hash> Shelf<T> {
    /// The number of a value.
    pub(super) fn name(&mut self, value: T) -> Name {
        let values = &self.values;
        let (place, new) = self.table.place(Mix::of_value(&value), |place| values[place] == value);
        if new {
            self.values.push(value);
        }
        Name::try_from(place).expect("a bounded world says few different things")
    }

    /// The value of a number.
    pub(super) fn value(&self, name: Name) -> &T {
        &self.values[usize::from(name)]
    }
}
