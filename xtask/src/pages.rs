//! Manual pages and completions, made of the programs' own words.

use clap_complete::Shell;

const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Their names in an archive, and what is in them.
pub(crate) fn all() -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    for command in [reattach::cli::reattach::command(), reattach::cli::server::command()] {
        let name = command.get_name().to_owned();
        for shell in SHELLS {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command.clone(), &name, &mut script);
            let file = match shell {
                Shell::Zsh => format!("_{name}"),
                Shell::Fish => format!("{name}.fish"),
                _ => name.clone(),
            };
            files.push((format!("completions/{}/{file}", shell.to_string().to_lowercase()), script));
        }
        let mut command = command;
        command.build();
        page(&command, &name, &mut files)?;
    }
    Ok(files)
}

/// One for a command, and one for each that it has and shows.
fn page(command: &clap::Command, name: &str, files: &mut Vec<(String, Vec<u8>)>) -> anyhow::Result<()> {
    let mut text = Vec::new();
    // Names of commands live as long as the program, and there are a dozen.
    let lasting: &'static str = name.to_owned().leak();
    let named = command.clone().name(lasting).display_name(lasting);
    clap_mangen::Man::new(named).render(&mut text)?;
    files.push((format!("man/man1/{name}.1"), text));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        page(sub, &format!("{name}-{}", sub.get_name()), files)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_and_each_shell_its_words() {
        let files = all().unwrap();
        let text = |name: &str| {
            let (_, text) =
                files.iter().find(|(file, _)| file == name).unwrap_or_else(|| panic!("no {name}"));
            String::from_utf8(text.clone()).unwrap()
        };
        assert!(text("man/man1/reattach-connect.1").contains(r"\-\-max\-attempts"));
        assert!(text("man/man1/reattach-server-list.1").contains("List the servers"));
        assert!(text("completions/bash/reattach").contains("--ssh-arg"));
        assert!(text("completions/zsh/_reattach-server").contains("#compdef reattach-server"));
        assert!(!files.iter().any(|(name, _)| name.contains("demo-part") || name.contains("tidy")));
    }
}
