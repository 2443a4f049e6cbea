//! Go's way of writing flags, translated for clap: one dash or two, `-flag=value`, `-flag=false` for booleans.
//!
//! Only flags that exist get a second dash, so that clap's error for any other names what was typed.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::Command;

/// The command line with every flag that the command knows in clap's notation. The first argument, the program's name,
/// stays.
pub(super) fn with_two_dashes(mut command: Command, line: &[OsString]) -> Vec<OsString> {
    command.build();
    let mut known = BTreeMap::new();
    collect(&command, &mut known);

    let mut arguments = line.iter().cloned();
    let mut translated: Vec<OsString> = arguments.next().into_iter().collect();
    while let Some(argument) = arguments.next() {
        if argument == "--" {
            translated.push(argument);
            break;
        }
        let Some((name, value)) = argument.to_str().and_then(split) else {
            translated.push(argument);
            continue;
        };
        let Some(takes_value) = known.get(name).copied() else {
            translated.push(argument);
            continue;
        };
        let flag = format!("--{name}");
        match (takes_value, value.map(go_bool)) {
            (false, Some(Some(true))) => translated.push(flag.into()),
            // The last one counts: off takes back every earlier on.
            (false, Some(Some(false))) => translated.retain(|earlier| *earlier != *flag),
            // No boolean: clap complains about the value.
            (false, Some(None)) | (true, Some(_)) => {
                translated.push(format!("{flag}={}", value.unwrap_or_default()).into());
            }
            (false, None) => translated.push(flag.into()),
            (true, None) => {
                translated.push(flag.into());
                // What follows is the value, whatever it looks like.
                translated.extend(arguments.next());
            }
        }
    }
    translated.extend(arguments);
    translated
}

/// Notes the long flags of a command and its sub-commands, and whether they take a value.
fn collect(command: &Command, known: &mut BTreeMap<String, bool>) {
    for argument in command.get_arguments() {
        if let Some(name) = argument.get_long() {
            known.insert(name.to_owned(), argument.get_action().takes_values());
        }
    }
    command.get_subcommands().for_each(|inner| collect(inner, known));
}

/// Name and value of something that looks like a flag.
fn split(argument: &str) -> Option<(&str, Option<&str>)> {
    let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))?;
    match flag.split_once('=') {
        Some((name, value)) => Some((name, Some(value))),
        None => Some((flag, None)),
    }
}

/// The words that Go's `strconv.ParseBool` takes.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Arguments;

    fn translated(line: &str) -> String {
        let line: Vec<OsString> = ["treering"].into_iter().chain(line.split_whitespace()).map(Into::into).collect();
        let words = with_two_dashes(Arguments::command(), &line);
        let words: Vec<String> = words.into_iter().map(|word| word.into_string().unwrap()).collect();
        words[1..].join(" ")
    }

    /// `bench` once had a flag `--json` with a value beside the one of `inspect` that has none: then `inspect -json`
    /// took the word behind it for the value.
    #[test]
    fn a_flag_means_the_same_everywhere() {
        fn check(command: &Command, seen: &mut BTreeMap<String, bool>) {
            for argument in command.get_arguments() {
                let Some(name) = argument.get_long() else { continue };
                let takes_value = argument.get_action().takes_values();
                let before = seen.insert(name.to_owned(), takes_value);
                assert!(before.is_none_or(|before| before == takes_value), "--{name} of {}", command.get_name());
            }
            command.get_subcommands().for_each(|inner| check(inner, seen));
        }
        let mut command = Arguments::command();
        command.build();
        check(&command, &mut BTreeMap::new());
    }

    #[test]
    fn only_known_flags_change() {
        assert_eq!(translated("-config a -dev -x -1 -"), "--config a --dev -x -1 -");
        assert_eq!(translated("-config=-dev --config -dev"), "--config=-dev --config -dev");
        assert_eq!(translated("-dev -logdate -dev=false -dev=no"), "--logdate --dev=no");
        assert_eq!(translated("inspect -json -- -dev"), "inspect --json -- -dev");
        assert_eq!(translated("-config"), "--config");
        assert_eq!(translated("-help"), "--help");
    }
}
