//! What a launch machine is told and what it asks for: plain values.

use super::evidence::Evidence;
use crate::proto::{GoneReason, InstanceId, Verdict};

/// What the proxy was called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Start a server and attach to it.
    Start(IfRunning),
    /// Attach to the server that lives; the instance that the client expects, for the reason only.
    Reconnect(Option<InstanceId>),
}

/// What a start does with a server that already runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IfRunning {
    /// Stop it; its state is lost.
    Replace,
    /// Leave it alone and exit.
    Refuse,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// [`Effect::TakeStarter`]: the lock is ours.
    StarterTaken,
    /// [`Effect::Look`]: this is what was seen.
    Saw(View),
    /// [`Effect::Spawn`]: the server accepts attachments.
    Ready,
    /// [`Effect::Spawn`]: it ended before it was ready; one sentence why.
    NotReady(String),
    /// [`Effect::Attach`]: both halves are connected.
    Attached,
    /// [`Effect::Attach`]: they could not be connected; one sentence why.
    NotAttached(String),
    /// [`Effect::Relay`]: this side has ended.
    Ended(Side),
    /// The host cannot do what was asked; one sentence why.
    Failed(String),
}

/// A side of the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Standard input or output.
    Client,
    /// The sockets.
    Server,
}

/// What a look at the host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Whether somebody, other than us, holds the starter lock. Looked at before the server's
    /// lock: a starter lets go only after its server has taken that.
    pub starter_busy: bool,
    /// The server's lock.
    pub lock: Lock,
    /// What the files say about the last server.
    pub evidence: Evidence,
}

/// The server's lock, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// Nobody holds it: no server lives.
    Free,
    /// A server lives.
    Held(Holder),
}

/// Who holds a lock, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    /// This process.
    Pid(u32),
    /// A process that has no number here: on another machine or in another container.
    Elsewhere,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Wait for the lock that serialises starters, and keep it.
    TakeStarter,
    /// Let go of it.
    DropStarter,
    /// Look at the locks and files.
    Look,
    /// Leave word, for the instance's tombstone, why it is about to be stopped.
    Intend(InstanceId, GoneReason),
    /// Send this signal to the holder of the server's lock, if the kernel proves that it still is.
    Signal(Holder, StopSignal),
    /// Remove what the last server left: record, tombstone, sockets.
    Clean,
    /// Start a server.
    Spawn,
    /// End the server that was started and is not ready, if one was; it is our own child.
    AbandonSpawned,
    /// Connect to the server's two sockets.
    Attach,
    /// Carry bytes both ways until a side ends.
    Relay,
    /// Say why, and exit.
    Exit(Verdict),
}

/// How a server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopSignal {
    /// SIGTERM: end the hosted program, leave word, exit.
    Terminate,
    /// SIGKILL.
    Kill,
}
