//! Floor 3, the server's side: processes and files.
//!
//! ```text
//! identifier    the name under which a server is found again
//! paths         where its files are
//! sockets       the two sockets of a server
//! directory     a private directory, and its files
//! link          a link in it
//! claim         the kernel's word that a server lives
//! bell          the same, whatever becomes of its files
//! lock          who is the server, who may start one
//! proof         a signal that reaches the server and nobody else
//! record        what a server leaves word of
//! tombstone     room for its last word
//! boot          which start of the host this is
//! identity      which host this is
//! look          what all that shows
//! log           the server's standard error
//!
//! launcher      a proxy, from its start to its exit
//! spawn         a server that is being started
//! descriptors   what a server must not inherit
//! attach        a proxy's way into a server
//! handover      a proxy that has lent its streams to the server, and waits
//! flow          one direction of a relay
//! relay         bytes both ways, until a side ends
//!
//! life          a server process, from its start to its tombstone
//! seat          who is attached, or was
//! agent         where a program finds the keys of whoever is
//! keeper        a server looks after its files
//! notice        when to do so
//! daemon        the server's driver
//! pairing       two sockets become one attachment
//! application   what a server hosts
//! program       a hosted program
//! order         what is to be hosted, and how
//! difference    what of it is not what somebody else asked for
//! login         what a login shell would give it
//! versions      the programs that were installed, and which of them are of no use
//! sweep         what was left behind long ago
//! stop          the user's way to end a server
//! ```

pub mod agent;
pub mod application;
pub mod attach;
pub mod bell;
pub mod boot;
pub mod claim;
pub mod daemon;
pub mod descriptors;
pub mod difference;
pub mod directory;
pub mod flow;
pub mod handover;
pub mod identifier;
pub mod identity;
pub mod keeper;
pub mod launcher;
pub mod life;
pub mod link;
pub mod lock;
pub mod log;
pub mod login;
pub mod look;
pub mod notice;
pub mod order;
pub mod pairing;
pub mod paths;
pub mod program;
pub mod proof;
pub mod record;
pub mod relay;
pub mod seat;
pub mod sockets;
pub mod spawn;
pub mod stop;
pub mod sweep;
pub mod tombstone;
pub mod versions;
