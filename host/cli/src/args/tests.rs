use std::time::Duration;

use clap::FromArgMatches;

use super::pull::Wait;
use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    let words = std::iter::once("mongoqueue").chain(line.split_whitespace());
    Cli::from_arg_matches(&command().try_get_matches_from(words)?)
}

fn refused(line: &str) -> String {
    parse(line).map_or_else(|e| e.to_string(), |cli| panic!("accepted {line}: {cli:?}"))
}

#[test]
fn the_declarations_are_consistent() {
    command().debug_assert();
}

#[test]
fn every_command_and_option_is_documented() {
    fn check(command: &clap::Command) {
        assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
        for argument in command.get_arguments().filter(|a| a.get_id() != "help") {
            let help = argument.get_help().map(ToString::to_string);
            assert!(help.is_some(), "{} {}: no help", command.get_name(), argument.get_id());
        }
        command.get_subcommands().filter(|c| c.get_name() != "help").for_each(check);
    }
    check(&command());
}

#[test]
fn help_of_every_command_prints_the_exit_codes() {
    for part in command().get_subcommands_mut() {
        assert!(part.render_help().to_string().contains("4  a component was refused"));
    }
}

#[test]
fn wait_takes_a_duration_or_none() {
    for (line, wanted) in [
        ("next q", None),
        ("next q --wait", Some(Wait::Forever)),
        ("next q --wait --lease 5s", Some(Wait::Forever)),
        ("next q --wait 2s", Some(Wait::AtMost(Duration::from_secs(2)))),
        ("next --wait=2s q", Some(Wait::AtMost(Duration::from_secs(2)))),
    ] {
        match parse(line).map(|cli| cli.command) {
            Ok(Command::Next(args)) => assert_eq!(args.wait, wanted, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    assert!(refused("next --wait q").contains("after the queue"));
}

#[test]
fn numbers_may_be_negative_and_a_dash_is_standard_input() {
    match parse("put q -5 --priority -3").map(|cli| cli.command) {
        Ok(Command::Put(args)) => {
            assert_eq!((args.payload.as_str(), args.options.priority), ("-5", -3));
        }
        other => panic!("{other:?}"),
    }
    assert!(parse("put q - --lines").is_ok());
}

#[test]
fn misuse_is_refused() {
    assert!(refused("put q {} --delay 5").contains("a number needs its unit"));
    assert!(refused("put q - --lines --id a").contains("cannot be used with"));
    assert!(refused("retry").contains("required"));
    assert!(refused("retry a --queue q").contains("cannot be used with"));
    assert!(refused("fail a --token t").contains("no UUID"));
    assert!(refused("work").contains("required"));
    assert!(refused("work q").contains("QUEUE=COMPONENT.wasm"));
    assert!(refused("list q --state scheduled").contains("none of ready"));
    assert!(refused("list q --limit 0").contains("0 is not in"));
}

#[test]
fn options_become_the_librarys() {
    let line = "put q {} --delay 5s --due 1m --header a=b --header c=d --backoff 1s --retain 1h";
    let Ok(Command::Put(args)) = parse(line).map(|cli| cli.command) else { panic!("{line}") };
    let options = args.options.to_put_options();
    assert_eq!(options.delay, Duration::from_secs(60));
    assert_eq!(options.due, None);
    assert_eq!(options.headers.len(), 2);
    assert_eq!(options.retain, Some(Duration::from_secs(3_600)));
    assert_eq!(options.backoff.map(|b| b.max), Some(Duration::from_secs(3_600)));
}
