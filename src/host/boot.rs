//! Which start of the host this is, as its kernel names it.
//!
//! A server that left no word and whose boot is over went down with the host.

use std::process::{Command, Stdio};

use crate::session::launch::Boot;

/// What Linux tells in a file; other systems by a command.
const FILE: &str = "/proc/sys/kernel/random/boot_id";
const COMMAND: [&str; 3] = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"];
/// Systems without such a name know when they were started.
const COMMAND_BY_TIME: [&str; 3] = ["/sbin/sysctl", "-n", "kern.boottime"];

/// The boot that the host is in now. Where nothing tells it, all boots look the same, and a
/// server that went down with the host is reported as crashed.
pub fn current() -> Boot {
    let text = std::fs::read_to_string(FILE).ok();
    text.as_deref().and_then(name).or_else(by_command).unwrap_or(Boot(0))
}

fn by_command() -> Option<Boot> {
    by_commands(&[COMMAND, COMMAND_BY_TIME])
}

fn by_commands(commands: &[[&str; 3]]) -> Option<Boot> {
    commands.iter().find_map(|[program, arguments @ ..]| {
        let output =
            Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| name(&String::from_utf8_lossy(&output.stdout)))?
    })
}

/// The digits of a UUID, or of a time such as `{ sec = 1700000000, usec = 12 }`.
fn name(text: &str) -> Option<Boot> {
    let line = text.trim();
    let digits: String = line.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == 32 {
        return u128::from_str_radix(&digits, 16).ok().map(Boot);
    }
    let (_, after) = line.split_once("sec = ")?;
    let seconds: String = after.chars().take_while(char::is_ascii_digit).collect();
    seconds.parse().ok().map(Boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_the_same() {
        assert_eq!(current(), current());
        #[cfg(target_os = "linux")]
        assert_ne!(current(), Boot(0));
    }

    #[test]
    fn other_systems_tell_by_a_command() {
        let uuid = ["/bin/echo", "-n", "12345678-9ABC-DEF0-1234-56789ABCDEF0"];
        assert_eq!(by_commands(&[uuid]), Some(Boot(0x1234_5678_9abc_def0_1234_5678_9abc_def0)));
        let time = ["/bin/echo", "-n", "{ sec = 1700000000, usec = 12 } Tue Nov 14"];
        assert_eq!(by_commands(&[["/nowhere", "", ""], time]), Some(Boot(1_700_000_000)));
        assert_eq!(by_commands(&[["/bin/echo", "-n", "nonsense"]]), None);
    }
}
