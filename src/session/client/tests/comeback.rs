//! When it tries and when it pauses: the rules of coming back, one test each.

use super::*;
use crate::proto::limits::{ATTEMPTS_MAX, IDLE_LIFETIME, PATIENCE_MAX};

const SECOND: Duration = Duration::from_secs(1);

fn never_arrived() -> News {
    let last_words = "ssh: connect to host devbox port 22: Connection refused".to_owned();
    News::Exited(ProxyExit { status: ProgramExit::Code(255), verdict: None, last_words })
}

fn lost() -> News {
    exited(ProgramExit::Code(255))
}

/// What was opened, and which way.
fn opened(effects: &[Effect]) -> Vec<(Launch, Way)> {
    let open = |effect: &Effect| match effect {
        Effect::Open(_, launch, way) => Some((*launch, *way)),
        Effect::Close(..)
        | Effect::Deliver(..)
        | Effect::Finished(_)
        | Effect::Status(..)
        | Effect::Ignored(_)
        | Effect::Rejected(_) => None,
    };
    effects.iter().filter_map(open).collect()
}

/// A client whose budget is used up by attempts that fail at once, and the time.
fn exhausted(config: ClientConfig) -> (Client, Time) {
    let mut client = connecting(config);
    attach(&mut client, at(0));
    let mut now = at(60_000);
    news(&mut client, now, lost());
    while client.status() != Status::ReconnectExhausted {
        match client.status() {
            Status::Reconnecting(_) => drop(news(&mut client, now, lost())),
            _ => {
                now = client.poll_timeout().expect("it goes on");
                timeout(&mut client, now);
            }
        }
    }
    (client, now)
}

/// Types ten keys a second for half a minute, while every attempt ends at once: how many were made.
fn types_on(client: &mut Client, now: Time, end: fn() -> News) -> usize {
    let mut made = 0;
    for key in 0..300 {
        let now = now + SECOND * key / 10;
        made += opened(&timeout(client, now)).len();
        made += opened(&input(client, now, Input::Send(Bytes::from_static(b"i")))).len();
        if let Status::Reconnecting(_) = client.status() {
            news(client, now, end());
        }
    }
    made
}

/// Lets time pass, and every attempt fail at once: when they were made, and why.
fn fails_until(client: &mut Client, until: Time) -> Vec<(u64, Cause)> {
    let mut made = Vec::new();
    while let Some(due) = client.poll_timeout().filter(|due| *due <= until) {
        for effect in timeout(client, due) {
            if let Effect::Status(Status::Reconnecting(_), cause) = effect {
                made.push((due.0 / 1_000_000, cause));
                news(client, due, lost());
            }
        }
    }
    made
}

#[test]
fn a_loss_after_a_success_is_retried_at_once_as_long_as_the_allowance_lasts() {
    let mut client = connected(at(0));
    let mut logins = vec![0];
    for second in 1..=30 {
        let now = at(second * 1000);
        if client.status() == Status::Connected {
            news(&mut client, now, lost());
        }
        if let Some(due) = client.next_try_at().filter(|due| *due <= now + SECOND / 2) {
            timeout(&mut client, due);
        }
        if client.status() == Status::Reconnecting(1) {
            attach(&mut client, now);
            logins.push(second);
        }
    }
    let allowed = |seconds: u64| 5 + seconds / 3;
    assert_eq!(logins[..5], [0, 1, 2, 3, 4], "{logins:?}");
    assert!(logins.len() as u64 <= allowed(30) && logins.len() as u64 >= allowed(30) - 1, "{logins:?}");
}

#[test]
fn a_welcome_gives_a_full_budget_and_an_immediate_retry() {
    let mut client = connected(at(0));
    for round in 1..=4 {
        let now = at(round * 60_000);
        assert_eq!(opened(&news(&mut client, now, lost())).len(), 1, "immediate");
        news(&mut client, now, lost());
        assert_eq!(client.status(), Status::ReconnectFailed(1));
        timeout(&mut client, now + 2 * SECOND);
        attach(&mut client, now + 2 * SECOND);
        assert_eq!(client.status(), Status::Connected);
    }
}

#[test]
fn a_pause_ends_with_single_attempts_for_as_long_as_patience_lasts() {
    let (mut client, now) = exhausted(config());
    let lost_at = at(60_000);
    let made = fails_until(&mut client, lost_at + IDLE_LIFETIME + SECOND * 3600);
    let since: Vec<u64> = made.iter().map(|(second, _)| second - now.0 / 1_000_000).collect();
    assert_eq!(since[..6], [5, 15, 35, 65, 95, 125]);
    assert!(made.iter().all(|(_, cause)| *cause == Cause::Patience));
    let last = made.last().expect("some").0 - 60;
    let bounds = (IDLE_LIFETIME - PATIENCE_MAX).as_secs()..=IDLE_LIFETIME.as_secs();
    assert!(bounds.contains(&last), "the last attempt came {last} s after the loss");
    assert_eq!((client.status(), client.next_try_at()), (Status::ReconnectExhausted, None));
    // And a network still ends the pause, with a full budget.
    let now = lost_at + IDLE_LIFETIME + SECOND * 3602;
    assert_eq!(opened(&input(&mut client, now, Input::NetworkUp)).len(), 1);
    assert_eq!(client.status(), Status::Reconnecting(1));
}

#[test]
fn an_attempt_of_a_pause_that_fails_leads_back_to_it_and_is_no_new_budget() {
    let (mut client, _) = exhausted(config());
    let due = client.next_try_at().expect("patience lasts");
    while client.status() == Status::ReconnectExhausted {
        let due = client.poll_timeout().expect("it looks at the clock");
        timeout(&mut client, due);
    }
    assert_eq!(client.status(), Status::Reconnecting(ATTEMPTS_MAX + 1));
    let effects = news(&mut client, due, lost());
    assert!(matches!(effects.last(), Some(Effect::Status(Status::ReconnectExhausted, _))));
}

#[test]
fn without_patience_a_pause_lasts_until_somebody_ends_it() {
    let (mut client, now) = exhausted(waits_for_its_user());
    assert_eq!(fails_until(&mut client, now + SECOND * 100_000), []);
    input(&mut client, now + SECOND * 100_001, Input::Send(Bytes::from_static(b"i")));
    assert_eq!((client.status(), client.next_try_at()), (Status::ReconnectExhausted, None));
}

#[test]
fn what_the_user_sends_ends_a_pause_with_one_attempt() {
    let send = Input::Send(Bytes::from_static(b"i"));
    for activity in [send, Input::Signal(2), Input::Finish, Input::Activity] {
        let (mut client, now) = exhausted(config());
        assert_eq!(opened(&input(&mut client, now + SECOND, activity)).len(), 1);
        news(&mut client, now + SECOND, lost());
        assert_eq!(client.status(), Status::ReconnectExhausted, "one attempt, no budget");
    }
}

#[test]
fn what_the_user_sends_shortens_the_delays_of_a_budget_to_a_second() {
    let key = || Input::Send(Bytes::from_static(b"i"));
    let mut client = connected(at(0));
    news(&mut client, at(60_000), lost());
    news(&mut client, at(60_000), never_arrived());
    assert_eq!(client.next_try_at(), Some(at(62_000)));
    assert_eq!(input(&mut client, at(60_500), key()), [], "nothing new to tell");
    assert_eq!(client.next_try_at(), Some(at(61_000)));
    assert_eq!(opened(&timeout(&mut client, at(61_000))).len(), 1);
    news(&mut client, at(61_000), never_arrived());
    assert_eq!((client.status(), client.next_try_at()), (Status::ReconnectFailed(2), Some(at(67_000))));
    assert_eq!(opened(&input(&mut client, at(64_000), key())).len(), 1);
    news(&mut client, at(64_000), never_arrived());
    assert_eq!(client.status(), Status::ReconnectExhausted, "and MAX stays exact");
}

#[test]
fn attempts_that_never_came_to_the_host_cost_no_login() {
    let (mut client, now) = exhausted(config());
    let made = types_on(&mut client, now, never_arrived);
    assert!((29..=30).contains(&made), "one a second, as long as the user types: {made}");
}

#[test]
fn whoever_types_on_and_on_makes_no_more_attempts_than_the_allowance_gives() {
    let (mut client, now) = exhausted(config());
    let made = types_on(&mut client, now, lost);
    assert!((9..=15).contains(&made), "{made} attempts in 30 s");
}

#[test]
fn the_first_key_replaces_an_open_that_hangs_and_the_next_ones_do_not() {
    let (mut client, _) = exhausted(config());
    while client.status() == Status::ReconnectExhausted {
        let due = client.poll_timeout().expect("it looks at the clock");
        timeout(&mut client, due);
    }
    let began = client.next_try_at().unwrap_or(client.lost_at);
    let now = client.poll_timeout().expect("it hangs") - SECOND * 50;
    assert!(now > began);
    let key = || Input::Send(Bytes::from_static(b"i"));
    let effects = input(&mut client, now, key());
    assert!(matches!(effects[0], Effect::Close(5, None)), "{effects:?}");
    assert_eq!(opened(&effects).len(), 1);
    assert_eq!(input(&mut client, now + SECOND * 10, key()), [], "it has its time");
}

#[test]
fn within_an_outage_an_open_gets_more_and_more_time() {
    let mut client = connected(at(0));
    let mut now = at(60_000);
    news(&mut client, now, lost());
    let mut lasted = Vec::new();
    while lasted.len() < 5 {
        let before = now;
        now = client.poll_timeout().expect("it goes on");
        if let Status::Reconnecting(_) = client.status() {
            lasted.push(now.since(before).as_secs());
        }
        timeout(&mut client, now);
    }
    assert_eq!(lasted, [6, 12, 24, 60, 60]);
}

#[test]
fn after_the_shortest_budget_too_a_slow_host_gets_its_time() {
    let mut client = connecting(ClientConfig { attempts_max: 1, ..config() });
    attach(&mut client, at(0));
    news(&mut client, at(60_000), lost());
    timeout(&mut client, at(66_000));
    assert_eq!(client.status(), Status::ReconnectExhausted);
    timeout(&mut client, at(71_000));
    assert_eq!(client.poll_timeout(), Some(at(131_000)));
}

#[test]
fn a_proxy_that_runs_has_the_longest_time_to_attach() {
    let mut client = connected(at(0));
    news(&mut client, at(60_000), lost());
    news(&mut client, at(61_000), News::Started(Some(HOME)));
    assert_eq!(client.poll_timeout(), Some(at(120_000)));
}

#[test]
fn a_hint_replaces_an_attempt_that_has_not_opened() {
    for hint in [Input::NetworkUp, Input::Wake, Input::Retry] {
        let mut client = connected(at(0));
        news(&mut client, at(60_000), lost());
        let effects = input(&mut client, at(60_600), hint);
        assert!(matches!(effects[0], Effect::Close(2, None)), "{effects:?}");
        assert_eq!((opened(&effects).len(), client.status()), (1, Status::Reconnecting(1)));
    }
}

#[test]
fn a_hint_about_a_young_attempt_is_remembered() {
    let mut client = connected(at(0));
    news(&mut client, at(60_000), lost());
    assert_eq!(input(&mut client, at(60_100), Input::NetworkUp), []);
    assert_eq!(client.poll_timeout(), Some(at(60_500)));
    let effects = timeout(&mut client, at(60_500));
    assert_eq!((opened(&effects).len(), client.status()), (1, Status::Reconnecting(1)));
    // The next one has twice as long.
    input(&mut client, at(60_600), Input::NetworkUp);
    assert_eq!(client.poll_timeout(), Some(at(61_500)));
}

#[test]
fn a_login_that_is_slow_gets_through_though_the_network_never_stops_changing() {
    let mut client = connected(at(0));
    let mut opened_at = at(60_000);
    news(&mut client, opened_at, lost());
    for tick in 0..1200 {
        let now = at(60_000 + tick * 100);
        if now.since(opened_at) >= SECOND * 10 {
            return;
        }
        let mut effects = timeout(&mut client, now);
        effects.extend(input(&mut client, now, Input::NetworkUp));
        if !opened(&effects).is_empty() {
            opened_at = now;
        }
    }
    panic!("two minutes, and no attempt had ten seconds");
}

#[test]
fn a_hint_leaves_a_transport_that_has_opened_and_one_that_may_ask_for_a_password() {
    let mut greeted = connected(at(0));
    news(&mut greeted, at(60_000), lost());
    news(&mut greeted, at(60_001), News::Preamble);
    transmit(&mut greeted);
    assert_eq!(input(&mut greeted, at(61_000), Input::NetworkUp), []);
    let mut typing = connecting(ClientConfig { open_timeout: None, ..config() });
    attach(&mut typing, at(0));
    news(&mut typing, at(60_000), lost());
    assert_eq!(input(&mut typing, at(90_000), Input::NetworkUp), []);
    assert_eq!(input(&mut typing, at(90_000), Input::Send(Bytes::from_static(b"i"))), []);
    assert_eq!(typing.poll_timeout(), None);
}

#[test]
fn a_networks_change_is_probed_for_a_second_and_a_wake_up_for_two() {
    for (hint, due) in [(Input::NetworkUp, 21_000), (Input::Wake, 22_000), (Input::Retry, 22_000)] {
        let mut client = connected(at(18_000));
        input(&mut client, at(20_000), hint);
        assert!(matches!(transmit(&mut client)[..], [Frame::Ping(_)]));
        assert_eq!(client.poll_timeout(), Some(at(due)));
    }
}

#[test]
fn after_silence_it_goes_its_own_way_and_then_every_second_time() {
    let ways = |fell_silent: bool| {
        let mut client = connected(at(0));
        let mut ways = Vec::new();
        let mut now = at(1_000);
        if !fell_silent {
            ways.extend(opened(&news(&mut client, now, lost())));
        }
        while ways.len() < 6 {
            match client.status() {
                Status::Reconnecting(_) => ways.extend(opened(&news(&mut client, now, lost()))),
                _ => {
                    now = client.poll_timeout().expect("it goes on");
                    ways.extend(opened(&timeout(&mut client, now)));
                }
            }
        }
        ways.into_iter().map(|(_, way)| way).collect::<Vec<_>>()
    };
    use Way::{Own, Shared};
    assert_eq!(ways(false), [Shared, Own, Shared, Own, Shared, Own]);
    assert_eq!(ways(true), [Own, Shared, Own, Shared, Own, Shared]);
}

#[test]
fn a_first_attach_that_was_turned_away_is_made_again_as_it_was() {
    for (first, launch) in [
        (First::Start, Launch::Start),
        (First::Replace, Launch::Replace),
        (First::Takeover, Launch::Reattach),
    ] {
        let mut client = connecting(ClientConfig { first, ..config() });
        let mut now = at(0);
        for _ in 0..5 {
            let mut effects = news(&mut client, now, turned_away());
            if opened(&effects).is_empty() {
                assert_eq!(client.status(), Status::Connecting);
                now = client.poll_timeout().expect("it goes on");
                effects = timeout(&mut client, now);
            }
            assert_eq!(opened(&effects), [(launch, Way::Shared)]);
        }
        news(&mut client, now, turned_away());
        assert!(matches!(client.status(), Status::Refused(Refused::Unreachable(_))), "{}", client.status());
    }
}

#[test]
fn who_was_turned_away_and_then_let_in_has_a_full_budget() {
    let mut client = connecting(config());
    news(&mut client, at(0), turned_away());
    news(&mut client, at(0), turned_away());
    timeout(&mut client, at(2_000));
    news(&mut client, at(2_100), News::Started(Some(HOME)));
    news(&mut client, at(2_200), lost());
    assert_eq!(client.status(), Status::Reconnecting(1));
    // What was started by now is not started again, whatever ssh says.
    news(&mut client, at(2_300), turned_away());
    assert_eq!(client.status(), Status::ReconnectFailed(1));
}

#[test]
fn what_a_proxy_says_is_not_ssh_being_turned_away() {
    let mut client = connecting(config());
    news(&mut client, at(0), News::Started(Some(HOME)));
    news(&mut client, at(1), turned_away());
    assert_eq!(client.status(), Status::Reconnecting(1), "it may have started a server");
    let mut client = connecting(config());
    let News::Exited(exit) = turned_away() else { unreachable!("it is an exit") };
    news(&mut client, at(1), News::Exited(ProxyExit { status: ProgramExit::Code(1), ..exit }));
    assert!(matches!(client.status(), Status::Refused(Refused::Unreachable(_))));
}

#[test]
fn a_restart_takes_from_the_same_allowance() {
    let mut client = connecting(config());
    let mut now = at(0);
    let mut starts = 1;
    while now < at(30_000) {
        news(&mut client, now, exited(ProgramExit::Code(92)));
        let mut effects = input(&mut client, now, Input::Restart(SessionId(11)));
        if opened(&effects).is_empty() {
            assert_eq!(client.status(), Status::Connecting);
            now = client.poll_timeout().expect("it waits for its turn");
            effects = timeout(&mut client, now);
        }
        assert_eq!(opened(&effects), [(Launch::Start, Way::Shared)]);
        starts += 1;
    }
    assert_eq!(starts, 15, "five, and one every three seconds");
}

#[test]
fn a_hint_without_a_token_is_told_as_the_new_budget_that_it_gives() {
    let mut client = connected(at(0));
    let mut now = at(60_000);
    // Four logins that succeed and one that fails: the next has to wait.
    for _ in 0..4 {
        news(&mut client, now, lost());
        attach(&mut client, now);
    }
    news(&mut client, now, lost());
    news(&mut client, now, lost());
    assert_eq!(client.status(), Status::ReconnectFailed(1));
    now += SECOND;
    let effects = input(&mut client, now, Input::NetworkUp);
    assert_eq!(effects, [Effect::Status(Status::ReconnectFailed(0), Cause::NetworkUp)]);
}
