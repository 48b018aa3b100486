//! Who we are, for people on another machine.

use crate::proto::words::harmless;

/// The user and the machine, as `me@laptop`; whatever of it is not known is left out.
pub fn whoami() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let system = rustix::system::uname();
    let machine = system.nodename().to_string_lossy().into_owned();
    name(user.as_deref().unwrap_or_default(), &machine)
}

fn name(user: &str, machine: &str) -> String {
    // The first part says as much to whoever knows the machine.
    let machine = machine.split('.').next().unwrap_or_default();
    harmless(&match (user, machine) {
        ("", machine) => machine.to_owned(),
        (user, "") => user.to_owned(),
        (user, machine) => format!("{user}@{machine}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        assert_eq!(name("me", "laptop.example.org"), "me@laptop");
        assert_eq!((name("", "laptop"), name("me", "")), ("laptop".to_owned(), "me".to_owned()));
        assert!(!whoami().is_empty());
    }
}
