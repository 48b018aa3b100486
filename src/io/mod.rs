//! Floor 2: the only place with smol, clocks and sockets.
//!
//! ```text
//! alarm       a timer that follows a machine's deadline
//! aside       work that blocks, on a thread beside
//! child       the end of a child process
//! clock       what time it is
//! fd          bytes in and out of descriptors, in bulk
//! framed      one transport's bytes as frames
//! intake      what a descriptor gives, in bulk or in bits
//! link        both directions of one transport
//! memory      what the allocator need not keep
//! mode        whether a pipe blocks, and how it is given back
//! network     what the kernel tells of the network
//! passing     a descriptor that travels over a socket
//! peer        who is at the other end of a socket
//! pipe        how much a pipe holds
//! polled      a descriptor that a task can wait for
//! port        where an application and a driver meet
//! random      the system's random numbers
//! reactor     a thread that waits for all of its tasks at once
//! resident    how much memory processes hold
//! room        whether the system lets us open enough files
//! signals     what the user, or the system, wants of this process
//! sleep       a time to come that a task can wait for
//! stdio       our own standard streams, and those of children
//! surroundings  how a program is to be run
//! turn        how long a task works before the others
//! whoami      who we are, for people elsewhere
//! ```
//!
//! What is said and when is left to the machines; which processes and files there are, to the host.

pub mod alarm;
pub mod aside;
pub mod child;
pub mod clock;
pub mod fd;
pub mod framed;
pub mod intake;
pub mod link;
pub mod memory;
pub mod mode;
pub mod network;
pub mod passing;
pub mod peer;
pub mod pipe;
pub mod polled;
pub mod port;
pub mod random;
pub mod reactor;
pub mod resident;
pub mod room;
pub mod signals;
pub mod sleep;
pub mod stdio;
pub mod surroundings;
pub mod turn;
pub mod whoami;
