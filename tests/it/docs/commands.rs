//! Every `samegate` command in the code blocks of the documents is one that the command line has.

use clap::Parser;
use clap::error::ErrorKind;
use samegate::cli::Cli;

use super::read;

/// What comes between two commands of a line.
const SEPARATORS: [&str; 8] = [
    "|",
    "&&",
    ";",
    "$(",
    "do ",
    "then ",
    "alias samegate=target/release/samegate",
    "docker exec samegate ",
];
/// How the documents call the binary.
const NAMES: [&str; 3] = ["samegate", "target/release/samegate", "/usr/bin/samegate"];

#[test]
fn every_command_of_the_documents_is_one_of_the_command_line() {
    let mut commands = 0;
    let pages = glob::glob(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/*.md")).unwrap();
    let pages = pages.map(|page| format!("docs/{}", page.unwrap().file_name().unwrap().display()));
    for page in pages.chain(["README.md".to_owned()]) {
        let text = read(&page);
        for line in code_lines(&text) {
            for command in commands_of(&line) {
                check(&page, &command, false);
                commands += 1;
            }
        }
        for span in code_spans(&text) {
            check(&page, &words(&span), true);
            commands += 1;
        }
    }
    assert!(commands > 50, "{commands}");
}

/// Parses a command; `is_mention`: one in a sentence may lack arguments.
fn check(page: &str, command: &[String], is_mention: bool) {
    if let Err(error) = Cli::try_parse_from(command) {
        let is_help = matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        );
        let is_incomplete = matches!(
            error.kind(),
            ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        );
        let is_accepted = is_help || (is_mention && is_incomplete);
        assert!(is_accepted, "{page}: {command:?}\n{error}");
    }
}

/// Returns the whole commands in the sentences of a text.
fn code_spans(text: &str) -> Vec<String> {
    let sentences: String = text.split("```").step_by(2).collect();
    let spans = sentences.split('`').skip(1).step_by(2);
    let spans = spans.map(|span| span.replace('\n', " "));
    spans
        .filter(|span| span.starts_with("samegate ") && !span.contains('…'))
        .collect()
}

/// Returns the lines of all code blocks of shells, without prompts; continued lines are joined.
fn code_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut is_code = false;
    let mut continued = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = matches!(line, "```sh" | "```console") || (line.len() > 3 && is_code);
            continue;
        }
        let line = line.trim_start_matches("$ ").trim_start_matches("> ");
        if !is_code {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => continued += part,
            None => lines.push(std::mem::take(&mut continued) + line),
        }
    }
    lines
}

/// Returns the words of each command of a line that calls the binary.
fn commands_of(line: &str) -> Vec<Vec<String>> {
    let mut line = line.to_owned();
    for separator in SEPARATORS {
        line = line.replace(separator, "\n");
    }
    line.lines()
        .map(words)
        .filter(|words| {
            words
                .first()
                .is_some_and(|name| NAMES.contains(&name.as_str()))
        })
        .collect()
}

/// Splits a command into words, up to a comment or the redirection of its output.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut quote = None;
    let mut word = None::<String>;
    for letter in command.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#' | '>' | ')') => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}
