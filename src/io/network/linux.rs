//! rtnetlink: which of its messages change anything for a client.
//!
//! Neighbours, statistics and the like are in groups that we do not join. What the kernel repeats without
//! a change (a wireless link's quality, the lifetimes of an address that a router advertises again) is told
//! from news by what was heard before; the first time it counts as news.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use crate::proto::limits::NETWORK_KNOWN_MAX;

/// Links, addresses, routes, and the rules by which those are chosen.
const GROUPS: u32 = (libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV6_ROUTE
    | libc::RTMGRP_IPV4_RULE
    | 1 << (libc::RTNLGRP_IPV6_RULE - 1)) as u32;

/// What of a link's flags says whether it carries anything.
const CARRIES: u32 = (libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP) as u32;

/// Bytes of `nlmsghdr`, `ifinfomsg`, `ifaddrmsg`, `rtmsg` and `rtattr`.
const MESSAGE: usize = 16;
const LINK: usize = 16;
const ADDRESS: usize = 8;
const ROUTE: usize = 12;
const ATTRIBUTE: usize = 4;

pub(super) fn listen() -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

/// What was heard before of what is still there.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Flags by index.
    links: BTreeMap<u32, u32>,
    /// Flags by link, prefix and the address itself.
    addresses: BTreeMap<Vec<u8>, u32>,
}

impl Known {
    /// Whether one of these messages changes anything.
    pub(super) fn is_changed_by(&mut self, mut messages: &[u8]) -> bool {
        let mut is_changed = false;
        while let (Some(bytes), Some(kind)) = (u32_at(messages, 0), u16_at(messages, 4)) {
            let bytes = bytes as usize;
            let Some(body) = messages.get(MESSAGE..bytes) else {
                // Not what we think it is.
                return true;
            };
            is_changed |= self.is_changed(kind, body).unwrap_or(true);
            messages = messages.get(bytes.next_multiple_of(4)..).unwrap_or_default();
        }
        is_changed
    }

    /// None if it is not understood.
    fn is_changed(&mut self, kind: u16, body: &[u8]) -> Option<bool> {
        match kind {
            libc::RTM_NEWLINK => {
                let flags = u32_at(body, 8)? & CARRIES;
                Some(note(&mut self.links, u32_at(body, 4)?, flags))
            }
            libc::RTM_DELLINK => {
                self.links.remove(&u32_at(body, 4)?);
                Some(body.len() >= LINK)
            }
            libc::RTM_NEWADDR => {
                let (key, flags) = address(body)?;
                Some(note(&mut self.addresses, key, flags))
            }
            libc::RTM_DELADDR => {
                self.addresses.remove(&address(body)?.0);
                Some(true)
            }
            libc::RTM_NEWROUTE | libc::RTM_DELROUTE => {
                // A route that was found by using it is no way that was not there before.
                let flags = u32_at(body, 8).filter(|_| body.len() >= ROUTE)?;
                Some(flags & libc::RTM_F_CLONED == 0)
            }
            libc::RTM_NEWRULE | libc::RTM_DELRULE => Some(true),
            _ => Some(false),
        }
    }
}

/// Whether that is new. What there is no room for always is.
fn note<K: Ord>(known: &mut BTreeMap<K, u32>, key: K, flags: u32) -> bool {
    if known.len() >= NETWORK_KNOWN_MAX && !known.contains_key(&key) {
        return true;
    }
    known.insert(key, flags) != Some(flags)
}

/// What tells an address from others, and its flags.
fn address(body: &[u8]) -> Option<(Vec<u8>, u32)> {
    // Family, prefix and link, without the flags that have but a byte here.
    let mut key = body.get(..ADDRESS)?.to_vec();
    let mut flags = u32::from(std::mem::take(&mut key[2]));
    let mut rest = &body[ADDRESS..];
    while !rest.is_empty() {
        let bytes = usize::from(u16_at(rest, 0)?);
        let value = rest.get(ATTRIBUTE..bytes)?;
        match u16_at(rest, 2)? {
            libc::IFA_ADDRESS | libc::IFA_LOCAL => key.extend_from_slice(&rest[..bytes]),
            libc::IFA_FLAGS => flags = u32_at(value, 0)?,
            _ => {}
        }
        rest = rest.get(bytes.next_multiple_of(4)..).unwrap_or_default();
    }
    Some((key, flags))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let bytes = u32::try_from(MESSAGE + body.len()).unwrap();
        let mut message = [&bytes.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], body].concat();
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    fn link(index: u32, flags: i32, change: u32) -> Vec<u8> {
        let flags = u32::try_from(flags).unwrap();
        [&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &change.to_ne_bytes()].concat()
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let bytes = u16::try_from(ATTRIBUTE + value.len()).unwrap();
        let mut attribute = [&bytes.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    fn address(flags: u32, lifetime: u32) -> Vec<u8> {
        let mut lifetimes = lifetime.to_ne_bytes().to_vec();
        lifetimes.resize(16, 7);
        [
            vec![10, 64, 0, 0, 3, 0, 0, 0],
            attribute(libc::IFA_ADDRESS, &[0xfe; 16]),
            attribute(libc::IFA_CACHEINFO, &lifetimes),
            attribute(libc::IFA_FLAGS, &flags.to_ne_bytes()),
        ]
        .concat()
    }

    #[test]
    fn a_link_counts_when_it_begins_or_ceases_to_carry() {
        let mut known = Known::default();
        let (up, carries) = (libc::IFF_UP, libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_LOWER_UP);
        let mut hear =
            |flags, change| known.is_changed_by(&message(libc::RTM_NEWLINK, &link(3, flags, change)));
        assert!(hear(up, u32::MAX));
        assert!(hear(carries, 0), "though the kernel names no flag as changed");
        assert!(!hear(carries, 0), "a wireless link's quality");
        assert!(!hear(carries | libc::IFF_PROMISC, 0x100));
        assert!(hear(up, 0));
        assert!(known.is_changed_by(&message(libc::RTM_DELLINK, &link(3, up, 0))));
        assert!(known.is_changed_by(&message(libc::RTM_NEWLINK, &link(3, up, 0))), "another of that number");
    }

    #[test]
    fn an_address_counts_unless_only_its_lifetime_is_new() {
        let mut known = Known::default();
        let mut hear = |kind, flags, lifetime| known.is_changed_by(&message(kind, &address(flags, lifetime)));
        assert!(hear(libc::RTM_NEWADDR, libc::IFA_F_TENTATIVE, 600));
        assert!(hear(libc::RTM_NEWADDR, 0, 600), "it may be used now");
        assert!(!hear(libc::RTM_NEWADDR, 0, 599));
        assert!(hear(libc::RTM_NEWADDR, libc::IFA_F_DEPRECATED, 0));
        assert!(hear(libc::RTM_DELADDR, 0, 0));
        assert!(hear(libc::RTM_NEWADDR, libc::IFA_F_DEPRECATED, 0), "it was away");
    }

    #[test]
    fn routes_and_rules_count_and_neighbours_do_not() {
        let mut known = Known::default();
        let cloned = [&[0; 8][..], &libc::RTM_F_CLONED.to_ne_bytes()].concat();
        let mut hear = |kind, body: &[u8]| known.is_changed_by(&message(kind, body));
        assert!(hear(libc::RTM_NEWROUTE, &[0; 12]) && hear(libc::RTM_DELROUTE, &[0; 12]));
        assert!(!hear(libc::RTM_NEWROUTE, &cloned));
        assert!(hear(libc::RTM_NEWRULE, &[0; 12]));
        assert!(!hear(libc::RTM_NEWNEIGH, &[0; 12]));
        assert!(!known.is_changed_by(&[]));
    }

    #[test]
    fn several_messages_are_all_heard_and_what_is_cut_is_a_change() {
        let mut known = Known::default();
        let quiet = message(libc::RTM_NEWNEIGH, &[0; 13]);
        let route = message(libc::RTM_NEWROUTE, &[0; 12]);
        assert!(known.is_changed_by(&[quiet.clone(), route.clone()].concat()));
        assert!(known.is_changed_by(&[route.clone(), quiet.clone()].concat()));
        assert!(!known.is_changed_by(&[quiet.clone(), quiet.clone()].concat()));
        assert!(known.is_changed_by(&quiet[..20]));
        assert!(known.is_changed_by(&message(libc::RTM_NEWADDR, &[10])));
    }

    #[test]
    fn what_there_is_no_room_for_is_always_news() {
        let mut known = Known::default();
        for index in 0..u32::try_from(NETWORK_KNOWN_MAX).unwrap() + 5 {
            assert!(known.is_changed_by(&message(libc::RTM_NEWLINK, &link(index, 1, 0))));
        }
        assert_eq!(known.links.len(), NETWORK_KNOWN_MAX);
        assert!(!known.is_changed_by(&message(libc::RTM_NEWLINK, &link(1, 1, 0))));
    }
}
