//! What a client that takes a session over asked for, against what runs: it attaches all the same, and is told.

use super::order::{Order, meant};
use super::record::{Record, marked, shortened};
use crate::proto::words::harmless;

/// What differs, in one sentence; `None` if nothing that was asked for does.
pub fn difference(order: &Order, record: &Record) -> Option<String> {
    let wanted = &order.surroundings;
    let mut parts = Vec::new();
    let command = shortened(&order.command);
    if !command.is_empty() && command != record.command {
        parts.push(match record.command.is_empty() {
            true => format!("it is an application of the server's own, not `{}`", line(&command)),
            false => format!("it is `{}`, not `{}`", line(&record.command), line(&command)),
        });
    }
    // Told of by servers of this version on.
    let asked = wanted.directory.as_ref().and_then(|directory| meant(directory).ok());
    if let (Some(there), Some(asked)) = (&record.cwd, &asked)
        && asked.to_str() != Some(there)
    {
        parts.push(format!("it was started in {there}, not in {}", asked.display()));
    }
    let others: Vec<String> = marked(order)
        .into_iter()
        .filter(|variable| !record.env.contains(variable))
        .map(|(name, _)| name)
        .collect();
    if !others.is_empty() {
        parts.push(format!("it was not given {} as you give it", others.join(", ")));
    }
    if wanted.login && !record.login {
        parts.push("it was started without --login".to_owned());
    }
    let sentence = format!("what runs there is not what was asked for: {}", parts.join("; "));
    (!parts.is_empty()).then(|| harmless(&sentence))
}

/// As a shell would take it.
pub fn line(command: &[String]) -> String {
    let quoted = |word: &String| {
        let word = harmless(word);
        shlex::try_quote(&word).map_or_else(|_| word.clone(), |quoted| quoted.into_owned())
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::host::sockets::Sockets;
    use crate::io::surroundings::Surroundings;
    use crate::proto::InstanceId;

    fn order(command: &[&str], directory: Option<&str>, variables: &[(&str, &str)], login: bool) -> Order {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let surroundings = Surroundings { directory: directory.map(Into::into), variables, login };
        let command = command.iter().map(Into::into).collect();
        Order { command, surroundings, ..Order::default() }
    }

    #[test]
    fn only_what_was_asked_for_is_compared() {
        let runs = order(&["cat", "a b"], Some("/srv"), &[("A", "1"), ("B", "2")], false);
        let sockets = Sockets::of(std::path::Path::new("/tmp"));
        let record = Record::of_this_process(InstanceId(7), &runs, &sockets, Duration::ZERO);
        let told = |asked: &Order| difference(asked, &record);
        assert_eq!(told(&runs), None);
        assert_eq!(told(&Order::default()), None);
        assert_eq!(told(&order(&["cat", "a b"], None, &[("A", "1")], false)), None);
        assert_eq!(
            told(&order(&["pylsp"], Some("/srv/x"), &[("A", "1"), ("B", "3"), ("C", "4")], true)).unwrap(),
            "what runs there is not what was asked for: it is `cat 'a b'`, not `pylsp`; \
             it was started in /srv, not in /srv/x; it was not given B, C as you give it; \
             it was started without --login"
        );
    }
}
