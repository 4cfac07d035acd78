//! A process that may start few threads: a healthy database is opened or left alone, and nothing hangs.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures::executor::block_on;
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::SledBackend;

const DIRECTORY: &str = "HITBOX_SLED_THREADS_DIRECTORY";
const ROLE: &str = "HITBOX_SLED_THREADS_ROLE";
const ENTRIES: u64 = 100;

/// Not even a machine with much else to do needs so long to open a small directory.
const HUNG: Duration = Duration::from_secs(120);

/// A user with hardly any processes, whom the limit holds where it does not hold root.
const NOBODY: u32 = 65_534;

#[test]
fn child() {
    let (Ok(directory), Ok(role)) = (std::env::var(DIRECTORY), std::env::var(ROLE)) else {
        return;
    };
    let builder = SledBackend::builder().path(directory);
    match role.as_str() {
        "fill" => {
            let backend = builder.build().unwrap();
            for number in 0..ENTRIES {
                let key = CacheKey::from_pair("key", number.to_string());
                let value = CacheValue::loaded(Raw::from(vec![1; 100]), Stamp::now());
                block_on(backend.write(&key, value)).unwrap();
            }
            block_on(backend.close()).unwrap();
        }
        "count" => println!(
            "\nentries {}",
            builder.build().unwrap().statistics().entries
        ),
        left => {
            let threads = leave_threads(left.parse().unwrap());
            match builder.build() {
                Ok(backend) => println!("\nentries {}", backend.statistics().entries),
                Err(error) => {
                    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
                    println!("\nrefused: {error}");
                }
            }
            drop(threads);
        }
    }
}

/// Starts threads until the system gives no more, and ends so many of them.
fn leave_threads(left: usize) -> Vec<Sender<()>> {
    let mut threads: Vec<(Sender<()>, JoinHandle<()>)> = Vec::new();
    loop {
        let (sender, ended) = mpsc::channel();
        match thread::Builder::new().spawn(move || assert!(ended.recv().is_err())) {
            Ok(handle) => threads.push((sender, handle)),
            Err(_) => break,
        }
        assert!(threads.len() < 10_000, "no limit");
    }
    let before = running();
    for (sender, handle) in threads.split_off(threads.len() - left) {
        drop(sender);
        handle.join().unwrap();
    }
    // A thread that has been joined may count for a moment more.
    while running() > before - left {
        thread::yield_now();
    }
    threads.into_iter().map(|(sender, _)| sender).collect()
}

fn running() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// How many threads this user has.
fn threads_of(user: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let tasks = processes.filter_map(|process| {
        let owner = process.metadata().ok()?.uid();
        let tasks = fs::read_dir(process.path().join("task")).ok()?;
        (owner == user).then(|| tasks.count())
    });
    tasks.sum()
}

struct Scene {
    directory: tempfile::TempDir,
    program: PathBuf,
    user: u32,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let open_to_all = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), open_to_all).unwrap();
        let user = match directory.path().metadata().unwrap().uid() {
            0 => NOBODY,
            user => user,
        };
        // Others may not look into where this program is.
        let program = directory.path().join("program");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        Self {
            directory,
            program,
            user,
        }
    }

    fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    /// What a child of this program in that role says.
    fn child(&self, role: &str, limited: bool) -> String {
        let mut words: Vec<String> = Vec::new();
        if limited {
            let limit = threads_of(self.user) + 60;
            words.extend(["prlimit".to_owned(), format!("--nproc={limit}")]);
        }
        if self.user == NOBODY {
            let user = format!("--reuid={NOBODY}");
            words.extend(["setpriv", &user, "--clear-groups"].map(str::to_owned));
        }
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(["--exact", "child", "--nocapture"].map(str::to_owned));
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env(DIRECTORY, self.cache())
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if began.elapsed() > HUNG {
                child.kill().unwrap();
                panic!("{role}: hangs");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{role}: {said}{complained}");
        said
    }
}

fn set_aside(cache: &Path) -> usize {
    let entries = fs::read_dir(cache).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("corrupt")).count()
}

#[test]
fn a_healthy_database_is_left_alone() {
    let scene = Scene::new();
    scene.child("fill", false);
    let (mut opened, mut refused) = (0, 0);
    for left in 0..12 {
        let said = scene.child(&left.to_string(), true);
        println!("{left} threads left: {}", said.trim());
        opened += usize::from(said.contains(&format!("entries {ENTRIES}")));
        refused += usize::from(said.contains("refused"));
        assert_eq!(set_aside(&scene.cache()), 0);
    }
    assert_eq!(opened + refused, 12);
    assert!(opened > 0 && refused > 0);
    let said = scene.child("count", false);
    assert!(said.contains(&format!("entries {ENTRIES}")), "{said}");
}
