//! What goes wrong.

use std::fmt;
use std::time::Duration;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For whom, where that can be said: 0 is client `a`, or its current link and proxy.
    pub target: Option<u8>,
    /// A code, a signal, a size: what the kind says.
    pub number: u32,
    /// For how long; zero for what happens at once.
    pub duration: Duration,
}

/// What can be said of a kind.
struct Traits {
    name: &'static str,
    targeted: bool,
    lasting: bool,
    hostile: bool,
    /// Numbers to draw from, the first being the default; empty where it has none.
    numbers: &'static [u32],
}

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident $name:literal $target:ident $span:ident $mode:ident $numbers:expr,)*) => {
        /// Kinds of faults.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum FaultKind {
            $($(#[$doc])* $variant,)*
        }

        impl FaultKind {
            /// All of them.
            pub const ALL: &[FaultKind] = &[$(FaultKind::$variant,)*];

            fn traits(self) -> Traits {
                match self {
                    $(FaultKind::$variant => Traits {
                        name: $name,
                        targeted: faults!(@$target),
                        lasting: faults!(@$span),
                        hostile: faults!(@$mode),
                        numbers: &$numbers,
                    },)*
                }
            }
        }
    };
    (@client) => { true };
    (@host) => { false };
    (@lasting) => { true };
    (@at_once) => { false };
    (@hostile) => { true };
    (@recoverable) => { false };
}

faults! {
    /// The server is killed.
    ServerCrash "server-crash" host at_once recoverable [],
    /// The server is stopped by the kernel, and goes on later.
    ServerHang "server-hang" host lasting recoverable [],
    /// The server is told to end, by its owner at a shell.
    ServerStop "server-stop" host at_once recoverable [],
    /// Servers that are started need that long.
    SpawnSlow "spawn-slow" host lasting recoverable [],
    /// Servers that are started fail.
    SpawnFail "spawn-fail" host lasting recoverable [],
    /// The hosted program ends by itself, with this code.
    ProgramExit "program-exit" host at_once recoverable [0, 1, 101],
    /// The hosted program takes nothing.
    ProgramStall "program-stall" host lasting recoverable [],
    /// The client's proxy exits with this code.
    ProxyExit "proxy-exit" client at_once recoverable [1, 0, 75, 254, 90, 91, 92, 126, 127],
    /// The client's proxy gets this signal.
    ProxyKill "proxy-kill" client at_once recoverable [9, 13, 15],
    /// The client's next proxy is killed at this step of its launch.
    ProxyDiesLaunching "proxy-dies-launching" client at_once recoverable [3, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    /// The client's proxy is stopped by the kernel, and goes on later.
    ProxyHang "proxy-hang" client lasting recoverable [],
    /// Nothing gets from the client to the host.
    LossUp "loss-up" client lasting recoverable [],
    /// Nothing gets from the host to the client.
    LossDown "loss-down" client lasting recoverable [],
    /// The client's link breaks, both ends learn it, and what was on its way is cut anywhere.
    LinkCut "link-cut" client at_once recoverable [],
    /// The client's link breaks, and only the laptop learns it.
    HalfOpen "half-open" client at_once recoverable [],
    /// The client's link breaks, and nobody learns it.
    Blackhole "blackhole" client at_once recoverable [],
    /// Links are that many times slower.
    Slow "slow" host lasting recoverable [10, 100],
    /// Nothing gets anywhere, and no link can be opened: what tries hangs.
    Partition "partition" host lasting recoverable [],
    /// The laptop has no network: nothing gets anywhere, and what tries fails at once. The kernel tells
    /// whoever asked of the end and of the return.
    NetworkDown "network-down" host lasting recoverable [],
    /// The laptop's address changes: links that are open are dead, new ones can be opened. The kernel
    /// tells whoever asked.
    AddressChange "address-change" host at_once recoverable [],
    /// News of a transport reaches the client late.
    NewsLate "news-late" client lasting recoverable [],
    /// News of a transport's end reaches the client twice.
    NewsTwice "news-twice" client lasting recoverable [],
    /// Exit statuses are overtaken by everything else.
    ExitLate "exit-late" client lasting recoverable [],
    /// The number of a dead process goes to a stranger.
    PidReuse "pid-reuse" host lasting recoverable [],
    /// The pid file names a stranger.
    PidFileStale "pid-file-stale" host at_once recoverable [],
    /// The pid file is half written.
    PidFileTorn "pid-file-torn" host at_once recoverable [],
    /// The pid file is removed, and the lock with it.
    PidFileMissing "pid-file-missing" host at_once hostile [],
    /// The server's record is half written.
    RecordTorn "record-torn" host at_once recoverable [],
    /// The server's record is removed.
    RecordMissing "record-missing" host at_once recoverable [],
    /// The server's record can be read, and names another server.
    RecordGarbled "record-garbled" host at_once hostile [],
    /// The tombstone is half written.
    TombstoneTorn "tombstone-torn" host at_once recoverable [],
    /// The tombstone can be read, and names another server.
    TombstoneGarbled "tombstone-garbled" host at_once recoverable [],
    /// The sockets' files are removed.
    SocketRemoved "socket-removed" host at_once hostile [],
    /// Nothing can be written.
    DiskFull "disk-full" host lasting recoverable [],
    /// The host goes down, and comes up later.
    Reboot "reboot" host lasting recoverable [],
    /// The laptop sleeps.
    Sleep "sleep" host lasting recoverable [],
    /// The laptop's clock jumps forward, that far.
    ClockJump "clock-jump" host lasting recoverable [],
    /// The host's clock jumps forward, that far.
    HostClockJump "host-clock-jump" host lasting recoverable [],
    /// The client's process is killed; its ssh is not.
    ClientKill "client-kill" client at_once recoverable [],
    /// The client's own process gets no time.
    ClientHang "client-hang" client lasting recoverable [],
    /// The editor takes nothing.
    EditorStall "editor-stall" client lasting recoverable [],
    /// ssh prints that many bytes before the proxy does.
    Noise "noise" client lasting recoverable [200, 5, 3000, 60_000, 70_000],
    /// One byte is changed on its way.
    Corrupt "corrupt" client at_once hostile [],
    /// ssh fails.
    SshFail "ssh-fail" client lasting recoverable [],
    /// ssh waits for the user.
    SshAsk "ssh-ask" client lasting recoverable [],
    /// The host has too many logins under way, and turns ssh away before the key exchange.
    SshTurnedAway "ssh-turned-away" client lasting recoverable [],
    /// The connection that the user's logins share is dead, and nobody has noticed.
    SharedDead "shared-dead" client lasting recoverable [],
    /// The name of the host leads to another machine: no server is there (0), or somebody else's of the
    /// same name (1).
    Elsewhere "elsewhere" client lasting recoverable [0, 1],
    /// The client's ssh dies behind the next Hello, which reaches the host when this ends.
    HelloLate "hello-late" client lasting recoverable [],
    /// A login script ends with this code before a proxy runs.
    ShellEnds "shell-ends" client lasting recoverable [90, 91, 92, 0, 1, 127],
}

impl FaultKind {
    /// The name, as scenarios write it.
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        FaultKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Whether it happens to one client, or to its link or proxy.
    pub fn is_targeted(self) -> bool {
        self.traits().targeted
    }

    /// Whether it lasts.
    pub fn is_lasting(self) -> bool {
        self.traits().lasting
    }

    /// Whether it may leave things broken for good.
    pub fn is_hostile(self) -> bool {
        self.traits().hostile
    }

    /// Numbers that make sense for it, the usual one first; empty if it has none.
    pub fn numbers(self) -> &'static [u32] {
        self.traits().numbers
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
