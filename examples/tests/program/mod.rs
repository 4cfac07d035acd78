//! Where the examples are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// An example, as `cargo test` has built it beside this test. Asked for one test alone, cargo builds
/// no examples: one that is missing or out of date fails the test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let examples = test.ancestors().nth(2).unwrap().join("examples");
    let example = examples
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION);
    let built = modified(&example);
    // What cargo writes beside it: the program, a colon, and every source file of it.
    let sources = fs::read_to_string(examples.join(name).with_extension("d")).unwrap_or_default();
    let newer = |source: &&str| modified(Path::new(source)) > built;
    let newer = sources.split_whitespace().skip(1).find(newer);
    assert!(
        built.is_some() && newer.is_none(),
        "{} is not there or older than {newer:?}: run `cargo test -p {package}`",
        example.display(),
        package = env!("CARGO_PKG_NAME")
    );
    example
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|file| file.modified()).ok()
}
