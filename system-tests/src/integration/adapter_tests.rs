//! The tests that adapters have of their own: servers that are killed, paused, full, mistaken.
//!
//! They live with the adapters, as tests that cargo runs. Here each is a case: a process of its own
//! with servers of its own.

use xtask::{
    Failure,
    program::{self, Program},
    workspace::Workspace,
};

use super::{
    adapter::Adapter,
    case::{Case, CaseId},
    cases::NONE,
};

/// Whose adapters work with servers.
const WITH_SERVERS: [(Adapter, &str); 2] = [
    (Adapter::Redis, "hitbox-redis"),
    (Adapter::DynamoDb, "hitbox-dynamodb"),
];

/// Every test of those adapters that are wanted, in the order in which cargo would run them. Builds
/// them.
pub(super) fn cases(wanted: impl Fn(&str) -> bool) -> Result<Vec<Case>, Failure> {
    let workspace = Workspace::load()?;
    let mut cases = Vec::new();
    for (adapter, package) in WITH_SERVERS {
        if !wanted(adapter.as_str()) {
            continue;
        }
        // Of the workspace, as this program: what both depend on is built once.
        let mut arguments = vec!["--workspace"];
        let tests = workspace.tests_of(package);
        arguments.extend(tests.into_iter().flat_map(|test| ["--test", test]));
        let mut programs = program::with_tests(&workspace, &arguments)?;
        // Tests of other crates may have the same names.
        programs.retain(|program| program.is_test && program.package == package);
        for program in &programs {
            for test in program.tests()? {
                cases.push(case(adapter, program, &test));
            }
        }
    }
    Ok(cases)
}

fn case(adapter: Adapter, program: &Program, test: &str) -> Case {
    let command = program.command(&["--exact", test]);
    Case {
        id: CaseId {
            pair: adapter.as_str().into(),
            read: NONE,
            write: NONE,
            mode: NONE,
            scenario: test.replace("::", ": ").replace('_', " ").into(),
        },
        adapters: Vec::new(),
        run: Box::new(move |_| {
            Box::pin(async move {
                let mut command = tokio::process::Command::from(command);
                let output = command.kill_on_drop(true).output().await;
                let output = output.map_err(|error| error.to_string())?;
                if output.status.success() {
                    return Ok(());
                }
                let (said, warned) = (
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                );
                Err(format!("{}{}", said.trim(), warned.trim()))
            })
        }),
    }
}
