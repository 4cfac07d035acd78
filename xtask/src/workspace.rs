//! The cargo workspace, and cargo in it.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::Failure;

/// The cargo workspace that the tasks are about.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    metadata: Value,
}

/// A crate with a library.
#[derive(Debug, PartialEq, Eq)]
pub struct Library {
    /// The name of the crate.
    pub name: String,
    /// Its `lib.rs`.
    pub root: PathBuf,
    /// The names of its features.
    pub features: Vec<String>,
}

impl Workspace {
    /// The workspace of this crate.
    ///
    /// # Errors
    ///
    /// What cargo says against it.
    pub fn load() -> Result<Self, Failure> {
        let root = root();
        let mut command = cargo_in(&root, &["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let metadata = serde_json::from_slice(&output.stdout)?;
        Ok(Self { root, metadata })
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `cargo` with these arguments, to be run at the root of the workspace.
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        cargo_in(&self.root, arguments)
    }

    /// Any other program, to be run at the root of the workspace.
    #[must_use]
    pub fn program(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Where cargo puts what it builds.
    #[must_use]
    pub fn target_directory(&self) -> PathBuf {
        match self.metadata["target_directory"].as_str() {
            Some(directory) => PathBuf::from(directory),
            None => self.root.join("target"),
        }
    }

    /// The names of a crate's programs of integration tests.
    #[must_use]
    pub fn tests_of(&self, name: &str) -> Vec<&str> {
        let mut packages = self.metadata["packages"].as_array().into_iter().flatten();
        let package = packages.find(|package| package["name"] == name);
        let targets = package.and_then(|package| package["targets"].as_array());
        let targets = targets.into_iter().flatten();
        let tests = targets.filter(|target| target["kind"] == json!(["test"]));
        tests.filter_map(|test| test["name"].as_str()).collect()
    }

    /// The crates of the workspace that have a library.
    #[must_use]
    pub fn libraries(&self) -> Vec<Library> {
        libraries(&self.metadata)
    }
}

/// `cargo` with these arguments, to be run in this directory.
#[must_use]
pub fn cargo_in(root: &Path, arguments: &[&str]) -> Command {
    // Set by the cargo that runs this program: the same toolchain for all steps.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root);
    for (name, _) in env::vars_os().filter(|(name, _)| describes_this_package(name)) {
        command.env_remove(name);
    }
    command
}

/// What cargo sets for a program that it runs. A build script may look at such a variable (ring's
/// does), and whatever depends on it would be built anew for each change between a cargo that is run
/// here and one that is not.
fn describes_this_package(variable: &OsStr) -> bool {
    let name = variable.as_encoded_bytes();
    name.starts_with(b"CARGO_PKG_") || name.starts_with(b"CARGO_MANIFEST_")
}

fn root() -> PathBuf {
    // At run time first: with a target directory that several checkouts share, the path that was
    // compiled in may be that of another checkout.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or(manifest.clone(), Path::to_path_buf)
}

fn libraries(metadata: &Value) -> Vec<Library> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let published = packages.filter(|package| is_published(package));
    published
        .filter_map(|package| {
            Some(Library {
                name: package["name"].as_str()?.to_owned(),
                root: library_root(package)?,
                features: package["features"].as_object()?.keys().cloned().collect(),
            })
        })
        .collect()
}

/// Whether others build it, with features that they choose.
fn is_published(package: &Value) -> bool {
    package["publish"] != json!([])
}

fn library_root(package: &Value) -> Option<PathBuf> {
    let mut targets = package["targets"].as_array()?.iter();
    let library = targets.find(|target| {
        let mut kinds = target["kind"].as_array().into_iter().flatten();
        kinds.any(|kind| kind == "lib" || kind == "proc-macro")
    })?;
    library["src_path"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_the_published_packages_with_a_library_target() {
        let metadata = json!({ "packages": [
            {
                "name": "cache",
                "features": { "default": ["json"], "json": [] },
                "targets": [{ "kind": ["test"] }, { "kind": ["lib"], "src_path": "/cache/src/lib.rs" }],
            },
            { "name": "tool", "features": {}, "targets": [{ "kind": ["bin"] }] },
            { "name": "ours", "publish": [], "features": {}, "targets": [{ "kind": ["lib"] }] },
        ]});
        let expected = Library {
            name: "cache".into(),
            root: "/cache/src/lib.rs".into(),
            features: vec!["default".into(), "json".into()],
        };
        assert_eq!(libraries(&metadata), [expected]);
    }
}
