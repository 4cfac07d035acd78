//! `cargo xtask cache-lines`.

use std::{
    collections::BTreeSet,
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lexopt::{Arg, Parser, ValueExt};
use xtask::{Failure, Verdict, workspace::Workspace};

use crate::tokens::{Token, Word, tokens};

const HELP: &str = "\
Counts the lines that a service writes for its cache.

Usage: cargo xtask cache-lines [OPTIONS] [FILE...]

Counted are lines with code, as rustfmt lays it out by default: no blank lines and no comments. What a
service has with and without a cache (its handlers, the source of its data, its server) stands behind a
comment that says so: `// Not counted: a handler.` That is for the item or statement that follows, and each is
listed.

Without a FILE, it is the example `users`, which is to have at most 40.

Options:
      --most N  Fail if it is more
  -h, --help    Print this
";

/// What a comment begins with that takes the item or statement behind it out of the count.
const MARK: &str = "// Not counted:";

/// The service that is written for this count.
const EXAMPLE: &str = "examples/servers/examples/users.rs";

/// And what it may have.
const MOST: usize = 40;

#[derive(Debug)]
struct Options {
    files: Vec<PathBuf>,
    most: Option<usize>,
}

/// What is counted of a file, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    counted: usize,
    left_out: Vec<LeftOut>,
}

/// An item or a statement that is not counted.
#[derive(Debug, PartialEq, Eq)]
struct LeftOut {
    why: String,
    lines: usize,
}

pub(crate) fn run(arguments: Parser) -> Result<Verdict, Failure> {
    let Some(mut options) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(Verdict::Passed);
    };
    if options.files.is_empty() {
        options.files.push(Workspace::load()?.root().join(EXAMPLE));
        options.most.get_or_insert(MOST);
    }
    let mut total = 0;
    for file in &options.files {
        let text = fs::read_to_string(file).map_err(|error| at(file, &error))?;
        let text = formatted(&text).map_err(|error| at(file, &error))?;
        let Count { counted, left_out } = count(&text);
        println!("{}: {counted} lines", file.display());
        for LeftOut { why, lines } in left_out {
            println!("  not counted, {lines} lines: {why}");
        }
        total += counted;
    }
    println!("{total} lines of cache code");
    Ok(match options.most {
        Some(most) if total > most => {
            println!("more than {most}");
            Verdict::Failed
        }
        Some(_) | None => Verdict::Passed,
    })
}

fn parse(mut arguments: Parser) -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options {
        files: Vec::new(),
        most: None,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("most") => options.most = Some(arguments.value()?.parse()?),
            Arg::Value(file) => options.files.push(file.into()),
            Arg::Short(_) | Arg::Long(_) => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

fn at(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    format!("{}: {error}", file.display()).into()
}

/// The text as rustfmt lays it out by default, whatever the configuration where it is from.
fn formatted(text: &str) -> Result<String, Failure> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout", "--quiet"])
        // It looks for a configuration from here upwards.
        .current_dir(env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = rustfmt.stdin.take().ok_or("rustfmt takes no input")?;
    // It has read all of it before it writes.
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = rustfmt.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("rustfmt: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn count(text: &str) -> Count {
    let tokens = tokens(text);
    let mut counted = lines_of(&tokens);
    let mut left_out = Vec::new();
    // An inner mark is within what an outer one has taken out.
    let mut done = 0;
    for (index, line) in text.lines().enumerate() {
        let Some((why, line)) = why(line).zip(Some(index + 1)) else {
            continue;
        };
        if line <= done {
            continue;
        }
        let behind = tokens.iter().position(|token| token.line > line);
        let item = item(&tokens[behind.unwrap_or(tokens.len())..]);
        let lines = lines_of(item);
        counted.retain(|line| !lines.contains(line));
        done = lines.last().copied().unwrap_or(line);
        left_out.push(LeftOut {
            why,
            lines: lines.len(),
        });
    }
    Count {
        counted: counted.len(),
        left_out,
    }
}

/// Of a comment that takes something out of the count, why.
fn why(line: &str) -> Option<String> {
    let why = line.trim_start().strip_prefix(MARK)?;
    Some(why.trim().trim_end_matches('.').to_owned())
}

fn lines_of(tokens: &[Token]) -> BTreeSet<usize> {
    let of = |token: &Token| token.line..=token.last_line;
    tokens.iter().flat_map(of).collect()
}

/// The item or statement that begins here, with its attributes: up to its semicolon, or the end of its block.
fn item(tokens: &[Token]) -> &[Token] {
    let mut open = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let Word::Sign(sign) = token.word else {
            continue;
        };
        match sign {
            '(' | '[' | '{' => open += 1,
            ')' | ']' => open = open.saturating_sub(1),
            // The semicolon of `use a::{b, c};` stands on the same line.
            '}' if open <= 1 && !goes_on(&tokens[index + 1..]) => return &tokens[..=index],
            '}' => open = open.saturating_sub(1),
            ';' if open == 0 => return &tokens[..=index],
            _ => {}
        }
    }
    tokens
}

/// Whether a block that has ended is one of several.
fn goes_on(behind: &[Token]) -> bool {
    let next = behind.first().map(|token| &token.word);
    next.is_some_and(|word| matches!(word, Word::Name(name) if name == "else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(why: &str, lines: usize) -> LeftOut {
        LeftOut {
            why: why.to_owned(),
            lines,
        }
    }

    #[test]
    fn lines_with_code_are_counted() {
        let text = "\
//! What it is.

use a::B; // a comment behind code

/* over
lines */
/// What it does.
fn f() -> &'static str {
    \"a text of
    two lines // no comment\"
}
";
        let expected = Count {
            counted: 5,
            left_out: Vec::new(),
        };
        assert_eq!(count(text), expected);
    }

    #[test]
    fn what_is_marked_is_not_counted_and_listed() {
        let text = "\
const SPACE: u8 = 1;
// Not counted: a handler.
/// What it does.
#[must_use]
async fn handler(State(cache): State<Cache>) -> String {
    if true {
        { 1 }
    }
    // Not counted: within.
    f();
}
fn main() {
    cache();
    // Not counted: the server
    serve(Router::new(), || {
        1
    });
    // Not counted: an argument
    if a {
        b();
    } else if c {
        d();
    } else {
        e();
    }
    close();
}
// Not counted: its types.
use a::{
    b,
    c,
};
struct S;
// Not counted: nothing.
";
        let expected = Count {
            counted: 6,
            left_out: vec![
                left_out("a handler", 7),
                left_out("the server", 3),
                left_out("an argument", 7),
                left_out("its types", 4),
                left_out("nothing", 0),
            ],
        };
        assert_eq!(count(text), expected);
    }

    #[test]
    fn the_layout_is_that_of_rustfmt() {
        let text = "fn f() { let a = 1; g(a) }\n\n\nfn\ng(_: u8)\n{}\n";
        assert_eq!(count(text).counted, 4);
        let formatted = formatted(text).unwrap();
        assert_eq!(count(&formatted).counted, 5);
        assert!(super::formatted("fn f( {").is_err());
    }

    #[test]
    fn the_example_has_no_more_than_it_may() {
        let file = Workspace::load().unwrap().root().join(EXAMPLE);
        let text = formatted(&fs::read_to_string(file).unwrap()).unwrap();
        let Count { counted, left_out } = count(&text);
        assert!(counted <= MOST, "{counted} lines");
        assert!(left_out.iter().all(|left_out| left_out.lines > 0));
    }

    #[test]
    fn files_are_named_or_it_is_the_example() {
        let parsed = |words: &[&str]| {
            let words = std::iter::once("cache-lines").chain(words.iter().copied());
            parse(Parser::from_iter(words))
        };
        let options = parsed(&["a.rs", "--most", "40", "b.rs"]).unwrap().unwrap();
        assert_eq!((options.files.len(), options.most), (2, Some(40)));
        let options = parsed(&[]).unwrap().unwrap();
        assert_eq!((options.files.len(), options.most), (0, None));
        assert!(parsed(&["--help"]).unwrap().is_none());
    }
}
