//! The words of `reattach connect` that say when to try to come back.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::usage::{TimeOrOff, parse_count, parse_time, parse_time_or_off};
use crate::proto::limits;
use crate::session::{AllowanceConfig, BackoffConfig, ClientConfig, PatienceConfig};

/// When to try to come back after the link was lost.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Coming back")]
pub struct ComebackArgs {
    /// Failed attempts in a row after which to pause.
    #[arg(long, value_name = "N", default_value_t = limits::ATTEMPTS_MAX, allow_negative_numbers = true, value_parser = parse_count::<1000>)]
    max_attempts: u32,
    /// First delay between two attempts; it triples each time.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    backoff_min: Duration,
    /// Longest delay between two attempts.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_time)]
    backoff_max: Duration,
    /// How long after the loss to go on trying now and then, or `off` for a pause that only a network, a
    /// wake-up or you end [default: the life of the session on the host without a client].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = parse_time_or_off)]
    patience: Option<TimeOrOff>,
    /// What you send during a pause is a reason to try at once.
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = Switch::On)]
    try_on_input: Switch,
    /// Attempts that may follow each other at once, and the time after which one more may be made, or
    /// `off` for no bound [default: 5/3s; 5/500ms on this machine, where nobody logs in].
    #[arg(long, value_name = "N/TIME", value_parser = parse_allowance)]
    allowance: Option<AllowanceOrOff>,
    /// Longest time for a reconnect to reach the server, or `off`, if a password has to be typed each time.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_time_or_off)]
    open_timeout: TimeOrOff,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// Where the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On this machine: an attempt is no login, only a process.
    Here,
    /// Anywhere else.
    Elsewhere,
}

/// An allowance that can be off.
#[derive(Clone, Debug)]
struct AllowanceOrOff(Option<AllowanceConfig>);

impl ComebackArgs {
    /// The configuration, with what these words say. A transport may ask for a password in each attempt
    /// where there is somebody `at_terminal`.
    pub fn apply(
        &self,
        config: ClientConfig,
        place: Place,
        idle_lifetime: Option<Duration>,
        at_terminal: bool,
    ) -> ClientConfig {
        let lasts = match self.patience {
            Some(TimeOrOff(lasts)) => lasts,
            None => Some(idle_lifetime.unwrap_or(limits::IDLE_LIFETIME)),
        };
        let allowance = match (&self.allowance, place) {
            (Some(AllowanceOrOff(allowance)), _) => allowance.clone(),
            (None, Place::Elsewhere) => Some(AllowanceConfig::default()),
            (None, Place::Here) => {
                Some(AllowanceConfig { every: limits::ALLOWANCE_EVERY_HERE, ..AllowanceConfig::default() })
            }
        };
        let longest = self.open_timeout.0.unwrap_or(limits::OPEN_TIMEOUT);
        ClientConfig {
            attempts_max: self.max_attempts,
            backoff: BackoffConfig {
                min: self.backoff_min,
                max: self.backoff_max,
                ..BackoffConfig::default()
            },
            patience: lasts.map(|lasts| PatienceConfig { lasts, ..PatienceConfig::default() }),
            heeds_activity: self.try_on_input == Switch::On,
            allowance,
            open_timeout: self.open_timeout.0,
            open_timeout_min: if at_terminal { longest } else { limits::OPEN_TIMEOUT_MIN },
            ..config
        }
    }

    /// What is wrong with the words together, in one sentence.
    ///
    /// # Errors
    ///
    /// That sentence.
    pub fn check(&self) -> Result<(), String> {
        let people = humantime::format_duration;
        if self.backoff_min > self.backoff_max {
            return Err(format!(
                "--backoff-min is {}, longer than --backoff-max, which is {}; the first delay may not be longer than the longest",
                people(self.backoff_min),
                people(self.backoff_max),
            ));
        }
        Ok(())
    }
}

fn parse_allowance(text: &str) -> Result<AllowanceOrOff, String> {
    if text == "off" {
        return Ok(AllowanceOrOff(None));
    }
    let (burst, every) =
        text.split_once('/').ok_or("a number and a time are needed, such as 5/3s, or off")?;
    let (burst, every) = (parse_count::<1000>(burst)?, parse_time(every)?);
    Ok(AllowanceOrOff(Some(AllowanceConfig { burst, every })))
}

// The defaults above are those of the limits, where their why is written.
const _: () = assert!(
    limits::BACKOFF_MIN.as_secs() == 2
        && limits::BACKOFF_MAX.as_secs() == 30
        && limits::OPEN_TIMEOUT.as_secs() == 60
        && limits::ALLOWANCE_BURST == 5
        && limits::ALLOWANCE_EVERY.as_secs() == 3
        && limits::ALLOWANCE_EVERY_HERE.as_millis() == 500
);

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        comeback: ComebackArgs,
    }

    fn config(words: &[&str], idle_lifetime: Option<Duration>, at_terminal: bool) -> ClientConfig {
        let words = std::iter::once("reattach").chain(words.iter().copied());
        let args = Words::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        args.comeback.apply(ClientConfig::default(), Place::Elsewhere, idle_lifetime, at_terminal)
    }

    #[test]
    fn without_words_it_is_as_the_library_has_it() {
        assert_eq!(config(&[], None, false), ClientConfig::default());
    }

    #[test]
    fn patience_lasts_as_long_as_the_session_unless_it_is_said() {
        let lasts = |config: ClientConfig| config.patience.map(|patience| patience.lasts);
        let hour = Duration::from_secs(3600);
        assert_eq!(lasts(config(&[], Some(hour), false)), Some(hour));
        assert_eq!(lasts(config(&["--patience", "2h"], Some(hour), false)), Some(2 * hour));
        assert_eq!(lasts(config(&["--patience", "off"], Some(hour), false)), None);
    }

    #[test]
    fn who_may_be_asked_for_a_password_has_the_time_to_type_it() {
        assert_eq!(config(&[], None, true).open_timeout_min, limits::OPEN_TIMEOUT);
        assert_eq!(config(&["--open-timeout", "9s"], None, true).open_timeout_min, Duration::from_secs(9));
    }

    #[test]
    fn everything_can_be_turned_off() {
        let off = config(
            &["--patience=off", "--allowance=off", "--try-on-input=off", "--open-timeout=off"],
            None,
            false,
        );
        assert_eq!(
            (off.patience, off.allowance, off.heeds_activity, off.open_timeout),
            (None, None, false, None)
        );
    }

    #[test]
    fn on_this_machine_nobody_logs_in() {
        let args = Words::try_parse_from(["reattach"]).unwrap().comeback;
        let here = args.apply(ClientConfig::default(), Place::Here, None, false);
        assert_eq!(here.allowance.unwrap().every, limits::ALLOWANCE_EVERY_HERE);
        let args = Words::try_parse_from(["reattach", "--allowance", "5/3s"]).unwrap().comeback;
        let here = args.apply(ClientConfig::default(), Place::Here, None, false);
        assert_eq!(here, ClientConfig::default(), "unless it is said");
    }

    #[test]
    fn an_allowance_is_a_number_and_a_time() {
        let allowance = AllowanceConfig { burst: 2, every: Duration::from_millis(500) };
        assert_eq!(config(&["--allowance", "2/500ms"], None, false).allowance, Some(allowance));
        for wrong in ["", "5", "0/3s", "5/", "/3s", "five/3s", "5/3", "5/0s"] {
            assert!(parse_allowance(wrong).is_err(), "{wrong:?}");
        }
    }
}
