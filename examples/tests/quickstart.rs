//! Runs the quickstart example over a small tree, again and again.

#![allow(clippy::unwrap_used, reason = "a step that fails is to fail the test")]

mod program;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use program::program;
use tempfile::TempDir;

struct Tree {
    directory: TempDir,
}

const FILES: u64 = 30;

impl Tree {
    /// Thirty files to report on, and whatever should be left out.
    fn new() -> Self {
        let tree = Self {
            directory: TempDir::new().unwrap(),
        };
        for number in 0..FILES {
            tree.write(
                &format!("source/{}/{number}.txt", number % 4),
                &format!("line\nword {number}\n"),
            );
        }
        tree.write("source/.git/info/exclude", "*.log");
        tree.write("source/0/left-out.log", "left out");
        tree.write("source/target/debug/binary", "left out");
        tree.write("source/target/CACHEDIR.TAG", "left out");
        let root = tree.root();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&root, root.join("circle")).unwrap();
        let huge = File::create(root.join("skipped")).unwrap();
        huge.set_len((64 << 20) + 1).unwrap();
        tree
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs the example with its cache inside the tree, where it must be left out.
    fn run(&self, options: &[&str]) -> Outcome {
        Outcome::of(
            Command::new(program("quickstart"))
                .args(options)
                .arg("--cache-dir")
                .arg(self.root().join("cache"))
                .arg(self.root()),
        )
    }
}

/// Per pass: from moka, from sled, computed.
type Sources = (u64, u64, u64);

struct Outcome {
    passes: [Sources; 2],
    summary: String,
}

impl Outcome {
    fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        let stdout = String::from_utf8(output.stdout).unwrap();
        let mut lines = stdout.lines().skip(1);
        let mut pass = || {
            let row = lines.next().unwrap();
            let cells: Vec<_> = row.split_whitespace().map(str::parse::<u64>).collect();
            let cell = |index: usize| cells[index].clone().unwrap();
            assert_eq!((cell(1), cell(5)), (FILES, 1), "{stdout}");
            (cell(2), cell(3), cell(4))
        };
        Self {
            passes: [pass(), pass()],
            summary: lines.skip(1).collect::<Vec<_>>().join("\n"),
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Changes the content, but not the length.
fn change(path: &Path) {
    let before = fs::read_to_string(path).unwrap();
    let later = SystemTime::now() + Duration::from_secs(60);
    fs::write(path, before.replace("word", "wort")).unwrap();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(later)
        .unwrap();
}

#[test]
fn what_has_not_changed_is_computed_once() {
    let tree = Tree::new();
    let first = tree.run(&[]);
    assert_eq!(first.passes, [(0, 0, 30), (30, 0, 0)]);
    assert_eq!(
        first.summary,
        "60 lines, 60 words, 30 different contents\nfrequent in most files: line word"
    );

    let second = tree.run(&[]);
    assert_eq!(second.passes, [(0, 30, 0), (30, 0, 0)]);
    assert_eq!(second.summary, first.summary);

    change(&tree.root().join("1/5.txt"));
    let changed = tree.run(&[]);
    assert_eq!(changed.passes, [(0, 29, 1), (30, 0, 0)]);
    assert_ne!(changed.summary, first.summary);
    assert_eq!(tree.run(&[]).passes[0], (0, 30, 0));

    let bypassed = tree.run(&["--no-cache"]);
    assert_eq!(bypassed.passes, [(0, 0, 30), (0, 0, 30)]);
    assert_eq!(bypassed.summary, changed.summary);
    assert_eq!(tree.run(&[]).passes[0], (0, 30, 0));
    assert_eq!(tree.run(&["--clear"]).passes[0], (0, 0, 30));
    assert_eq!(tree.run(&[]).passes[0], (0, 30, 0));
}

#[test]
fn what_cannot_work_is_refused_with_a_reason() {
    let directory = TempDir::new().unwrap();
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).unwrap();
    let (outer, inner) = (directory.path().to_str().unwrap(), inside.to_str().unwrap());
    let cases: [(&[&str], &str); 5] = [
        (&["--no-such-option"], "--no-such-option"),
        (&["--clear", "--no-cache"], "exclude each other"),
        (&["no/such/directory"], "no/such/directory"),
        (&[inner, inner], "unexpected"),
        (&["--cache-dir", outer, inner], "must not hold"),
    ];
    for (options, reason) in cases {
        let output = Command::new(program("quickstart"))
            .args(options)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        let error = text(&output);
        assert!(error.contains(reason), "{options:?}: {error}");
    }
    let help = Command::new(program("quickstart"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--cache-dir"));
}
