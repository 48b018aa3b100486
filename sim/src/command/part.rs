//! What people write on the command line: seeds, times, and from when to when.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use anyhow::bail;
use reattach::session::Time;

use crate::scenario::shown;

/// Reads a time that something may take.
pub(super) fn span(word: &str) -> Result<Duration, String> {
    humantime::parse_duration(word)
        .map_err(|_| format!("\"{}\" is no time; write 12.5s, 10m or 2h", shown(word)))
}

/// Reads a seed.
pub(super) fn seed(word: &str) -> Result<u64, String> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let seed = word.parse().ok().filter(|_| digits);
    let shown = shown(word);
    seed.ok_or_else(|| format!("\"{shown}\" is no seed; write a whole number from 0 to {}", u64::MAX))
}

/// A moment of a run, and how somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    word: String,
    at: Time,
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Ok(Moment { word: word.to_owned(), at: Time::ZERO + span(word)? })
    }
}

/// The part of a run that is shown; what bounds it on neither side is all of it.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Part {
    /// Show what happens from this time on, as in 12.5s
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<Moment>,
    /// Show what happens up to this time, as in 1m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<Moment>,
}

impl Part {
    /// Whether it is all.
    pub(super) fn is_whole(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    /// From when to when; refuses a part that has no length.
    pub(super) fn times(&self) -> anyhow::Result<RangeInclusive<Time>> {
        let at = |moment: &Option<Moment>, usual| moment.as_ref().map_or(usual, |moment| moment.at);
        let times = at(&self.from, Time::ZERO)..=at(&self.until, Time(u64::MAX));
        if let (Some(from), Some(until)) = (&self.from, &self.until)
            && times.is_empty()
        {
            bail!("--from {} is after --until {}: nothing is between them", from.word, until.word);
        }
        Ok(times)
    }

    /// Refuses a part that begins when the run is over.
    pub(super) fn begins_before(&self, end: Time) -> anyhow::Result<()> {
        match &self.from {
            Some(from) if from.at > end => {
                bail!("--from {} is after the end of the run at {end}", from.word)
            }
            _ => Ok(()),
        }
    }

    /// The options that say it, each after a blank.
    pub(super) fn options(&self) -> String {
        let option = |name: &str, moment: &Option<Moment>| {
            moment.as_ref().map(|moment| format!(" {name} {}", super::source::quoted(&moment.word)))
        };
        let (from, until) = (option("--from", &self.from), option("--until", &self.until));
        from.into_iter().chain(until).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: Option<&str>, until: Option<&str>) -> Part {
        let moment = |word: Option<&str>| word.map(|word| word.parse().unwrap());
        Part { from: moment(from), until: moment(until) }
    }

    #[test]
    fn a_part_is_said_as_it_was_written() {
        assert_eq!(part(None, None).options(), "");
        assert_eq!(part(Some("1500ms"), Some("1m 2s")).options(), " --from 1500ms --until '1m 2s'");
        let times = part(Some("1.5s"), None).times().unwrap();
        assert_eq!(times, Time(1_500_000)..=Time(u64::MAX));
    }

    #[test]
    fn a_part_of_which_nothing_is_left_is_named() {
        let error = part(Some("9s"), Some("3s")).times().unwrap_err().to_string();
        assert_eq!(error, "--from 9s is after --until 3s: nothing is between them");
        let error = part(Some("500h"), None).begins_before(Time(2_000_000)).unwrap_err().to_string();
        assert_eq!(error, "--from 500h is after the end of the run at 2.000");
    }

    #[test]
    fn what_is_no_seed_and_no_time_is_named_with_what_is() {
        for word in ["x", "-1", "+1", "18446744073709551616", ""] {
            let told = format!("\"{word}\" is no seed; write a whole number from 0 to 18446744073709551615");
            assert_eq!(seed(word), Err(told));
        }
        for word in ["-5s", "soon", "", "99999999999999999999h"] {
            assert_eq!(span(word), Err(format!("\"{word}\" is no time; write 12.5s, 10m or 2h")));
        }
    }
}
