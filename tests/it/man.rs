//! Manual pages and completions name everything that may be typed.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use snapkeep::cli;

/// Runs snapkeep; returns what it printed.
fn snapkeep(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_snapkeep")).args(args).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns each command as the words that are typed, the program itself first.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    let mut program = cli::command();
    program.build();
    let name = program.get_name().to_owned();
    let mut res = vec![(vec![name], program)];
    let mut n = 0;
    while let Some((words, command)) = res.get(n).cloned() {
        for command in shown(&command) {
            let mut words = words.clone();
            words.push(command.get_name().to_owned());
            res.push((words, command.clone()));
        }
        n += 1;
    }
    assert!(10 < res.len());
    res
}

/// Returns the commands below one: not `help`, which repeats the others, and none that is hidden.
fn shown(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
}

/// Returns the long options of a command, the program's own included.
fn options(command: &clap::Command) -> Vec<String> {
    command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set())
        .filter_map(|arg| arg.get_long())
        .map(|o| format!("--{o}"))
        .collect()
}

/// Returns roff's text without its escapes of hyphens.
fn text(page: &str) -> String {
    page.replace("\\-", "-")
}

#[test]
fn every_command_has_a_page_that_names_its_options() {
    let dir = tempfile::tempdir().unwrap();
    let man = dir.path().join("share/man1");
    snapkeep(&["man", "--dir", man.to_str().unwrap()]);
    let commands = commands();
    for (words, command) in &commands {
        let page = text(&fs::read_to_string(man.join(words.join("-") + ".1")).unwrap());
        for option in options(command) {
            assert!(page.contains(&option), "{words:?} {option}");
        }
        for sub in shown(command) {
            assert!(page.contains(&format!("{}-{}(1)", words.join("-"), sub.get_name())));
        }
    }
    assert_eq!(fs::read_dir(&man).unwrap().count(), commands.len(), "no other pages");
}

#[test]
fn the_main_page_comes_alone_on_stdout() {
    let page = text(&snapkeep(&["man"]));
    assert!(page.contains(".TH snapkeep 1"), "{page}");
    for (words, _) in commands() {
        if let [program, command] = words.as_slice() {
            assert!(page.contains(&format!("{program}-{command}(1)")), "{command}");
        }
    }
    assert!(!page.contains("snapkeep-help(1)"), "{page}");
    for said in ["Exit codes:", "SNAPKEEP_CONFIG"] {
        assert!(page.contains(said), "{said}: {page}");
    }
}

#[test]
fn completions_of_every_shell_know_every_command_and_option() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = snapkeep(&["completions", shell]);
        for (words, command) in commands() {
            let name = words.last().unwrap();
            assert!(script.contains(name), "{shell}: {name}");
            for option in options(&command) {
                // fish writes `-l option`.
                let name = option.trim_start_matches('-');
                assert!(script.contains(name), "{shell}: {words:?} {option}");
            }
        }
    }
}

#[test]
fn bash_reads_its_completions() {
    let script = snapkeep(&["completions", "bash"]);
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn every_command_and_option_has_help() {
    for (words, command) in commands() {
        assert!(command.get_about().is_some(), "{words:?}");
        for arg in command.get_arguments() {
            assert!(arg.get_help().is_some(), "{words:?} {}", arg.get_id());
        }
    }
}
