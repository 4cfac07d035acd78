//! `docs/tracing.md` lists what the code traces, no more and no less.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What stands between the parentheses, the first of which has been read.
fn arguments(code: &str) -> &str {
    let (mut depth, mut in_text) = (1, false);
    for (at, character) in code.char_indices() {
        match character {
            '"' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &code[..at];
        }
    }
    panic!("an event without an end: {code:.80}");
}

/// The name of a field as it is written: `%key`, `?pause`, `pending = ..`.
fn name(field: &str) -> &str {
    let name = field.split('=').next().unwrap_or(field);
    name.trim().trim_start_matches(['%', '?'])
}

/// The events of a file as rows of the table, without when.
fn events(code: &str) -> impl Iterator<Item = String> {
    LEVELS.into_iter().flat_map(move |level| {
        let call = format!("tracing::{}!(", level.to_lowercase());
        let calls: Vec<_> = code
            .match_indices(&call)
            .map(|(at, call)| at + call.len())
            .collect();
        calls.into_iter().map(move |begin| {
            let arguments = arguments(&code[begin..]);
            let (fields, message) = arguments
                .split_once('"')
                .expect("an event without a message");
            let message = message
                .trim_end()
                .trim_end_matches(',')
                .trim_end_matches('"');
            // A call within a field has commas of its own: `events.total()` has none.
            let fields: Vec<_> = fields
                .split(',')
                .map(name)
                .filter(|name| !name.is_empty())
                .collect();
            format!("| {level} | {message} | {} |", fields.join(", "))
        })
    })
}

#[test]
fn the_page_lists_what_is_traced() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let code: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let traced: BTreeSet<_> = code.iter().flat_map(|code| events(code)).collect();
    assert!(traced.len() > 20, "{traced:#?}");

    let page = fs::read_to_string(root.join("../docs/tracing.md")).unwrap();
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("hitbox_backend\n"));
    let listed: BTreeSet<_> = section
        .unwrap()
        .lines()
        .filter(|line| {
            LEVELS
                .iter()
                .any(|level| line.starts_with(&format!("| {level} |")))
        })
        .map(|line| line.split('|').take(4).collect::<Vec<_>>().join("|") + "|")
        .collect();
    let unlisted: Vec<_> = traced.difference(&listed).collect();
    let untraced: Vec<_> = listed.difference(&traced).collect();
    assert!(
        unlisted.is_empty(),
        "to be listed in docs/tracing.md: {unlisted:#?}"
    );
    assert!(
        untraced.is_empty(),
        "in docs/tracing.md, and not traced: {untraced:#?}"
    );
}
